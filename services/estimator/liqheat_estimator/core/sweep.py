"""The mark moves: what it crosses is liquidated."""

from __future__ import annotations

from liqheat_estimator.core.bins import bin_of
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.position_map import PositionMap

#: Distance from the window's centre at which the window follows the mark.
SCROLL_AFTER_BINS = 128


def move_mark(market: MarketState, price: float, parameters: EstimatorParameters) -> None:
    """Move the mark and consume what it crossed: longs as it falls, shorts as it rises.

    Bins are swept whole: the bin that the mark is in counts as crossed on both sides, half a bin too much on average.

    Parameters
    ----------
    price : float
        The new mark, in quote currency.
    """
    bin_index = bin_of(price)
    market.mark_price = price
    if market.map is None:
        market.map = PositionMap(len(parameters.leverages), bin_index)
        market.mark_bin = market.swept_low_bin = market.swept_high_bin = bin_index
        market.map_changed()
        return
    if bin_index < market.swept_low_bin:
        _consume(market, LONG, bin_index, market.swept_low_bin - 1)
        market.swept_low_bin = bin_index
    if bin_index > market.swept_high_bin:
        _consume(market, SHORT, market.swept_high_bin + 1, bin_index)
        market.swept_high_bin = bin_index
    market.mark_bin = bin_index
    if abs(bin_index - market.map.first_bin - WINDOW_BINS // 2) > SCROLL_AFTER_BINS:
        market.map.scroll(bin_index)
        market.map_changed()


def _consume(market: MarketState, side: int, low_bin: int, high_bin: int) -> None:
    assert market.map is not None
    estimated_base, estimated_usd = market.map.consume(side, low_bin, high_bin)
    measured_base, measured_usd = market.measured.consume(side, low_bin, high_bin)
    base = estimated_base + measured_base
    if base > 0:
        market.ledger.consumed_base[side] += base
        market.ledger.consumed_usd[side] += estimated_usd + measured_usd
        market.map_changed()
