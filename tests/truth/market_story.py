"""A simulated market as the fold sees it: candles of a backfill, then tickers, trades and liquidations as feeds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from liqheat_estimator.core.decode import Event, TradeBatch
from liqheat_ingest.margin_tables import Tier, tiers
from liqheat_ingest.market_simulation.habits import Habits
from liqheat_ingest.market_simulation.market import Liquidated, MarketStep
from liqheat_ingest.market_simulation.price_path import PricePath
from liqheat_ingest.market_simulation.profiles import CoinProfile, VenueProfile
from liqheat_ingest.market_simulation.trader_market import TraderMarket
from liqheat_shared.contracts.market_events import (
    BackfillBracket,
    Candle,
    FeedStatus,
    Instrument,
    Liquidation,
    MarginTier,
    Ticker,
)

START_MS = 1_780_272_000_000  # 2026-06-01
DAY_MS, HOUR_MS, MINUTE_MS, CANDLE_MS = 86_400_000, 3_600_000, 60_000, 300_000
COIN = CoinProfile("BTC", 97_000.0, 0.55, 6.0e9, 2.0e10, 0.001, 0.1, 6.0)
VENUE = VenueProfile("sim-gamma", 1.0, 5, "complete")
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
    feed: str = "complete"
    coin: CoinProfile = COIN
    venue: VenueProfile = VENUE
    tiers: tuple[Tier, ...] = tuple(TIERS)
    #: Average number of holes a day in all feeds at once; each lasts 2 to 40 minutes.
    gaps_per_day: float = 0.0


class MarketStory:
    """The market and what the fold is told of it. Deterministic for a setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        market_seed, path_seed, feed_seed, mix_seed = np.random.SeedSequence([setting.seed, 0x74727574]).spawn(4)
        factors = np.exp(setting.mix_spread * np.random.default_rng(mix_seed).standard_normal(len(LEVERAGE_MIX)))
        mix = tuple((x, share * float(f)) for (x, share), f in zip(LEVERAGE_MIX, factors, strict=True))
        habits = setting.habits._replace(leverage_mix=mix)
        self._random = np.random.default_rng(feed_seed)
        self.path = PricePath(setting.coin.price, setting.coin.annual_volatility, np.random.default_rng(path_seed))
        self.market = TraderMarket(
            setting.coin,
            setting.venue,
            setting.tiers,
            np.random.default_rng(market_seed),
            habits,
            setting.positions_per_side,
        )
        self.now_ms = START_MS
        self.sequence = -1
        self.liquidated_usd = [0.0, 0.0]
        self.shown_usd = [0.0, 0.0]
        for _ in range(int(setting.unseen_days * DAY_MS / MINUTE_MS)):
            self._step(60.0)

    def events(self) -> Iterator[Event]:
        """All events in order; the market is always where the last one left it."""
        yield self._instrument()
        if self.setting.candle_days:
            span = {"backfill_id": "b", "from_ms": self.now_ms}
            span["to_ms"] = self.now_ms + int(self.setting.candle_days * DAY_MS)
            yield BackfillBracket(type="backfill-started", **self._envelope(), **span)  # type: ignore[arg-type]
            while self.now_ms < int(span["to_ms"]):
                yield self._candle()
            yield BackfillBracket(type="backfill-finished", **self._envelope(), **span)  # type: ignore[arg-type]
        yield from self._live()

    def candles(self) -> Iterator[Event]:
        """Candles without end, outside a bracket."""
        while True:
            yield self._candle()

    def _envelope(self, lag_ms: int = 0) -> dict[str, Any]:
        self.sequence += 1
        return {
            "coin": self.setting.coin.coin,
            "venue": self.setting.venue.venue,
            "symbol": f"{self.setting.coin.coin}/USDT:USDT",
            "phase": "simulated",
            "event_time_ms": self.now_ms - lag_ms,
            "receive_time_ms": self.now_ms,
            "ingest_epoch": 1,
            "sequence": self.sequence,
        }

    def _instrument(self) -> Event:
        return Instrument(
            **self._envelope(),
            quote="USDT",
            is_inverse=False,
            contract_size=1.0,
            margin_tiers=[MarginTier(**tier._asdict()) for tier in self.setting.tiers],
            tiers_valid_from_ms=0,
            tiers_source="invented for a simulated market",
        )

    def _step(self, seconds: float) -> MarketStep:
        index = self.path.advance(seconds)
        step = self.market.step(index, seconds, self.path.volatility_factor)
        forced = sum((-1 if one.side == "long" else 1) * one.position.lots for one in step.liquidated)
        if forced:
            self.path.push(
                forced * self.setting.coin.lot_size_base * step.mark_price, self.setting.coin.daily_volume_usd
            )
        for one in step.liquidated:
            usd = one.position.lots * self.setting.coin.lot_size_base * step.mark_price
            self.liquidated_usd[one.side == "short"] += usd
        return step

    def _candle(self) -> Event:
        opened = self.market.mark_price
        steps = [self._step(30.0) for _ in range(10)]
        marks = [opened, *(step.mark_price for step in steps)]
        lots = sum(step.background_lots + sum(p.lots for p in step.prints) for step in steps)
        start_ms = self.now_ms
        self.now_ms += CANDLE_MS
        return Candle(
            **self._envelope(),
            open_time_ms=start_ms,
            interval_ms=CANDLE_MS,
            open=opened,
            high=max(marks),
            low=min(marks),
            close=marks[-1],
            volume_base=lots * self.setting.coin.lot_size_base,
            open_interest_base=self.market.open_interest_base,
        )

    def _live(self) -> Iterator[Event]:
        setting = self.setting
        step_ms = int(setting.step_s * 1000)
        end_ms = self.now_ms + int(setting.live_days * DAY_MS)
        hole_until_ms = 0
        while self.now_ms < end_ms:
            before = self.market.mark_price
            step = self._step(setting.step_s)
            self.now_ms += step_ms
            in_hole = self.now_ms < hole_until_ms
            if not in_hole and hole_until_ms:
                hole_until_ms = 0
                for stream in STREAMS:
                    yield self._feed_status("feed-resumed", stream)
            elif not in_hole and self._random.random() < setting.gaps_per_day * step_ms / DAY_MS:
                for stream in STREAMS:
                    yield self._feed_status("feed-interrupted", stream)
                hole_until_ms = self.now_ms + int(self._random.uniform(2, 40) * MINUTE_MS)
                in_hole = True
            if not in_hole:
                yield from self._told(step, before)

    def _feed_status(self, kind: str, stream: str) -> Event:
        return FeedStatus(type=kind, **self._envelope(), stream=stream, from_ms=self.now_ms, reason="test")  # type: ignore[arg-type]

    def _told(self, step: MarketStep, before: float) -> Iterator[Event]:
        yield self._trades(step, before)
        yield Ticker(
            **self._envelope(),
            mark_price=step.mark_price,
            last_price=step.mark_price,
            open_interest_base=self.market.open_interest_base,
        )
        for one in self._shown(step, before):
            usd = one.position.lots * self.setting.coin.lot_size_base * step.mark_price
            self.shown_usd[one.side == "short"] += usd
            yield Liquidation(
                **self._envelope(),
                liquidated_side=one.side,
                price=step.mark_price,
                price_kind="mark",
                quantity_base=one.position.lots * self.setting.coin.lot_size_base,
                notional_usd=usd,
                feed_completeness="complete" if self.setting.feed == "complete" else "throttled",
            )

    def _shown(self, step: MarketStep, before: float) -> list[Liquidated]:
        """The feed. Within the step price is taken to go straight, so each position has its second."""
        if self.setting.feed == "complete" or not step.liquidated:
            return step.liquidated
        largest: dict[int, Liquidated] = {}
        way = step.mark_price - before
        for one in step.liquidated:
            part = 0.0 if way == 0.0 else min(max((one.position.liquidation_price - before) / way, 0.0), 0.999999)
            second = int(part * self.setting.step_s)
            known = largest.get(second)
            if known is None or one.position.lots > known.position.lots:
                largest[second] = one
        return list(largest.values())

    def _trades(self, step: MarketStep, before: float) -> Event:
        lots = max(1, step.background_lots + sum(each.lots for each in step.prints))
        prices = np.linspace(before, step.mark_price, 4)
        quantities = np.full(4, lots * self.setting.coin.lot_size_base / 4)
        total, notional = float(quantities.sum()), float((prices * quantities).sum())
        return TradeBatch(
            **self._envelope(),
            price=prices,
            quantity_base=quantities,
            open=before,
            high=float(prices.max()),
            low=float(prices.min()),
            close=step.mark_price,
            total_base=total,
            notional_usd=notional,
            taker_buy_usd=notional / 2,
        )
