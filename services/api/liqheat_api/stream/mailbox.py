"""What a client has still to be sent. Bounded whatever the client does."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of the stream.

    Attributes
    ----------
    event_id : str or None
        Place in the stream of facts; None: a value, which nobody needs to ask for again.
    """

    name: str
    data: bytes
    event_id: str | None = None


class Mailbox:
    """Values are replaced by newer ones, facts are queued; too many facts are replaced by ``resync``.

    So a client that reads slowly misses old maps, which the newer contain, and is told when it missed a fact.

    Parameters
    ----------
    coin, scope : str
        What the client follows.
    facts_kept : int
        Facts held before the client is told to start over.
    """

    def __init__(self, coin: str, scope: str, facts_kept: int) -> None:
        self.coin, self.scope = coin, scope
        self.dropped = 0
        self.closed = False
        self._facts_kept = facts_kept
        self._values: dict[str, bytes] = {}
        self._facts: deque[StreamEvent] = deque()
        self._resync = False
        self._filled = asyncio.Event()

    def put_value(self, name: str, data: bytes) -> None:
        """A newer value; one that was not taken yet is dropped."""
        self.dropped += name in self._values
        self._values[name] = data
        self._filled.set()

    def put_fact(self, fact: StreamEvent) -> None:
        """A fact that the client must have, or be told that it missed one."""
        if len(self._facts) >= self._facts_kept:
            self.resync()
            return
        self._facts.append(fact)
        self._filled.set()

    def put_missed(self, facts: list[StreamEvent]) -> None:
        """Facts from before the client came, ahead of those that came since."""
        if len(facts) + len(self._facts) > self._facts_kept:
            self.resync()
            return
        known = {fact.event_id for fact in facts}
        self._facts = deque([*facts, *(fact for fact in self._facts if fact.event_id not in known)])
        if self._facts:
            self._filled.set()

    @property
    def needs_resync(self) -> bool:
        """Whether the client will be told to start over."""
        return self._resync

    def resync(self) -> None:
        """Tell the client to fetch everything again, in place of the facts that wait."""
        self.dropped += len(self._facts)
        self._facts.clear()
        self._resync = True
        self._filled.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._filled.set()

    async def take(self, timeout_seconds: float) -> list[StreamEvent]:
        """Everything that waits, in the order to send; empty after the timeout or when closed."""
        try:
            async with asyncio.timeout(timeout_seconds):  # wait_for may lose a cancellation
                await self._filled.wait()
        except TimeoutError:
            return []
        self._filled.clear()
        taken = [StreamEvent("resync", b"{}")] if self._resync else []
        taken += [StreamEvent(name, data) for name, data in self._values.items()]
        taken += self._facts
        self._resync = False
        self._values.clear()
        self._facts.clear()
        return taken
