"""Columns of the heatmap while they are open: a ladder of timeframes, each the time average of the one below.

A sample is the map of a scope at the end of a span: a minute on the clock, or a candle of the backfill. It enters the
shortest timeframe that holds its span, so a 5-minute candle makes columns of 5m and longer and none of 1m.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.core.parameters import LONG, MINUTE_MS, SHORT
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.scope_grid import TrimmedMap
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, Timeframe

TIMEFRAMES: tuple[Timeframe, ...] = tuple(TIMEFRAME_MS)
DURATIONS_MS = tuple(TIMEFRAME_MS.values())
#: Bins that an open column can span; mass beyond is left out of it.
MAX_BINS = 8_192

Weighted = NDArray[np.float32]


class Sample(NamedTuple):
    """The map of a scope at the end of a span, and what happened in the span."""

    end_ms: int
    span_ms: int
    map: TrimmedMap
    bar: PriceBar
    open_interest_usd: float
    cumulative_volume_delta_usd: float
    incomplete: bool


@dataclass(slots=True)
class OpenColumn:
    """What a column has gathered.

    Attributes
    ----------
    minutes : float
        Observed so far.
    usd_minutes : ndarray, shape (2, bins), float32
        Sum of map times minutes.
    """

    open_ms: int | None = None
    minutes: float = 0.0
    first_bin: int = 0
    usd_minutes: Weighted = field(default_factory=lambda: np.zeros((2, 0), dtype=np.float32))
    bar: PriceBar = field(default_factory=PriceBar)
    open_interest_usd: float = 0.0
    cumulative_volume_delta_usd: float = 0.0
    incomplete: bool = False

    def add(self, part: OpenColumn) -> None:
        """Gather a later part."""
        self.minutes += part.minutes
        self.bar.add(part.bar)
        self.open_interest_usd = part.open_interest_usd
        self.cumulative_volume_delta_usd = part.cumulative_volume_delta_usd
        self.incomplete |= part.incomplete
        count = part.usd_minutes.shape[1]
        if count == 0:
            return
        if self.usd_minutes.shape[1] == 0:
            self.first_bin, self.usd_minutes = part.first_bin, part.usd_minutes[:, :MAX_BINS].copy()
            return
        self._cover(part.first_bin, part.first_bin + count)
        start = max(part.first_bin, self.first_bin)
        end = min(part.first_bin + count, self.first_bin + self.usd_minutes.shape[1])
        if start < end:
            taken = part.usd_minutes[:, start - part.first_bin : end - part.first_bin]
            self.usd_minutes[:, start - self.first_bin : end - self.first_bin] += taken

    def _cover(self, first: int, end: int) -> None:
        own_first, own_end = self.first_bin, self.first_bin + self.usd_minutes.shape[1]
        first, end = min(first, own_first), max(end, own_end)
        first = max(first, own_end - MAX_BINS)
        end = min(end, first + MAX_BINS)
        if (first, end) == (own_first, own_end):
            return
        grown = np.zeros((2, end - first), dtype=np.float32)
        grown[:, own_first - first : own_end - first] = self.usd_minutes
        self.first_bin, self.usd_minutes = first, grown


class ClosedColumn(NamedTuple):
    """A column that will not change any more."""

    timeframe: Timeframe
    open_ms: int
    close_ms: int
    content: OpenColumn
    incomplete: bool


@dataclass(slots=True)
class PendingCandles:
    """Candles of a scope's markets that end at the same time; their sample is due when time goes on."""

    end_ms: int
    span_ms: int
    bar: PriceBar = field(default_factory=PriceBar)


@dataclass(slots=True)
class ScopeColumns:
    """Open columns of one scope.

    Attributes
    ----------
    bar : PriceBar
        Of the minute that is open on the clock.
    sampled_ms : int
        End of the last sample; earlier ones change nothing any more.
    """

    bar: PriceBar = field(default_factory=PriceBar)
    cumulative_volume_delta_usd: float = 0.0
    sampled_ms: int = -1
    pending: PendingCandles | None = None
    levels: list[OpenColumn] = field(default_factory=lambda: [OpenColumn() for _ in TIMEFRAMES])

    def add(self, sample: Sample) -> list[ClosedColumn]:
        """Take a sample; the columns that it closes, short ones first."""
        if sample.end_ms - sample.span_ms < self.sampled_ms:
            return []
        self.sampled_ms = sample.end_ms
        index = next((i for i, duration in enumerate(DURATIONS_MS) if duration >= sample.span_ms), None)
        if index is None:
            return []
        minutes = sample.span_ms / MINUTE_MS
        usd = np.empty((2, len(sample.map.long_usd)), dtype=np.float32)
        usd[LONG], usd[SHORT] = sample.map.long_usd, sample.map.short_usd
        usd *= np.float32(minutes)
        part = OpenColumn(
            minutes=minutes,
            first_bin=sample.map.first_bin,
            usd_minutes=usd,
            bar=sample.bar,
            open_interest_usd=sample.open_interest_usd,
            cumulative_volume_delta_usd=sample.cumulative_volume_delta_usd,
            incomplete=sample.incomplete,
        )
        return self._absorb(index, sample.end_ms, part)

    def _absorb(self, index: int, end_ms: int, part: OpenColumn) -> list[ClosedColumn]:
        duration = DURATIONS_MS[index]
        open_ms = (end_ms - 1) // duration * duration
        closed: list[ClosedColumn] = []
        if self.levels[index].open_ms not in (None, open_ms):
            closed += self._close(index)
        level = self.levels[index]
        level.open_ms = open_ms
        level.add(part)
        if end_ms == open_ms + duration:
            closed += self._close(index)
        return closed

    def _close(self, index: int) -> list[ClosedColumn]:
        content = self.levels[index]
        self.levels[index] = OpenColumn()
        assert content.open_ms is not None
        duration = DURATIONS_MS[index]
        close_ms = content.open_ms + duration
        incomplete = content.incomplete or content.minutes * MINUTE_MS < duration
        column = ClosedColumn(TIMEFRAMES[index], content.open_ms, close_ms, content, incomplete)
        if index + 1 == len(TIMEFRAMES):
            return [column]
        return [column, *self._absorb(index + 1, close_ms, content)]
