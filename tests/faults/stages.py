"""Starts, kills and stops real stages against a real broker, and judges what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from faults.oracle import (
    Expected,
    differences,
    market_messages,
    read_state,
    read_topic,
    run_stages,
    state_differences,
)
from liqheat_shared.contracts.topics import LIQUIDATION_GRIDS, MARKET_EVENTS
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics, state_changelog_topic
from liqheat_shared.settings import ServiceSettings

PARTITIONS = 2
SESSION_SECONDS = 6.0
PROGRAM = Path(__file__).with_name("stage_process.py")


class Stages:
    """The stages of one test: their topics have its prefix."""

    def __init__(self, servers: str, prefix: str, logs: Path) -> None:
        self.settings = ServiceSettings(
            kafka_bootstrap_servers=servers, topic_prefix=prefix, group_prefix="", partitions=PARTITIONS
        )
        self.servers = servers
        self._logs = logs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._log_of: dict[int, Path] = {}

    async def create_topics(self) -> None:
        await apply_topics(self.settings, laptop_topics(self.settings))

    def start(self, stage: str, *, instance: str = "-", checkpoint_seconds: float = 0.7) -> subprocess.Popen[bytes]:
        """A worker of a stage."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(PROGRAM.parent.parent),
            "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "LIQHEAT_TOPIC_PREFIX": self.settings.topic_prefix,
            "LIQHEAT_GROUP_PREFIX": self.settings.group_prefix,
            "LIQHEAT_PARTITIONS": str(PARTITIONS),
        }
        log = self._logs / f"{stage}-{len(self._processes)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM), stage, str(SESSION_SECONDS), str(checkpoint_seconds), instance],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        self._log_of[process.pid] = log
        return process

    async def at_work(self, *processes: subprocess.Popen[bytes], timeout_seconds: float = 90.0) -> None:
        """Wait until workers have been assigned partitions and restored their state."""
        deadline = time.monotonic() + timeout_seconds
        while not all("states restored" in self._log_of[process.pid].read_text() for process in processes):
            assert time.monotonic() < deadline, f"a worker did not get to work\n{self.logs()}"
            await asyncio.sleep(0.1)

    async def feed(self, log: Iterable[tuple[bytes, bytes]], *, per_second: float) -> None:
        """Publish a market log at a pace."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers, enable_idempotence=True)
        await producer.start()
        try:
            started = time.monotonic()
            for n, (key, value) in enumerate(log):
                await producer.send(self.settings.topic(MARKET_EVENTS), key=key, value=value)
                ahead = n / per_second - (time.monotonic() - started)
                if ahead > 0.02:
                    await asyncio.sleep(ahead)
        finally:
            await producer.stop()

    async def expected(self) -> Expected:
        """What an undisturbed run makes of the market log as it now is."""
        return run_stages(market_messages(await read_topic(self.servers, self.settings.topic(MARKET_EVENTS))))

    async def finish(self, timeout_seconds: float = 120.0) -> None:
        """Wait until both stages have committed the end of their input, then stop all workers in an orderly way."""
        deadline = time.monotonic() + timeout_seconds
        for stage, topic in (("estimator", MARKET_EVENTS), ("clusterer", LIQUIDATION_GRIDS)):
            group = f"{self.settings.topic_prefix}{self.settings.group_prefix}{stage}"
            while not await is_at_the_end(self.servers, group, self.settings.topic(topic)):
                assert time.monotonic() < deadline, f"the {stage} did not get to the end\n{self.logs()}"
                await asyncio.sleep(0.5)
        await self.at_work(*(process for process in self._processes if process.poll() is None))
        self.stop()

    def stop(self) -> None:
        """SIGTERM to all that still run; each has to end by itself."""
        running = [process for process in self._processes if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        for process in running:
            assert process.wait(60) == 0, self.logs()

    def kill(self) -> None:
        """End everything, whatever its state: for the end of a test that failed."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait(10)

    def logs(self) -> str:
        """The last lines of every worker."""
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in sorted(self._logs.glob("*.log")))

    async def faults(self, expected: Expected) -> list[str]:
        """Everything that differs from the undisturbed run: outputs, their order and the final states."""
        wrong: list[str] = []
        for topic in sorted(expected.outputs):
            records = await read_topic(self.servers, self.settings.topic(topic))
            wrong += [f"{topic}: {fault}" for fault in differences(expected.outputs[topic], records)]
        for stage in ("estimator", "clusterer"):
            found = await read_state(self.servers, state_changelog_topic(self.settings, stage))  # type: ignore[arg-type]
            faults = state_differences(expected.states[stage], found, ignore_label=stage == "clusterer")
            wrong += [f"state of the {stage}: {fault}" for fault in faults]
        return wrong


async def is_at_the_end(servers: str, group: str, topic: str) -> bool:
    """Whether a group has committed the end of every partition of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        return all([(await consumer.committed(p) or 0) == end for p, end in ends.items()])
    finally:
        await consumer.stop()
