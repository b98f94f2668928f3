"""The mark moves: what it crosses is liquidated."""

from __future__ import annotations

import math

from liqheat_estimator.core.bins import log_bins
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.position_map import PositionMap

#: Distance from the window's centre at which the window follows the mark.
SCROLL_AFTER_BINS = 128


def move_mark(market: MarketState, price: float, parameters: EstimatorParameters) -> None:
    """Move the mark and consume what it crossed: longs as it falls, shorts as it rises.

    A bin holds its positions evenly, so of the bin in which the mark stops only the crossed part is consumed.

    Parameters
    ----------
    price : float
        The new mark, in quote currency.
    """
    place = log_bins(price)
    market.mark_price = price
    market.learning.see_price(price)
    if market.map is None:
        market.map = PositionMap(len(parameters.leverages), math.floor(place))
        market.mark_at = market.swept_low = market.swept_high = place
        market.map_changed()
        return
    if place < market.swept_low:
        _consume(market, LONG, place, market.swept_low)
        market.swept_low = place
    if place > market.swept_high:
        _consume(market, SHORT, market.swept_high, place)
        market.swept_high = place
    market.mark_at = place
    if abs(place - market.map.first_bin - WINDOW_BINS // 2) > SCROLL_AFTER_BINS:
        market.map.scroll(math.floor(place))
        if market.vendor_like is not None:
            market.vendor_like.scroll(market.map.first_bin)
        market.map_changed()


def sweep_range(market: MarketState, low: float, high: float, parameters: EstimatorParameters) -> None:
    """Consume what the mark reached between two times, from a low and a high; the mark itself stays where it is."""
    mark = market.mark_price
    assert mark is not None
    for price in (min(low, mark), max(high, mark), mark):
        move_mark(market, price, parameters)


def _consume(market: MarketState, side: int, low: float, high: float) -> None:
    assert market.map is not None
    estimated_base, estimated_usd = market.map.consume(side, low, high)
    if market.vendor_like is not None:
        market.vendor_like.consume(side, low, high)
    measured_base, measured_usd = market.measured.consume(side, low, high)
    base = estimated_base + measured_base
    if base > 0:
        market.ledger.consumed_base[side] += base
        market.ledger.consumed_usd[side] += estimated_usd + measured_usd
        if "liquidations" not in market.stream_seen_ms:  # no feed tells what was liquidated
            market.liquidated_base += base
        market.map_changed()
