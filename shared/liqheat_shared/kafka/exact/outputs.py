"""The outputs' producer, and the end of a process that must not go on."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from liqheat_shared.kafka.connection import producer_options
from liqheat_shared.kafka.exact.engine import OutgoingMessage
from liqheat_shared.kafka.exact.slots import Partition
from liqheat_shared.settings import ServiceSettings

#: Exit codes, each with its line in docs/exact-state.md.
EXIT_FENCED = 75
EXIT_SKIPPED_OFFSETS = 76
EXIT_NOT_DELIVERED = 77
EXIT_AGENT_FAILED = 78
EXIT_TOO_MANY_DEAD_LETTERS = 79
EXIT_STATE_VERSION = 80


def end_process(code: int, why: str) -> NoReturn:
    """End now, without handlers or flushes: what lies in a buffer must not go out any more.

    The supervisor starts the process again, and the checkpoint is the place where it goes on.
    """
    sys.stderr.write(f"liqheat: {why}; ending with code {code}\n")
    sys.stderr.flush()
    os._exit(code)


#: Grids of one coin resemble each other: dozens in one batch compress to little more than one.
BATCH_BYTES = 1_000_000
#: Output that waits for the broker, of all partitions; folding waits from there on.
MAX_WAITING_BYTES = 8 * BATCH_BYTES


class _Lane:
    """Batches of one partition of one topic on their way, in order: one being filled, others closed.

    Messages are packed here, one future a batch: a future a message costs as much as folding it.
    """

    def __init__(self, producer: Any, topic: str, partition: int, left: Callable[[int], None]) -> None:
        self._producer = producer
        self._topic, self._partition = topic, partition
        self._left = left
        self._filling: Any = None
        self._filled: asyncio.Future[None] | None = None
        self._filled_bytes = 0
        self._closed: deque[tuple[Any, asyncio.Future[None], int]] = deque()
        self.sending: asyncio.Task[None] | None = None
        #: Batches that were closed and are not delivered.
        self.on_the_way = 0

    def put(self, key: bytes, value: bytes) -> tuple[asyncio.Future[None], bool]:
        """Take a message: the future of its batch, and whether it is the first of the batch."""
        if self._filling is not None and self._filling.append(timestamp=None, key=key, value=value) is not None:
            assert self._filled is not None
            self._filled_bytes += len(value)
            return self._filled, False
        self.flush()
        self._filling = self._producer.create_batch()
        self._filling.append(timestamp=None, key=key, value=value)  # the first one always fits
        self._filled = asyncio.get_running_loop().create_future()
        self._filled_bytes = len(value)
        return self._filled, True

    def flush(self) -> None:
        """Let the batch that is being filled go."""
        if self._filling is None:
            return
        assert self._filled is not None
        self._filling.close()
        self._closed.append((self._filling, self._filled, self._filled_bytes))
        self._filling = self._filled = None
        self.on_the_way += 1
        if self.sending is None:
            self.sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """Hand closed batches to the producer, each when the one before has left it: this keeps the order."""
        while self._closed:
            batch, future, size = self._closed.popleft()
            try:
                sent = await self._producer.send_batch(batch, self._topic, partition=self._partition)
            except KafkaError as error:
                end_process(EXIT_NOT_DELIVERED, f"an output was not taken: {error!r}")
            sent.add_done_callback(lambda result, future=future, size=size: self._delivered(result, future, size))
        self.sending = None

    def _delivered(self, result: asyncio.Future[Any], future: asyncio.Future[None], size: int) -> None:
        if result.cancelled() or result.exception() is not None:
            # A later batch must not pass the hole: nothing of this process may go out any more.
            end_process(EXIT_NOT_DELIVERED, f"an output was not delivered: {result}")
        self.on_the_way -= 1
        if not future.done():
            future.set_result(None)
        self._left(size)


class OutputProducer:
    """Sends outputs in order and knows when each is delivered.

    The producer is idempotent, so a batch that was sent never expires and no later batch can pass it.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._waiting_bytes = 0
        self._room = asyncio.Event()

    async def start(self) -> None:
        """Connect; does nothing the second time."""
        if self._producer is None:
            producer = AIOKafkaProducer(**producer_options(self._settings), max_batch_size=BATCH_BYTES)
            await producer.start()
            self._producer = producer

    async def stop(self, timeout_seconds: float) -> None:
        """Deliver what waits, within the timeout."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        self.flush()
        async with asyncio.timeout(timeout_seconds):
            while sending := [lane.sending for lane in self._lanes.values() if lane.sending is not None]:
                await asyncio.wait(sending)
            await producer.stop()

    def put(self, partition: Partition, offset: int, messages: list[OutgoingMessage]) -> None:
        """Take the outputs of the message at ``offset``. They leave when their batch is full or at the next flush."""
        assert self._producer is not None
        deliveries = partition.deliveries
        while deliveries and deliveries[0][1].done():
            deliveries.popleft()
        for message in messages:
            place = message.topic, message.partition
            lane = self._lanes.get(place)
            if lane is None:
                topic = self._settings.topic(message.topic)
                lane = self._lanes[place] = _Lane(self._producer, topic, message.partition, self._left)
            self._waiting_bytes += len(message.value)
            delivered, is_first = lane.put(message.key, message.value)
            if is_first:  # under the lowest offset in the batch: a checkpoint awaits what lies at or below its own
                deliveries.append((offset, delivered))

    def flush(self) -> None:
        """Let every batch go, full or not."""
        for lane in self._lanes.values():
            lane.flush()

    def flush_idle(self) -> None:
        """Let those batches go before which nothing is on its way: waiting would gain them nothing."""
        for lane in self._lanes.values():
            if lane.on_the_way == 0:
                lane.flush()

    async def wait_for_room(self) -> None:
        """Wait while more is on its way than may be."""
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self.flush()
            self._room.clear()
            await self._room.wait()

    def _left(self, size: int) -> None:
        self._waiting_bytes -= size
        self._room.set()
