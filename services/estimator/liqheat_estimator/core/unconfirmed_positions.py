"""What becomes of a measured position that nobody looks at any more: an estimate, where it was last seen.

Ingest tells each position it watches again every few minutes. One that it tells no more may stand, or may be closed:
its account fell out of the watch, or ingest began anew. It is no measurement any longer, so it joins the estimate and
fades as estimated positions do. Dropped instead, the open interest would be explained by positions opened now, which
would stand where nobody has any.
"""

from __future__ import annotations

import math

import numpy as np

from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.measured_positions import MeasuredPosition
from liqheat_estimator.core.parameters import LONG, WINDOW_BINS, EstimatorParameters


def release_unconfirmed(market: MarketState, time_ms: int, parameters: EstimatorParameters) -> None:
    """Turn the positions that were not confirmed for ``measured_stale_after_ms`` into estimates.

    Without a map there is nothing to join: they are closed.

    Parameters
    ----------
    time_ms : int
        Receive time of the event at hand.
    """
    released = market.measured.release(time_ms - parameters.measured_stale_after_ms)
    if not released:
        return
    for position in released:
        if market.map is None:
            market.ledger.closed_base[position.side] += position.quantity_base
        else:
            _join(market, position, parameters)
    # They may stand in a bin that the mark has been in since positions were last added.
    market.start_sweep()
    market.map_changed()


def _join(market: MarketState, position: MeasuredPosition, parameters: EstimatorParameters) -> None:
    """Add a position to the class that is liquidated at about its distance; one out of reach to the farthest."""
    assert market.map is not None
    side, quantity_base, place, _ = position
    if place is None:
        layer, place_bin = 0, market.mark_bin + (-WINDOW_BINS if side == LONG else WINDOW_BINS)
    else:
        shifts = np.abs(market.layer_shifts(parameters)[side])
        layer = int(np.abs(np.log(shifts / max(abs(place - market.mark_at), 1.0))).argmin())
        place_bin = math.floor(place)
    market.map.put(side, layer, place_bin, quantity_base)
