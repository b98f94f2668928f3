"""The state's topic: written in transactions that fence a predecessor, read back before anything else.

A worker that stood still and was replaced may still hold half a request. Were its older state written after its
successor's newer one, compaction could delete the newer. So every partition is written by a transactional producer
whose id is the partition's: starting it raises the producer epoch at the broker, which from then on refuses the
predecessor. The state is read only after that, so what is read can't be overtaken.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from liqheat_shared.kafka.connection import MAX_MESSAGE_BYTES, client_options, producer_options
from liqheat_shared.kafka.exact.stored_state import order
from liqheat_shared.settings import ServiceSettings

#: Keeps the broker from aborting a checkpoint that a slow disk stretches, and frees a dead worker's transaction soon.
TRANSACTION_TIMEOUT_MS = 60_000
READ_TIMEOUT_SECONDS = 120.0


class ChangelogPartition:
    """One partition of the changelog, owned by this process until another one opens it."""

    def __init__(self, settings: ServiceSettings, topic: str, number: int) -> None:
        self._settings = settings
        self._topic = topic
        self._number = number
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> tuple[dict[bytes, bytes], int]:
        """Fence whoever wrote here before, then read: (newest record by key, end offset of the partition)."""
        options = producer_options(self._settings) | {
            "transactional_id": f"{self._topic}-{self._number}",
            "transaction_timeout_ms": TRANSACTION_TIMEOUT_MS,
            "linger_ms": 0,
        }
        producer = AIOKafkaProducer(**options)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return await asyncio.wait_for(self._read(), READ_TIMEOUT_SECONDS)

    async def _read(self) -> tuple[dict[bytes, bytes], int]:
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        try:
            partition = TopicPartition(self._topic, self._number)
            consumer.assign([partition])
            end = (await consumer.end_offsets([partition]))[partition]
            records: dict[bytes, bytes] = {}
            while await consumer.position(partition) < end:
                batch = await consumer.getmany(timeout_ms=500)
                for message in batch.get(partition, ()):
                    keep_newest(records, message.key, message.value)
            return records, end
        finally:
            await consumer.stop()

    async def write(self, records: dict[bytes, bytes]) -> None:
        """Write all records in one transaction; returns when it is committed.

        Raises
        ------
        aiokafka.errors.ProducerFenced
            Another process owns the partition now.
        """
        assert self._producer is not None
        async with self._producer.transaction():
            sent = [
                await self._producer.send(self._topic, key=key, value=value, partition=self._number)
                for key, value in records.items()
            ]
            await asyncio.gather(*sent)

    async def close(self) -> None:
        """Let go of the partition."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


def keep_newest(records: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    """Take a record unless a newer state of its key is there already; fencing forbids that, old logs may have it."""
    if value is None:
        records.pop(key, None)
    elif key not in records or order(value) >= order(records[key]):
        records[key] = value


async def open_all(
    settings: ServiceSettings, topic: str, numbers: list[int]
) -> tuple[dict[int, ChangelogPartition], dict[int, tuple[dict[bytes, bytes], int]]]:
    """Open partitions side by side: the writers and what was read, by number."""
    writers = {number: ChangelogPartition(settings, topic, number) for number in numbers}
    contents: list[Any] = await asyncio.gather(*(writers[number].open() for number in numbers))
    return writers, dict(zip(numbers, contents, strict=True))
