"""How many dead letters a venue's stream may write: a changed format must not flood the topic."""

from __future__ import annotations

from collections import Counter
from typing import Final

from liqheat_ingest.sources.live.rate_budget import RateBudget, RateLimit

#: A thousand of a kind at once, enough to see what is wrong, then ten a second.
LETTERS: Final = RateLimit(weight=2_000, window_ms=100_000, share=0.5, burst_ms=100_000)

Kind = tuple[str, str, str]


class DeadLetterRate:
    """Room for each kind of fault: venue, stream, reason. What is withheld is counted, and told by the next letter.

    Attributes
    ----------
    withheld : Counter
        Since the start, by kind.

    Examples
    --------
    >>> rate = DeadLetterRate(RateLimit(weight=4, window_ms=2_000, share=0.5, burst_ms=2_000))
    >>> kind = ("bybit", "trades", "invalid-field")
    >>> [rate.admit(kind, 0) for _ in range(4)]
    [0, 0, None, None]
    >>> rate.admit(kind, 1_000)  # a second later there is room for one, and two were withheld
    2
    """

    def __init__(self, limit: RateLimit = LETTERS) -> None:
        self._limit = limit
        self._budgets: dict[Kind, RateBudget] = {}
        self._told: Counter[Kind] = Counter()
        self._latest_ms = 0
        self.withheld: Counter[Kind] = Counter()

    def admit(self, kind: Kind, now_ms: int) -> int | None:
        """Whether a letter may be written: how many of its kind were withheld before it; None: it is withheld, too.

        Parameters
        ----------
        now_ms : int
            Receive time of the message; a clock that steps back gives no room.
        """
        self._latest_ms = max(self._latest_ms, now_ms)
        budget = self._budgets.get(kind)
        if budget is None:
            budget = self._budgets[kind] = RateBudget(self._limit)
        if budget.take(1.0, self._latest_ms):
            self.withheld[kind] += 1
            return None
        before = self.withheld[kind] - self._told[kind]
        self._told[kind] = self.withheld[kind]
        return before
