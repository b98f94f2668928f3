"""The live source on four fake venues: from the socket to the log, with every trade counted by its id.

The fake venues share the machine with what is measured, and are slower than it: besides what arrived in a second there
is what the processor time of the source says a core would carry.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench_stack import LIQHEAT, BenchStack, result

COINS = 50  # about 200 markets at four venues
SAMPLE = 20
WINDOW_MS = "50"


def main() -> list[dict[str, Any]]:
    """Steady 5,000 a second for the latency, 20,000 a second for the throughput, 20,000 in one second as a burst."""
    with BenchStack() as stack:
        fake = subprocess.Popen(
            [LIQHEAT, "fake-venue", "--coins", str(COINS), "--history-days", "1", "--prints-scale", "0.3"],
            stdout=subprocess.PIPE,
            env=stack.environment(),
            text=True,
        )
        try:
            addresses = json.loads(fake.stdout.readline())  # type: ignore[union-attr]
            return _measure(stack, addresses)
        finally:
            fake.terminate()
            fake.wait(20)


def _measure(stack: BenchStack, addresses: dict[str, str]) -> list[dict[str, Any]]:
    control = addresses.pop("control")
    out = stack.path / "samples.json"
    environment = stack.environment(
        LIQHEAT_INGEST_LIVE_ENDPOINTS=",".join(f"{venue}={url}" for venue, url in addresses.items()),
        LIQHEAT_INGEST_LIVE_COINS=f"top:{COINS}",
        LIQHEAT_INGEST_BACKFILL_DAYS="0",
        LIQHEAT_INGEST_BACKFILL_HOURS="0",
        LIQHEAT_INGEST_BATCH_MS=WINDOW_MS,
        LIQHEAT_INGEST_TAIL_BATCH_MS=WINDOW_MS,
        LIQHEAT_INGEST_LIVE_SILENCE_S="60",
    )
    with (stack.path / "live.log").open("wb") as log:
        child = subprocess.Popen([sys.executable, __file__, str(out)], env=environment, stderr=log)
    try:
        _wait(lambda: b"the history of" in (stack.path / "live.log").read_bytes(), 120)
        time.sleep(5)
        steady = _phase(control, child.pid, 5_000, 15)
        heavy = _phase(control, child.pid, 20_000, 15)
        burst = _phase(control, child.pid, 20_000, 1)
        memory = _memory_mb(child.pid)
    finally:
        child.terminate()
        child.wait(60)
    samples = orjson.loads(out.read_bytes())
    counted = asyncio.run(_read(stack, samples))
    note = f"{counted['trades']:,} trades at 4 venues, {counted['markets']} markets"
    offered = f"offered 20,000/s, the fakes sent {heavy['rate']:,.0f}/s, waited {samples['full_s']:.1f} s for Kafka"
    latency = counted["latency_ms"](steady["from_ms"], steady["to_ms"])
    return [
        result("live_trades_lost", counted["lost"], "trades", "0", note),
        result("live_trades_twice", counted["twice"], "trades", "0"),
        result("live_messages_per_core_second", heavy["per_core"], "1/s", ">= 20000", offered),
        result(
            "live_latency_p99_at_5000",
            latency[1],
            "ms",
            "<= 100",
            f"p50 {latency[0]:.0f} ms, {WINDOW_MS} ms windows, {steady['rate']:,.0f}/s arrived",
        ),
        result("live_burst_seconds", burst["seconds"], "s", "", "until 20,000 messages of one second were taken"),
        result("live_memory_mb", memory, "MB", "<= 300"),
    ]


def _phase(control: str, pid: int, rate: int, seconds: int) -> dict[str, float]:
    """Ask for a burst at all venues, wait until it was sent, and see what it cost."""
    before, cpu, started = _sent(control), _cpu_s(pid), time.time()
    _act(control, {"action": "burst", "messages": rate * seconds // 4, "seconds": seconds})
    _wait(lambda: _sent(control) - before >= rate * seconds, 180)
    took = time.time() - started
    rate_per_s = (_sent(control) - before) / took
    time.sleep(3)
    sent, used = _sent(control) - before, _cpu_s(pid) - cpu
    return {
        "rate": rate_per_s,
        "per_core": sent / used,
        "seconds": took,
        "from_ms": started * 1000,
        "to_ms": (started + took) * 1000,
    }


def _act(control: str, message: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{control}/control", json.dumps(message).encode(), method="POST")
    urllib.request.urlopen(request, timeout=120).close()


def _sent(control: str) -> int:
    """Messages that the fake venues handed to their sockets."""
    with urllib.request.urlopen(f"{control}/control", timeout=120) as answer:
        state = json.load(answer)
    streams = [stream for venue in state["venues"].values() for stream in venue["sent"]["streams"].values()]
    return sum(stream["messages"] for stream in streams)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _wait(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {seconds} s")
        time.sleep(0.2)


async def _read(stack: BenchStack, samples: dict[str, Any]) -> dict[str, Any]:
    """Read the log: every id once, no number missing but those announced, and when the broker had the samples."""
    ids: dict[tuple[str, str], list[str]] = defaultdict(list)
    received = {(venue, symbol, identity): ms for venue, symbol, identity, ms in samples["samples"]}
    latencies: list[tuple[float, float]] = []
    announced = 0
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka.bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    partitions = [TopicPartition("market-events-v1", number) for number in range(stack.partitions)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            for records in (await consumer.getmany(timeout_ms=1000, max_records=5000)).values():
                for record in records:
                    event = orjson.loads(record.value)
                    if event["type"] == "feed-resumed" and event["missed_trades"]:
                        announced += event["missed_trades"]
                    if event["type"] != "trades":
                        continue
                    market = event["venue"], event["symbol"]
                    ids[market] += event["trade_id"]
                    for identity in event["trade_id"]:
                        at_ms = received.get((*market, identity))
                        if at_ms is not None:
                            latencies.append((at_ms, record.timestamp - at_ms))
    await consumer.stop()
    numbers = {market: sorted(_number(market[0], one) for one in found) for market, found in ids.items()}
    holes = sum(
        b - a - 1 for market, found in numbers.items() if market[0] != "okx" for a, b in pairwise(found) if b > a
    )
    return {
        "trades": sum(map(len, ids.values())),
        "markets": len(ids),
        # OKX packs trades under the last one's number; its holes are those that the source counted.
        "lost": max(0, holes - announced) + samples["okx_holes"],
        "twice": sum(len(found) - len(set(found)) for found in ids.values()),
        "latency_ms": lambda from_ms, to_ms: _quantiles([ms for at, ms in latencies if from_ms <= at <= to_ms]),
    }


def _quantiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def _number(venue: str, identity: str) -> int:
    from liqheat_ingest.fake_venue import hyperliquid_fields as fields

    if venue == "bybit":
        return int(identity.rpartition("-")[2], 16)
    if venue == "hyperliquid":
        return int(identity) * pow(fields._TRADE_FACTOR, -1, fields._TRADE_IDS) % fields._TRADE_IDS
    return int(identity)


def child(out: Path) -> None:
    """The live source as production runs it, with one trade in so many noted when it left the socket."""
    from liqheat_ingest import start
    from liqheat_ingest.readings import Trade
    from liqheat_ingest.settings import IngestSettings
    from liqheat_ingest.sources.live import outlet as module

    samples: list[tuple[str, str, str, int]] = []
    kept: list[Any] = []
    push, begin, count = module.Outlet.push, module.Outlet.__init__, 0

    def sampling(self: Any, item: Any) -> None:
        nonlocal count
        count += 1
        if count % SAMPLE == 0 and item.__class__ is Trade:
            samples.append((item.market.venue, item.market.symbol, item.trade_id, item.receive_time_ms))
        push(self, item)

    def remember(self: Any, *arguments: Any) -> None:
        kept.append(self)
        begin(self, *arguments)

    module.Outlet.push, module.Outlet.__init__ = sampling, remember  # type: ignore[method-assign]
    say = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
    run = start.run_to_end(start.run_live(IngestSettings(), None, say, None))
    okx = run.live.runs["okx"].intake  # type: ignore[attr-defined]
    out.write_bytes(orjson.dumps({"samples": samples, "full_s": kept[0].full_s, "okx_holes": okx.missed_trades}))


if __name__ == "__main__":
    child(Path(sys.argv[1]))
