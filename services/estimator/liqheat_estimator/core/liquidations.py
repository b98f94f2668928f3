"""Liquidations that venues reported: normalised, with running totals. A record beside the map, never a second sweep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from liqheat_estimator.core.market_state import MarketState, side_of
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, MINUTE_MS
from liqheat_shared.contracts.market_events import Liquidation
from liqheat_shared.contracts.topics import REALISED_LIQUIDATIONS
from liqheat_shared.folding import Emission

WINDOWS_MS = (HOUR_MS, 4 * HOUR_MS, DAY_MS)
MINUTES = DAY_MS // MINUTE_MS


@dataclass(slots=True)
class LiquidationTotals:
    """USD and number of liquidations by minute of the last 24 hours.

    Attributes
    ----------
    minute : ndarray, shape (MINUTES,)
        Which minute since 1970 each slot holds; -1: none. Minute m lives in slot ``m % MINUTES``.
    amount : ndarray, shape (3, MINUTES)
        Long USD, short USD, count.
    """

    latest: int = -1
    minute: np.ndarray[tuple[int], np.dtype[np.int64]] = field(
        default_factory=lambda: np.full(MINUTES, -1, dtype=np.int64)
    )
    amount: np.ndarray[tuple[int, int], np.dtype[np.float64]] = field(default_factory=lambda: np.zeros((3, MINUTES)))

    def add(self, time_ms: int, side: int, notional_usd: float) -> None:
        """Count a liquidation; one that is older than a day changes nothing."""
        minute = time_ms // MINUTE_MS
        if minute <= self.latest - MINUTES:
            return
        self.latest = max(self.latest, minute)
        slot = minute % MINUTES
        if self.minute[slot] != minute:
            self.minute[slot] = minute
            self.amount[:, slot] = 0.0
        self.amount[side, slot] += notional_usd
        self.amount[2, slot] += 1

    def over(self, window_ms: int) -> tuple[float, float, int]:
        """Long USD, short USD and count of the minutes in a window that ends with the latest one.

        >>> totals = LiquidationTotals()
        >>> totals.add(0, 0, 100.0); totals.add(HOUR_MS, 1, 50.0)
        >>> totals.over(HOUR_MS), totals.over(4 * HOUR_MS)
        ((0.0, 50.0, 1), (100.0, 50.0, 2))
        """
        inside = self.minute > self.latest - window_ms // MINUTE_MS
        inside &= self.minute >= 0
        long_usd, short_usd, count = self.amount.sum(axis=1, where=inside)
        return float(long_usd), float(short_usd), int(count)


def realised_liquidation(event: Liquidation, market: MarketState, totals: LiquidationTotals) -> Emission:
    """The record of a liquidation that ``totals`` already contain."""
    side = side_of(event.liquidated_side)
    known = market.map is not None and market.open_interest_base is not None
    value = {
        "schema_version": 1,
        "coin": event.coin,
        "phase": event.phase,
        "event_time_ms": event.event_time_ms,
        "valid_until_ms": event.event_time_ms + DAY_MS,
        "venue": event.venue,
        "symbol": event.symbol,
        "liquidated_side": event.liquidated_side,
        "price": event.price,
        "price_kind": event.price_kind,
        "mark_price": market.mark_price,
        "quantity_base": event.quantity_base,
        "notional_usd": event.notional_usd,
        "feed_completeness": event.feed_completeness,
        "estimated_usd_at_price": market.usd_at(side, event.price) if known else None,
        "totals": [_totals(totals, window_ms) for window_ms in WINDOWS_MS],
    }
    return Emission(REALISED_LIQUIDATIONS, "liquidation", value)


def _totals(totals: LiquidationTotals, window_ms: int) -> dict[str, float | int]:
    long_usd, short_usd, count = totals.over(window_ms)
    return {"window_ms": window_ms, "long_usd": long_usd, "short_usd": short_usd, "count": count}
