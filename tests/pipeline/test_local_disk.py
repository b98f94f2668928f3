"""The laptop's bound in bytes, on a real broker's disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from liqheat_shared.contracts.topics import DEAD_LETTERS
from liqheat_shared.kafka.connection import producer_options
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics, state_changelog_topic
from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.ports import wait_until
from liqheat_shared.local.prepare import prepare
from liqheat_shared.settings import ServiceSettings

MEBIBYTE = 1 << 20
pytestmark = [pytest.mark.broker, pytest.mark.slow]


def bytes_on_disk(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


async def write(settings: ServiceSettings, topic: str, keys: list[bytes], message_bytes: int) -> None:
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        for key in keys:
            # Random, so that compression does not help.
            sent = await producer.send(topic, os.urandom(message_bytes), key=key, partition=0)
            await asyncio.wait_for(sent, 30)


def test_topics_stay_within_their_share_however_much_is_written(tmp_path: Path) -> None:
    prepare()
    quick = {
        "log.initial.task.delay.ms": "200",
        "log.retention.check.interval.ms": "300",
        "log.segment.delete.delay.ms": "100",
        "log.cleaner.backoff.ms": "200",
    }
    with KafkaServer(tmp_path / "kafka", properties=quick) as broker:
        settings = ServiceSettings(kafka_bootstrap_servers=broker.bootstrap_servers, partitions=4)
        plans = {plan.name: plan for plan in laptop_topics(settings)}
        kept, compacted = plans[DEAD_LETTERS], plans[state_changelog_topic(settings, "estimator")]
        asyncio.run(apply_topics(settings, [kept, compacted]))
        for plan in (kept, compacted):
            assert plan.largest_disk_bytes is not None
            allowed = plan.largest_disk_bytes / plan.partitions
            written = int(3 * allowed)
            # Few keys: what lives of the compacted one is 4 MiB.
            keys = [b"key-%d" % (number % 4) for number in range(written // MEBIBYTE)]
            asyncio.run(write(settings, plan.name, keys, MEBIBYTE))
            folder = broker.data_dir / f"{plan.name}-0"
            found = wait_until(lambda folder=folder, allowed=allowed: bytes_on_disk(folder) <= allowed, 40, 0.2)  # type: ignore[misc]
            assert found, f"{plan.name}: {bytes_on_disk(folder) / MEBIBYTE:.0f} MiB, allowed {allowed / MEBIBYTE:.0f}"
            assert bytes_on_disk(folder) > 2 * MEBIBYTE, "what was written last is there"
