"""How much a venue may be asked: one budget for all calls of a venue, pure and by an explicit clock.

A venue counts weights over a window. The budget spends at most ``share`` of it, evenly enough that a burst at a start
can't use up what the regular polls need: it is a bucket that holds a few seconds' worth and refills steadily. What a
bucket holds and what refills it in a window together stay below the limit, wherever the window begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Urgency = Literal["needed", "spare"]
#: "spare" calls leave this part of the bucket to those that are needed.
SPARE_FLOOR = 0.5
#: Without a word from the venue, a first refusal costs this long, and each further one twice as much.
FIRST_PAUSE_MS = 1_000
LONGEST_PAUSE_MS = 120_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A venue's published limit and how much of it we use.

    Attributes
    ----------
    weight : float
        Most weight in a window.
    window_ms : int
        Length of the window.
    share : float
        Part of it that is spent: others may share the address.
    burst_ms : int
        The bucket holds this long a refill.
    """

    weight: float
    window_ms: int
    share: float = 0.8
    burst_ms: int = 10_000


class RateBudget:
    """Weights spent on one limit, and the pauses that the venue ordered.

    Examples
    --------
    >>> budget = RateBudget(RateLimit(weight=75, window_ms=60_000, share=0.8, burst_ms=2_000))
    >>> [budget.take(1.0, now_ms=0) for _ in range(3)]  # two at once, the third a second later
    [0, 0, 1000]
    >>> budget.refused(now_ms=5_000, retry_after_s=30, is_ban=True)
    30000
    >>> budget.delay_ms(1.0, now_ms=15_000), budget.paused_until_ms, budget.banned_until_ms
    (20000, 35000, 35000)
    """

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._per_ms = limit.weight * limit.share / limit.window_ms
        self.capacity = max(1.0, self._per_ms * limit.burst_ms)
        if self.capacity + self._per_ms * limit.window_ms > limit.weight * (1 + 1e-9):
            raise ValueError(f"a burst of {limit.burst_ms} ms and a share of {limit.share} exceed the limit")
        self._level = self.capacity
        self._level_at_ms: int | None = None
        self._refusals_in_a_row = 0
        self.paused_until_ms = 0
        self.banned_until_ms = 0
        #: Weight spent since the beginning.
        self.spent = 0.0
        self.refusals = 0

    def delay_ms(self, weight: float, now_ms: int, urgency: Urgency = "needed") -> int:
        """Milliseconds until a call of this weight may go; 0: now. Nothing is spent."""
        level = self._refilled(now_ms)
        need = min(weight, self.capacity) + (self.capacity * SPARE_FLOOR if urgency == "spare" else 0.0)
        need = min(need, self.capacity)
        short = need - level
        wait = 0 if short <= 1e-9 else int(short / self._per_ms) + (short / self._per_ms % 1 > 1e-9)
        return max(wait, self.paused_until_ms - now_ms, 0)

    def take(self, weight: float, now_ms: int, urgency: Urgency = "needed") -> int:
        """Spend the weight if the call may go now; returns the delay after which to ask again, 0 if it was spent."""
        delay = self.delay_ms(weight, now_ms, urgency)
        if delay == 0:
            self._level = self._refilled(now_ms) - weight
            self._level_at_ms = now_ms
            self.spent += weight
        return delay

    def answered(self) -> None:
        """A call was served: the next refusal is a first one again."""
        self._refusals_in_a_row = 0

    def told_used(self, used_weight: float, now_ms: int) -> None:
        """The venue said how much of the window is used, by whomever: never believe there is more left than it says."""
        left = self.limit.weight * self.limit.share - used_weight
        self._level = min(self._refilled(now_ms), max(left, -self.capacity))
        self._level_at_ms = now_ms

    def refused(self, now_ms: int, retry_after_s: float | None, *, is_ban: bool) -> int:
        """The venue answered 429 or 418; returns how long all calls pause, in milliseconds."""
        self.refusals += 1
        if retry_after_s is not None and retry_after_s >= 0:
            pause = int(retry_after_s * 1000)
        else:
            pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS << min(self._refusals_in_a_row, 7))
        self._refusals_in_a_row += 1
        self.paused_until_ms = max(self.paused_until_ms, now_ms + pause)
        self._level, self._level_at_ms = min(self._refilled(now_ms), 0.0), now_ms
        if is_ban:
            self.banned_until_ms = self.paused_until_ms
        return pause

    def _refilled(self, now_ms: int) -> float:
        if self._level_at_ms is None or now_ms <= self._level_at_ms:
            return self._level
        return min(self.capacity, self._level + (now_ms - self._level_at_ms) * self._per_ms)
