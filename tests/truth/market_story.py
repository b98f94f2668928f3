"""A simulated market as the fold sees it: candles of a backfill, then tickers, trades and liquidations as feeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from liqheat_estimator.core.decode import Event
from liqheat_ingest.margin_tables import Tier, tiers
from liqheat_ingest.market_simulation.habits import Habits
from liqheat_ingest.market_simulation.market_step import MarketStep
from liqheat_ingest.market_simulation.price_path import PricePath
from liqheat_ingest.market_simulation.profiles import CoinProfile, VenueProfile
from liqheat_ingest.market_simulation.trader_market import TraderMarket
from liqheat_shared.contracts.market_events import (
    BackfillBracket,
    FeedStatus,
)
from truth.told_venue import CANDLE_MS, ToldVenue

START_MS = 1_780_272_000_000  # 2026-06-01
DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
COIN = CoinProfile("BTC", 97_000.0, 0.55, 6.0e9, 2.0e10, 0.001, 0.1, 6.0)
VENUE = VenueProfile("sim-gamma", 1.0, 5, "complete")
COMPANION = "sim-delta"
#: Notional by leverage at opening: mostly low, with a tail up to what the venue allows. Each seed's market has its own.
LEVERAGE_MIX = (
    (2.0, 0.16), (3.0, 0.16), (4.0, 0.07), (5.0, 0.22), (8.0, 0.05), (10.0, 0.14), (15.0, 0.04), (20.0, 0.07),
    (25.0, 0.03), (50.0, 0.03), (75.0, 0.015), (100.0, 0.015),
)  # fmt: skip
#: Bounds, rates and leverages as large venues have them for their largest coin.
TIERS = tiers(
    (300_000, 0.004, 150.0), (3_000_000, 0.005, 100.0), (12_000_000, 0.01, 50.0), (70_000_000, 0.02, 20.0),
    (None, 0.05, 10.0),
)  # fmt: skip
HABITS = Habits()
STREAMS = ("liquidations", "ticker", "trades")


@dataclass(frozen=True)
class Setting:
    """What kind of market, and how much of it the feeds show."""

    seed: int = 1
    positions_per_side: int = 40_000
    habits: Habits = HABITS
    #: Standard deviation of the logarithm by which each weight of the mix differs from seed to seed.
    mix_spread: float = 0.5
    #: Days that come before the first event, as candles, and as live steps.
    unseen_days: float = 2.0
    candle_days: float = 3.0
    live_days: float = 9.0
    step_s: float = 30.0
    #: complete: every liquidation; throttled: the largest of each second.
    feed: Literal["complete", "throttled"] = "complete"
    #: Size of a second venue of the coin, with a complete feed and traders of its own; 0: there is none.
    companion_share: float = 0.0
    coin: CoinProfile = COIN
    venue: VenueProfile = VENUE
    tiers: tuple[Tier, ...] = tuple(TIERS)
    #: Average number of holes a day in all feeds at once; each lasts 2 to 40 minutes.
    gaps_per_day: float = 0.0


class MarketStory:
    """The market and what the fold is told of it. Deterministic for a setting.

    Attributes
    ----------
    venues : list of ToldVenue
        The venue in question, then its companion, if there is one.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        seeds = np.random.SeedSequence([setting.seed, 0x74727574]).spawn(5)
        market_seed, path_seed, feed_seed, mix_seed, companion_seed = seeds
        factors = np.exp(setting.mix_spread * np.random.default_rng(mix_seed).standard_normal(len(LEVERAGE_MIX)))
        mix = tuple((x, share * float(f)) for (x, share), f in zip(LEVERAGE_MIX, factors, strict=True))
        habits = setting.habits._replace(leverage_mix=mix)
        self._random = np.random.default_rng(feed_seed)
        self.path = PricePath(setting.coin.price, setting.coin.annual_volatility, np.random.default_rng(path_seed))
        count = setting.positions_per_side
        self.market = TraderMarket(
            setting.coin, setting.venue, setting.tiers, np.random.default_rng(market_seed), habits, count
        )
        self.venues = [ToldVenue(setting.venue.venue, setting.coin, setting.tiers, self.market, setting.feed)]
        if setting.companion_share > 0:
            profile = setting.venue._replace(venue=COMPANION, share=setting.companion_share)
            count, random = round(count * setting.companion_share), np.random.default_rng(companion_seed)
            other = TraderMarket(setting.coin, profile, setting.tiers, random, habits, count)
            self.venues.append(ToldVenue(COMPANION, setting.coin, setting.tiers, other, "complete"))
        self.now_ms = START_MS
        for _ in range(int(setting.unseen_days * DAY_MS / MINUTE_MS)):
            self._step(60.0)

    def events(self) -> Iterator[Event]:
        """All events in order; the market is always where the last one left it."""
        yield from (venue.instrument(self.now_ms) for venue in self.venues)
        if self.setting.candle_days:
            span = {"backfill_id": "b", "from_ms": self.now_ms}
            span["to_ms"] = self.now_ms + int(self.setting.candle_days * DAY_MS)
            yield from self._brackets("backfill-started", span)
            while self.now_ms < int(span["to_ms"]):
                yield from self._candles()
            yield from self._brackets("backfill-finished", span)
        yield from self._live()

    def candles(self) -> Iterator[Event]:
        """Candles without end, outside a bracket."""
        while True:
            yield from self._candles()

    def _brackets(self, kind: str, span: dict[str, Any]) -> Iterator[Event]:
        for venue in self.venues:
            yield BackfillBracket(type=kind, **venue.envelope(self.now_ms), **span)  # type: ignore[arg-type]

    def _step(self, seconds: float) -> list[MarketStep]:
        index = self.path.advance(seconds)
        steps = [venue.step(index, seconds, self.path.volatility_factor) for venue in self.venues]
        forced_usd = sum(
            (-1 if one.side == "long" else 1) * venue.usd(one, step)
            for venue, step in zip(self.venues, steps, strict=True)
            for one in step.liquidated
        )
        if forced_usd:
            self.path.push(forced_usd, self.setting.coin.daily_volume_usd * (1 + self.setting.companion_share))
        return steps

    def _candles(self) -> Iterator[Event]:
        opened = [venue.market.mark_price for venue in self.venues]
        steps = [self._step(30.0) for _ in range(10)]
        self.now_ms += CANDLE_MS
        for place, venue in enumerate(self.venues):
            yield venue.candle(opened[place], [step[place] for step in steps], self.now_ms)

    def _live(self) -> Iterator[Event]:
        setting = self.setting
        step_ms = int(setting.step_s * 1000)
        end_ms = self.now_ms + int(setting.live_days * DAY_MS)
        hole_until_ms = 0
        while self.now_ms < end_ms:
            steps = self._step(setting.step_s)
            self.now_ms += step_ms
            in_hole = self.now_ms < hole_until_ms
            if not in_hole and hole_until_ms:
                hole_until_ms = 0
                yield from self._feed_status("feed-resumed")
            elif not in_hole and self._random.random() < setting.gaps_per_day * step_ms / DAY_MS:
                yield from self._feed_status("feed-interrupted")
                hole_until_ms = self.now_ms + int(self._random.uniform(2, 40) * MINUTE_MS)
                in_hole = True
            if not in_hole:
                for venue, step in zip(self.venues, steps, strict=True):
                    yield from venue.told(step, self.now_ms, step_ms)

    def _feed_status(self, kind: str) -> Iterator[Event]:
        for venue in self.venues:
            for stream in STREAMS:
                envelope = venue.envelope(self.now_ms)
                yield FeedStatus(type=kind, **envelope, stream=stream, from_ms=self.now_ms, reason="test")  # type: ignore[arg-type]
