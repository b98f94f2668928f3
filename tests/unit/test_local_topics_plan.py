"""What the topics should look like: the plan, before any broker."""

from __future__ import annotations

import pytest

from liqheat_shared.contracts.topics import DEAD_LETTERS, MARKET_EVENTS, MEBIBYTE, TOPICS
from liqheat_shared.kafka.connection import MAX_MESSAGE_BYTES
from liqheat_shared.kafka.topic_admin import FoundTopic, compare
from liqheat_shared.kafka.topics import (
    LAPTOP_DISK_BYTES,
    PlannedTopic,
    laptop_topics,
    largest_disk_bytes,
    planned_topics,
    state_changelog_topic,
)
from liqheat_shared.settings import ServiceSettings

LAPTOP = ServiceSettings(partitions=4, topic_prefix="p-")


def by_name(plans: list[PlannedTopic]) -> dict[str, PlannedTopic]:
    return {plan.name: plan for plan in plans}


def test_every_contract_and_both_changelogs_are_planned() -> None:
    expected = {f"p-{name}" for name in TOPICS} | {
        "p-liqheat.estimator-state-changelog",
        "p-liqheat.clusterer-state-changelog",
    }
    assert by_name(laptop_topics(LAPTOP)).keys() == expected
    assert state_changelog_topic(LAPTOP, "clusterer") in expected


def test_a_laptop_never_takes_more_than_five_gigabytes() -> None:
    largest = largest_disk_bytes(laptop_topics(LAPTOP))
    assert largest is not None
    assert 1_000_000_000 < largest <= LAPTOP_DISK_BYTES


def test_partitions_that_a_laptop_has_no_room_for_are_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match=r"24 partitions could take \d+\.\d GB.*LIQHEAT_PARTITIONS=4"):
        laptop_topics(ServiceSettings(partitions=24))


@pytest.mark.parametrize("plan", laptop_topics(LAPTOP), ids=lambda plan: plan.name)
def test_every_topic_takes_the_largest_message(plan: PlannedTopic) -> None:
    assert int(plan.configs["max.message.bytes"]) >= MAX_MESSAGE_BYTES
    assert int(plan.configs["segment.bytes"]) >= int(plan.configs["max.message.bytes"])


def test_a_topic_keeps_its_share_of_the_laptop_with_the_segment_being_written() -> None:
    plan = by_name(laptop_topics(LAPTOP))[f"p-{MARKET_EVENTS}"]
    assert plan.largest_disk_bytes == TOPICS[MARKET_EVENTS].laptop_bytes
    assert int(plan.configs["retention.bytes"]) > 0.7 * TOPICS[MARKET_EVENTS].laptop_bytes / 4


def test_changelogs_are_compacted_and_never_trimmed() -> None:
    for total in (None, 10**10):
        plan = by_name(planned_topics(LAPTOP, replication=3, total_bytes=total))["p-liqheat.estimator-state-changelog"]
        assert plan.configs["cleanup.policy"] == "compact"
        assert "retention.ms" not in plan.configs
        assert "retention.bytes" not in plan.configs


def test_only_the_market_log_is_stamped_by_the_broker() -> None:
    stamped = [plan.name for plan in laptop_topics(LAPTOP) if "message.timestamp.type" in plan.configs]
    assert stamped == [f"p-{MARKET_EVENTS}"]


@pytest.mark.parametrize(("replication", "in_sync"), [(1, "1"), (2, "1"), (3, "2")])
def test_one_replica_may_be_away_where_there_are_three(replication: int, in_sync: str) -> None:
    plans = planned_topics(LAPTOP, replication=replication, total_bytes=None)
    assert {plan.configs["min.insync.replicas"] for plan in plans} == {in_sync}


def test_segments_are_short_enough_for_retention_in_time() -> None:
    for plan in planned_topics(LAPTOP, replication=3, total_bytes=None):
        if not plan.compacted:
            assert int(plan.configs["segment.ms"]) <= int(plan.configs["retention.ms"]) / 6


def test_a_bound_in_bytes_is_shared_out_as_the_contracts_say() -> None:
    plans = by_name(planned_topics(LAPTOP, replication=1, total_bytes=100 * 1024 * MEBIBYTE))
    market, dead = plans[f"p-{MARKET_EVENTS}"], plans[f"p-{DEAD_LETTERS}"]
    assert market.largest_disk_bytes is not None
    assert dead.largest_disk_bytes is not None
    assert market.largest_disk_bytes / dead.largest_disk_bytes == pytest.approx(16, rel=0.02)


def test_drift_names_each_difference_and_only_partitions_break() -> None:
    plan = PlannedTopic("t", 4, 1, {"retention.ms": "10", "cleanup.policy": "delete"})
    same = compare(plan, FoundTopic("t", 4, 1, {"retention.ms": "10", "cleanup.policy": "delete", "other": "x"}))
    assert (same.outcome, same.drift, same.breaks) == ("unchanged", (), False)
    configs = compare(plan, FoundTopic("t", 4, 3, {"retention.ms": "99"}))
    assert configs.drift == (
        "replicas: 3 instead of 1",
        "cleanup.policy: None instead of delete",
        "retention.ms: 99 instead of 10",
    )
    assert not configs.breaks
    assert compare(plan, FoundTopic("t", 8, 1, plan.configs)).breaks
