"""Candles of one market: the history before the start, and what happened since, minute by minute."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

MINUTE_MS = 60_000
OPEN, HIGH, LOW, CLOSE, VOLUME, BOUGHT, VALUE, BOUGHT_VALUE, PRINTS, OPEN_INTEREST = range(10)
COLUMNS = 10
#: Live minutes that are kept: three days. Older ones are forgotten, and the history before with them.
MAX_LIVE_MINUTES = 4_320


class MinuteBars:
    """Prices in ticks, amounts in lots, values in lots times ticks; one row a minute.

    Parameters
    ----------
    history_start_ms, live_start_ms : int
        Whole minutes. Rows between come from ``history``.
    history : callable
        The rows before ``live_start_ms``: shape (minutes, 10). Called when asked for, so that nothing is held for
        markets that nobody asks about.
    first_ticks : int
        Price at ``live_start_ms``.
    open_interest_lots : int
        At ``live_start_ms``.
    """

    def __init__(
        self,
        history_start_ms: int,
        live_start_ms: int,
        history: Callable[[], NDArray[np.float64]],
        first_ticks: int,
        open_interest_lots: int,
    ) -> None:
        self.history_start_ms = history_start_ms
        self._history = history
        self._live_start_ms = live_start_ms
        self._closed = np.zeros((64, COLUMNS))
        self._count = 0
        self._minute_ms = live_start_ms
        self._open = _empty_row(first_ticks, open_interest_lots)

    def advance(self, now_ms: int, open_interest_lots: int) -> None:
        """Close the minutes that are over."""
        while now_ms >= self._minute_ms + MINUTE_MS:
            self._open[OPEN_INTEREST] = open_interest_lots
            self._append()
            self._minute_ms += MINUTE_MS
            self._open = _empty_row(self._open[CLOSE], open_interest_lots)

    def add(self, price_ticks: int, lots: int, side: int) -> None:
        """Count a trade into the open minute."""
        row = self._open
        if not row[PRINTS]:
            row[OPEN] = row[HIGH] = row[LOW] = price_ticks
        elif price_ticks > row[HIGH]:
            row[HIGH] = price_ticks
        elif price_ticks < row[LOW]:
            row[LOW] = price_ticks
        row[CLOSE] = price_ticks
        row[VOLUME] += lots
        row[VALUE] += lots * price_ticks
        row[PRINTS] += 1
        if side > 0:
            row[BOUGHT] += lots
            row[BOUGHT_VALUE] += lots * price_ticks

    def rows(self, from_ms: int, to_ms: int) -> tuple[int, NDArray[np.float64]]:
        """Start of the first row and the rows of minutes that begin in [from_ms, to_ms), the open one included."""
        end_ms = min(_ceil(to_ms), self._minute_ms + MINUTE_MS)
        start_ms = max(_ceil(from_ms), self.history_start_ms)
        if start_ms >= end_ms:
            return start_ms, np.zeros((0, COLUMNS))
        parts: list[NDArray[np.float64]] = []
        if start_ms < self._live_start_ms:
            first = (start_ms - self.history_start_ms) // MINUTE_MS
            last = (min(end_ms, self._live_start_ms) - self.history_start_ms) // MINUTE_MS
            parts.append(self._history()[first:last])
        kept_from_ms = self._minute_ms - self._count * MINUTE_MS
        if end_ms > kept_from_ms:
            first = max(0, (start_ms - kept_from_ms) // MINUTE_MS)
            last = (end_ms - kept_from_ms) // MINUTE_MS
            parts.append(self._closed[first : min(last, self._count)])
            if last > self._count:
                parts.append(np.array([self._open]))
        return start_ms, np.concatenate(parts)

    def candles(self, interval_ms: int, from_ms: int, to_ms: int) -> tuple[list[int], NDArray[np.float64]]:
        """Candles that open in [from_ms, to_ms): open times, and rows as above. Gaps in time are left out.

        Parameters
        ----------
        interval_ms : int
            A multiple of a minute; candles open at multiples of it.
        """
        begin_ms = -(-max(from_ms, self.history_start_ms) // interval_ms) * interval_ms
        start_ms, rows = self.rows(begin_ms, -(-to_ms // interval_ms) * interval_ms)
        if not len(rows):
            return [], rows
        per_candle = interval_ms // MINUTE_MS
        starts = np.arange(0, len(rows), per_candle)
        merged = np.add.reduceat(rows, starts, axis=0)
        merged[:, OPEN] = rows[starts, OPEN]
        merged[:, HIGH] = np.maximum.reduceat(rows[:, HIGH], starts)
        merged[:, LOW] = np.minimum.reduceat(rows[:, LOW], starts)
        ends = np.append(starts[1:], len(rows)) - 1
        merged[:, CLOSE] = rows[ends, CLOSE]
        merged[:, OPEN_INTEREST] = rows[ends, OPEN_INTEREST]
        return (start_ms + starts * MINUTE_MS).tolist(), merged

    def _append(self) -> None:
        if self._count == len(self._closed):
            if self._count >= MAX_LIVE_MINUTES:
                self._closed[:-1] = self._closed[1:]
                self._count -= 1
                # The history before would no longer join: what is left is what was lived through.
                self.history_start_ms = self._live_start_ms = self._minute_ms - self._count * MINUTE_MS
            else:
                more = min(self._count, MAX_LIVE_MINUTES - self._count)
                self._closed = np.concatenate([self._closed, np.zeros((more, COLUMNS))])
        self._closed[self._count] = self._open
        self._count += 1


def _empty_row(price_ticks: float, open_interest_lots: float) -> list[float]:
    return [price_ticks] * 4 + [0.0] * 5 + [open_interest_lots]


def _ceil(time_ms: int) -> int:
    return -(-time_ms // MINUTE_MS) * MINUTE_MS
