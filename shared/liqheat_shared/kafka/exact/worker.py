"""The process of a stage: Faust app, folding, rebalances, checkpoints, metrics, end."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import ConsumerRecord
from faust.types import TP

from liqheat_shared.folding import Fold
from liqheat_shared.kafka.exact.changelog import ChangelogPartition, open_all
from liqheat_shared.kafka.exact.checkpointer import Checkpointer, Ownership
from liqheat_shared.kafka.exact.dead_letter_limit import DeadLetterLimit
from liqheat_shared.kafka.exact.engine import Engine, Message
from liqheat_shared.kafka.exact.faust_app import make_app
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.outputs import (
    EXIT_AGENT_FAILED,
    EXIT_SKIPPED_OFFSETS,
    EXIT_STATE_VERSION,
    EXIT_TOO_MANY_DEAD_LETTERS,
    OutputProducer,
    end_process,
)
from liqheat_shared.kafka.exact.reporting import StageReporter
from liqheat_shared.kafka.exact.slots import LostRange, Partition
from liqheat_shared.kafka.exact.stored_state import StateVersionError
from liqheat_shared.kafka.exact.table import ExactTable
from liqheat_shared.kafka.topics import state_changelog_topic
from liqheat_shared.metrics import Metrics
from liqheat_shared.settings import ServiceSettings

log = logging.getLogger("liqheat.stage")

#: A stop must not take longer than a supervisor waits before it kills.
STOP_TIMEOUT_SECONDS = 6.0
CLOSE_TIMEOUT_SECONDS = 3.0
#: So long only messages beyond the next one may come before it is asked for again, and before the worker gives up.
AHEAD_GRACE_SECONDS = 0.5
AHEAD_TIMEOUT_SECONDS = 15.0
#: So long messages are folded at a stretch before anything else has its turn.
TURN_SECONDS = 0.004


class StageWorker:
    """Runs one fold on one Kafka topic with exact state."""

    def __init__(
        self, fold: Fold[Any, Any], settings: ServiceSettings, options: StageOptions, metrics: Metrics
    ) -> None:
        self.options = options
        self._settings = settings
        self._input = settings.topic(options.input_topic)
        self._changelog = state_changelog_topic(settings, options.stage)
        self.engine = Engine(fold, self._input, settings.log_epoch)
        self.ownership = Ownership()
        self._outputs = OutputProducer(settings)
        self._limits: dict[int, DeadLetterLimit] = {}
        self._rebalance = asyncio.Lock()
        self.app: Any = make_app(settings, options)  # Faust's own types do not hold for subclasses of its parts
        self.checkpointer = Checkpointer(self.engine, self.ownership, self._outputs.flush, self._commit)
        self.reporter = StageReporter(self, metrics)
        self._declare()

    def _declare(self) -> None:
        app = self.app
        raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes}
        raw |= {"key_serializer": "raw", "value_serializer": "raw"}
        topic = app.topic(self._input, partitions=self._settings.partitions, **raw)
        changelog = app.topic(self._changelog, partitions=self._settings.partitions, compacting=True, **raw)
        table = app.tables.add(
            ExactTable(
                app,
                name=f"{self.options.stage}-state",
                key_type=bytes,
                value_type=bytes,
                partitions=self._settings.partitions,
                changelog_topic=changelog,
            )
        )
        table.source_topic = self._input
        table.open_partitions = self._open_partitions
        table.ends = {}
        app.topics.add(topic)
        app.take_records = self._take_records
        app.on_partitions_revoked.connect(self._on_revoked, weak=False)
        app.task(self._tick)

    # ---- assignment

    async def _open_partitions(self, numbers: list[int]) -> dict[int, int]:
        async with self._rebalance:
            await self._drop()
            await self._outputs.start()
            writers, contents = await open_all(self._settings, self._changelog, numbers)
            try:
                partitions = {number: self.engine.open(number, records) for number, (records, _) in contents.items()}
            except StateVersionError as error:
                end_process(EXIT_STATE_VERSION, str(error))
            self.ownership.changelogs = writers
            self.ownership.partitions = partitions
            self.reporter.assigned()
            log.info("partitions %s: %d states restored", numbers, sum(len(p.records) for p in partitions.values()))
            return {number: end for number, (_, end) in contents.items()}

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """A last checkpoint, as long as the group will wait for it, then nothing is ours any more."""
        try:
            await asyncio.wait_for(self.checkpointer.checkpoint_all(), self.options.session_timeout_seconds * 0.4)
        except TimeoutError:
            log.warning("the last checkpoint took too long; its messages will be folded again")
        async with self._rebalance:
            await self._drop()

    async def _drop(self) -> None:
        self._outputs.flush()  # no batch may hold outputs of before and after
        self.ownership.assignment += 1
        self.ownership.partitions = {}
        changelogs, self.ownership.changelogs = self.ownership.changelogs, {}
        await asyncio.gather(*(self._close(changelog) for changelog in changelogs.values()))

    async def _close(self, changelog: ChangelogPartition) -> None:
        try:
            await asyncio.wait_for(changelog.close(), CLOSE_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001 - it is not ours any more, whatever became of it
            log.warning("could not close a changelog writer: %r", error)

    async def _commit(self, number: int, offset: int) -> None:
        await self.app.consumer._commit_offsets({TP(self._input, number): offset})

    # ---- messages

    async def _take_records(
        self, tp: TP, records: Sequence[ConsumerRecord], is_current: Callable[[], bool]
    ) -> int | None:
        """Fold what was fetched of a partition. Nothing may escape: a fetcher that failed would be started again."""
        used: int | None = None
        try:
            turn_ends = time.perf_counter() + TURN_SECONDS
            for record in records:
                # Looked up each time: after a wait, the partition may be another's, or the same opened anew.
                partition = self.ownership.partitions.get(tp.partition)
                if partition is None or not is_current():
                    break  # left over from before a rebalance; its owner folds it
                if record.offset > partition.next_offset and not await self._is_lost_before(partition, record.offset):
                    continue
                now = self._fold(partition, record)
                used = record.offset
                if now > turn_ends:
                    await self._end_turn(partition)
                    turn_ends = time.perf_counter() + TURN_SECONDS
            self._outputs.flush()
            await self._outputs.wait_for_room()
        except Exception as error:
            log.exception("folding failed")
            end_process(EXIT_AGENT_FAILED, f"folding failed: {error!r}")
        return used

    def _fold(self, partition: Partition, record: ConsumerRecord) -> float:
        """Fold a message and put its outputs where they leave from; the time afterwards."""
        partition.ahead_since = None
        message = Message(partition.number, record.offset, record.key, record.value, record.timestamp)
        rejected_before = self.engine.counts.rejected
        started = time.perf_counter()
        outgoing = self.engine.apply(partition, message)
        ended = time.perf_counter()
        self.reporter.folded(ended - started)
        self._check_limit(partition, message, self.engine.counts.rejected > rejected_before)
        if outgoing:
            self._outputs.put(partition, record.offset, outgoing)
        return ended

    async def _end_turn(self, partition: Partition) -> None:
        """Let others have the loop, and wait where state or outputs fall too far behind."""
        self._outputs.flush_idle()
        await asyncio.sleep(0)
        await self._outputs.wait_for_room()
        if partition.pending >= self.options.max_pending_messages:
            self._outputs.flush()
            await self.checkpointer.checkpoint_all()

    def _check_limit(self, partition: Partition, message: Message, rejected: bool) -> None:
        limit = self._limits.get(partition.number)
        if limit is None:
            limit = DeadLetterLimit(self.options.dead_letter_share, self.options.dead_letters_in_a_row)
            self._limits[partition.number] = limit
        why = limit.exceeded(rejected=rejected, append_time_ms=message.append_time_ms)
        if why is not None:
            end_process(EXIT_TOO_MANY_DEAD_LETTERS, f"partition {partition.number}: {why}")

    async def _is_lost_before(self, partition: Partition, offset: int) -> bool:
        """Offsets are missing before this one. True: the broker deleted them, which is recorded, so go on from here.

        Else the message is left over from before a rebalance and comes again in its order, or Faust skipped some (its
        issue 596). Which of the two it is, ``_fetch_skipped`` finds out by waiting.
        """
        if partition.ahead_since is not None:
            return False
        tp = TP(self._input, partition.number)
        start = (await self.app.consumer.earliest_offsets(tp))[tp]
        if self.ownership.partitions.get(partition.number) is not partition:
            return False
        if start is None or offset > start:
            partition.ahead_since = time.monotonic()
            return False
        partition.lost.append(LostRange(partition.next_offset, offset - 1, not partition.has_position))
        if partition.has_position:
            log.error("partition %d: offsets %d to %d are gone", partition.number, partition.next_offset, offset - 1)
            self.reporter.history_lost()
        partition.next_offset = offset
        return True

    async def _fetch_skipped(self) -> None:
        """Ask for skipped messages again, and end the process where that does not help."""
        for partition in list(self.ownership.partitions.values()):
            waited = 0.0 if partition.ahead_since is None else time.monotonic() - partition.ahead_since
            if waited > AHEAD_TIMEOUT_SECONDS:
                why = f"partition {partition.number}: offset {partition.next_offset} is at the broker and does not come"
                end_process(EXIT_SKIPPED_OFFSETS, why)
            if waited > AHEAD_GRACE_SECONDS:
                log.warning("partition %d: asking again for offset %d", partition.number, partition.next_offset)
                await self.app.consumer.seek(TP(self._input, partition.number), partition.next_offset)

    # ---- running

    def end_offset(self, number: int) -> int | None:
        """End of an input partition as of the last fetch; None before the first."""
        end = self.app.consumer.highwater(TP(self._input, number))
        return None if end is None else int(end)

    async def _tick(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self.options.checkpoint_interval_seconds)
            await self.checkpointer.checkpoint_all()
            await self._fetch_skipped()
            self.reporter.update()

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT, then checkpoint and leave the group; the exit code."""
        gc.freeze()
        gc.set_threshold(50_000, 20, 1_000)  # a full collection holds the loop for up to 130 ms: make it rare
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        starting = asyncio.create_task(self.app.start())
        stopping = asyncio.create_task(stop.wait())
        crashed = asyncio.create_task(self.app._crashed.wait())
        await asyncio.wait([starting, stopping, crashed], return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and starting.exception() is not None:
            end_process(EXIT_AGENT_FAILED, f"could not start: {starting.exception()!r}")
        await asyncio.wait([stopping, crashed], return_when=asyncio.FIRST_COMPLETED)
        if crashed.done():
            end_process(EXIT_AGENT_FAILED, f"Faust gave up: {self.app.crash_reason!r}")
        try:
            await asyncio.wait_for(self.app.stop(), STOP_TIMEOUT_SECONDS)
            await self._outputs.stop(CLOSE_TIMEOUT_SECONDS)
        except TimeoutError:
            end_process(0, "the stop took too long; unfinished work is done again after the next start")
        return 0
