"""A worker that was replaced can't write the state any more, whatever it still holds in its hands."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaError

from faults.oracle import read_state
from liqheat_shared.kafka.exact.changelog import ChangelogPartition, keep_newest
from liqheat_shared.kafka.exact.stored_state import StoredState, order, pack
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics, state_changelog_topic
from liqheat_shared.settings import ServiceSettings


def record(label: int) -> bytes:
    return pack(StoredState(1, label, {"n": label}, b"body"), state_version=1)


@pytest.mark.broker
def test_a_zombie_can_not_write_older_state_after_newer(kafka_broker: str, topic_prefix: str) -> None:
    """The order that compaction would turn into a loss: new owner writes label 20, the old one then label 15."""

    async def scenario() -> None:
        settings = ServiceSettings(kafka_bootstrap_servers=kafka_broker, topic_prefix=topic_prefix, partitions=1)
        await apply_topics(settings, laptop_topics(settings))
        topic = state_changelog_topic(settings, "estimator")
        zombie = ChangelogPartition(settings, topic, 0)
        assert await zombie.open() == ({}, 0)
        await zombie.write({b"BTC": record(10)})
        successor = ChangelogPartition(settings, topic, 0)
        records, _ = await successor.open()
        assert records == {b"BTC": record(10)}
        await successor.write({b"BTC": record(20)})
        with pytest.raises(KafkaError):
            await zombie.write({b"BTC": record(15)})
        await successor.write({b"ETH": record(21)})
        found = await read_state(kafka_broker, topic)
        assert found == {(0, b"BTC"): record(20), (0, b"ETH"): record(21)}
        await successor.close()
        await zombie.close()

    asyncio.run(scenario())


@pytest.mark.broker
def test_a_transaction_that_was_cut_off_is_not_read(kafka_broker: str, topic_prefix: str) -> None:
    """A worker dies in the middle of a checkpoint: its successor aborts the transaction and reads the state before."""

    async def scenario() -> None:
        settings = ServiceSettings(kafka_bootstrap_servers=kafka_broker, topic_prefix=topic_prefix, partitions=1)
        await apply_topics(settings, laptop_topics(settings))
        topic = state_changelog_topic(settings, "estimator")
        dying = ChangelogPartition(settings, topic, 0)
        await dying.open()
        await dying.write({b"BTC": record(10)})
        producer = dying._producer
        assert producer is not None
        await producer.begin_transaction()
        await producer.send_and_wait(topic, key=b"BTC", value=record(12), partition=0)
        successor = ChangelogPartition(settings, topic, 0)
        records, end = await successor.open()
        assert records == {b"BTC": record(10)}
        assert end >= 4, "two records and two markers"
        await successor.close()
        with pytest.raises(KafkaError):
            await producer.commit_transaction()
        await producer.stop()

    asyncio.run(scenario())


def test_an_older_record_never_replaces_a_newer_one() -> None:
    """Logs from before the fencing may hold the two in the wrong order."""
    records: dict[bytes, bytes] = {}
    for label in (5, 20, 15, 20):
        keep_newest(records, b"BTC", record(label))
    assert order(records[b"BTC"]) == (1, 20)
