"""The simulator as a source: a history of candles, then a market second by second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.market_step import Liquidated, MarketStep, TrueDensity
from liqheat_ingest.market_simulation.profiles import COINS, VENUES
from liqheat_ingest.market_simulation.simulation import Simulation, StepOf
from liqheat_ingest.readings import Fact, Item, Market, Trade
from liqheat_shared.contracts.base import Phase

MINUTE_MS = 60_000
CANDLE_MS = 300_000
SECOND_MS = 1_000
FUNDING_INTERVAL_MS = 28_800_000
#: The state of the second is published at its end, liquidations just after the mark that caused them.
TICKER_AT_MS, LIQUIDATIONS_AT_MS = 990, 991


class SimulatorSource:
    """Agents with known positions; nothing real.

    Parameters
    ----------
    seed : int
        Chooses the story.
    history_end_ms : int
        A whole minute. Candles end here and single seconds begin.
    history_ms : int
        Length of the history before, in whole minutes.
    until_ms : int or None
        Data time at which it ends; None: never.
    coins : sequence of str
        Some of the simulated coins.

    Notes
    -----
    History is simulated in steps of a minute and published as candles of five minutes, with one of a minute for each
    that is left before ``history_end_ms``. The positions at its end are those that go on.
    """

    phase: Phase = "simulated"

    def __init__(
        self,
        seed: int,
        history_end_ms: int,
        history_ms: int,
        until_ms: int | None = None,
        coins: Sequence[str] = tuple(COINS),
    ) -> None:
        if history_end_ms % MINUTE_MS or history_ms % MINUTE_MS:
            raise ValueError("the history of the simulator begins and ends at a whole minute")
        self.simulation = Simulation(seed, coins)
        self._random = np.random.default_rng([seed, 0x7072696E74])
        self._seed = seed
        self._end_ms = history_end_ms
        self._start_ms = history_end_ms - history_ms
        self._until_ms = until_ms
        self._now_ms = self._start_ms

    def true_density(self, coin: str, venue: str) -> TrueDensity:
        """The true liquidation map of a market at the last step that was yielded."""
        return self.simulation.true_density(coin, venue)

    def share_done(self) -> float | None:
        """Part of the bounded run that was yielded."""
        if self._until_ms is None:
            return None
        return min(1.0, (self._now_ms - self._start_ms) / max(1, self._until_ms - self._start_ms))

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a simulated market."""
        [feed] = [venue.liquidation_feed for venue in VENUES if venue.venue == market.venue]
        return InstrumentSpec(market, "USDT", tick_size=COINS[market.coin].tick_size, liquidation_feed=feed)

    def items(self) -> Iterator[Item]:
        """History, then live seconds."""
        yield from self._history()
        while self._until_ms is None or self._now_ms < self._until_ms:
            yield from self._second()

    def _history(self) -> Iterator[Item]:
        if self._end_ms == self._start_ms:
            return
        span = {"from_ms": self._start_ms, "to_ms": self._end_ms}
        markets = [market_of(market) for market in self.simulation.markets]
        brackets = [
            {"backfill_id": f"simulated-{self._seed}-{m.venue}-{m.coin}-{self._end_ms}"} | span for m in markets
        ]
        for market, fields in zip(markets, brackets, strict=True):
            yield Fact(self._start_ms, market, self._start_ms, "backfill-started", fields, None)
        while self._now_ms < self._end_ms:
            open_ms = self._now_ms
            aligned_ms = open_ms - open_ms % CANDLE_MS + CANDLE_MS
            whole = open_ms % CANDLE_MS == 0 and aligned_ms <= self._end_ms
            close_ms = aligned_ms if whole else open_ms + MINUTE_MS
            opened = [market.mark_price for market in self.simulation.markets]
            minutes = [self.simulation.step(60.0) for _ in range(open_ms, close_ms, MINUTE_MS)]
            self._now_ms = close_ms
            for open_price, *steps in zip(opened, *minutes, strict=True):
                yield _candle(open_price, steps, open_ms, close_ms)
        for market, fields in zip(markets, brackets, strict=True):
            yield Fact(self._end_ms, market, self._end_ms, "backfill-finished", fields, None)

    def _second(self) -> Iterator[Item]:
        start_ms = self._now_ms
        before = {market_of(market): market.mark_price for market in self.simulation.markets}
        items: list[Item] = []
        for result in self.simulation.step(1.0):
            market = market_of(result.market)
            latency = result.market.venue.latency_ms
            items += self._trades(result.market, result.step, market, before[market], start_ms)
            items.append(_ticker(result, market, start_ms + TICKER_AT_MS, latency))
            items += _liquidations(result, market, start_ms + LIQUIDATIONS_AT_MS, latency)
        self._now_ms = start_ms + SECOND_MS
        items.sort(key=_receive_time)
        yield from items

    def _trades(
        self, simulated: SimulatedMarket, step: MarketStep, market: Market, from_price: float, start_ms: int
    ) -> list[Trade]:
        """Prints of a second: prices go from the last mark to the new one, a tick or two around it."""
        random, coin = self._random, simulated.coin
        count = int(random.poisson(coin.prints_per_second))
        lots: list[int] = []
        sides: list[int] = []
        if count and step.background_lots:
            weights = random.exponential(1.0, count)
            lots = [max(1, int(w)) for w in weights / weights.sum() * step.background_lots]
            bought = step.background_bought_lots / step.background_lots
            sides = [1 if r < bought else -1 for r in random.random(count)]
        lots += [p.lots for p in step.prints]
        sides += [p.aggressor for p in step.prints]
        if not lots:
            return []
        times = np.sort(random.integers(0, TICKER_AT_MS, len(lots))).tolist()
        ticks = random.integers(0, 3, len(lots)).tolist()
        tick, size, latency = coin.tick_size, coin.lot_size_base, simulated.venue.latency_ms
        trades = []
        for at_ms, amount, side, jitter in zip(times, lots, sides, ticks, strict=True):
            middle = from_price + (step.mark_price - from_price) * at_ms / SECOND_MS
            price = round(max(tick, (round(middle / tick) + side * jitter) * tick), 10)
            received = start_ms + at_ms
            quantity = round(amount * size, 10)
            trades.append(Trade(received, market, received - latency, price, quantity, "b" if side > 0 else "s", None))
        return trades


def market_of(simulated: SimulatedMarket) -> Market:
    """The market's name in the contracts."""
    coin = simulated.coin.coin
    return Market(coin, simulated.venue.venue, f"{coin}/USDT:USDT")


def _receive_time(item: Item) -> int:
    return item.receive_time_ms


def _candle(open_price: float, steps: Sequence[StepOf], open_ms: int, close_ms: int) -> Fact:
    """A candle of one market from its minutes. High and low are the extremes of the mark, which is what liquidates."""
    market = steps[0].market
    size = market.coin.lot_size_base
    marks = [open_price, *(result.step.mark_price for result in steps)]
    volume = sum(r.step.background_lots + sum(p.lots for p in r.step.prints) for r in steps)
    bought = sum(r.step.background_bought_lots + sum(p.lots for p in r.step.prints if p.aggressor > 0) for r in steps)
    fields = {
        "open_time_ms": open_ms,
        "interval_ms": close_ms - open_ms,
        "open": marks[0],
        "high": max(marks),
        "low": min(marks),
        "close": marks[-1],
        "volume_base": volume * size,
        "taker_buy_base": bought * size,
        "open_interest_base": steps[-1].open_interest_base,
    }
    return Fact(close_ms, market_of(market), close_ms, "candle", fields, None)


def _ticker(result: StepOf, market: Market, at_ms: int, latency_ms: int) -> Fact:
    mark = result.step.mark_price
    fields = {
        "mark_price": mark,
        "index_price": result.index_price,
        "last_price": mark,
        "open_interest_base": result.open_interest_base,
        "funding_rate": result.funding_rate,
        "next_funding_time_ms": at_ms - at_ms % FUNDING_INTERVAL_MS + FUNDING_INTERVAL_MS,
    }
    return Fact(at_ms, market, at_ms - latency_ms, "ticker", fields, "ticker")


def _liquidations(result: StepOf, market: Market, at_ms: int, latency_ms: int) -> list[Fact]:
    """Liquidations as the venue's feed shows them: all, or the largest of each second."""
    venue, liquidated = result.market.venue, result.step.liquidated
    shown: list[Liquidated] = liquidated
    if venue.liquidation_feed == "throttled" and liquidated:
        shown = [max(liquidated, key=lambda entry: entry.position.lots)]
    return [_liquidation(entry, result, market, at_ms, latency_ms) for entry in shown]


def _liquidation(entry: Liquidated, result: StepOf, market: Market, at_ms: int, latency_ms: int) -> Fact:
    price = result.step.mark_price
    quantity = entry.position.lots * result.market.coin.lot_size_base
    fields: dict[str, Any] = {
        "liquidated_side": entry.side,
        "price": price,
        "price_kind": "mark",
        "quantity_base": quantity,
        "notional_usd": quantity * price,
        "feed_completeness": result.market.venue.liquidation_feed,
        "liquidation_id": None,
    }
    return Fact(at_ms, market, at_ms - latency_ms, "liquidation", fields, "liquidations")
