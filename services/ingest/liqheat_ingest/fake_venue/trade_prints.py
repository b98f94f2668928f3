"""The prints of one second of a market, and its liquidations, each at its millisecond."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from liqheat_ingest.fake_venue.accounts import BUYER, MAKERS, SELLER, account_code, maker_code
from liqheat_ingest.fake_venue.instrument import FakeLiquidation
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.market_step import Liquidated, MarketStep, Print

SECOND_MS = 1_000


class PlannedTrade(NamedTuple):
    """A trade of the second that has begun, not yet numbered."""

    time_ms: int
    price_ticks: int
    lots: int
    side: int
    buyer: int
    seller: int


class SecondOfMarket(NamedTuple):
    """What will happen in a second, in order of time."""

    trades: list[PlannedTrade]
    liquidations: list[FakeLiquidation]


def second_of_market(
    market: SimulatedMarket, coin: int, step: MarketStep, mark_before: float, start_ms: int, random: np.random.Generator
) -> SecondOfMarket:
    """Spread a step over its second: prices go from the last mark to the new one, a tick or two around it.

    A liquidation happens when that path reaches its price, and its print follows at once.
    """
    count = len(step.liquidated)  # the first prints of a step are those of its liquidations, in the same order
    trades: list[PlannedTrade] = []
    liquidations: list[FakeLiquidation] = []
    for closed, printed in zip(step.liquidated, step.prints[:count], strict=True):
        at_ms = _crossing_ms(mark_before, step.mark_price, closed.position.liquidation_price, start_ms)
        liquidation = _liquidation(market, closed, at_ms)
        liquidations.append(liquidation)
        trades.append(_trade(market, coin, at_ms, liquidation.fill_ticks, printed, random))
    trades += _ordinary(market, coin, step, step.prints[count:], mark_before, start_ms, random)
    trades.sort(key=_time)
    liquidations.sort(key=_time)
    return SecondOfMarket(trades, liquidations)


def _ordinary(
    market: SimulatedMarket,
    number: int,
    step: MarketStep,
    prints: list[Print],
    mark_before: float,
    start_ms: int,
    random: np.random.Generator,
) -> list[PlannedTrade]:
    coin = market.coin
    count = int(random.poisson(coin.prints_per_second))
    printed = list(prints)
    if count and step.background_lots:
        weights = random.exponential(1.0, count)
        lots = np.maximum(1, weights / weights.sum() * step.background_lots).astype(np.int64).tolist()
        bought = step.background_bought_lots / step.background_lots
        printed += [Print(size, 1 if r < bought else -1) for size, r in zip(lots, random.random(count), strict=True)]
    if not printed:
        return []
    offsets = random.integers(0, SECOND_MS, len(printed)).tolist()
    around = random.integers(0, 3, len(printed)).tolist()
    tick = coin.tick_size
    move = step.mark_price - mark_before
    trades = []
    for at_ms, jitter, one in zip(offsets, around, printed, strict=True):
        ticks = max(1, round((mark_before + move * at_ms / SECOND_MS) / tick) + one.aggressor * jitter)
        trades.append(_trade(market, number, start_ms + at_ms, ticks, one, random))
    return trades


def _trade(
    market: SimulatedMarket, coin: int, at_ms: int, ticks: int, one: Print, random: np.random.Generator
) -> PlannedTrade:
    """Who opened a position is in the print; the others are makers, or holders who trade without changing it."""
    buyer = None if one.buyer is None else account_code(BUYER, coin, one.buyer)
    seller = None if one.seller is None else account_code(SELLER, coin, one.seller)
    return PlannedTrade(
        at_ms,
        ticks,
        one.lots,
        one.aggressor,
        _someone(market, coin, BUYER, random) if buyer is None else buyer,
        _someone(market, coin, SELLER, random) if seller is None else seller,
    )


def _someone(market: SimulatedMarket, coin: int, side: int, random: np.random.Generator) -> int:
    if random.random() < 0.5:
        return maker_code(int(random.integers(MAKERS)))
    book = market.longs if side == BUYER else market.shorts
    if not book.count:
        return maker_code(0)
    return account_code(side, coin, int(book.accounts[int(random.integers(book.count))]))


def _liquidation(market: SimulatedMarket, closed: Liquidated, at_ms: int) -> FakeLiquidation:
    side = 1 if closed.side == "long" else -1
    position, tick = closed.position, market.coin.tick_size
    if market.inverse_lot_usd is None:
        bankruptcy = position.entry_price * (1.0 - side / position.leverage)
    else:
        bankruptcy = position.entry_price / (1.0 + side / position.leverage)
    # Filled between the price of liquidation and that of bankruptcy, near the first.
    fill = position.liquidation_price + 0.2 * (bankruptcy - position.liquidation_price)
    return FakeLiquidation(at_ms, side, position.lots, max(1, round(bankruptcy / tick)), max(1, round(fill / tick)))


def _crossing_ms(before: float, after: float, price: float, start_ms: int) -> int:
    share = (price - before) / (after - before) if after != before else 1.0
    return start_ms + int(min(1.0, max(0.0, share)) * (SECOND_MS - 1))


def _time(one: PlannedTrade | FakeLiquidation) -> int:
    return one.time_ms
