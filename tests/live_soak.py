"""A live source with everything dying around it: connections, venues, the broker, itself; and what the log says."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics
from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.settings import ServiceSettings
from live_runs import Collected, fake_venues, number_of

TOPIC = "market-events-v1"
PARTITIONS = 4


@dataclass(frozen=True)
class Plan:
    """How long, and what dies how often; seconds of the wall, 0: never.

    ``speed``: how many seconds of the story pass in one of the wall.
    """

    seconds: float
    disconnect_every_s: float
    venue_restart_every_s: float = 0
    broker_restart_every_s: float = 0
    ingest_restart_every_s: float = 0
    speed: float = 1.0
    coins: int = 3


@dataclass
class Verdict:
    """What the log says.

    Attributes
    ----------
    undetected : list
        Holes in the trades that nothing announced covers.
    repeated : int
        Trades that are in the log twice.
    """

    collected: Collected
    disconnects: int
    acts: dict[str, int]
    said: str

    @property
    def undetected(self):
        return self.collected.undetected()

    @property
    def repeated(self):
        return sum(self.collected.repeated.values())

    @property
    def sequence_holes(self):
        """Messages that were numbered and are not in the log, or are there twice or in another order."""
        return [
            (*key, before, after)
            for key, numbers in self.collected.sequences.items()
            for before, after in pairwise(numbers)
            if after != before + 1
        ]

    @property
    def trades(self):
        return sum(self.collected.published.values())


class _Message(NamedTuple):
    venue: str
    type: str
    value: bytes


class _Ingest:
    """``liqheat ingest --source live`` as a process, again and again."""

    def __init__(self, folder, broker, fakes, plan):
        self.log = folder / "ingest.log"
        endpoints = ",".join(f"{venue}={address}" for venue, address in fakes.endpoints.items())
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")} | {
            "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": broker,
            "LIQHEAT_INGEST_LIVE_ENDPOINTS": endpoints,
            "LIQHEAT_INGEST_LIVE_COINS": f"top:{plan.coins}",
            "LIQHEAT_INGEST_BACKFILL_DAYS": "0",
            "LIQHEAT_INGEST_BACKFILL_HOURS": "0.5",
            "LIQHEAT_INGEST_LIVE_SILENCE_S": "6",
        }
        self.process = None

    def start(self):
        command = [
            sys.executable,
            "-m",
            "liqheat_shared.local.held_start",
            os.devnull,
            "json",
            "ingest",
            "--source",
            "live",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stderr=log, stdout=log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    @property
    def text(self):
        return self.log.read_text(errors="replace")


def soak(folder, plan):
    """Run the plan; the verdict. Needs a broker of its own, which it restarts."""
    kafka = KafkaServer(folder / "kafka")
    kafka.start()
    try:
        settings = ServiceSettings(kafka_bootstrap_servers=kafka.bootstrap_servers, partitions=PARTITIONS)
        asyncio.run(apply_topics(settings, laptop_topics(settings)))
        options = ["--coins", str(plan.coins), "--history-days", "0.1", "--prints-scale", "2"]
        if plan.speed != 1.0:
            now_ms = int(time.time() * 1000)
            start_ms = now_ms - round(plan.seconds * plan.speed * 1000) - 120_000
            options += ["--speed", str(plan.speed), "--start-ms", str(start_ms // 60_000 * 60_000)]
        with fake_venues(*options) as fakes:
            ingest = _Ingest(folder, kafka.bootstrap_servers, fakes, plan)
            ingest.start()
            try:
                acts = _let_things_die(plan, fakes, kafka, ingest)
            finally:
                assert ingest.stop() == 0, ingest.text[-3000:]
        collected = asyncio.run(read_log(kafka.bootstrap_servers))
        return Verdict(collected, acts["disconnect"], acts, ingest.text)
    finally:
        kafka.stop()


def _let_things_die(plan, fakes, kafka, ingest):
    deadline = time.monotonic() + 120
    while "the history of" not in ingest.text:
        assert time.monotonic() < deadline, ingest.text[-3000:]
        time.sleep(0.2)
    started = time.monotonic()
    acts = {"disconnect": 0, "venue": 0, "broker": 0, "ingest": 0}
    every = {
        "disconnect": plan.disconnect_every_s,
        "venue": plan.venue_restart_every_s,
        "broker": plan.broker_restart_every_s,
        "ingest": plan.ingest_restart_every_s,
    }
    due = {name: started + seconds for name, seconds in every.items() if seconds}
    while (now := time.monotonic()) < started + plan.seconds:
        for name in [name for name, at in due.items() if at <= now]:
            due[name] = time.monotonic() + every[name]
            acts[name] += 1
            if name == "disconnect":
                fakes.act("disconnect", kind=("reset", "clean")[acts[name] % 2])
            elif name == "venue":
                fakes.act("restart", venue=list(fakes.endpoints)[acts[name] % len(fakes.endpoints)], seconds=3)
            elif name == "broker":
                kafka.stop()
                time.sleep(1.0)
                kafka.start()
            else:
                assert ingest.stop() == 0, ingest.text[-3000:]
                ingest.start()
        code = ingest.process.poll()
        if code is not None:  # it was started while the broker was away; who keeps it running starts it again
            assert (code, "no Kafka at" in ingest.text) == (1, True), ingest.text[-3000:]
            ingest.start()
        time.sleep(0.1)
    time.sleep(6.0)  # whatever was cut last is back
    return acts


async def read_log(broker):
    """Everything in the log, for its verdicts."""
    collected = Collected(None)
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for records in (await consumer.getmany(timeout_ms=1000, max_records=5000)).values():
                    for record in records:
                        _take(collected, record.value)
        return collected
    finally:
        await consumer.stop()


def _take(collected, value):
    event = orjson.loads(value)
    collected.take(_Message(event["venue"], event["type"], value))
    collected.sequences.setdefault((event["venue"], event["symbol"], event["ingest_epoch"]), []).append(
        event["sequence"]
    )
    # OKX packs trades under the number of the last, and the log does not say how many: its ids tell no holes.
    if event["type"] == "trades" and event["venue"] != "okx":
        market = (event["venue"], event["symbol"])
        for identity, offset_ms in zip(event["trade_id"], event["time_offset_ms"], strict=True):
            number = number_of(event["venue"], identity)
            collected.numbers[market].append((number, number, event["event_time_ms"] + offset_ms))


def summary(verdict):
    """For a person and for a benchmark."""
    counts = verdict.collected.counts
    return json.dumps(
        {
            "trades": verdict.trades,
            "acts": verdict.acts,
            "interrupted": sum(n for (_, kind), n in counts.items() if kind == "feed-interrupted"),
            "resumed": sum(n for (_, kind), n in counts.items() if kind == "feed-resumed"),
            "refilled_messages": sum(n for (_, kind), n in counts.items() if kind == "refilled"),
            "holes": len(verdict.collected.holes()),
            "undetected": verdict.undetected[:5],
            "repeated": verdict.repeated,
            "sequence_holes": verdict.sequence_holes[:5],
            "dead_letters": sum(n for (_, kind), n in counts.items() if kind == "dead-letter"),
        }
    )
