"""All REST calls of a venue: one budget, pauses where the venue asks for them, every answer counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liqheat_ingest.sources.live.rate_budget import RateBudget, Urgency
from liqheat_ingest.sources.live.venues.feed import Request, VenueFeed

#: HTTP status of "too many requests"; that of a ban differs by venue.
TOO_MANY = 429
RETRY_AFTER_S = 1.0
#: A call waits at most so long for its turn; whoever asked has given up by then.
LONGEST_WAIT_S = 600.0


class RestFailed(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """A call had no usable answer. The text names the call and why."""


@dataclass(slots=True)
class RestCounts:
    """What became of the calls so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    weight: float = 0.0


class Rest:
    """The REST side of a venue.

    Parameters
    ----------
    now_ms : callable
        Wall clock.
    say : callable
        Gets a sentence when the venue pauses or bans us.
    """

    def __init__(self, feed: VenueFeed, now_ms: Callable[[], int], say: Callable[[str], None]) -> None:
        self._feed = feed
        self._now_ms = now_ms
        self._say = say
        self._exchange: Any = None
        self.budgets = {name: RateBudget(limit) for name, limit in feed.limits.items()}
        self.counts = RestCounts()

    def use(self, exchange: Any) -> None:
        """The exchange that makes the calls."""
        self._exchange = exchange

    @property
    def banned_until_ms(self) -> int:
        """End of the venue's ban; 0 or past: none."""
        return max(budget.banned_until_ms for budget in self.budgets.values())

    async def call(
        self,
        request: Request,
        urgency: Urgency = "needed",
        tries: int = 1,
        on_turn: Callable[[], None] | None = None,
    ) -> Any:
        """The parsed answer.

        Parameters
        ----------
        tries : int
            How often to ask; for what will not be asked again soon. The budget pauses where the venue was too busy.
        on_turn : callable
            Called just before it is asked: what happened up to then is in the answer.

        Raises
        ------
        RestFailed
            The venue can't be reached, refuses the call, or its turn would come too late.
        """
        for left in range(tries - 1, -1, -1):
            try:
                return await self._once(request, urgency, on_turn)
            except RestFailed:
                if not left:
                    raise
                await asyncio.sleep(RETRY_AFTER_S)
        raise AssertionError("unreachable")

    async def _once(self, request: Request, urgency: Urgency, on_turn: Callable[[], None] | None) -> Any:
        await self._turn(request, urgency)
        if on_turn is not None:
            on_turn()
        refusals = self.counts.refusals
        try:
            answer = await self._exchange.request(request.path, [request.api], request.method, dict(request.parameters))
        except Exception as error:
            from ccxt.base.errors import BaseError, DDoSProtection, RateLimitExceeded

            if not isinstance(error, BaseError | OSError | TimeoutError | ValueError | KeyError | TypeError):
                raise
            if isinstance(error, DDoSProtection | RateLimitExceeded):
                if self.counts.refusals == refusals:  # told in the body and not by the status
                    self._refused(request.limit, TOO_MANY, None)
                self.counts.outcomes["refused"] += 1
            else:
                self.counts.outcomes["failed"] += 1
            raise RestFailed(
                f"{self._feed.venue} {request.venue_path}: {type(error).__name__}: {error}"[:400]
            ) from error
        self.counts.outcomes["answered"] += 1
        self.budgets[request.limit].answered()
        return answer

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Hear of an answer before ccxt judges it: the limits that the venue tells in its headers."""
        if status in (TOO_MANY, self._feed.ban_status):
            self._refused("rest", status, headers.get("retry-after"))
            return
        used = headers.get("x-mbx-used-weight-1m")
        if used is not None and used.isdigit() and "rest" in self.budgets:
            self.budgets["rest"].told_used(float(used), self._now_ms())

    async def _turn(self, request: Request, urgency: Urgency) -> None:
        budget, waited = self.budgets[request.limit], 0.0
        while (delay_ms := budget.take(request.weight, self._now_ms(), urgency)) > 0:
            waited += delay_ms / 1000.0
            if waited > LONGEST_WAIT_S:
                self.counts.outcomes["given-up"] += 1
                raise RestFailed(f"{self._feed.venue} {request.venue_path}: no turn within {LONGEST_WAIT_S:.0f} s")
            await asyncio.sleep(delay_ms / 1000.0)
        self.counts.weight += request.weight

    def _refused(self, limit: str, status: int, retry_after: str | None) -> None:
        try:
            retry_after_s = None if retry_after is None else float(retry_after)
        except ValueError:
            retry_after_s = None
        is_ban = status == self._feed.ban_status
        if is_ban and retry_after_s is None:
            retry_after_s = self._feed.ban_s
        self.counts.refusals += 1
        now_ms = self._now_ms()
        pause_ms = self.budgets[limit].refused(now_ms, retry_after_s, is_ban=is_ban)
        what = "banned this address" if is_ban else "refused a call"
        self._say(f"{self._feed.venue} {what} ({status}): no calls for {pause_ms / 1000:.0f} s")
