"""A bad deploy must stop instead of diverting everything to the dead letters."""

from __future__ import annotations

from collections import deque

WINDOW_MS = 300_000
BUCKET_MS = 10_000
#: Below this many dead letters in the window a share means nothing.
MINIMUM = 50


class DeadLetterLimit:
    """Of one partition: at most ``share`` of the messages within 5 minutes, at most ``in_a_row`` one after another.

    Time is the log-append time of the messages, so that a replayed log stops at the same place.

    >>> limit = DeadLetterLimit(share=0.01, in_a_row=3)
    >>> [limit.exceeded(rejected=True, append_time_ms=0) for _ in range(4)][-1]
    '4 dead letters in a row (limit 3)'
    """

    def __init__(self, share: float, in_a_row: int) -> None:
        self._share = share
        self._in_a_row = in_a_row
        self._row = 0
        self._buckets: deque[list[int]] = deque()  # [start, messages, rejected]
        self._messages = 0
        self._rejected = 0

    def exceeded(self, *, rejected: bool, append_time_ms: int) -> str | None:
        """Count a message; a sentence when a limit is passed, else None."""
        start = append_time_ms - append_time_ms % BUCKET_MS
        if not self._buckets or start > self._buckets[-1][0]:
            self._buckets.append([start, 0, 0])
            while self._buckets[0][0] <= start - WINDOW_MS:
                _, messages, bad = self._buckets.popleft()
                self._messages -= messages
                self._rejected -= bad
        self._buckets[-1][1] += 1
        self._messages += 1
        if not rejected:
            self._row = 0
            return None
        self._buckets[-1][2] += 1
        self._rejected += 1
        self._row += 1
        if self._row > self._in_a_row:
            return f"{self._row} dead letters in a row (limit {self._in_a_row})"
        if self._rejected >= MINIMUM and self._rejected > self._share * self._messages:
            found = f"{self._rejected} dead letters among {self._messages} messages in 5 minutes"
            return f"{found} (limit {self._share:.1%})"
        return None
