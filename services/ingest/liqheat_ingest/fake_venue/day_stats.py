"""Figures of the last 24 hours of a market, as tickers tell them, from its candles."""

from __future__ import annotations

from typing import NamedTuple

from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.minute_bars import (
    BOUGHT,
    HIGH,
    LOW,
    MINUTE_MS,
    OPEN,
    PRINTS,
    VALUE,
    VOLUME,
)

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class DayStats(NamedTuple):
    """Prices in ticks, amounts in lots, ``value`` in lots times ticks."""

    open: int
    high: int
    low: int
    open_1h: int
    volume: float
    bought: float
    value: float
    prints: int
    minute_ms: int


class DayStatsCache:
    """Computed at most once a minute for each market that is asked about."""

    def __init__(self) -> None:
        self._known: dict[int, DayStats] = {}

    def of(self, one: FakeInstrument, now_ms: int) -> DayStats:
        """The last 24 hours before the minute that runs; what has passed of it counts from the next on."""
        minute_ms = now_ms - now_ms % MINUTE_MS
        known = self._known.get(id(one))
        if known is not None and known.minute_ms == minute_ms:
            return known
        _, rows = one.bars.rows(minute_ms - DAY_MS, minute_ms)
        if not len(rows):
            ticks = one.last_ticks
            stats = DayStats(ticks, ticks, ticks, ticks, 0.0, 0.0, 0.0, 0, minute_ms)
        else:
            totals = rows.sum(axis=0)
            hour_ago = rows[-min(len(rows), HOUR_MS // MINUTE_MS), OPEN]
            stats = DayStats(
                int(rows[0, OPEN]),
                int(rows[:, HIGH].max()),
                int(rows[:, LOW].min()),
                int(hour_ago),
                float(totals[VOLUME]),
                float(totals[BOUGHT]),
                float(totals[VALUE]),
                int(totals[PRINTS]),
                minute_ms,
            )
        self._known[id(one)] = stats
        return stats
