"""What becomes of the messages of a topic in Redis: the two ways, and the batch they work on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from liqheat_api.projector import views
from liqheat_api.projector.messages import Fence, InvalidMessageError, Message
from liqheat_api.projector.store import Command, Writes
from liqheat_shared.redis_keys import RedisKeys

#: Notices name what was replaced; a client that missed one reads the value anyway.
NOTICES_KEPT = 1000


class Values(Protocol):
    """Reads that a projection needs to go on from what is there."""

    async def hash_values(self, wanted: list[tuple[str, str]]) -> list[bytes | None]:
        """Values of (key, field)."""
        ...

    async def value(self, key: str) -> bytes | None:
        """Value of a string."""
        ...


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one partition of one topic.

    Attributes
    ----------
    slots : Mapping
        Field of the fence to its messages, in the order of the log.
    fences : Mapping
        The same fields to what is written already.
    values : Values
    refuse : callable
        Told the messages that cannot be projected, and why.
    publish : bool
        Off while history is read again: nobody is told of it as if it were news.
    """

    slots: Mapping[str, list[Message]]
    fences: Mapping[str, Fence | None]
    values: Values
    refuse: Callable[[Message, str], object]
    publish: bool = True


class Projection(ABC):
    """One topic's way into Redis.

    Parameters
    ----------
    keys : RedisKeys
    events_kept : int
        Length of the stream of facts.
    """

    topic: str
    #: Whether many messages at once cost less than as many one by one.
    merges = False

    def __init__(self, keys: RedisKeys, events_kept: int) -> None:
        self.keys = keys
        self.events_kept = events_kept

    @abstractmethod
    def slot(self, message: Message) -> str:
        """Field of the fence that this message is under; it may raise :class:`InvalidMessageError`."""

    @abstractmethod
    async def project(self, batch: Batch) -> Writes:
        """Decide what to write. It changes nothing itself and may be asked again with other fences."""

    def notice(self, kind: str, coin: str, scopes: Iterable[str]) -> Command:
        """Tell the apis that a value was replaced."""
        fields = ("kind", kind, "coin", coin, "scopes", ",".join(scopes))
        return ("XADD", self.keys.notices, "MAXLEN", "~", NOTICES_KEPT, "*", *fields)

    def event(self, kind: str, coin: str, scope: str, data: bytes) -> Command:
        """Tell the apis a fact."""
        fields = ("kind", kind, "coin", coin, "scope", scope, "data", data)
        return ("XADD", self.keys.events, "MAXLEN", "~", self.events_kept, "*", *fields)


class Latest(Projection):
    """Only the newest message of a slot is written, and only that one is parsed."""

    merges = True

    async def project(self, batch: Batch) -> Writes:
        writes = Writes()
        for slot, messages in batch.slots.items():
            written = batch.fences[slot]
            for message in sorted(messages, key=lambda message: message.fence, reverse=True):
                if written is not None and message.fence <= written:
                    writes.stale += 1
                    break
                try:
                    commands = self.render(message, publish=batch.publish)
                except InvalidMessageError as error:
                    batch.refuse(message, str(error))
                    continue
                writes.commands += commands
                writes.fences[slot] = message.fence
                break
        return writes

    @abstractmethod
    def render(self, message: Message, *, publish: bool) -> list[Command]:
        """Commands that make Redis say what the message says; it may raise :class:`InvalidMessageError`."""


class Appending(Projection):
    """Every message newer than the fence counts, in the order of the log; repeats are dropped."""

    async def project(self, batch: Batch) -> Writes:
        writes = Writes()
        for slot, messages in batch.slots.items():
            accepted, written = [], batch.fences[slot]
            for message in messages:
                if written is None or message.fence > written:
                    accepted.append(message)
                    written = message.fence
            writes.stale += len(messages) - len(accepted)
            if accepted:
                writes.fences[slot] = accepted[-1].fence
                writes.commands += await self.append(accepted, batch)
        return writes

    @abstractmethod
    async def append(self, messages: list[Message], batch: Batch) -> list[Command]:
        """Commands that add the messages of one slot."""


def parse_each(model: type[views.ContractT], messages: Iterable[Message], batch: Batch) -> list[views.ContractT]:
    """The messages that keep the contract; the others are refused."""
    parsed = []
    for message in messages:
        try:
            parsed.append(views.parse(model, message))
        except InvalidMessageError as error:
            batch.refuse(message, str(error))
    return parsed
