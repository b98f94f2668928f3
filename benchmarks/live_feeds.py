"""The live source on four fake venues: from the socket to the log, with every trade counted by its id.

The fake venues share the machine with what is measured, and are slower than it: besides what arrived in a second there
is what the processor time of the source says a core would carry.

``python live_feeds.py --load 8`` keeps so many processes busy beside it: what is late then must not be lost.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench_stack import LIQHEAT, BenchStack, cpu_seconds, result

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

COINS = 50  # about 200 markets at four venues
SAMPLE = 20
WINDOW_MS = "50"


#: From the last burst to the end: what is on its way arrives.
DRAIN_S = 15.0


def main(load: int = 0) -> list[dict[str, Any]]:
    """Steady 5,000 a second for the latency, 20,000 a second for the throughput, 20,000 in one second as a burst."""
    with BenchStack() as stack:
        options = ["--coins", str(COINS), "--history-days", "1", "--prints-scale", "0.3"]
        fake = subprocess.Popen(
            [LIQHEAT, "fake-venue", *options, "--trades-file", str(stack.path / "trades.tsv")],
            stdout=subprocess.PIPE,
            env=stack.environment(),
            text=True,
        )
        try:
            addresses = json.loads(fake.stdout.readline())  # type: ignore[union-attr]
            figures, judged = _measure(stack, addresses, load)
        finally:
            fake.terminate()
            fake.wait(20)
        return _judged(stack, *judged) + figures


@contextmanager
def busy(load: int) -> Iterator[None]:
    """So many processes that do nothing, as fast as they can."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(load)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def _measure(
    stack: BenchStack, addresses: dict[str, str], load: int
) -> tuple[list[dict[str, Any]], tuple[Any, int, str]]:
    """Figures of speed, and what the verdict on the trades needs: the log, until when, a note."""
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
        child = subprocess.Popen([sys.executable, __file__, "--child", str(out)], env=environment, stderr=log)
    try:
        _wait(lambda: b"the history of" in (stack.path / "live.log").read_bytes(), 120)
        time.sleep(5)
        with busy(load):
            steady = _phase(control, child.pid, 5_000, 15)
            heavy = _phase(control, child.pid, 20_000, 15)
            burst = _phase(control, child.pid, 20_000, 1)
        time.sleep(DRAIN_S)
        until_ms = _state(control)["now_ms"]
        memory = _memory_mb(child.pid)
    finally:
        child.terminate()
        child.wait(60)
    samples = orjson.loads(out.read_bytes())
    log, latencies = asyncio.run(_read(stack, samples))
    note = f"{load} busy processes beside it" if load else ""
    offered = f"offered 20,000/s, the fakes sent {heavy['rate']:,.0f}/s, waited {samples['full_s']:.1f} s for Kafka"
    chosen = [ms for at_ms, ms in latencies if steady["from_ms"] <= at_ms <= steady["to_ms"]]
    latency = _quantiles(chosen)
    figures = [
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
    return figures, (log, until_ms, note)


def _judged(stack: BenchStack, log: Any, until_ms: int, note: str) -> list[dict[str, Any]]:
    """Every trade that the venues made is in the log once, or announced as missing."""
    from live_soak import truth_of
    from soak_verdict import judge

    verdict = judge(log, truth_of(stack.path / "trades.tsv"), until_ms)
    lost = sum(gap.trades for gap in verdict.undetected) + sum(verdict.uncounted.values())
    missing = sum(gap.trades for gap in verdict.gaps)
    told = f"{verdict.happened:,} trades at 4 venues, {len(log.numbers)} markets{', ' if note else ''}{note}"
    return [
        result("live_trades_lost", lost, "trades", "0", told),
        result("live_trades_missing_announced", missing - lost, "trades", "", json.dumps(verdict.open_gaps())),
        result(
            "live_trades_twice", verdict.repeated, "trades", "0", f"{sum(log.interruptions.values())} interruptions"
        ),
    ]


def _phase(control: str, pid: int, rate: int, seconds: int) -> dict[str, float]:
    """Ask for a burst at all venues, wait until it was sent, and see what it cost."""
    before, cpu, started = _sent(control), cpu_seconds(pid), time.time()
    _act(control, {"action": "burst", "messages": rate * seconds // 4, "seconds": seconds})
    _wait(lambda: _sent(control) - before >= rate * seconds, 180)
    took = time.time() - started
    rate_per_s = (_sent(control) - before) / took
    time.sleep(3)
    sent, used = _sent(control) - before, cpu_seconds(pid) - cpu
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


def _state(control: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{control}/control", timeout=120) as answer:
        state: dict[str, Any] = json.load(answer)
    return state


def _sent(control: str) -> int:
    """Messages that the fake venues handed to their sockets."""
    state = _state(control)
    streams = [stream for venue in state["venues"].values() for stream in venue["sent"]["streams"].values()]
    return sum(stream["messages"] for stream in streams)


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _wait(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not in {seconds} s")
        time.sleep(0.2)


async def _read(stack: BenchStack, samples: dict[str, Any]) -> tuple[Any, list[tuple[float, float]]]:
    """Read the log, and when the broker had the samples: when each was received, and how long it took from there."""
    from soak_verdict import SoakLog

    log, latencies = SoakLog(), []
    received = {(venue, symbol, identity): ms for venue, symbol, identity, ms in samples["samples"]}
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
                    log.take(event)
                    for identity in event["trade_id"] if event["type"] == "trades" else ():
                        at_ms = received.get((event["venue"], event["symbol"], identity))
                        if at_ms is not None:
                            latencies.append((at_ms, record.timestamp - at_ms))
    await consumer.stop()
    return log, latencies


def _quantiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


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
    start.run_to_end(start.run_live(IngestSettings(), None, say, None))
    out.write_bytes(orjson.dumps({"samples": samples, "full_s": kept[0].full_s}))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=0, help="busy processes beside it")
    parser.add_argument("--child", type=Path, help="be the source that is measured, and write its samples there")
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child)
    else:
        for line in main(chosen.load):
            print(line)
