"""Read a topic as an onlooker: no group, no commits, from the beginning or from now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from liqheat_shared.kafka.connection import client_options
from liqheat_shared.kafka.topic_admin import partition_count
from liqheat_shared.settings import ServiceSettings

REQUEST_SECONDS = 30.0
#: After the last message that can be read there may be records that are not messages (transaction marks, holes that
#: compaction left). If nothing more came for so long although the broker answers, the end is reached.
SILENCE_SECONDS = 3.0
_POLL_SECONDS = 0.25
_BATCH_MESSAGES = 2000


class NoSuchTopicError(ValueError):
    """The broker has no topic of this name."""


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of the partitions when reading began: ``[first, end)``."""

    first: dict[int, int]
    end: dict[int, int]

    @property
    def trimmed(self) -> bool:
        """Whether messages before the first offset existed once."""
        return any(self.first.values())


class TopicReader:
    """An open topic. Made by :func:`open_topic`."""

    def __init__(self, consumer: AIOKafkaConsumer, topic: str, span: Span) -> None:
        self._consumer = consumer
        self.topic = topic
        self.span = span

    async def messages(self, *, until_now: bool) -> AsyncIterator[ConsumerRecord[bytes | None, bytes | None]]:
        """Messages in the order of each partition; forever, or up to the ends when the topic was opened."""
        unfinished = {number for number, end in self.span.end.items() if end > await self._position(number)}
        heard = time.monotonic()
        while unfinished or not until_now:
            batches = await self._consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000), max_records=_BATCH_MESSAGES)
            for partition, records in batches.items():
                heard = time.monotonic()
                for record in records:
                    if not until_now or record.offset < self.span.end[partition.partition]:
                        yield record
            unfinished = {number for number in unfinished if self.span.end[number] > await self._position(number)}
            if until_now and time.monotonic() - heard > SILENCE_SECONDS and await self._answers():
                return

    async def _position(self, number: int) -> int:
        return int(await self._consumer.position(TopicPartition(self.topic, number)))

    async def _answers(self) -> bool:
        """Whether the broker is there; raises if it is not. Silence of a broken one is not the end of a topic."""
        partitions = [TopicPartition(self.topic, number) for number in self.span.end]
        await asyncio.wait_for(self._consumer.end_offsets(partitions), REQUEST_SECONDS)
        return True


@asynccontextmanager
async def open_topic(
    settings: ServiceSettings, name: str, *, from_beginning: bool, from_time_ms: int | None = None
) -> AsyncIterator[TopicReader]:
    """Open a topic for reading.

    Parameters
    ----------
    name : str
        Without prefix.
    from_beginning : bool
        Else from its end.
    from_time_ms : int or None
        Begin with the first message that the broker or its producer stamped at or after this time; wins over
        ``from_beginning``.

    Raises
    ------
    NoSuchTopicError
        The broker has no such topic.
    """
    topic = settings.topic(name)
    count = await partition_count(settings, topic)
    if count is None:
        raise NoSuchTopicError(f"the broker has no topic {topic!r}")
    # Earliest also for the end: a reset after an assignment would race with the first fetch.
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        **client_options(settings),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_bytes=32 << 20,
        max_partition_fetch_bytes=16 << 20,
    )
    try:
        await asyncio.wait_for(consumer.start(), REQUEST_SECONDS)
        partitions = [TopicPartition(topic, number) for number in range(count)]
        first = await asyncio.wait_for(consumer.beginning_offsets(partitions), REQUEST_SECONDS)
        end = await asyncio.wait_for(consumer.end_offsets(partitions), REQUEST_SECONDS)
        consumer.assign(partitions)
        starts = dict(first) if from_beginning else dict(end)
        if from_time_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, from_time_ms))
            starts = {partition: place.offset if place else end[partition] for partition, place in found.items()}
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        span = Span({tp.partition: first[tp] for tp in partitions}, {tp.partition: end[tp] for tp in partitions})
        yield TopicReader(consumer, topic, span)
    finally:
        await consumer.stop()
