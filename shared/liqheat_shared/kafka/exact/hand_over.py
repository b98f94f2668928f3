"""Faust's consumer, handing over what was fetched as it came instead of message by message.

Faust joins the group, rebalances, fetches and seeks. Its way from a fetch to an agent makes two asyncio tasks, an event
and several queue operations a message, which takes longer than folding it. Nothing of that way is of use here: streams,
acknowledgements and flow control by full queues serve a commit that is not ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import faust
from aiokafka import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

#: Takes the records of one partition, in order; returns the offset of the last one that was used, or None.
#: ``is_current()`` turns false when a rebalance begins: what is left then belongs to the next owner.
TakeRecords = Callable[[TP, Sequence[ConsumerRecord], Callable[[], bool]], Awaitable[int | None]]

FETCH_TIMEOUT_SECONDS = 1.0


class RecordsConsumer(driver.Consumer):
    """The consumer of a :class:`StageApp`."""

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch and hand over until this consumer or Faust's fetcher stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                records, active = await self._wait_next_records(FETCH_TIMEOUT_SECONDS)
                if records is None or self.should_stop:
                    return
                if self.flow_active:
                    await self._hand_over(records, active)
                else:  # fetched for nothing: a rebalance came between
                    await self._back_to_committed()
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _hand_over(self, records: Mapping[TP, Sequence[ConsumerRecord]], active: set[TP] | None) -> None:
        app = cast("StageApp", self.app)
        generation = app.consumer_generation_id

        def is_current() -> bool:
            return bool(self.flow_active) and app.consumer_generation_id == generation

        for tp, fetched in records.items():
            if not is_current():
                return
            if active is not None and tp not in active:
                continue
            read_offset = self._read_offset[tp]
            new = fetched if read_offset is None else [record for record in fetched if record.offset >= read_offset]
            if new:
                used = await app.take_records(tp, new, is_current)
                # Not the last fetched: were it beyond a hole, what is asked for again would be dropped as known.
                if used is not None and is_current():
                    self._read_offset[tp] = used

    async def _back_to_committed(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # noqa: BLE001 - as Faust does: where to read is decided anew on assignment
            self.log.warning("could not go back to the committed offsets: %r", error)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust would look for streams that stand still, and a stage has probes of its own."""


class RecordsTransport(driver.Transport):
    """Faust's transport with the consumer above."""

    Consumer = RecordsConsumer


class StageApp(faust.App):
    """A Faust app whose messages go to ``take_records`` instead of to agents."""

    take_records: TakeRecords

    def _new_transport(self) -> RecordsTransport:
        return RecordsTransport(self.conf.broker_consumer, self)
