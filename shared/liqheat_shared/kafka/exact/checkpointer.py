"""When and in which order state is written.

One partition at a time, while all others and this one go on folding:

(a) dump the changed keys, in slices; a key that gets a message before it is dumped is dumped first
(b) await every output up to the highest offset folded
(c) write the dumps and the position in one fenced transaction
(d) is this still the same assignment?
(e) commit the offset

(b) before (c): a stored label never emits again what lies at or below it, so those outputs must exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError, ProducerFenced

from liqheat_shared.kafka.exact.changelog import ChangelogPartition
from liqheat_shared.kafka.exact.engine import Engine
from liqheat_shared.kafka.exact.outputs import EXIT_FENCED, EXIT_NOT_DELIVERED, end_process
from liqheat_shared.kafka.exact.slots import Partition
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY

#: Longest stretch for which dumping may hold the event loop, but for the last key of a slice.
SLICE_SECONDS = 0.004

CommitOffset = Callable[[int, int], Awaitable[None]]


@dataclass(slots=True)
class CheckpointReport:
    """What one checkpoint of a partition cost."""

    keys: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    longest_slice_seconds: float = 0.0


@dataclass(slots=True)
class Ownership:
    """The partitions this process has, and a number that changes with every assignment."""

    assignment: int = 0
    partitions: dict[int, Partition] = field(default_factory=dict)
    changelogs: dict[int, ChangelogPartition] = field(default_factory=dict)


class Checkpointer:
    """Writes the state of partitions so that a crash at any point loses and doubles nothing."""

    def __init__(
        self, engine: Engine, ownership: Ownership, flush_outputs: Callable[[], None], commit_offset: CommitOffset
    ) -> None:
        self._engine = engine
        self._ownership = ownership
        self._flush_outputs = flush_outputs
        self._commit_offset = commit_offset
        self._lock = asyncio.Lock()
        self.reports: list[CheckpointReport] = []

    async def checkpoint_all(self) -> None:
        """One checkpoint of every partition that has something new; ends the process where it can't be had."""
        async with self._lock:
            for number, partition in list(self._ownership.partitions.items()):
                if not partition.pending or self._ownership.partitions.get(number) is not partition:
                    continue
                try:
                    await self._checkpoint(partition)
                except ProducerFenced:
                    end_process(EXIT_FENCED, f"another process owns partition {number}: this one was replaced")
                except KafkaError as error:
                    end_process(EXIT_NOT_DELIVERED, f"the checkpoint of partition {number} failed: {error!r}")

    async def _checkpoint(self, partition: Partition) -> None:
        started = time.perf_counter()
        assignment = self._ownership.assignment
        label, highest = partition.next_offset - 1, partition.highest
        partition.pending = 0
        partition.to_dump.update(partition.dirty)
        partition.dirty = {}
        report = CheckpointReport()
        await self._dump(partition, assignment, report)  # (a)
        self._flush_outputs()
        while partition.deliveries and partition.deliveries[0][0] <= highest:  # (b)
            # wait(), because cancelling a checkpoint must not cancel the delivery it waits for
            await asyncio.wait([partition.deliveries.popleft()[1]])
        if assignment != self._ownership.assignment:
            return
        records = {key: partition.records[key] for key in partition.dumped}
        partition.dumped = set()
        records[POSITION_KEY] = self._engine.position_record(partition, label)
        await self._ownership.changelogs[partition.number].write(records)  # (c)
        if assignment != self._ownership.assignment:  # (d)
            return
        await self._commit_offset(partition.number, label + 1)  # (e)
        report.keys = len(records) - 1
        report.size_bytes = sum(map(len, records.values()))
        report.seconds = time.perf_counter() - started
        self.reports.append(report)

    async def _dump(self, partition: Partition, assignment: int, report: CheckpointReport) -> None:
        slice_started = time.perf_counter()
        while partition.to_dump and assignment == self._ownership.assignment:
            self._engine.dump(partition, next(iter(partition.to_dump)))
            held = time.perf_counter() - slice_started
            if held > SLICE_SECONDS or not partition.to_dump:
                report.longest_slice_seconds = max(report.longest_slice_seconds, held)
                await asyncio.sleep(0)
                slice_started = time.perf_counter()
