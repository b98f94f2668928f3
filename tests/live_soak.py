"""A live source with everything dying around it: connections, venues, the broker, itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics
from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.settings import ServiceSettings
from live_runs import fake_venues
from soak_plan import Done
from soak_verdict import SoakLog, judge

TOPIC = "market-events-v1"
PARTITIONS = 4
DEAD_LETTERS = "dead-letters-v1"
PROGRESS_EVERY_S = 30.0


@dataclass
class Soaked:
    """A verdict, and how it came about."""

    verdict: object
    acts: dict
    said: str
    seconds: float
    crashes: int
    dead_letters: int


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
            "LIQHEAT_INGEST_BACKFILL_HOURS": "24",
            "LIQHEAT_INGEST_LIVE_SILENCE_S": "6",
        }
        self.process = None
        self.crashes = 0
        self._begun_at = 0

    def start(self):
        held = ["-m", "liqheat_shared.local.held_start", os.devnull, "json"]
        command = [sys.executable, *held, "ingest", "--source", "live"]
        with self.log.open("ab") as log:
            self._begun_at = log.tell()
            self.process = subprocess.Popen(command, env=self._environment, stderr=log, stdout=log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def restart(self):
        self.note_end(self.stop())
        self.start()

    def keep_running(self):
        """Who keeps it running starts it again."""
        code = self.process.poll()
        if code is not None:
            self.note_end(code)
            self.start()

    def note_end(self, code):
        """Unless it was told to, it may only end because the broker was away, and says so."""
        if code:
            last = [line for line in self.text.splitlines() if line.startswith("liqheat ingest:")][-1]
            assert code == 1, self.text[-3000:]
            assert any(word in last for word in ("no Kafka at", "undelivered", "acknowledged")), self.text[-3000:]
            self.crashes += 1

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    @property
    def text_of_this_run(self):
        return self.log.read_bytes()[self._begun_at :].decode(errors="replace")


def soak(folder, plan, progress=lambda line: None):
    """Run the plan on a broker of its own, which it restarts."""
    kafka = KafkaServer(folder / "kafka")
    kafka.start()
    trades = folder / "trades.tsv"
    try:
        settings = ServiceSettings(kafka_bootstrap_servers=kafka.bootstrap_servers, partitions=PARTITIONS)
        asyncio.run(apply_topics(settings, laptop_topics(settings)))
        options = ["--coins", str(plan.coins), "--history-days", "1.1", "--prints-scale", "2"]
        with fake_venues(*options, "--trades-file", str(trades)) as fakes:
            ingest = _Ingest(folder, kafka.bootstrap_servers, fakes, plan)
            ingest.start()
            started = time.monotonic()
            done, until_ms = Done(), 0
            try:
                _wait_for_history(ingest)
                _let_things_die(plan, fakes, kafka, ingest, done, progress)
                until_ms = fakes.state()["now_ms"]
            finally:
                code = ingest.stop()
            ingest.note_end(code)
            seconds = time.monotonic() - started
        log, dead_letters = asyncio.run(read_log(kafka.bootstrap_servers))
        verdict = judge(log, truth_of(trades), until_ms)
        return Soaked(verdict, done.counts, ingest.text, seconds, ingest.crashes, dead_letters)
    finally:
        kafka.stop()


def _wait_for_history(ingest):
    deadline = time.monotonic() + 120
    while "the history of" not in ingest.text_of_this_run:
        ingest.keep_running()
        assert time.monotonic() < deadline, ingest.text[-3000:]
        time.sleep(0.2)


def _let_things_die(plan, fakes, kafka, ingest, done, progress):
    """What dies at the venues dies in a thread, so that it waits for no restart of broker or ingest.

    Those are restarted here: a child ends with the thread that started it.
    """
    started, failures, acts = time.monotonic(), [], plan.acts()

    def trouble_the_venues():
        try:
            for act in acts:
                if act.kind in ("broker", "ingest"):
                    continue
                time.sleep(max(0.0, started + act.at_s - time.monotonic()))
                fakes.act("restart" if act.kind == "outage" else act.kind, **act.fields)
                done.add(act.kind)
        except BaseException as error:
            failures.append(error)

    troubling = threading.Thread(target=trouble_the_venues, daemon=True)
    troubling.start()
    restarts = [act for act in acts if act.kind in ("broker", "ingest")]
    said = started
    while (troubling.is_alive() or restarts or time.monotonic() < started + plan.seconds) and not failures:
        time.sleep(0.1)
        ingest.keep_running()
        now = time.monotonic()
        if restarts and now >= started + restarts[0].at_s:
            _restart(restarts[0].kind, kafka, ingest)
            done.add(restarts.pop(0).kind)
        if now - said >= PROGRESS_EVERY_S:
            said = now
            progress(f"soak: {now - started:.0f} of {plan.seconds:.0f} s, {json.dumps(done.counts)}")
    if failures:
        raise failures[0]
    _wait_for_history(ingest)  # it may have been started just now
    time.sleep(12.0)  # whatever was cut last is back and refilled


def _restart(kind, kafka, ingest):
    if kind == "ingest":
        ingest.restart()
        return
    kafka.stop()
    time.sleep(1.0)
    kafka.start()


def truth_of(path):
    """Every trade that happened: number and time by market."""
    truth = defaultdict(dict)
    with path.open(encoding="ascii") as lines:
        for line in lines:
            venue, symbol, number, time_ms = line.split("\t")
            truth[venue, symbol][int(number)] = int(time_ms)
    return truth


async def read_log(broker):
    """Everything in the log, and how many dead letters there are."""
    log, dead_letters = SoakLog(), 0
    consumer: AIOKafkaConsumer = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        dead = [TopicPartition(DEAD_LETTERS, n) for n in await _partitions(consumer, DEAD_LETTERS)]
        consumer.assign(partitions + dead)
        ends = await consumer.end_offsets(partitions + dead)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                for part, records in (await consumer.getmany(timeout_ms=1000, max_records=5000)).items():
                    for record in records:
                        if part.topic == TOPIC:
                            log.take(orjson.loads(record.value))
        dead_letters = sum(ends[partition] for partition in dead)
        return log, dead_letters
    finally:
        await consumer.stop()


async def _partitions(consumer, topic):
    await consumer._client.force_metadata_update()
    return sorted(consumer.partitions_for_topic(topic) or ())


def summary(soaked):
    """For a person and for a benchmark."""
    verdict = soaked.verdict
    log = verdict.log
    venues = sorted({venue for venue, _ in log.counts})
    return json.dumps(
        {
            "seconds": round(soaked.seconds),
            "acts": soaked.acts,
            "crashes": soaked.crashes,
            "happened": verdict.happened,
            "published": verdict.published,
            "interruptions_announced": dict(log.interruptions),
            "refilled_trades": {venue: log.counts[venue, "refilled"] for venue in venues},
            "gaps_undetected": len(verdict.undetected),
            "first_undetected": verdict.undetected[:5],
            "uncounted": verdict.uncounted,
            "open_gaps": verdict.open_gaps(),
            "repeated": verdict.repeated,
            "invented": verdict.invented,
            "sequence_holes": log.sequence_holes()[:5],
            "dead_letters": soaked.dead_letters,
        },
        indent=2,
    )
