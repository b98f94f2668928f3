"""Create the planned topics on a broker and say where it differs from the plan. Changes nothing that exists."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import BrokerResponseError

from liqheat_shared.kafka.connection import client_options
from liqheat_shared.kafka.topics import PlannedTopic
from liqheat_shared.settings import ServiceSettings

REQUEST_SECONDS = 30.0
_ALREADY_EXISTS = 36
_GROUPS, _TRANSACTIONS = 0, 1


class TopicsNotAppliedError(RuntimeError):
    """The broker refused to create a topic, or a created one got no leader."""


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the broker has it. ``configs``: the effective values."""

    name: str
    partitions: int
    replication: int
    configs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What ``apply`` found or did.

    Attributes
    ----------
    drift : tuple of str
        One sentence for each difference that was left as it is.
    breaks : bool
        Keys would land on other partitions than the plan says: the pipeline must not run like this.
    """

    name: str
    outcome: Literal["created", "unchanged", "drift"]
    drift: tuple[str, ...] = ()
    breaks: bool = False


@asynccontextmanager
async def admin_client(settings: ServiceSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client.

    Raises
    ------
    aiokafka.errors.KafkaConnectionError
        No broker answers at the bootstrap servers.
    """
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(REQUEST_SECONDS * 1000))
    try:
        await asyncio.wait_for(admin.start(), REQUEST_SECONDS)
        yield admin
    finally:
        await admin.close()


async def apply_topics(settings: ServiceSettings, plans: Sequence[PlannedTopic]) -> list[TopicReport]:
    """Create what is missing, wait until it can be written, compare what was there.

    Nothing that exists is changed: another partition count moves keys, and a smaller retention deletes data.

    Raises
    ------
    TopicsNotAppliedError
        A topic could not be created or got no leader in time.
    """
    async with admin_client(settings) as admin:
        before = {topic.name: topic for topic in await find_topics(admin, [plan.name for plan in plans])}
        missing = [plan for plan in plans if plan.name not in before]
        created = await _create(admin, missing) if missing else set()
        raced = [plan.name for plan in missing if plan.name not in created]
        before |= {topic.name: topic for topic in await find_topics(admin, raced)} if raced else {}
        await _wait_for_leaders(admin, [plan.name for plan in missing])
    return [
        TopicReport(plan.name, "created") if plan.name in created else compare(plan, before[plan.name])
        for plan in plans
    ]


def compare(plan: PlannedTopic, found: FoundTopic) -> TopicReport:
    """Where a topic differs from its plan.

    >>> plan = PlannedTopic("t", 4, 1, {"cleanup.policy": "compact"})
    >>> compare(plan, FoundTopic("t", 2, 1, {"cleanup.policy": "compact"})).drift
    ('partitions: 2 instead of 4',)
    """
    drift = []
    if found.partitions != plan.partitions:
        drift.append(f"partitions: {found.partitions} instead of {plan.partitions}")
    if found.replication != plan.replication:
        drift.append(f"replicas: {found.replication} instead of {plan.replication}")
    for name, wanted in sorted(plan.configs.items()):
        actual = found.configs.get(name)
        if actual != wanted:
            drift.append(f"{name}: {actual} instead of {wanted}")
    breaks = found.partitions != plan.partitions
    return TopicReport(plan.name, "drift" if drift else "unchanged", tuple(drift), breaks)


async def wake_coordinators(settings: ServiceSettings) -> None:
    """Have the broker make its own topics for groups and transactions, which it does when it is first asked for them.

    A service that comes first would wait and log errors meanwhile.

    Raises
    ------
    TopicsNotAppliedError
        They were not made in time.
    """
    async with admin_client(settings) as admin:
        for coordinator_type in (_GROUPS, _TRANSACTIONS):
            for _ in range(int(REQUEST_SECONDS / 0.1)):
                with contextlib.suppress(BrokerResponseError):  # not there yet, or still loading
                    await asyncio.wait_for(admin.find_coordinator("wake", coordinator_type), REQUEST_SECONDS)
                    break
                await asyncio.sleep(0.1)
            else:
                raise TopicsNotAppliedError(f"no coordinator after {REQUEST_SECONDS:.0f} s")


async def find_topics(admin: AIOKafkaAdminClient, names: Sequence[str]) -> list[FoundTopic]:
    """Those of the named topics that exist, with their configuration."""
    existing = [topic for topic in await _describe(admin, names) if topic["error_code"] == 0]
    if not existing:
        return []
    configs = await _configs(admin, [topic["topic"] for topic in existing])
    return [
        FoundTopic(
            topic["topic"],
            len(topic["partitions"]),
            min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            configs.get(topic["topic"], {}),
        )
        for topic in existing
    ]


async def partition_count(settings: ServiceSettings, topic: str) -> int | None:
    """Partitions of a topic (name with prefix); None: the broker has no such topic."""
    async with admin_client(settings) as admin:
        found = await _describe(admin, [topic])
    return len(found[0]["partitions"]) if found else None


async def _describe(admin: AIOKafkaAdminClient, names: Sequence[str]) -> list[dict[str, Any]]:
    # All and then a choice: asked for by name, a missing topic would be created by a broker with auto-create on.
    topics = await asyncio.wait_for(admin.describe_topics(None), REQUEST_SECONDS)
    return [topic for topic in topics if topic["topic"] in set(names)]


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answers = await asyncio.wait_for(admin.describe_configs(resources), REQUEST_SECONDS)
    # A resource is (error code, message, type, name, entries), an entry begins with (name, value).
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }


async def _create(admin: AIOKafkaAdminClient, plans: Sequence[PlannedTopic]) -> set[str]:
    topics = [
        NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=dict(plan.configs)) for plan in plans
    ]
    answer = await asyncio.wait_for(admin.create_topics(topics), REQUEST_SECONDS)
    created = set()
    for name, code, *message in answer.topic_errors:
        if code == 0:
            created.add(name)
        elif code != _ALREADY_EXISTS:
            raise TopicsNotAppliedError(f"{name} was not created: error {code} {' '.join(map(str, message))}")
    return created


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: Sequence[str]) -> None:
    for _ in range(int(REQUEST_SECONDS / 0.05)):
        led = {topic["topic"] for topic in await _describe(admin, names) if _is_led(topic)}
        waiting = [name for name in names if name not in led]
        if not waiting:
            return
        await asyncio.sleep(0.05)
    raise TopicsNotAppliedError(f"no leader after {REQUEST_SECONDS:.0f} s: {', '.join(waiting)}")


def _is_led(topic: dict[str, Any]) -> bool:
    partitions = topic["partitions"]
    return not topic["error_code"] and bool(partitions) and all(partition["leader"] >= 0 for partition in partitions)
