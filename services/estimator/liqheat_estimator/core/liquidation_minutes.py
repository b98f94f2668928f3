"""A market's liquidation feed, minute by minute: what it showed, and what a throttled one left out by estimate."""

from __future__ import annotations

from dataclasses import dataclass, field

from liqheat_estimator.core.learning.shown_share import WINDOWS_MS, Peers, ShownShares, shown_share
from liqheat_estimator.core.parameters import MINUTE_MS
from liqheat_shared.contracts.market_events import FeedCompleteness

#: What a minute says about the feed's own share counts half after so many minutes: 7 days.
HALF_LIFE_MINUTES = 10_080.0
#: The window of a throttled feed among ``WINDOWS_MS``.
_SECOND = WINDOWS_MS.index(1_000)


def _zeros() -> list[float]:
    return [0.0, 0.0]


@dataclass(slots=True)
class WindowReading:
    """The open minute as a feed with one order a window would show it.

    Attributes
    ----------
    window : int
        Number of the newest window that had a liquidation; -1: none yet.
    occupied : int
        Windows that had one.
    largest_usd, shown_usd : float
        The largest of the newest window, and the sum of the largest of the others.
    """

    window: int = -1
    occupied: int = 0
    largest_usd: float = 0.0
    shown_usd: float = 0.0

    def take(self, window: int, notional_usd: float) -> None:
        """Take an order; within a second orders may be late."""
        if window > self.window:
            self.shown_usd += self.largest_usd
            self.window, self.largest_usd = window, 0.0
            self.occupied += 1
        self.largest_usd = max(self.largest_usd, notional_usd)


def _readings() -> list[WindowReading]:
    return [WindowReading() for _ in WINDOWS_MS]


@dataclass(slots=True)
class LiquidationMinutes:
    """The open minute of a feed, and its running sums. Times are event times; a minute's last millisecond is its end.

    Attributes
    ----------
    completeness : str
        As the newest liquidation said; unknown before the first.
    minute : int or None
        Number of the open minute.
    readings : list of WindowReading
        One a length of ``WINDOWS_MS``.
    all_usd, late_usd : list of float
        Everything of the open minute that came in the order of its seconds, by side; and what came after a later
        second or after its minute: it says nothing about seconds.
    reported_sum, estimated_sum : float
        Running USD that the feed showed, and that is estimated to have been liquidated.
    shares : ShownShares or None
        What a complete feed teaches about throttled ones; None before its first minute.
    """

    completeness: FeedCompleteness = "unknown"
    minute: int | None = None
    readings: list[WindowReading] = field(default_factory=_readings)
    all_usd: list[float] = field(default_factory=_zeros)
    late_usd: list[float] = field(default_factory=_zeros)
    reported_sum: float = 0.0
    estimated_sum: float = 0.0
    shares: ShownShares | None = None

    def share(self) -> float | None:
        """Estimated part of the liquidated USD that the feed shows; None: unknown, or nothing was liquidated yet."""
        if self.completeness == "complete":
            return 1.0
        if self.completeness != "throttled" or self.estimated_sum <= 0.0:
            return None
        return min(self.reported_sum / self.estimated_sum, 1.0)

    def is_over(self, time_ms: int) -> bool:
        """Whether a time lies beyond the open minute."""
        return self.minute is not None and (time_ms - 1) // MINUTE_MS > self.minute

    def take(self, time_ms: int, side: int, notional_usd: float, completeness: FeedCompleteness) -> None:
        """Take a liquidation. A minute that is over has to be ended before."""
        self.completeness = completeness
        if self.minute is None:
            self.minute = (time_ms - 1) // MINUTE_MS
        if (time_ms - 1) // MINUTE_MS < self.minute or (time_ms - 1) // 1_000 < self.readings[_SECOND].window:
            self.late_usd[side] += notional_usd
            return
        for reading, window_ms in zip(self.readings, WINDOWS_MS, strict=True):
            reading.take((time_ms - 1) // window_ms, notional_usd)
        self.all_usd[side] += notional_usd

    def end_minute(self, time_ms: int, peers: Peers) -> list[float]:
        """End the open minute at a time beyond it: what it has hidden, by side, in USD.

        A complete feed teaches ``shares`` and hides nothing. Of a partial one nobody knows what it leaves out: nothing
        is added to it.
        """
        assert self.minute is not None
        hidden = self.hidden_so_far(peers)
        if self.completeness == "complete":
            self.shares = ShownShares() if self.shares is None else self.shares
            readings = [(each.occupied, each.shown_usd + each.largest_usd) for each in self.readings]
            self.shares.learn(self.minute, sum(self.all_usd), readings)
        kept = 0.5 ** (max((time_ms - 1) // MINUTE_MS - self.minute, 0) / HALF_LIFE_MINUTES)
        reported = sum(self.all_usd) + sum(self.late_usd)
        self.reported_sum = (self.reported_sum + reported) * kept
        self.estimated_sum = (self.estimated_sum + reported + sum(hidden)) * kept
        self.minute, self.readings = None, _readings()
        self.all_usd, self.late_usd = _zeros(), _zeros()
        return hidden

    def hidden_so_far(self, peers: Peers) -> list[float]:
        """What the open minute has hidden up to now, by side: nothing changes."""
        seconds = self.readings[_SECOND].occupied
        if self.completeness != "throttled" or seconds == 0:
            return [0.0, 0.0]
        factor = 1.0 / shown_share(peers, seconds) - 1.0
        return [usd * factor for usd in self.all_usd]
