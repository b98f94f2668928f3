"""What every topic should look like on the broker: partitions, retention, sizes. Pure; ``topic_admin`` applies it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from liqheat_shared.contracts.topics import DAY_MS, HOUR_MS, MEBIBYTE, TOPICS, TopicContract
from liqheat_shared.settings import ServiceSettings

#: Largest batch the broker takes, a little above ``connection.MAX_MESSAGE_BYTES``.
MAX_BATCH_BYTES = 16 * MEBIBYTE
#: A segment has to hold the largest batch, so none is smaller.
SMALLEST_SEGMENT_BYTES = MAX_BATCH_BYTES
LARGEST_SEGMENT_BYTES = 1024 * MEBIBYTE
#: What a broker on one machine may take on disk, all topics full.
LAPTOP_DISK_BYTES = 5_000_000_000
#: A compacted partition: what lives, as much again not cleaned yet, the segment being written and the one before.
COMPACTED_PARTITION_SEGMENTS = 4
#: The broker's own topics: offsets and transactions, 4 partitions each in segments of 8 MiB.
_BROKER_TOPICS_BYTES = 2 * 4 * 2 * 8 * MEBIBYTE
#: Offset index of a segment: 8 bytes for 4 kB of log. The broker reserves 10 MiB a partition unless told otherwise.
_LAPTOP_INDEX_BYTES = MEBIBYTE

Stage = Literal["estimator", "clusterer"]
STAGES: tuple[Stage, ...] = ("estimator", "clusterer")


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic as it should be on the broker.

    Attributes
    ----------
    name : str
        With prefix.
    configs : dict
        Topic configuration by Kafka's names, values as Kafka writes them.
    """

    name: str
    partitions: int
    replication: int
    configs: dict[str, str]

    @property
    def compacted(self) -> bool:
        """Whether only the last value of each key is kept."""
        return self.configs["cleanup.policy"] == "compact"

    @property
    def largest_disk_bytes(self) -> int | None:
        """Bytes on one replica's disk when full; None: only time bounds it.

        The broker deletes whole segments, and only while what remains is at least ``retention.bytes``.
        """
        segment = int(self.configs["segment.bytes"])
        if self.compacted:
            return self.partitions * COMPACTED_PARTITION_SEGMENTS * segment
        retention = int(self.configs["retention.bytes"])
        return None if retention < 0 else self.partitions * (retention + segment)


def state_changelog_topic(settings: ServiceSettings, stage: Stage) -> str:
    """Name of the topic that holds the state of a stage.

    >>> state_changelog_topic(ServiceSettings(topic_prefix="test-"), "estimator")
    'test-liqheat.estimator-state-changelog'
    """
    return f"{settings.topic_prefix}{settings.group_prefix}{stage}-state-changelog"


def planned_topics(settings: ServiceSettings, *, replication: int, total_bytes: int | None) -> list[PlannedTopic]:
    """Every topic of liqheat: those of the contracts and the two changelogs.

    Parameters
    ----------
    replication : int
        Replicas of every partition.
    total_bytes : int or None
        What the topics with a retention may keep together, shared out in the proportion of the contracts'
        ``laptop_bytes``. None: no bound but time.
    """
    weight = sum(contract.laptop_bytes for contract in TOPICS.values())
    shared = {"min.insync.replicas": str(2 if replication >= 3 else 1), "max.message.bytes": str(MAX_BATCH_BYTES)}
    plans = []
    for contract in TOPICS.values():
        topic_bytes = None if total_bytes is None else contract.laptop_bytes * total_bytes // weight
        configs = shared | _kept(contract, topic_bytes, settings.partitions)
        if contract.log_append_time:
            configs["message.timestamp.type"] = "LogAppendTime"
        plans.append(PlannedTopic(settings.topic(contract.name), settings.partitions, replication, configs))
    for stage in STAGES:
        configs = shared | _compacted()
        plans.append(PlannedTopic(state_changelog_topic(settings, stage), settings.partitions, replication, configs))
    return plans


def laptop_topics(settings: ServiceSettings) -> list[PlannedTopic]:
    """The topics on one machine: one replica, bounded in bytes.

    Raises
    ------
    ValueError
        So many partitions that the disk could pass :data:`LAPTOP_DISK_BYTES`.
    """
    total = sum(contract.laptop_bytes for contract in TOPICS.values())
    plans = planned_topics(settings, replication=1, total_bytes=total)
    for plan in plans:
        plan.configs["segment.index.bytes"] = str(_LAPTOP_INDEX_BYTES)
    largest = largest_disk_bytes(plans)
    if largest is None or largest > LAPTOP_DISK_BYTES:
        raise ValueError(
            f"{settings.partitions} partitions could take {(largest or 0) / 1e9:.1f} GB on one machine, "
            f"more than {LAPTOP_DISK_BYTES / 1e9:.0f}; set LIQHEAT_PARTITIONS=4"
        )
    return plans


def largest_disk_bytes(plans: Sequence[PlannedTopic]) -> int | None:
    """Bytes of all topics when full, the broker's own included; None: not bounded."""
    sizes = [plan.largest_disk_bytes for plan in plans]
    bounded = [size for size in sizes if size is not None]
    return sum(bounded) + _BROKER_TOPICS_BYTES if len(bounded) == len(sizes) else None


def _kept(contract: TopicContract, topic_bytes: int | None, partitions: int) -> dict[str, str]:
    if contract.retention_ms is None:
        return _compacted()
    configs = {
        "cleanup.policy": "delete",
        "retention.ms": str(contract.retention_ms),
        # Time retention deletes whole segments, so a topic of six hours needs segments of one.
        "segment.ms": str(min(7 * DAY_MS, max(HOUR_MS // 6, contract.retention_ms // 6))),
    }
    if topic_bytes is None:
        return configs | {"retention.bytes": "-1", "segment.bytes": str(LARGEST_SEGMENT_BYTES // 4)}
    share = topic_bytes // partitions
    segment = min(LARGEST_SEGMENT_BYTES, max(SMALLEST_SEGMENT_BYTES, share // 4))
    # The segment being written comes on top of the retention: the share holds both, unless it is tiny.
    return configs | {"retention.bytes": str(max(share // 2, share - segment)), "segment.bytes": str(segment)}


def _compacted() -> dict[str, str]:
    # Never "delete": a trimmed changelog hangs the recovery of a stage. The active segment is not compacted, so small.
    return {"cleanup.policy": "compact", "segment.bytes": str(SMALLEST_SEGMENT_BYTES)}
