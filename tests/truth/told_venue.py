"""One venue of a simulated market: its traders, and what its feeds tell of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from liqheat_estimator.core.decode import Event, TradeBatch
from liqheat_ingest.margin_tables import Tier
from liqheat_ingest.market_simulation.market_step import Liquidated, MarketStep
from liqheat_ingest.market_simulation.profiles import CoinProfile
from liqheat_ingest.market_simulation.trader_market import TraderMarket
from liqheat_shared.contracts.market_events import Candle, Instrument, Liquidation, MarginTier, Ticker

CANDLE_MS = 300_000


@dataclass
class ToldVenue:
    """A venue's market, and what its feeds have told.

    Attributes
    ----------
    liquidated_usd, shown_usd : list of float
        In the live steps that were told: all, and what the feed showed of it; longs, shorts.
    before : float
        Mark before the last step.
    """

    venue: str
    coin: CoinProfile
    tiers: tuple[Tier, ...]
    market: TraderMarket
    feed: Literal["complete", "throttled"]
    sequence: int = -1
    liquidated_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    shown_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    before: float = 0.0

    def step(self, index: float, seconds: float, volatility_factor: float) -> MarketStep:
        """Let the market go on."""
        self.before = self.market.mark_price
        return self.market.step(index, seconds, volatility_factor)

    def usd(self, one: Liquidated, step: MarketStep) -> float:
        """Notional at the step's mark."""
        return one.position.lots * self.coin.lot_size_base * step.mark_price

    def envelope(self, now_ms: int, event_time_ms: int | None = None) -> dict[str, Any]:
        """Of its next event."""
        self.sequence += 1
        return {
            "coin": self.coin.coin,
            "venue": self.venue,
            "symbol": f"{self.coin.coin}/USDT:USDT",
            "phase": "simulated",
            "event_time_ms": now_ms if event_time_ms is None else event_time_ms,
            "receive_time_ms": now_ms,
            "ingest_epoch": 1,
            "sequence": self.sequence,
        }

    def told(self, step: MarketStep, now_ms: int, step_ms: int) -> Iterator[Event]:
        """What the feeds tell of a live step that ends now."""
        for one in step.liquidated:
            self.liquidated_usd[one.side == "short"] += self.usd(one, step)
        yield self._trades(step, now_ms)
        yield Ticker(
            **self.envelope(now_ms),
            mark_price=step.mark_price,
            last_price=step.mark_price,
            open_interest_base=self.market.open_interest_base,
        )
        for second, one in self._shown(step, step_ms // 1_000):
            usd = self.usd(one, step)
            self.shown_usd[one.side == "short"] += usd
            yield Liquidation(
                **self.envelope(now_ms, now_ms - step_ms + second * 1_000 + 500),
                liquidated_side=one.side,
                price=step.mark_price,
                price_kind="mark",
                quantity_base=one.position.lots * self.coin.lot_size_base,
                notional_usd=usd,
                feed_completeness=self.feed,
            )

    def _shown(self, step: MarketStep, seconds: int) -> list[tuple[int, Liquidated]]:
        """The feed, by second. Within the step price is taken to go straight, so each position has its second."""
        way = step.mark_price - self.before
        every: list[tuple[int, Liquidated]] = []
        for one in step.liquidated:
            part = 0.0 if way == 0.0 else (one.position.liquidation_price - self.before) / way
            every.append((int(min(max(part, 0.0), 0.999999) * seconds), one))
        every.sort(key=lambda timed: timed[0])
        if self.feed == "complete":
            return every
        largest: dict[int, Liquidated] = {}
        for second, one in every:
            if second not in largest or one.position.lots > largest[second].position.lots:
                largest[second] = one
        return list(largest.items())

    def _trades(self, step: MarketStep, now_ms: int) -> Event:
        lots = max(1, step.background_lots + sum(each.lots for each in step.prints))
        prices = np.linspace(self.before, step.mark_price, 4)
        quantities = np.full(4, lots * self.coin.lot_size_base / 4)
        total, notional = float(quantities.sum()), float((prices * quantities).sum())
        return TradeBatch(
            **self.envelope(now_ms),
            price=prices,
            quantity_base=quantities,
            open=self.before,
            high=float(prices.max()),
            low=float(prices.min()),
            close=step.mark_price,
            total_base=total,
            notional_usd=notional,
            taker_buy_usd=notional / 2,
        )

    def candle(self, opened: float, steps: list[MarketStep], now_ms: int) -> Event:
        """Of the five minutes that end now."""
        marks = [opened, *(step.mark_price for step in steps)]
        lots = sum(step.background_lots + sum(p.lots for p in step.prints) for step in steps)
        return Candle(
            **self.envelope(now_ms),
            open_time_ms=now_ms - CANDLE_MS,
            interval_ms=CANDLE_MS,
            open=opened,
            high=max(marks),
            low=min(marks),
            close=marks[-1],
            volume_base=lots * self.coin.lot_size_base,
            open_interest_base=self.market.open_interest_base,
        )

    def instrument(self, now_ms: int) -> Event:
        """With the venue's tiers."""
        return Instrument(
            **self.envelope(now_ms),
            quote="USDT",
            is_inverse=False,
            contract_size=1.0,
            margin_tiers=[MarginTier(**tier._asdict()) for tier in self.tiers],
            tiers_valid_from_ms=0,
            tiers_source="invented for a simulated market",
        )
