"""What a venue does not push: asked for again and again within its budget, those most needed first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venues.feed import Poll

#: Polls of a venue that wait for an answer at a time.
AT_ONCE = 8
#: A poll that fails this often in its rhythm, or for this long, has interrupted its streams.
MISSES, PATIENCE_S = 3.0, 30.0


class Polling:
    """Polls one venue.

    Parameters
    ----------
    monotonic_s : callable
        A clock that only goes forward.
    """

    def __init__(self, run: VenueRun, now_ms: Callable[[], int], monotonic_s: Callable[[], float]) -> None:
        self._run = run
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._queue: list[tuple[float, int, Poll]] = []
        self._number = 0
        self._answered_s: dict[int, float] = {}
        self._changed = asyncio.Event()

    def set(self, polls: list[Poll]) -> None:
        """Poll these from now on, spread over their intervals."""
        now_s = self._monotonic_s()
        self._queue = []
        self._answered_s = {}
        for index, poll in enumerate(polls):
            self._number += 1
            # The first round comes at once, in the order of the list, and is slowed by the budget alone.
            heapq.heappush(self._queue, (now_s + 0.001 * index, self._number, poll))
            self._answered_s[self._number] = now_s
            self._run.intake.watch.began(poll.streams)
        self._changed.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        slots = asyncio.Semaphore(AT_ONCE)
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                await self._until_due()
                if not self._queue:
                    continue
                await slots.acquire()
                due_s, number, poll = heapq.heappop(self._queue)
                task = asyncio.ensure_future(self._ask(number, poll, due_s, slots))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()

    async def _until_due(self) -> None:
        while True:
            self._changed.clear()
            wait_s = self._queue[0][0] - self._monotonic_s() if self._queue else 60.0
            if wait_s <= 0:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), wait_s)
            except TimeoutError:
                return

    async def _ask(self, number: int, poll: Poll, due_s: float, slots: asyncio.Semaphore) -> None:
        try:
            await self._run.ask(poll.request, "needed" if poll.every_s <= 10 else "spare")
        except RestFailed as error:
            self._missed(number, poll, str(error))
        else:
            self._answered_s[number] = self._monotonic_s()
            self._run.intake.add(self._run.intake.watch.resumed(poll.streams, self._now_ms()))
        finally:
            slots.release()
            if number in self._answered_s:  # else it was replaced meanwhile
                # From the time it was due, unless that has been overtaken: the rhythm stays, no calls pile up.
                next_s = max(due_s + poll.every_s, self._monotonic_s() + poll.every_s / 4)
                heapq.heappush(self._queue, (next_s, number, poll))
                self._changed.set()

    def _missed(self, number: int, poll: Poll, reason: str) -> None:
        silent_s = self._monotonic_s() - self._answered_s.get(number, self._monotonic_s())
        if silent_s > max(MISSES * poll.every_s, PATIENCE_S):
            now_ms = self._now_ms()
            watch = self._run.intake.watch
            self._run.intake.add(watch.lost(poll.streams, now_ms - round(silent_s * 1000), now_ms, reason))
