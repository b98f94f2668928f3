"""How much of the time a market's liquidation feed was listened to. Pure: every time is an argument.

What counts as heard: the feed is told to exist, it is not announced as interrupted, and the log of its market goes on
(ingest writes something of every market at least every two seconds). Silence of the feed itself is no gap: nobody was
liquidated. All times are ``receive_time_ms``, which never go back within a market.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from liqheat_estimator.core.parameters import DAY_MS
from liqheat_shared.contracts.market_events import LiquidationFeedKind

#: A market whose log stands still for longer was not listened to. Heartbeats come every two seconds.
LONGEST_SILENCE_MS = 10_000
#: Spans remembered of the last 24 hours; of more, neighbours become one and keep the sum of what was lost.
MAX_GAPS = 256
#: Shares are told in millionths, rounded down: what is not all is never told as all.
SHARE_STEPS = 1_000_000


@dataclass(slots=True)
class Gap:
    """A span of which ``lost_ms`` were not heard: all of it, unless neighbours were joined."""

    from_ms: int
    to_ms: int
    lost_ms: int

    def lost_since(self, time_ms: int) -> int:
        """Unheard time after a moment; of a joined span as much as it has in proportion."""
        if time_ms <= self.from_ms:
            return self.lost_ms
        if time_ms >= self.to_ms:
            return 0
        return self.lost_ms * (self.to_ms - time_ms) // (self.to_ms - self.from_ms)


@dataclass(slots=True)
class LiquidationHearing:
    """When the liquidation feed of a market was heard.

    Attributes
    ----------
    kind : str or None
        What part of the liquidations the feed carries; None: nothing was told of a feed.
    since_ms : int or None
        When it was first heard.
    until_ms : int
        The market's log is known up to here.
    interrupted_ms : int or None
        It is announced as interrupted, and what that lost is noted up to here.
    unbroken_ms : int
        End of the last span that was not heard, or ``since_ms``.
    gaps : list of Gap
        Unheard spans of the last 24 hours, in order and apart.
    lost_before_ms : int
        Unheard time of the spans that are older and forgotten.

    Examples
    --------
    >>> hearing = LiquidationHearing()
    >>> hearing.tell("throttled")
    >>> for second in range(0, 3_600, 2):
    ...     hearing.advance(second * 1_000)
    >>> hearing.interrupt(3_540_000, 3_600_000)  # found dead after a minute
    >>> hearing.resume(3_540_000, 3_630_000)
    >>> hearing.value(3_630_000)["heard_share_since_connected"]
    0.975206
    """

    kind: LiquidationFeedKind | None = None
    since_ms: int | None = None
    until_ms: int = -1
    interrupted_ms: int | None = None
    unbroken_ms: int = -1
    gaps: list[Gap] = field(default_factory=list)
    lost_before_ms: int = 0

    @property
    def is_heard(self) -> bool:
        """Whether there is a feed that was connected to and is not announced as interrupted."""
        return self.since_ms is not None and self.interrupted_ms is None and self.kind != "none"

    def tell(self, kind: LiquidationFeedKind | None) -> None:
        """An instrument says what its feed carries; one that says nothing takes back nothing."""
        if kind is not None:
            self.kind = kind

    def came(self, kind: LiquidationFeedKind) -> None:
        """A liquidation came, so there is a feed, whatever the instrument told."""
        if self.kind is None or self.kind == "none":
            self.kind = kind

    def advance(self, time_ms: int) -> None:
        """The market's log goes on: an event of it was received."""
        if self.kind is None or self.kind == "none":
            return
        if self.since_ms is None:
            if self.interrupted_ms is None:
                self._begin(time_ms)
            return
        if self.interrupted_ms is None and time_ms - self.until_ms > LONGEST_SILENCE_MS:
            self._lose(self.until_ms, time_ms)
        self.until_ms = max(self.until_ms, time_ms)

    def interrupt(self, from_ms: int, time_ms: int) -> None:
        """The stream was announced at a time as interrupted since another."""
        self.advance(time_ms)
        start_ms = from_ms if self.interrupted_ms is None else min(from_ms, self.interrupted_ms)
        self.interrupted_ms = time_ms
        if self.since_ms is not None and start_ms <= self.since_ms:
            self._forget()  # it was taken for connected and was not
        elif self.since_ms is not None:
            self._lose(start_ms, time_ms)

    def resume(self, from_ms: int, time_ms: int) -> None:
        """The stream is back at a time. ``from_ms`` counts where its interruption was not announced."""
        self.advance(time_ms)
        start_ms = from_ms if self.interrupted_ms is None else self.interrupted_ms
        self.interrupted_ms = None
        if self.since_ms is None:
            self.advance(time_ms)
        else:
            self._lose(start_ms, time_ms)

    def lost_track(self) -> None:
        """Events are missing: whether it is still interrupted is not known, and the hole itself will be seen."""
        if self.interrupted_ms is not None and self.since_ms is not None:
            self._lose(self.interrupted_ms, self.until_ms)
        self.interrupted_ms = None

    def value(self, time_ms: int) -> dict[str, Any] | None:
        """The contract's ``LiquidationFeed`` at a moment; None: nothing was told of one."""
        if self.kind is None:
            return None
        is_off = self.kind == "none"
        told: dict[str, Any] = {
            "kind": self.kind,
            "connected_since_ms": None,
            "unbroken_since_ms": None,
            "heard_share_24h": None if is_off else 0.0,
            "heard_share_since_connected": None,
        }
        if self.since_ms is None or is_off:
            return told
        now_ms = max(time_ms, self.until_ms)
        lost_from_ms = self._unheard_from(now_ms)
        day_ms = max(now_ms - DAY_MS, self.since_ms)
        lost_ms = self.lost_before_ms + sum(gap.lost_ms for gap in self.gaps) + now_ms - lost_from_ms
        lost_in_day_ms = sum(gap.lost_since(day_ms) for gap in self.gaps) + now_ms - max(lost_from_ms, day_ms)
        told["connected_since_ms"] = self.since_ms
        told["unbroken_since_ms"] = self.unbroken_ms if lost_from_ms == now_ms and self.is_heard else None
        told["heard_share_24h"] = _share(now_ms - day_ms - lost_in_day_ms, DAY_MS)
        told["heard_share_since_connected"] = _share(now_ms - self.since_ms - lost_ms, now_ms - self.since_ms)
        return told

    def _unheard_from(self, now_ms: int) -> int:
        """Since when it is unheard, as far as ``gaps`` do not tell it; now: it is heard."""
        if self.interrupted_ms is not None:
            return min(self.interrupted_ms, now_ms)
        return self.until_ms if now_ms - self.until_ms > LONGEST_SILENCE_MS else now_ms

    def _begin(self, time_ms: int) -> None:
        self.since_ms = self.until_ms = self.unbroken_ms = time_ms

    def _lose(self, from_ms: int, to_ms: int) -> None:
        """Note an unheard span; it joins those that it touches."""
        assert self.since_ms is not None
        if to_ms <= from_ms:
            return
        if from_ms <= self.since_ms:  # nothing was heard before the span's end, so that is when it was first heard
            self._forget()
            self._begin(to_ms)
            return
        self.unbroken_ms = max(self.unbroken_ms, to_ms)
        lost_ms = to_ms - from_ms
        while self.gaps and self.gaps[-1].to_ms >= from_ms:
            last = self.gaps.pop()
            to_ms = max(to_ms, last.to_ms)
            lost_ms = last.lost_ms - last.lost_since(from_ms) + to_ms - from_ms
            if last.from_ms < from_ms:
                from_ms = last.from_ms
                break
        self.gaps.append(Gap(from_ms, to_ms, lost_ms))
        self._bound(to_ms)

    def _bound(self, now_ms: int) -> None:
        """Forget spans older than a day; of too many, join the two that lie closest together."""
        while self.gaps and self.gaps[0].to_ms <= now_ms - DAY_MS:
            self.lost_before_ms += self.gaps.pop(0).lost_ms
        if len(self.gaps) > MAX_GAPS:
            pairs = range(len(self.gaps) - 1)
            index = min(pairs, key=lambda i: self.gaps[i + 1].to_ms - self.gaps[i].from_ms)
            left, right = self.gaps[index], self.gaps.pop(index + 1)
            self.gaps[index] = Gap(left.from_ms, right.to_ms, left.lost_ms + right.lost_ms)

    def _forget(self) -> None:
        self.since_ms = None
        self.gaps.clear()
        self.lost_before_ms = 0


def _share(part: int, whole: int) -> float:
    """A part of a whole in [0, 1], rounded down; 1 of nothing."""
    return 1.0 if whole <= 0 else min(max(part, 0) * SHARE_STEPS // whole, SHARE_STEPS) / SHARE_STEPS
