"""Frozen forecasts as an .npz file: USD that venues are expected to report in each price bin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.backtest.run import DISTANCES, FrozenStep
from liqheat_estimator.core.bins import Floats

BIN_WIDTH = 0.0002
#: What is liquidated however little price moves belongs to no price. Part of it stands in the first whole bin beside
#: the anchor and the rest in the anchor's own, so that a reader who counts the bins that price touched and one who
#: counts the part of a bin that it covered find about the same.
OWN_BIN_SHARE = 0.6


#: Bins reach this far from the first anchor, in log price, and go on in such pieces where price comes near the end. So
#: a longer history of the same market has the same bins, as long as price stays within e^±0.6 of where it began.
RANGE = 0.9
PIECE = 0.3


def price_edges(steps: list[FrozenStep]) -> Floats:
    """Edges of the price bins, shape (bins + 1,): 0.02 % each, at least 30 % beyond every anchor."""
    anchors = np.log([step.anchor_price for step in steps])
    low = high = float(anchors[0])
    low, high = low - RANGE, high + RANGE
    while anchors.min() - DISTANCES[-1] < low:
        low -= PIECE
    while anchors.max() + DISTANCES[-1] > high:
        high += PIECE
    first, last = int(np.floor(low / BIN_WIDTH)), int(np.ceil(high / BIN_WIDTH))
    edges: Floats = np.exp(np.arange(first, last + 1) * BIN_WIDTH)
    return edges


def densities(steps: list[FrozenStep], edges: Floats) -> NDArray[np.float32]:
    """Expected USD by side, step and bin: shape (2, steps, bins)."""
    result = np.zeros((2, len(steps), len(edges) - 1), dtype=np.float32)
    places = np.log(edges)
    for row, step in enumerate(steps):
        anchor = np.log(step.anchor_price)
        own = int(np.clip(np.searchsorted(places, anchor, side="right") - 1, 1, len(edges) - 3))
        for side, sign in ((0, -1.0), (1, 1.0)):
            reach = np.clip(sign * (places - anchor), 0.0, DISTANCES[-1])
            cumulative = np.interp(reach, DISTANCES, step.expected_usd[side])
            everywhere = step.expected_usd[side][0]
            result[side, row] = np.abs(np.diff(cumulative))
            result[side, row, own] += OWN_BIN_SHARE * everywhere
            result[side, row, own + int(sign)] += (1.0 - OWN_BIN_SHARE) * everywhere
    return result


def write_forecasts(path: Path, steps: list[FrozenStep]) -> None:
    """Write ``time_ms`` (T,), ``price_edges`` (B + 1,), ``long_usd`` and ``short_usd`` (T, B).

    Raises
    ------
    ValueError
        No forecast could be made.
    """
    if not steps:
        raise ValueError("no step had both a price and open interest: there is nothing to forecast")
    edges = price_edges(steps)
    long_usd, short_usd = densities(steps, edges)
    times = np.array([step.time_ms for step in steps], dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.savez_compressed(file, time_ms=times, price_edges=edges, long_usd=long_usd, short_usd=short_usd)
