"""The producer: every message is acknowledged, or the process says so and fails."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from liqheat_ingest.message import Message
from liqheat_ingest.settings import IngestSettings
from liqheat_shared.contracts.topics import DEAD_LETTERS, MARKET_EVENTS
from liqheat_shared.kafka.connection import producer_options
from liqheat_shared.kafka.topic_admin import partition_count

CONNECT_TIMEOUT_S = 30.0
#: Larger than the default of 16 kB: fewer requests and better compression at full speed.
KAFKA_BATCH_BYTES = 262_144


class DeliveryFailed(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """A message could not be delivered; the text says why."""


class Publisher:
    """Idempotent producer with a bounded number of messages in flight.

    Order is kept per coin: one key, one partition, and a batch that was sent never expires, so none passes it.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._partition_of: dict[tuple[str, str], int] = {}
        self._failure: BaseException | None = None
        self._room = asyncio.Event()
        self.in_flight = 0
        self.acknowledged = 0

    async def start(self) -> None:
        """Connect, and see that the topics are there.

        Raises
        ------
        DeliveryFailed
            No broker answers, or a topic is missing.
        """
        self._producer = AIOKafkaProducer(**producer_options(self._settings) | {"max_batch_size": KAFKA_BATCH_BYTES})
        broker = self._settings.kafka_bootstrap_servers
        try:
            await asyncio.wait_for(self._producer.start(), CONNECT_TIMEOUT_S)
        except (KafkaError, OSError, TimeoutError) as error:
            raise DeliveryFailed(f"no Kafka at {broker}: {error or 'no answer'}") from error
        for name in (MARKET_EVENTS, DEAD_LETTERS):
            topic = self._settings.topic(name)
            # Asked through the admin client: a producer that asks by name has some brokers create the topic.
            if await partition_count(self._settings, topic) is None:
                raise DeliveryFailed(f"the topic {topic} is not on {broker}: run `liqheat topics apply`")
            await asyncio.wait_for(self._producer.partitions_for(topic), CONNECT_TIMEOUT_S)

    async def send(self, message: Message) -> None:
        """Hand a message to Kafka; waits while too many are in flight. Raises DeliveryFailed."""
        if self.in_flight >= self._settings.ingest_in_flight_messages:
            await self._wait_below(1 + self._settings.ingest_in_flight_messages // 2)
        if self._failure is not None:
            raise self._failed(self._failure)
        try:
            future = await self._producer.send(
                self._settings.topic_prefix + message.topic,
                message.value,
                message.key.encode(),
                partition=self._partition(message.topic, message.key),
            )
        except KafkaError as error:
            raise self._failed(error) from error
        self.in_flight += 1
        future.add_done_callback(self._acknowledge)

    async def finish(self) -> None:
        """Wait until every message is acknowledged. Raises DeliveryFailed."""
        await self._wait_below(1)
        if self._failure is not None:
            raise self._failed(self._failure)

    async def close(self, timeout_s: float) -> int:
        """Close the connection, giving what is in flight so long; returns how many messages stayed unacknowledged."""
        if self._producer is not None:
            stop = asyncio.ensure_future(self._producer.stop())
            await asyncio.wait([stop], timeout=timeout_s)
            if not stop.done():
                stop.cancel()
        return self.in_flight

    def _partition(self, topic: str, key: str) -> int:
        try:
            return self._partition_of[topic, key]
        except KeyError:
            name = self._settings.topic(topic)
            partitions = sorted(self._producer.client.cluster.partitions_for_topic(name))
            partition = int(DefaultPartitioner()(key.encode(), partitions, partitions))
            if len(self._partition_of) < 10_000:
                self._partition_of[topic, key] = partition
            return partition

    def _acknowledge(self, future: asyncio.Future[Any]) -> None:
        self.in_flight -= 1
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._failure = self._failure or error
        else:
            self.acknowledged += 1
        self._room.set()

    async def _wait_below(self, limit: int) -> None:
        timeout_s = self._settings.ingest_delivery_timeout_s
        while self.in_flight >= limit and self._failure is None:
            self._room.clear()
            try:
                await asyncio.wait_for(self._room.wait(), timeout_s)
            except TimeoutError:
                raise DeliveryFailed(
                    f"nothing was acknowledged for {timeout_s:g} s, {self.in_flight} messages are undelivered"
                ) from None

    def _failed(self, error: BaseException) -> DeliveryFailed:
        return DeliveryFailed(f"{self.in_flight + 1} messages undelivered: {type(error).__name__}: {error}")
