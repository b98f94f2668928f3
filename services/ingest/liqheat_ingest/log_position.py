"""What the log holds already: the epoch that a new simulation has to exceed."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from liqheat_ingest.settings import IngestSettings
from liqheat_shared.contracts.topics import MARKET_EVENTS
from liqheat_shared.kafka.connection import client_options
from liqheat_shared.kafka.topic_admin import partition_count

READ_TIMEOUT_S = 5.0


async def last_ingest_epoch(settings: IngestSettings) -> int:
    """Greatest ingest epoch among the last messages of all partitions; 0: the log is empty.

    The events of a simulation that starts anew are others than those of the one before, but carry the same sequence
    numbers; a higher epoch is what tells the folds that they are no repeats.
    """
    topic = settings.topic(MARKET_EVENTS)
    count = await partition_count(settings, topic)
    if count is None:
        return 0
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await asyncio.wait_for(consumer.start(), 30.0)
    try:
        partitions = [TopicPartition(topic, number) for number in range(count)]
        ends = await asyncio.wait_for(consumer.end_offsets(partitions), 30.0)
        begins = await asyncio.wait_for(consumer.beginning_offsets(partitions), 30.0)
        filled = [p for p in partitions if ends[p] > begins[p]]
        if not filled:
            return 0
        consumer.assign(filled)
        epochs = [0]
        for partition in filled:
            consumer.seek(partition, ends[partition] - 1)
            epochs.append(await _epoch(consumer, partition))
        return max(epochs)
    finally:
        await consumer.stop()


async def _epoch(consumer: Any, partition: TopicPartition) -> int:
    try:
        record = await asyncio.wait_for(consumer.getone(partition), READ_TIMEOUT_S)
        return int(orjson.loads(record.value)["ingest_epoch"])
    except (TimeoutError, ValueError, KeyError, TypeError):
        return 0
