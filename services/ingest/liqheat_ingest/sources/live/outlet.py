"""Where the items of all venues become messages of the log: bounded, and telling the sockets when to wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.dead_letters import dead_letter
from liqheat_ingest.message import Message
from liqheat_ingest.readings import Fact, Problem, Trade
from liqheat_ingest.sources.live.dead_letter_rate import DeadLetterRate


class Outlet:
    """The batcher, with a bound on what waits for Kafka.

    Sockets stop reading while it is full, so that TCP holds the venue back: nothing is dropped here. What the venue
    then does (it may close the connection) is a gap like any other, and announced.

    Parameters
    ----------
    most_messages : int
        Complete messages that may wait.
    """

    def __init__(self, batcher: Batcher, most_messages: int) -> None:
        self._batcher = batcher
        self._most = most_messages
        self._room = asyncio.Event()
        self._room.set()
        self._filled = asyncio.Event()
        self._full_since_s: float | None = None
        #: Seconds during which sockets were told to wait.
        self.full_s = 0.0
        self.problems: Counter[tuple[str, str, str]] = Counter()
        self.dead_letter_rate = DeadLetterRate()
        self.pushed: Counter[tuple[str, str]] = Counter()

    def push(self, item: Trade | Fact) -> None:
        """Take an item."""
        self._batcher.push(item)
        if self._batcher.ready:
            self._after_push()

    def report(self, problem: Problem) -> None:
        """Take a message that could not be used: counted, and a dead letter unless there are too many of its kind."""
        kind = problem.venue, problem.stream, problem.reason
        self.problems[kind] += 1
        withheld = self.dead_letter_rate.admit(kind, problem.receive_time_ms)
        if withheld is None:
            return
        if withheld:
            problem = problem._replace(detail=f"{problem.detail} ({withheld} more like it before were not written)")
        self._batcher.ready.append(dead_letter(problem))
        self._after_push()

    def advance(self, now_ms: int) -> None:
        """Release what the wall clock says is due: batches whose window ended, heartbeats."""
        self._batcher.advance(now_ms)

    def take(self) -> list[Message]:
        """All complete messages; there is room again."""
        messages = self._batcher.take()
        if self._full_since_s is not None:
            self.full_s += time.monotonic() - self._full_since_s
            self._full_since_s = None
        self._filled.clear()
        self._room.set()
        return messages

    def finish(self) -> list[Message]:
        """The rest: the source ends."""
        self._batcher.finish()
        return self.take()

    @property
    def waiting(self) -> int:
        """Complete messages that were not taken yet."""
        return len(self._batcher.ready)

    def is_full(self) -> bool:
        """Whether sockets should stop reading."""
        return len(self._batcher.ready) >= self._most

    async def room(self) -> None:
        """Return when there is room."""
        while self.is_full():
            self._room.clear()
            await self._room.wait()

    async def filled(self, timeout_s: float) -> None:
        """Return when so much waits that it should go at once, or after the time."""
        try:
            await asyncio.wait_for(self._filled.wait(), timeout_s)
        except TimeoutError:
            return

    def _after_push(self) -> None:
        waiting = len(self._batcher.ready)
        if waiting >= self._most // 4:
            self._filled.set()
        if waiting >= self._most and self._full_since_s is None:
            self._full_since_s = time.monotonic()
