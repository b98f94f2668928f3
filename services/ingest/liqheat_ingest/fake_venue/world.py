"""All fake markets in one story: a price a coin, a market a listing, advanced in slots of a tenth of a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import copysign, sqrt
from typing import NamedTuple

import numpy as np

from liqheat_ingest.fake_venue.coins import coin_profiles
from liqheat_ingest.fake_venue.history import HistoryCache
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation, FakeTrade, Listing
from liqheat_ingest.fake_venue.listings import INVERSE_SHARE, VENUE_PROFILES, VENUES, listings
from liqheat_ingest.fake_venue.margin_tiers import market_tiers, venue_tiers
from liqheat_ingest.fake_venue.minute_bars import MINUTE_MS, MinuteBars
from liqheat_ingest.fake_venue.order_book import FakeOrderBook
from liqheat_ingest.fake_venue.trade_prints import SECOND_MS, PlannedTrade, second_of_market
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.price_history import PriceHistory, price_history, surviving_positions
from liqheat_ingest.market_simulation.price_path import PricePath
from liqheat_ingest.market_simulation.profiles import CoinProfile

SLOT_MS = 100
#: Coins begin their seconds in turn, so that no slot has all the work.
PHASES = 10
#: Trades before the start: the first live number of a market.
FIRST_NUMBER = 1_000_000


class SlotOf(NamedTuple):
    """What one market did in a slot."""

    instrument: FakeInstrument
    trades: list[FakeTrade]
    liquidations: list[FakeLiquidation]


@dataclass(slots=True)
class _Plan:
    """A market's second that has begun."""

    instrument: FakeInstrument
    random: np.random.Generator
    trades: list[PlannedTrade] = field(default_factory=list)
    liquidations: list[FakeLiquidation] = field(default_factory=list)
    start_ms: int = 0
    mark_before: float = 0.0
    mark_after: float = 0.0


@dataclass(slots=True)
class _Coin:
    order: int
    profile: CoinProfile
    path: PricePath
    plans: list[_Plan]
    next_step_ms: int
    index_before: float
    index_after: float
    #: Forced orders that still weigh on the price, positive: bought.
    forced_usd: float = 0.0


class World:
    """The markets of all venues. Deterministic for a seed, the coins and the start.

    Parameters
    ----------
    seed : int
        Chooses the story. Each coin has generators of its own.
    coins : int
        How many.
    start_ms : int
        A whole minute; the history ends here.
    history_minutes : int
        Length of the history before.
    venues : sequence of str
        Those that are served.
    positions_per_side : int
        Of the largest coins; the tail has a fifth.
    prints_scale : float
        Factor of the number of trades.
    """

    def __init__(
        self,
        seed: int,
        coins: int,
        start_ms: int,
        history_minutes: int,
        venues: Sequence[str] = VENUES,
        positions_per_side: int = 1_000,
        prints_scale: float = 1.0,
    ) -> None:
        if start_ms % MINUTE_MS:
            raise ValueError("the history of the fake venues ends at a whole minute")
        self.seed = seed
        self.start_ms = self.now_ms = start_ms
        self.history_start_ms = start_ms - history_minutes * MINUTE_MS
        self._history = HistoryCache()
        self._coins: list[_Coin] = []
        self.by_venue: dict[str, dict[str, FakeInstrument]] = {venue: {} for venue in venues}
        for order, profile in enumerate(coin_profiles(coins, prints_scale)):
            per_side = positions_per_side if order < 20 else max(20, positions_per_side // 5)
            self._coins.append(self._coin(order, profile, history_minutes, per_side))

    def instruments(self, venue: str) -> Iterable[FakeInstrument]:
        """Markets that a venue lists now."""
        return [one for one in self.by_venue[venue].values() if one.is_listed]

    def of_coin(self, venue: str, order: int) -> FakeInstrument | None:
        """The linear market of the coin of that order, None where there is none."""
        if not 0 <= order < len(self._coins):
            return None
        found = (plan.instrument for plan in self._coins[order].plans)
        return next((one for one in found if one.listing.venue == venue and not one.listing.is_inverse), None)

    def find(self, venue: str, symbol: str) -> FakeInstrument | None:
        """A market that is listed, by the venue's own symbol."""
        one = self.by_venue[venue].get(symbol)
        return one if one is not None and one.is_listed else None

    def advance(self, slot_end_ms: int) -> dict[str, list[SlotOf]]:
        """Let one slot pass: what became public, by venue. Only markets that did something are in it."""
        happened: dict[str, list[SlotOf]] = {venue: [] for venue in self.by_venue}
        for coin in self._coins:
            if coin.next_step_ms < slot_end_ms:
                self._step(coin)
            share = min(1.0, (slot_end_ms - coin.next_step_ms + SECOND_MS) / SECOND_MS)
            index = coin.index_before + (coin.index_after - coin.index_before) * share
            for plan in coin.plans:
                one = plan.instrument
                one.index_price = index
                one.mark_price = plan.mark_before + (plan.mark_after - plan.mark_before) * share
                one.bars.advance(slot_end_ms - 1, one.open_interest_lots)
                slot = _publish(plan, slot_end_ms)
                if slot is not None and one.is_listed:
                    happened[one.listing.venue].append(slot)
        self.now_ms = slot_end_ms
        return happened

    def shock(self, coin: str, log_return: float) -> None:
        """Move the price of a coin within its next second. Raises KeyError where there is no such coin."""
        for one in self._coins:
            if one.profile.coin == coin:
                one.path.jump(log_return)
                return
        raise KeyError(coin)

    def _step(self, coin: _Coin) -> None:
        start_ms = coin.next_step_ms
        coin.index_before = coin.index_after
        coin.index_after = coin.path.advance(1.0)
        forced_usd = 0.0
        for plan in coin.plans:
            market, one = plan.instrument.market, plan.instrument
            one.open_interest_lots, one.funding_rate = market.open_interest_lots, market.funding_rate
            plan.mark_before, plan.start_ms = market.mark_price, start_ms
            step = market.step(coin.index_after, 1.0, coin.path.volatility_factor)
            plan.mark_after = step.mark_price
            second = second_of_market(market, coin.order, step, plan.mark_before, start_ms, plan.random)
            plan.trades, plan.liquidations = second.trades, second.liquidations
            forced = sum((-1 if x.side == "long" else 1) * x.position.lots for x in step.liquidated)
            forced_usd += forced * market.quantity_base(1.0, step.mark_price) * step.mark_price
        _push(coin, forced_usd)
        coin.next_step_ms = start_ms + SECOND_MS

    def _coin(self, order: int, profile: CoinProfile, history_minutes: int, positions: int) -> _Coin:
        name = int.from_bytes(profile.coin.encode(), "big")
        seeds = np.random.SeedSequence([name, self.seed]).spawn(2)
        prices = price_history(
            profile.price, profile.annual_volatility, history_minutes, np.random.default_rng(seeds[0])
        )
        plans = []
        for number, venue in enumerate(VENUES):
            if venue not in self.by_venue:
                continue
            for listing in listings(venue, profile, venue_tiers(venue, profile)[0].max_leverage):
                seed = [name, self.seed, number, listing.is_inverse]
                one = self._instrument(profile, listing, prices, seed, positions)
                self.by_venue[venue][one.symbol] = one
                random = np.random.default_rng([*seed, 1])
                plans.append(_Plan(one, random, mark_before=profile.price, mark_after=profile.price))
        path = PricePath(profile.price, profile.annual_volatility, np.random.default_rng(seeds[1]))
        first_ms = self.start_ms + order % PHASES * SLOT_MS
        return _Coin(order, profile, path, plans, first_ms, profile.price, profile.price)

    def _instrument(
        self, profile: CoinProfile, listing: Listing, prices: PriceHistory, seed: list[int], positions: int
    ) -> FakeInstrument:
        venue = VENUE_PROFILES[listing.venue]
        tiers, lot_usd = market_tiers(listing, profile), None
        if listing.is_inverse:
            venue = venue._replace(share=venue.share * INVERSE_SHARE)
            lot_usd = listing.contract_size * listing.quantity_step
        random = np.random.default_rng(seed)
        standing = [
            surviving_positions(
                prices, side, positions, tiers[0].maintenance_margin_rate, tiers[0].max_leverage, random
            )
            for side in (+1, -1)
        ]
        market = SimulatedMarket(
            profile,
            venue,
            tiers,
            random,
            inverse_lot_usd=lot_usd,
            first_positions=(standing[0], standing[1]),
            positions_per_side=positions,
            tiers_by_size=listing.venue == "okx",
        )
        daily_lots = profile.daily_volume_usd * venue.share / market.quantity_base(1.0, profile.price) / profile.price
        ticks = round(profile.price / profile.tick_size)
        rows = self._history.source(market, prices, daily_lots, [*seed, 2])
        bars = MinuteBars(self.history_start_ms, self.start_ms, rows, ticks, market.open_interest_lots)
        book = FakeOrderBook(sum(seed) % 2**31, daily_lots / 20_000.0)
        return FakeInstrument(
            listing,
            market,
            bars,
            book,
            listed_at_ms=self.history_start_ms,
            last_ticks=ticks,
            mark_price=profile.price,
            index_price=profile.price,
            open_interest_lots=market.open_interest_lots,
            next_number=FIRST_NUMBER,
            first_live_number=FIRST_NUMBER,
        )


def _push(coin: _Coin, forced_usd: float) -> None:
    """Impact of all forced orders of the last minutes together: that of a hundred small ones is not a hundredfold.

    ``sigma_day * sqrt(Q / V_day)`` with Q forgotten at the pace at which the impact is.
    """
    before = coin.forced_usd * 0.5 ** (1.0 / PricePath.IMPACT_HALF_LIFE_S)
    coin.forced_usd = before + forced_usd
    if forced_usd:
        volume = coin.profile.daily_volume_usd
        sizes = [copysign(sqrt(abs(usd) / volume), usd) for usd in (before, coin.forced_usd)]
        coin.path.push_by(coin.path.sigma_day * (sizes[1] - sizes[0]))


def _publish(plan: _Plan, slot_end_ms: int) -> SlotOf | None:
    """Number the trades whose time has come."""
    planned, liquidations = plan.trades, plan.liquidations
    if not planned or planned[0].time_ms >= slot_end_ms:
        due: list[PlannedTrade] = []
    elif planned[-1].time_ms < slot_end_ms:
        due, plan.trades = planned, []
    else:
        count = next(i for i, one in enumerate(planned) if one.time_ms >= slot_end_ms)
        due, plan.trades = planned[:count], planned[count:]
    closed = [one for one in liquidations if one.time_ms < slot_end_ms]
    if closed:
        plan.liquidations = [one for one in liquidations if one.time_ms >= slot_end_ms]
    if not due and not closed:
        return None
    plan.instrument.liquidations += len(closed)
    plan.instrument.recent_liquidations.extend(closed)
    return SlotOf(plan.instrument, number_trades(plan.instrument, due), closed)


def number_trades(one: FakeInstrument, planned: Iterable[PlannedTrade]) -> list[FakeTrade]:
    """Give trades the market's next numbers, and count them into its candles."""
    number, bars = one.next_number, one.bars
    trades = []
    for trade in planned:
        trades.append(FakeTrade(number, *trade))
        bars.add(trade.price_ticks, trade.lots, trade.side)
        number += 1
    if trades:
        one.next_number = number
        one.last_ticks = trades[-1].price_ticks
        one.trades.extend(trades)
    return trades
