"""``liqheat topics``: the topics on the broker, as the contracts want them."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from liqheat_shared.command import Command

if TYPE_CHECKING:
    from liqheat_shared.kafka.topic_admin import FoundTopic, TopicReport
    from liqheat_shared.kafka.topics import PlannedTopic
    from liqheat_shared.settings import ServiceSettings


class Topics(Command):
    """Create the topics with partitions, retention and sizes (apply), or list them with what they are (list)."""

    def arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        apply = actions.add_parser("apply", help="create what is missing, report what differs, change nothing else")
        apply.add_argument("--replication", type=int, default=None, metavar="N", help="replicas (default 3)")
        apply.add_argument("--laptop", action="store_true", help="one replica, at most 5 GB on disk in all")
        apply.add_argument("--total-gib", type=float, metavar="N", help="bound the topics' bytes on a replica")
        apply.add_argument("--strict", action="store_true", help="exit code 1 at any difference, not only partitions")
        actions.add_parser("list", help="the topics, what is kept of each and whether it exists")

    def run(self, options: Namespace) -> int:
        from aiokafka.errors import KafkaError

        from liqheat_shared.kafka.topic_admin import TopicsNotAppliedError
        from liqheat_shared.local.running import client_defaults
        from liqheat_shared.settings import ServiceSettings, load_settings

        settings = load_settings(ServiceSettings, **client_defaults())
        try:
            if options.action == "list":
                return asyncio.run(_list(settings))
            return asyncio.run(_apply(settings, _plans(settings, options), strict=options.strict))
        except (KafkaError, TopicsNotAppliedError, OSError, TimeoutError, ValueError) as error:
            servers = settings.kafka_bootstrap_servers
            print(f"liqheat topics: {error or type(error).__name__} (broker: {servers})", file=sys.stderr)
            return 1


def _plans(settings: ServiceSettings, options: Namespace) -> list[PlannedTopic]:
    from liqheat_shared.kafka.topics import laptop_topics, planned_topics

    if options.laptop:
        if options.replication not in (None, 1):
            raise ValueError("--laptop means one replica; leave --replication out")
        return laptop_topics(settings)
    total = None if options.total_gib is None else int(options.total_gib * 2**30)
    return planned_topics(
        settings, replication=3 if options.replication is None else options.replication, total_bytes=total
    )


async def _apply(settings: ServiceSettings, plans: list[PlannedTopic], *, strict: bool) -> int:
    from liqheat_shared.kafka.topic_admin import apply_topics

    reports = await apply_topics(settings, plans)
    _print_reports(reports)
    broken = [report for report in reports if report.breaks]
    if broken:
        print(
            "Another partition count sends coins to other partitions. Set LIQHEAT_PARTITIONS to what the broker has, "
            "or make new topics under a new log epoch.",
            file=sys.stderr,
        )
    drifted = any(report.outcome == "drift" for report in reports)
    return 1 if broken or (strict and drifted) else 0


def _print_reports(reports: list[TopicReport]) -> None:
    for report in reports:
        print(f"{report.outcome:<10} {report.name}")
        for sentence in report.drift:
            print(f"           {sentence}")


async def _list(settings: ServiceSettings) -> int:
    from liqheat_shared.kafka.topic_admin import admin_client, find_topics
    from liqheat_shared.kafka.topics import planned_topics

    plans = planned_topics(settings, replication=1, total_bytes=None)
    async with admin_client(settings) as admin:
        found = {topic.name: topic for topic in await find_topics(admin, [plan.name for plan in plans])}
    for plan in plans:
        topic = found.get(plan.name)
        print(f"{plan.name:<44} {_described(topic) if topic else 'missing'}")
    return 0 if len(found) == len(plans) else 1


def _described(topic: FoundTopic) -> str:
    kept = "compacted"
    if topic.configs.get("cleanup.policy") != "compact":
        hours = int(topic.configs.get("retention.ms", "-1")) / 3_600_000
        size = int(topic.configs.get("retention.bytes", "-1"))
        kept = f"{hours:g} h, " + ("any size" if size < 0 else f"{size / 2**20:g} MiB a partition")
    return f"{topic.partitions} partitions, {topic.replication} replicas, {kept}"
