"""The outputs' producer, and the end of a process that must not go on."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, NoReturn

from aiokafka import AIOKafkaProducer

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


#: Grids of one coin resemble each other: ten in one batch compress to little more than one.
BATCH_BYTES = 1_000_000


class OutputProducer:
    """Sends outputs in order and knows when each is delivered.

    The producer is idempotent, so a batch that was sent never expires and no later batch can pass it.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; does nothing the second time."""
        if self._producer is None:
            producer = AIOKafkaProducer(**producer_options(self._settings), max_batch_size=BATCH_BYTES)
            await producer.start()
            self._producer = producer

    async def stop(self, timeout_seconds: float) -> None:
        """Deliver what is buffered, within the timeout."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await asyncio.wait_for(producer.stop(), timeout_seconds)

    async def send(self, partition: Partition, offset: int, messages: list[OutgoingMessage]) -> None:
        """Send the outputs of the message at ``offset``. Waits only where the producer's buffer is full."""
        assert self._producer is not None
        loop = asyncio.get_running_loop()
        deliveries = partition.deliveries
        while deliveries and deliveries[0][1].done():
            deliveries.popleft()
        # All are on record before the first wait: a checkpoint that runs meanwhile must await every one of them.
        delivered = [loop.create_future() for _ in messages]
        deliveries.extend((offset, future) for future in delivered)
        for message, future in zip(messages, delivered, strict=True):
            topic = self._settings.topic(message.topic)
            sent = await self._producer.send(topic, key=message.key, value=message.value, partition=message.partition)
            sent.add_done_callback(lambda result, future=future: _delivered(result, future))


def _delivered(result: asyncio.Future[Any], future: asyncio.Future[None]) -> None:
    if result.cancelled() or result.exception() is not None:
        # A later batch must not pass the hole: nothing of this process may go out any more.
        end_process(EXIT_NOT_DELIVERED, f"an output was not delivered: {result}")
    if not future.done():
        future.set_result(None)
