"""A market's liquidation feed, minute by minute: what it showed, and what a throttled one left out by estimate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from liqheat_estimator.core.learning.shown_share import ShownShares
from liqheat_estimator.core.parameters import MINUTE_MS

Completeness = Literal["complete", "throttled", "partial", "unknown"]

#: What a minute says about the feed's own share counts half after so many minutes: 7 days.
HALF_LIFE_MINUTES = 10_080.0


def _zeros() -> list[float]:
    return [0.0, 0.0]


@dataclass(slots=True)
class LiquidationMinutes:
    """The open minute of a feed, and its running sums. Times are event times; a minute's last millisecond is its end.

    Attributes
    ----------
    completeness : str
        As the newest liquidation said; unknown before the first.
    minute, second : int or None, int
        Number of the open minute and of its newest second, counted by their ends.
    seconds : int
        Seconds of the open minute that had a liquidation.
    largest_usd, largest_side : float, int
        The largest of the newest second: what a throttled feed would show of it.
    shown_usd : list of float
        Sums, by side, of the largest of each second of the open minute before the newest.
    all_usd, late_usd : list of float
        Everything of the open minute that came in the order of its seconds, by side; and what came after a later one
        or after its minute: it says nothing about seconds.
    reported_sum, estimated_sum : float
        Running USD that the feed showed, and that is estimated to have been liquidated.
    """

    completeness: Completeness = "unknown"
    minute: int | None = None
    second: int = -1
    seconds: int = 0
    largest_usd: float = 0.0
    largest_side: int = 0
    shown_usd: list[float] = field(default_factory=_zeros)
    all_usd: list[float] = field(default_factory=_zeros)
    late_usd: list[float] = field(default_factory=_zeros)
    reported_sum: float = 0.0
    estimated_sum: float = 0.0

    def share(self) -> float | None:
        """Estimated part of the liquidated USD that the feed shows; None: unknown, or nothing was liquidated yet."""
        if self.completeness == "complete":
            return 1.0
        if self.completeness != "throttled" or self.estimated_sum <= 0.0:
            return None
        return min(self.reported_sum / self.estimated_sum, 1.0)

    def take(
        self, time_ms: int, side: int, notional_usd: float, completeness: Completeness, shares: ShownShares
    ) -> list[float]:
        """Take a liquidation; what the minute that it ends has hidden, by side: (0, 0) mostly."""
        hidden = self.end_minute(time_ms, shares)
        self.completeness = completeness
        second = (time_ms - 1) // 1_000
        if self.minute is None:
            self.minute, self.second = (time_ms - 1) // MINUTE_MS, -1
        if second < self.second or (time_ms - 1) // MINUTE_MS < self.minute:
            self.late_usd[side] += notional_usd
            return hidden
        if second > self.second:
            self._end_second()
            self.second = second
            self.seconds += 1
        if notional_usd > self.largest_usd:
            self.largest_usd, self.largest_side = notional_usd, side
        self.all_usd[side] += notional_usd
        return hidden

    def end_minute(self, time_ms: int, shares: ShownShares) -> list[float]:
        """End the open minute if a time lies beyond it: what it has hidden, by side, in USD.

        A complete feed teaches ``shares`` and hides nothing. Of a partial one nobody knows what it leaves out: nothing
        is added to it.
        """
        if self.minute is None or (time_ms - 1) // MINUTE_MS <= self.minute:
            return [0.0, 0.0]
        self._end_second()
        minute, hidden = self.minute, self.hidden_so_far(shares)
        if self.completeness == "complete" and self.seconds:
            shares.learn(minute, self.seconds, sum(self.shown_usd), sum(self.all_usd))
        kept = 0.5 ** (max((time_ms - 1) // MINUTE_MS - minute, 0) / HALF_LIFE_MINUTES)
        reported = sum(self.all_usd) + sum(self.late_usd)
        self.reported_sum = (self.reported_sum + reported) * kept
        self.estimated_sum = (self.estimated_sum + reported + sum(hidden)) * kept
        self.minute, self.second, self.seconds = None, -1, 0
        self.shown_usd, self.all_usd, self.late_usd = _zeros(), _zeros(), _zeros()
        return hidden

    def hidden_so_far(self, shares: ShownShares) -> list[float]:
        """What the open minute has hidden up to now, by side: nothing changes."""
        if self.completeness != "throttled" or self.seconds == 0:
            return [0.0, 0.0]
        factor = 1.0 / shares.share(self.seconds) - 1.0
        return [usd * factor for usd in self.all_usd]

    def _end_second(self) -> None:
        self.shown_usd[self.largest_side] += self.largest_usd
        self.largest_usd = 0.0
