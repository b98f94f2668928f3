"""What the topics must hold: the same engine and folds run once over the same log, in this process, undisturbed."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from liqheat_shared.contracts.topics import LIQUIDATION_GRIDS, MARKET_EVENTS
from liqheat_shared.kafka.exact.changelog import keep_newest
from liqheat_shared.kafka.exact.engine import Engine, Message, OutgoingMessage
from liqheat_shared.kafka.exact.slots import Partition
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY

Log = list[Message]


async def read_topic(servers: str, topic: str, isolation: str = "read_uncommitted") -> list[ConsumerRecord]:
    """Everything in a topic now, by partition and offset."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level=isolation,
        max_partition_fetch_bytes=16_000_000,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(await _partitions(consumer, topic))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return sorted(found, key=lambda r: (r.partition, r.offset))
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.add_topic(topic)
    await consumer._client.force_metadata_update()
    return set(consumer.partitions_for_topic(topic) or ())


async def read_state(servers: str, topic: str) -> dict[tuple[int, bytes], bytes]:
    """The newest committed record of every key of a state changelog."""
    by_partition: dict[int, dict[bytes, bytes]] = collections.defaultdict(dict)
    for record in await read_topic(servers, topic, "read_committed"):
        keep_newest(by_partition[record.partition], record.key, record.value)
    return {(n, key): value for n, records in by_partition.items() for key, value in records.items()}


@dataclass
class Expected:
    """Outputs by topic in order, and the final state records by (partition, key)."""

    outputs: dict[str, list[OutgoingMessage]] = field(default_factory=lambda: collections.defaultdict(list))
    states: dict[str, dict[tuple[int, bytes], bytes]] = field(default_factory=dict)


def run_stages(log: Log, log_epoch: int = 1) -> Expected:
    """Both stages over the market log."""
    expected = Expected()
    grids = _run("estimator", log, expected, log_epoch)
    offsets: dict[int, int] = collections.Counter()
    second: Log = []
    for grid in grids:
        second.append(Message(grid.partition, offsets[grid.partition], grid.key, grid.value, 0))
        offsets[grid.partition] += 1
    _run("clusterer", second, expected, log_epoch)
    return expected


def _run(stage: str, log: Log, expected: Expected, log_epoch: int) -> list[OutgoingMessage]:
    from faults.stage_process import make_fold

    topic = MARKET_EVENTS if stage == "estimator" else LIQUIDATION_GRIDS
    engine = Engine(make_fold(stage), topic, log_epoch)
    partitions: dict[int, Partition] = {}
    grids: list[OutgoingMessage] = []
    for message in log:
        partition = partitions.setdefault(message.partition, engine.open(message.partition, {}))
        for out in engine.apply(partition, message):
            expected.outputs[out.topic].append(out)
            if out.topic == LIQUIDATION_GRIDS:
                grids.append(out)
    states: dict[tuple[int, bytes], bytes] = {}
    for number, partition in partitions.items():
        partition.to_dump.update(partition.dirty)
        while partition.to_dump:
            engine.dump(partition, next(iter(partition.to_dump)))
        states |= {(number, key): partition.records[key] for key in partition.dumped}
    expected.states[stage] = states
    return grids


def differences(expected: list[OutgoingMessage], records: list[ConsumerRecord], source_topic: str = "") -> list[str]:
    """What is wrong with a topic: missing, extra or different events, repeats that differ, keys out of order."""
    wrong: list[str] = []
    first: dict[tuple[bytes, str], bytes] = {}
    order: dict[bytes, list[str]] = collections.defaultdict(list)
    for record in records:
        name = (record.key, orjson.loads(record.value)["event_id"])
        value = _without_source_topic(record.value)
        if name in first:
            if first[name] != value:
                wrong.append(f"repeat of {name} differs")
            continue
        first[name] = value
        order[record.key].append(name[1])
    wanted: dict[tuple[bytes, str], bytes] = {}
    wanted_order: dict[bytes, list[str]] = collections.defaultdict(list)
    for message in expected:
        name = (message.key, orjson.loads(message.value)["event_id"])
        wanted[name] = _without_source_topic(message.value)
        wanted_order[message.key].append(name[1])
    wrong += [f"missing {name}" for name in wanted if name not in first]
    wrong += [f"extra {name}" for name in first if name not in wanted]
    wrong += [f"{name} differs" for name in wanted if name in first and first[name] != wanted[name]]
    if not wrong:
        wrong += [f"{key!r} is out of order" for key in wanted_order if wanted_order[key] != order[key]]
    return wrong


def _without_source_topic(value: bytes) -> bytes:
    """Dead letters name the topic they come from, which has a test's prefix in front."""
    document = orjson.loads(value)
    document.pop("source_topic", None)
    return orjson.dumps(document)


def state_differences(
    expected: dict[tuple[int, bytes], bytes], found: dict[tuple[int, bytes], bytes], *, ignore_label: bool = False
) -> list[str]:
    """Keys whose final state is not the one of the undisturbed run.

    ``ignore_label``: the offsets of a second stage's input depend on repeats of the first, so only what lies behind
    the header counts there.
    """
    head = 2 + 2 + 8 + 8
    wrong: list[str] = []
    for name in sorted(set(expected) | {n for n in found if n[1] != POSITION_KEY}):
        want, have = expected.get(name), found.get(name)
        if want is None or have is None:
            wrong.append(f"{name}: {'missing' if have is None else 'extra'}")
        elif (want[head:] if ignore_label else want) != (have[head:] if ignore_label else have):
            wrong.append(f"{name}: differs")
    return wrong


def market_messages(records: list[ConsumerRecord]) -> Log:
    """A market log as the engine reads it."""
    return [Message(r.partition, r.offset, r.key, r.value, r.timestamp) for r in records]
