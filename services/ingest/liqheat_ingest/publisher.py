"""The producer: every message is acknowledged, or the process says so and fails."""

from __future__ import annotations

import asyncio
import time
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError
from aiokafka.partitioner import DefaultPartitioner

from liqheat_ingest.message import Message
from liqheat_ingest.settings import IngestSettings
from liqheat_shared.contracts.topics import DEAD_LETTERS, MARKET_EVENTS
from liqheat_shared.kafka.connection import producer_options
from liqheat_shared.kafka.topic_admin import partition_count

CONNECT_TIMEOUT_S = 30.0
#: Larger than the default of 16 kB: fewer requests and better compression at full speed.
KAFKA_BATCH_BYTES = 262_144


#: Remembered partitions of keys; there are not so many coins.
MAX_KEYS = 10_000


class DeliveryFailed(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """A message could not be delivered; the text says why."""


class _Place(NamedTuple):
    """Where the messages of a key go: ``slot`` is topic and partition."""

    slot: tuple[str, int]
    key: bytes


class Publisher:
    """Idempotent producer with a bounded number of messages in flight.

    Messages are packed into record batches here, one future a batch: a future a message costs more than everything
    else that ingest does with it. Order is kept per coin: one key, one partition, one batch being filled, and a batch
    that was sent never expires, so none passes it.
    """

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._limit = settings.ingest_in_flight_messages
        self._producer: Any = None
        self._places: dict[tuple[str, str], _Place] = {}
        self._filling: dict[tuple[str, int], Any] = {}
        self._failure: BaseException | None = None
        self._room = asyncio.Event()
        #: Taken by ``send`` and not acknowledged.
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
        # A batch that finds no leader fails after aiokafka's request timeout, half a minute: a broker may need longer
        # to come back. How long that may take is said by our own setting.
        self._producer._message_accumulator._batch_ttl = self._settings.ingest_delivery_timeout_s
        broker = self._settings.kafka_bootstrap_servers
        try:
            await asyncio.wait_for(self._producer.start(), CONNECT_TIMEOUT_S)
            for name in (MARKET_EVENTS, DEAD_LETTERS):
                topic = self._settings.topic(name)
                # Asked through the admin client: a producer that asks by name has some brokers create the topic.
                if await partition_count(self._settings, topic) is None:
                    raise DeliveryFailed(f"the topic {topic} is not on {broker}: run `liqheat topics apply`")
                await asyncio.wait_for(self._producer.partitions_for(topic), CONNECT_TIMEOUT_S)
        except (KafkaError, OSError, TimeoutError) as error:
            raise DeliveryFailed(f"no Kafka at {broker}: {error or 'no answer'}") from error

    async def send(self, message: Message) -> None:
        """Take a message; it leaves when its batch is full or at the next ``flush``. Raises DeliveryFailed."""
        if self.in_flight >= self._limit:
            await self.flush()
            await self._wait_below(1 + self._limit // 2)
        if self._failure is not None:
            raise self._failed(self._failure)
        place = self._place(message.topic, message.key)
        batch = self._filling.get(place.slot)
        if batch is None or batch.append(timestamp=None, key=place.key, value=message.value) is None:
            await self._dispatch(place.slot)
            batch = self._filling[place.slot] = self._producer.create_batch()
            batch.append(timestamp=None, key=place.key, value=message.value)
        self.in_flight += 1

    async def flush(self) -> None:
        """Let every batch go, full or not. Raises DeliveryFailed."""
        for slot in list(self._filling):
            await self._dispatch(slot)

    async def finish(self) -> None:
        """Wait until every message is acknowledged. Raises DeliveryFailed."""
        await self.flush()
        await self._wait_below(1)
        if self._failure is not None:
            raise self._failed(self._failure)

    async def close(self, timeout_s: float) -> int:
        """Close the connection, giving what is in flight so long; returns how many messages stayed unacknowledged."""
        if self._producer is not None:
            closing = asyncio.ensure_future(self._close())
            await asyncio.wait([closing], timeout=timeout_s)
            closing.cancel()
        return self.in_flight

    async def _close(self) -> None:
        if self._failure is None:
            await self.flush()
        await self._producer.stop()

    async def _dispatch(self, slot: tuple[str, int]) -> None:
        batch = self._filling.get(slot)
        if batch is None:
            return
        batch.close()
        deadline_s = time.monotonic() + self._settings.ingest_delivery_timeout_s
        future = None
        while future is None:
            try:
                # Waits while an earlier batch of the partition has not left yet: this keeps the order.
                future = await self._producer.send_batch(batch, slot[0], partition=slot[1])
            except KafkaTimeoutError as error:  # it was not taken, so trying again repeats nothing
                if self._failure is not None or time.monotonic() > deadline_s:
                    raise self._failed(self._failure or error) from error
            except KafkaError as error:
                raise self._failed(error) from error
        # Only now: whoever is cancelled while he waits leaves the batch to the next who comes, not to nobody.
        del self._filling[slot]
        count = batch.record_count()
        future.add_done_callback(lambda done: self._acknowledge(done, count))

    def _place(self, topic: str, key: str) -> _Place:
        try:
            return self._places[topic, key]
        except KeyError:
            name = self._settings.topic(topic)
            partitions = sorted(self._producer.client.cluster.partitions_for_topic(name))
            encoded = key.encode()
            partition = int(DefaultPartitioner()(encoded, partitions, partitions))
            place = _Place((name, partition), encoded)
            if len(self._places) < MAX_KEYS:
                self._places[topic, key] = place
            return place

    def _acknowledge(self, future: asyncio.Future[Any], count: int) -> None:
        self.in_flight -= count
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._failure = self._failure or error
        else:
            self.acknowledged += count
        self._room.set()

    async def _wait_below(self, limit: int) -> None:
        timeout_s = self._settings.ingest_delivery_timeout_s
        while self.in_flight >= limit and self._failure is None:
            self._room.clear()
            try:
                async with asyncio.timeout(timeout_s):  # wait_for may lose a cancellation
                    await self._room.wait()
            except TimeoutError:
                raise DeliveryFailed(
                    f"nothing was acknowledged for {timeout_s:g} s, {self.in_flight} messages are undelivered"
                ) from None

    def _failed(self, error: BaseException) -> DeliveryFailed:
        return DeliveryFailed(f"{self.in_flight} messages undelivered: {type(error).__name__}: {error}")
