"""Reads topics, projects batches, and writes each with its position, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from liqheat_api.projector.counters import Counters
from liqheat_api.projector.messages import InvalidMessageError, Message, read_message
from liqheat_api.projector.places import KAFKA_TIMEOUT_SECONDS, PartitionState, Places, position_field
from liqheat_api.projector.projection import Batch, Projection
from liqheat_api.projector.store import Reply, Store, Writes
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.kafka.connection import client_options

log = logging.getLogger(__name__)

#: How often offsets are committed, for those who watch the lag of the group: positions are in Redis.
COMMIT_SECONDS = 1.0


class TopicConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Follows the topics of some projections.

    Parameters
    ----------
    group : str or None
        Consumer group; None: all partitions, without a group.
    pause_seconds : float
        Values of one kind and coin that come faster than this are from a replay or a backlog. Then as much is let come
        in: of many grids only the last is written, and many columns are put into their chunk at once.
    """

    def __init__(
        self,
        settings: ProjectorSettings,
        store: Store,
        projections: Iterable[Projection],
        counters: Counters,
        *,
        group: str | None,
        fetch_wait_ms: int,
        pause_seconds: float,
    ) -> None:
        self.settings = settings
        self.store = store
        self.counters = counters
        self.group = group
        self.projections = {settings.topic(projection.topic): projection for projection in projections}
        self._uncommitted: dict[TopicPartition, int] = {}
        self._pause_seconds = pause_seconds
        self._written_at: dict[str, float] = {}
        self.consumer = AIOKafkaConsumer(
            **client_options(settings),
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=fetch_wait_ms,
            max_poll_interval_ms=3_600_000,
            metadata_max_age_ms=10_000,
        )
        self.places = Places(self.consumer, store)

    # ---- partitions come and go

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Another process goes on; it finds the positions in Redis."""
        for partition in revoked:
            self.places.states.pop(partition, None)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Nothing yet: a partition without a state is positioned before its next batch."""

    async def start(self) -> None:
        """Connect, and wait until the broker knows the topics."""
        await self.consumer.start()
        if self.group is not None:
            self.consumer.subscribe(list(self.projections), listener=self)
            return
        self.consumer.assign(await self._all_partitions())

    async def _all_partitions(self) -> list[TopicPartition]:
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            topics = await asyncio.wait_for(admin.describe_topics(list(self.projections)), KAFKA_TIMEOUT_SECONDS)
        finally:
            await admin.close()
        found = {topic["topic"]: topic["partitions"] for topic in topics if not topic["error_code"]}
        missing = sorted(set(self.projections) - set(found))
        if missing:
            raise UnknownTopicOrPartitionError(f"no topic {', '.join(missing)}: `liqheat topics apply` makes them")
        return [TopicPartition(topic, part["partition"]) for topic, parts in found.items() for part in parts]

    async def stop(self) -> None:
        """Commit what is written and leave the group."""
        with contextlib.suppress(KafkaError, asyncio.TimeoutError):
            await asyncio.wait_for(self._commit(), 2)
        with contextlib.suppress(KafkaError, asyncio.TimeoutError):
            await asyncio.wait_for(self.consumer.stop(), 5)

    # ---- the loop

    async def run(self, until: Mapping[TopicPartition, int] | None = None) -> None:
        """Project until cancelled, or until these offsets are reached."""
        loop = asyncio.get_running_loop()
        interval_seconds = self.settings.projector_check_interval_ms / 1000
        check_at, commit_at = loop.time() + interval_seconds, loop.time() + COMMIT_SECONDS
        while until is None or not await self.places.have_reached(until):
            await self.places.find_new()
            timeout_ms = self.settings.projector_check_interval_ms // 2
            batches = await self.consumer.getmany(
                timeout_ms=min(timeout_ms, 200), max_records=self.settings.projector_batch_messages
            )
            hurried = [await self._handle(partition, records) for partition, records in batches.items()]
            if any(hurried):
                await asyncio.sleep(self._pause_seconds)
            if loop.time() >= check_at:
                await self.places.check()
                check_at = loop.time() + interval_seconds
            if loop.time() >= commit_at:
                await self._commit()
                commit_at = loop.time() + COMMIT_SECONDS

    async def _handle(self, partition: TopicPartition, records: list[ConsumerRecord]) -> bool:
        """Project what was fetched; whether more comes than needs to be written one by one."""
        state = self.places.states.get(partition)
        if state is None:
            return False  # Assigned while the fetch was under way: it will be positioned first.
        if state.position is not None and records[0].offset < state.position:
            await self.places.begin_again(partition, records[0].offset)
            return False
        projection = self.projections[partition.topic]
        self.counters.messages(projection.topic, len(records))
        refused: dict[int, str] = {}
        slots = self._slots(projection, records, refused)
        end = records[-1].offset + 1
        publish = records[0].offset >= state.history_until
        reply: Reply = "conflict"
        while reply == "conflict":
            await self._read_fences(state, slots)
            batch = Batch(slots, state.fences, self.store, lambda at, why: refused.setdefault(at.offset, why), publish)
            writes = await projection.project(batch)
            self._close_history(state, projection, slots, end, writes)
            reply = await self.store.apply(position_field(partition), state.position, end, state.fences, writes)
            if reply == "conflict":
                state.fences.clear()
        if reply == "gap":
            log.warning("Redis lost data: reading %s/%d again", *partition)
            self.places.states.pop(partition, None)
            return False
        state.position = end
        state.fences.update(writes.fences)
        if end >= state.history_until:
            state.coins.clear()
        self._uncommitted[partition] = end
        self.counters.written(writes)
        for offset, why in sorted(refused.items()):
            self.counters.refuse(projection.topic, partition.partition, offset, why)
        return projection.merges and self._is_hurried(slots)

    def _is_hurried(self, slots: Mapping[str, list[Message]]) -> bool:
        now = asyncio.get_running_loop().time()
        last = [self._written_at.get(slot, 0.0) for slot in slots]
        self._written_at |= dict.fromkeys(slots, now)
        return (
            any(len(messages) > 1 for messages in slots.values()) or max(last, default=0.0) > now - self._pause_seconds
        )

    @staticmethod
    def _slots(
        projection: Projection, records: list[ConsumerRecord], refused: dict[int, str]
    ) -> dict[str, list[Message]]:
        slots: dict[str, list[Message]] = defaultdict(list)
        for record in records:
            try:
                message = read_message(projection.topic, record.partition, record.offset, record.key, record.value)
                slots[projection.slot(message)].append(message)
            except InvalidMessageError as error:
                refused[record.offset] = str(error)
        return slots

    async def _read_fences(self, state: PartitionState, slots: Iterable[str]) -> None:
        unknown = [slot for slot in slots if slot not in state.fences]
        if unknown:
            state.fences |= await self.store.fences(unknown)

    @staticmethod
    def _close_history(
        state: PartitionState, projection: Projection, slots: dict[str, list[Message]], end: int, writes: Writes
    ) -> None:
        """At the end of history, tell clients once to fetch everything, rather than of each step on the way."""
        if state.position is None or state.position < state.history_until:
            state.coins |= {messages[0].coin for messages in slots.values()}
        if end >= state.history_until:
            writes.commands += [projection.event("resync", coin, "", b"{}") for coin in sorted(state.coins)]

    async def _commit(self) -> None:
        offsets = {partition: end for partition, end in self._uncommitted.items() if partition in self.places.states}
        self._uncommitted.clear()
        if not offsets or self.group is None:
            return
        try:
            await self.consumer.commit(offsets)
        except KafkaError as error:
            log.info("offsets were not committed: %s", error)

    async def ends(self) -> dict[TopicPartition, int]:
        """Where the assigned partitions end now."""
        assigned = list(self.consumer.assignment())
        found = await asyncio.wait_for(self.consumer.end_offsets(assigned), KAFKA_TIMEOUT_SECONDS)
        return dict(found)

    def reads_history(self) -> bool:
        """Whether it is still behind where it began from the start."""
        return self.places.reads_history()

    def lag(self) -> int:
        """Messages between here and the ends of the partitions, as far as they are known."""
        return self.places.lag()
