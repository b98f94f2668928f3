"""How many dead letters a venue's stream may write: a changed format must not flood the topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: So many of a kind at once, enough to see what is wrong, then so many a second.
BURST: Final = 1_000.0
PER_SECOND: Final = 10.0

Kind = tuple[str, str, str]


@dataclass(slots=True)
class _Bucket:
    tokens: float
    time_ms: int
    withheld: int = 0


@dataclass(slots=True)
class DeadLetterRate:
    """Room for each kind of fault: venue, stream, reason. What is withheld is counted, and told by the next letter.

    Examples
    --------
    >>> rate = DeadLetterRate(burst=2.0, per_second=1.0)
    >>> kind = ("bybit", "trades", "invalid-field")
    >>> [rate.admit(kind, 0) for _ in range(4)]
    [0, 0, None, None]
    >>> rate.admit(kind, 1_000)  # a second later there is room for one, and two were withheld
    2
    """

    burst: float = BURST
    per_second: float = PER_SECOND
    #: Withheld since the start, by kind.
    withheld: dict[Kind, int] = field(default_factory=dict)
    _buckets: dict[Kind, _Bucket] = field(default_factory=dict)

    def admit(self, kind: Kind, now_ms: int) -> int | None:
        """Whether a letter may be written: how many of its kind were withheld before it; None: it is withheld, too.

        Parameters
        ----------
        now_ms : int
            Receive time of the message; a clock that steps back gives no room.
        """
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = _Bucket(self.burst, now_ms)
        elapsed_ms = max(now_ms - bucket.time_ms, 0)
        bucket.tokens = min(bucket.tokens + elapsed_ms * self.per_second / 1000.0, self.burst)
        bucket.time_ms = max(bucket.time_ms, now_ms)
        if bucket.tokens < 1.0:
            bucket.withheld += 1
            self.withheld[kind] = self.withheld.get(kind, 0) + 1
            return None
        bucket.tokens -= 1.0
        before, bucket.withheld = bucket.withheld, 0
        return before
