"""The live source on fake venues, without Kafka: what it published, and whether anything was lost without a word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections import Counter, defaultdict
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import orjson

from liqheat_ingest.fake_venue import hyperliquid_fields
from liqheat_ingest.log_position import LogTail
from liqheat_ingest.settings import IngestSettings
from liqheat_ingest.sources.live.live_source import LiveSource
from liqheat_shared.clock import now_ms

VENUES = ("binance", "bybit", "okx", "hyperliquid")
#: An announced interruption may end or begin so much beside the trades around it: clocks, slots, batches.
SLACK_MS = 1_500


class FakeVenues:
    """A running ``liqheat fake-venue``."""

    def __init__(self, addresses):
        self.control_address = addresses["control"]
        self.endpoints = {name: address for name, address in addresses.items() if name != "control"}

    def act(self, action, **fields):
        body = json.dumps({"action": action, **fields}).encode()
        request = urllib.request.Request(f"{self.control_address}/control", body, method="POST")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["done"]

    def state(self):
        with urllib.request.urlopen(f"{self.control_address}/control", timeout=120) as answer:
            return json.load(answer)


@contextmanager
def fake_venues(*options):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")}
    command = [sys.executable, "-m", "liqheat_shared.local.held_start", os.devnull, "json", "fake-venue", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    timer = threading.Timer(120, process.kill)  # a start that hangs must not hang the tests
    timer.start()
    try:
        line = process.stdout.readline()
        timer.cancel()
        assert line, f"fake-venue ended with {process.wait(10)}"
        yield FakeVenues(json.loads(line))
    finally:
        timer.cancel()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        process.stdout.close()


@dataclass
class Collected:
    """Everything that the source published."""

    live: LiveSource | None
    said: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    events: list = field(default_factory=list)
    keep: frozenset = frozenset({"feed-interrupted", "feed-resumed", "backfill-started", "backfill-finished"})
    #: By market: (first number, last number, event time) of each trade that was admitted.
    numbers: dict = field(default_factory=lambda: defaultdict(list))
    published: Counter = field(default_factory=Counter)
    ids: dict = field(default_factory=lambda: defaultdict(set))
    repeated: Counter = field(default_factory=Counter)
    sequences: dict = field(default_factory=dict)

    def take(self, message):
        self.counts[message.venue, message.type] += 1
        if message.type == "trades":
            event = orjson.loads(message.value)
            market = (event["venue"], event["symbol"])
            self.published[market] += len(event["trade_id"])
            self.counts[message.venue, "refilled"] += event["refilled"]
            for identity in event["trade_id"]:
                if identity in self.ids[market]:
                    self.repeated[market] += 1
                self.ids[market].add(identity)
        elif message.type in self.keep or message.type == "dead-letter":
            self.events.append(orjson.loads(message.value))

    def of_type(self, *types):
        return [event for event in self.events if event.get("type") in types]

    def dead_letters(self):
        return [event for event in self.events if event.get("kind") == "dead-letter"]

    # ---- verdicts

    def holes(self):
        """Trades that happened between the first and the last of a market and were not published."""
        found = []
        for market, entries in self.numbers.items():
            ordered = sorted(entries)
            for (_, before, before_ms), (after, _, after_ms) in pairwise(ordered):
                if after > before + 1:
                    found.append((market, before + 1, after - 1, before_ms, after_ms))
        return found

    def interruptions(self):
        """Announced spans of the trades stream by market; what candles tell instead is announced by their brackets."""
        spans = defaultdict(list)
        for event in self.of_type("backfill-finished"):
            spans[event["venue"], event["symbol"]].append((event["from_ms"], event["to_ms"]))
        for event in self.of_type("feed-resumed"):
            if event["stream"] == "trades":
                spans[event["venue"], event["symbol"]].append((event["from_ms"], event["to_ms"]))
        resumed = {(market, span[0]) for market, found in spans.items() for span in found}
        for event in self.of_type("feed-interrupted"):
            market = (event["venue"], event["symbol"])
            if event["stream"] == "trades" and (market, event["from_ms"]) not in resumed:
                spans[market].append((event["from_ms"], 1 << 62))
        return spans

    def undetected(self):
        """Holes that no announced interruption covers."""
        spans = self.interruptions()
        return [
            hole
            for hole in self.holes()
            if not any(
                from_ms <= hole[4] + SLACK_MS and to_ms >= hole[3] - SLACK_MS for from_ms, to_ms in spans[hole[0]]
            )
        ]

    def unpublished(self):
        """Trades that were admitted and never published, without those still held back or dropped and announced."""
        admitted = {market: len(entries) for market, entries in self.numbers.items()}
        return {market: n - self.published[market] for market, n in admitted.items() if n != self.published[market]}


def number_of(venue, identity):
    """The fake venue's running number of a trade."""
    if venue == "bybit":
        return int(identity.rpartition("-")[2], 16)
    if venue == "hyperliquid":
        inverse = pow(hyperliquid_fields._TRADE_FACTOR, -1, hyperliquid_fields._TRADE_IDS)
        return int(identity) * inverse % hyperliquid_fields._TRADE_IDS
    return int(identity)


def _record(collected, run):
    numbers, admit = run.intake.numbers, run.intake.numbers.admit

    def recording(trade):
        admitted = admit(trade)
        if admitted:
            last = number_of(trade.market.venue, trade.trade_id)
            market = (trade.market.venue, trade.market.symbol)
            collected.numbers[market].append((last - trade.trade_count + 1, last, trade.event_time_ms))
        return admitted

    numbers.admit = recording


@asynccontextmanager
async def live_run(fakes, known_until_ms=None, **settings):
    """A live source that runs until the block ends; everything it publishes is collected."""
    endpoints = ",".join(f"{venue}={address}" for venue, address in fakes.endpoints.items())
    chosen = {
        "ingest_live_venues": ",".join(fakes.endpoints),
        "ingest_live_endpoints": endpoints,
        "ingest_live_coins": "top:5",
        "ingest_backfill_days": 1.0,
        "ingest_live_silence_s": 6.0,
        **settings,
    }
    options = IngestSettings(**chosen)
    said = []
    live = LiveSource(options.live_options(), 1, LogTail(1, known_until_ms or {}), options.window_ms, said.append)
    collected = Collected(live, said)
    for run in live.runs.values():
        _record(collected, run)

    async def pump():
        while True:
            await live.outlet.filled(0.02)
            live.outlet.advance(now_ms())
            for message in live.outlet.take():
                collected.take(message)
            failure = live.failure()
            if failure is not None:
                raise failure

    starting, pumping = asyncio.create_task(live.start()), asyncio.create_task(pump())
    try:
        await asyncio.wait_for(starting, 60)
        yield collected
        if pumping.done():
            pumping.result()
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
        await live.close()
        for message in live.outlet.finish():
            collected.take(message)


async def until(condition, seconds=60.0, what="condition"):
    """Wait for a condition, generously."""
    for _ in range(round(seconds / 0.05)):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {what} in {seconds} s")
