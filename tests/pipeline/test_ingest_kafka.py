"""Ingest on a real broker, as a process: everything arrives once, in order per coin, and failures have a sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from liqheat_ingest.log_position import last_ingest_epoch
from liqheat_ingest.mappers import VENUES
from liqheat_ingest.recording import RecordingWriter
from liqheat_ingest.settings import IngestSettings
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.market_events import MARKET_EVENT
from liqheat_shared.contracts.topics import DEAD_LETTERS, MARKET_EVENTS
from liqheat_shared.kafka.reading import open_topic
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import planned_topics
from venue_messages import AT_MS, MESSAGES, PRELUDES, raw

pytestmark = pytest.mark.broker

LIQHEAT = [sys.executable, "-c", "from liqheat_shared.cli import main; main()"]
HEADER = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
START_US = 1_781_222_400_000_000
COINS = ("BTC", "ETH", "SOL")


class Log:
    """The topics of one test."""

    def __init__(self, broker: str, prefix: str) -> None:
        self.settings = IngestSettings(
            kafka_bootstrap_servers=broker, topic_prefix=prefix, partitions=4, ingest_delivery_timeout_s=5
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        own = {
            "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": self.settings.kafka_bootstrap_servers,
            "LIQHEAT_TOPIC_PREFIX": self.settings.topic_prefix,
            "LIQHEAT_PARTITIONS": "4",
        }
        return subprocess.Popen(
            [*LIQHEAT, *arguments],
            env=os.environ | own | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def read(self, topic: str) -> list[tuple[int, str, dict[str, Any]]]:
        """Partition, key and value of every message."""

        async def read() -> list[tuple[int, str, dict[str, Any]]]:
            async with open_topic(self.settings, topic, from_beginning=True) as reader:
                return [
                    (record.partition, (record.key or b"").decode(), orjson.loads(record.value or b""))
                    async for record in reader.messages(until_now=True)
                ]

        return asyncio.run(asyncio.wait_for(read(), 60))


@pytest.fixture
def log(kafka_broker: str, topic_prefix: str) -> Log:
    log = Log(kafka_broker, topic_prefix)
    plans = [
        plan
        for plan in planned_topics(log.settings, replication=1, total_bytes=None)
        if plan.name in (log.settings.topic(MARKET_EVENTS), log.settings.topic(DEAD_LETTERS))
    ]
    asyncio.run(apply_topics(log.settings, plans))
    return log


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Five minutes of three coins, two of their trades a second, and two lines that can't be read."""
    folder = tmp_path / "tape"
    folder.mkdir()
    for index, coin in enumerate(COINS):
        lines = []
        for number in range(600):
            at = START_US + number * 500_000 + index * 7_000
            lines.append(f"hyperliquid,{coin},{at},{at},{coin}{number},buy,{100 + index},1.5\n")
        lines[100:100] = ["not a row\n"] if coin != "SOL" else []
        (folder / f"hyperliquid_trades_2026-06-12_{coin}.csv").write_text(HEADER + "".join(lines))
    return folder


def test_a_replay_arrives_once_and_in_order_and_reports_itself(log: Log, tape: Path) -> None:
    code, out, err = log.run("replay", str(tape), "--speed", "max", "--until-done")

    assert code == 0, err
    summary = orjson.loads(out)
    assert set(summary) == {"events", "messages", "dead_letters", "seconds"}
    assert (summary["events"], summary["dead_letters"]) == (1_800, 2)
    found = log.read(MARKET_EVENTS)
    assert len(found) == summary["messages"]

    partitions: dict[str, set[int]] = defaultdict(set)
    trades: dict[str, list[str]] = defaultdict(list)
    following: dict[str, int] = defaultdict(int)
    for partition, key, event in found:
        MARKET_EVENT.validate_python(event, extra="forbid")
        assert key == event["coin"]
        partitions[key].add(partition)
        assert event["sequence"] == following[key]
        following[key] += 1
        trades[key] += event.get("trade_id") or []
    assert trades == {coin: [f"{coin}{number}" for number in range(600)] for coin in COINS}
    assert all(len(of) == 1 for of in partitions.values())

    letters = [DeadLetter.parse_strict(value) for _, _, value in log.read(DEAD_LETTERS)]
    assert sorted(letter.event_id for letter in letters) == [
        f"ingest-hyperliquid_trades_2026-06-12_{coin}.csv-102" for coin in ("BTC", "ETH")
    ]


def test_a_second_replay_repeats_the_same_values(log: Log, tape: Path) -> None:
    for _ in range(2):
        code, _, err = log.run("replay", str(tape), "--coin", "BTC")
        assert code == 0, err

    values = [value for _, _, value in log.read(MARKET_EVENTS)]
    half = len(values) // 2
    assert values[:half] == values[half:]


def test_a_recording_is_replayed_with_its_dead_letters(log: Log, tmp_path: Path) -> None:
    """Raw messages of all venues, and one with a price that is none."""
    writer = RecordingWriter(tmp_path / "recording")
    for second, venue in enumerate(VENUES):
        for number, message in enumerate([*PRELUDES[venue], *MESSAGES[venue]]):
            writer.take(raw(venue, message, AT_MS + second * 1_500 + number * 10))
    writer.take(raw("bybit", ("ws:/v5/public/linear", {"topic": "publicTrade.X", "data": [{"s": "ETHUSDT"}]})))
    writer.close()

    code, out, err = log.run("replay", str(tmp_path / "recording"), "--speed", "max", "--until-done")

    assert code == 0, err
    summary = orjson.loads(out)
    events = [value for _, _, value in log.read(MARKET_EVENTS)]
    letters = [DeadLetter.model_validate(value) for _, _, value in log.read(DEAD_LETTERS)]
    assert summary["messages"] == len(events)
    assert summary["dead_letters"] == len(letters)
    for event in events:
        MARKET_EVENT.validate_python(event)
    assert {event["venue"] for event in events} == set(VENUES)
    assert ("bybit", "trades", "invalid-field") in {(entry.venue, entry.stream, entry.reason) for entry in letters}


def test_ingest_ends_with_success_when_the_tape_does(log: Log, tape: Path) -> None:
    code, out, err = log.run("ingest", "--source", f"replay:{tape}", "--speed", "max", "--coin", "SOL")

    assert (code, out) == (0, "")
    assert "metrics and probes on http://127.0.0.1:" in err
    assert sum(len(value.get("price", [])) for _, _, value in log.read(MARKET_EVENTS)) == 600


def test_a_tape_at_real_time_speed_is_ended_by_sigterm_within_seconds(log: Log, tape: Path) -> None:
    process = log.start("ingest", "--source", f"replay:{tape}", "--speed", "1")
    deadline = time.monotonic() + 60
    while not (seen := log.read(MARKET_EVENTS)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1.0)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)

    assert seen
    assert process.returncode == 0, err
    assert time.monotonic() - asked < 10.0
    # A few seconds of five minutes: it kept to the clock.
    assert sum(len(value.get("price", [])) for _, _, value in log.read(MARKET_EVENTS)) < 300


def test_the_simulator_runs_at_full_speed_and_a_new_one_has_a_higher_epoch(log: Log) -> None:
    arguments = ("ingest", "--speed", "max", "--hours", "0.01", "--coin", "DOGE", "--history-end-ms", "1790000220000")
    environment = {"LIQHEAT_INGEST_SIMULATOR_HISTORY_HOURS": "2"}

    for epoch in (1, 2):
        code, _, err = log.run(*arguments, **environment)
        assert code == 0, err
        assert asyncio.run(last_ingest_epoch(log.settings)) == epoch

    stories: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for _, _, value in log.read(MARKET_EVENTS):
        MARKET_EVENT.validate_python(value, extra="forbid")
        stories[value.pop("ingest_epoch")].append(value)
    assert stories[1] == stories[2]
    kinds = {value["type"] for value in stories[1]}
    assert {"instrument", "backfill-started", "candle", "backfill-finished", "ticker", "trades"} <= kinds


def test_missing_topics_and_a_missing_broker_fail_with_a_sentence(log: Log, tape: Path) -> None:
    code, out, err = log.run("replay", str(tape), LIQHEAT_TOPIC_PREFIX="nobody-made-these-")
    assert (code, out) == (1, "")
    assert "run `liqheat topics apply`" in err

    code, out, err = log.run("replay", str(tape), LIQHEAT_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert (code, out) == (1, "")
    assert "no Kafka at 127.0.0.1:9" in err
