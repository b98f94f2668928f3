"""What part of a map venues are expected to report if price gets there now."""

from __future__ import annotations

from typing import Final

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Distance from the mark within which the share is taken: beyond it hours teach next to nothing.
WITHIN: Final = 0.05
#: Bins beside the mark that a forecast over a day needs.
FORECAST_CELLS: Final = 400


def snapshot(market: MarketState, time_ms: int, cells: int = FORECAST_CELLS) -> FrozenMap:
    """The market's map and features at a moment."""
    return market.learning.snapshot(time_ms, market.situation(), cells)


def expected_usd(market: MarketState, frozen: FrozenMap, distances: Floats) -> Floats:
    """USD that the venue is expected to report up to each distance, by side: shape (2, distances)."""
    reported = market.learning.filter
    assert reported is not None
    return np.stack([reported.cumulative_usd(frozen, side, distances) for side in (LONG, SHORT)])


def can_forecast(market: MarketState) -> bool:
    """Whether the market is live, has a map, and reports liquidations."""
    return market.phase() == "live" and market.is_seeded and market.learning.filter is not None


def reported_share(markets: list[MarketState], time_ms: int) -> float | None:
    """Expected reports over the map's mass, both sides, within ``WITHIN`` of each mark; None: no venue reports."""
    expected = mass = 0.0
    reach = np.array([WITHIN])
    for market in markets:
        if market.map is None or not market.is_seeded:
            continue
        first_bin, usd = market.map_usd()
        mark = market.mark_bin - first_bin
        cells = round(WITHIN / BIN_WIDTH)
        mass += float(usd[LONG, max(mark - cells, 0) : mark + 1].sum() + usd[SHORT, mark : mark + cells + 1].sum())
        if can_forecast(market):
            expected += float(expected_usd(market, snapshot(market, time_ms, cells + 2), reach).sum())
    if expected == 0.0 or mass <= 0.0:
        return None
    return min(expected / mass, 1.0)
