"""Where the projector is in each partition, in step with the positions that Redis holds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from liqheat_api.projector.messages import Fence
from liqheat_api.projector.store import Store, Writes

log = logging.getLogger(__name__)

KAFKA_TIMEOUT_SECONDS = 30.0


@dataclass(slots=True)
class PartitionState:
    """Where this process is in a partition.

    Attributes
    ----------
    position : int or None
        The next offset; None: nothing of it is in Redis.
    history_until : int
        Offsets below this were there when it began from the start: they are no news.
    coins : set of str
        Written from history, to be told of at its end.
    """

    position: int | None
    history_until: int = 0
    fences: dict[str, Fence | None] = field(default_factory=dict)
    coins: set[str] = field(default_factory=set)


class Places:
    """The partitions of a consumer, each with its state once it is positioned.

    Redis holds the truth: a position is stored together with what was written up to it. A partition whose state was
    dropped is positioned anew from there before its next batch.
    """

    def __init__(self, consumer: AIOKafkaConsumer, store: Store) -> None:
        self._consumer = consumer
        self._store = store
        self.states: dict[TopicPartition, PartitionState] = {}

    async def find_new(self) -> None:
        """Position the partitions that were assigned since the last look: where Redis says, else at their beginning."""
        new = [partition for partition in self._consumer.assignment() if partition not in self.states]
        if not new:
            return
        positions = await self._store.positions([position_field(partition) for partition in new])
        begin = [partition for partition, position in zip(new, positions, strict=True) if position is None]
        first, last = {}, {}
        if begin:
            first = await asyncio.wait_for(self._consumer.beginning_offsets(begin), KAFKA_TIMEOUT_SECONDS)
            last = await asyncio.wait_for(self._consumer.end_offsets(begin), KAFKA_TIMEOUT_SECONDS)
        assigned = self._consumer.assignment()
        for partition, position in zip(new, positions, strict=True):
            if partition not in assigned:
                continue
            if position is None and last[partition] <= first[partition]:
                # Nothing is there yet, so what comes is news, even if another process goes on from here.
                position = first[partition]
                await self._store.apply(position_field(partition), None, position, {}, Writes())
            self._consumer.seek(partition, first[partition] if position is None else position)
            self.states[partition] = PartitionState(position, last.get(partition, 0))
        if any(last[partition] > first[partition] for partition in begin):
            log.info("reading %d partitions from their beginning", len(begin))

    async def begin_again(self, partition: TopicPartition, offset: int) -> None:
        """Offsets went back: the topic was made anew. What is in Redis gives way where its log epoch is lower."""
        log.warning(
            "%s/%d starts again at %d: the topic was recreated. Raise LIQHEAT_LOG_EPOCH, or `liqheat redis rebuild`",
            *partition,
            offset,
        )
        await self._store.reset_position(position_field(partition))
        self.states.pop(partition, None)

    async def check(self) -> None:
        """Find out that Redis was emptied even while nothing is written."""
        known = {partition: state for partition, state in self.states.items() if state.position is not None}
        stored = await self._store.positions([position_field(partition) for partition in known])
        for (partition, state), position in zip(known.items(), stored, strict=True):
            if position is None or position < (state.position or 0):
                log.warning("Redis lost data: reading %s/%d again", *partition)
                self.states.pop(partition, None)

    async def have_reached(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Whether everything before these offsets is in Redis."""
        for partition, end in ends.items():
            state = self.states.get(partition)
            if state is None:
                return False
            # The consumer's own position counts offsets that hold no message: markers, and what was compacted away.
            if (state.position or 0) < end and await self._consumer.position(partition) < end:
                return False
        return True

    def reads_history(self) -> bool:
        """Whether it is still behind where it began from the start."""
        return any((state.position or 0) < state.history_until for state in list(self.states.values()))

    def lag(self) -> int:
        """Messages between here and the ends of the partitions, as far as they are known."""
        behind = 0
        for partition, state in list(self.states.items()):
            with contextlib.suppress(KafkaError, AssertionError):
                end = self._consumer.highwater(partition)
                if end is not None:
                    behind += max(0, end - (state.position or 0))
        return behind


def position_field(partition: TopicPartition) -> str:
    """Field of a partition's position."""
    return f"{partition.topic}/{partition.partition}"
