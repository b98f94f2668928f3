"""From the event that completes a grid to the client of the event stream that has it: 20 coins at real-time speed."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer

from bench_stack import BenchStack, result
from liqheat_shared.clock import now_ms
from liqheat_shared.local.ports import free_port

COINS = tuple(f"C{n:02d}" for n in range(20))
VENUES = ("bench-a", "bench-b", "bench-c", "bench-d")
SECONDS = 40
WARM_UP_SECONDS = 10


class Feed:
    """Trades ten times a second and a ticker a second for 20 coins on 4 venues; remembers when grids got complete."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(3)
        self._price = {coin: 100.0 * (n + 1) for n, coin in enumerate(COINS)}
        self._sequence: dict[tuple[str, str], int] = {}
        self._second: dict[str, int] = {}
        self.completed: dict[tuple[str, int], float] = {}

    async def run(self, servers: str, seconds: float) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=servers, compression_type="zstd", linger_ms=5, enable_idempotence=True
        )
        await producer.start()
        end = time.monotonic() + seconds
        step = 0
        while time.monotonic() < end:
            slot_end = time.monotonic() + 0.1
            for coin in COINS:
                self._price[coin] *= float(np.exp(1e-4 * self._random.standard_normal()))
                venue = VENUES[step % len(VENUES)]
                now = now_ms()
                await self._send(producer, coin, venue, now, step)
            step += 1
            await asyncio.sleep(max(0.0, slot_end - time.monotonic()))
        await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, coin: str, venue: str, now: int, step: int) -> None:
        second = now // 1000
        if self._second.get(coin) != second:  # this event moves the clock over the boundary
            self._second[coin] = second
            self.completed[coin, second * 1000] = time.perf_counter()
        sequence = self._sequence.get((coin, venue), 0)
        self._sequence[coin, venue] = sequence + 1
        price = self._price[coin]
        if (step // len(VENUES)) % 3 == 0:
            body: dict[str, Any] = {
                "type": "ticker",
                "mark_price": price,
                "open_interest_base": 1e6 * (1 + 0.01 * float(self._random.standard_normal())),
            }
        else:
            body = {
                "type": "trades",
                "time_offset_ms": [0] * 5,
                "price": [price] * 5,
                "quantity_base": [1.0] * 5,
                "aggressor_side": "bsbsb",
            }
        envelope = {
            "schema_version": 1,
            "coin": coin,
            "venue": venue,
            "symbol": f"{coin}/USDT:USDT",
            "phase": "live",
            "ingest_epoch": 1,
            "sequence": sequence,
            "event_time_ms": now,
            "receive_time_ms": now,
        }
        await producer.send("market-events-v1", key=coin.encode(), value=orjson.dumps(envelope | body))


async def listen(port: int, arrived: dict[tuple[str, int], float]) -> None:
    """A client of /v1/stream for every coin, as a browser is."""

    async def one(coin: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        head = f"GET /v1/stream?coin={coin}&scope=aggregated HTTP/1.1"
        writer.write(f"{head}\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode())
        kind, greeted = "", False
        async for line in reader:
            if line.startswith(b"event:"):
                kind = line[6:].strip().decode()
            elif line.startswith(b"data:") and kind == "grid":
                document = orjson.loads(line[5:])
                if not greeted:  # what was there on connecting is as old as it is
                    greeted = True
                    continue
                arrived.setdefault((coin, document["event_time_ms"]), time.perf_counter())

    await asyncio.gather(*(one(coin) for coin in COINS))


def main() -> list[dict[str, Any]]:
    """Latency percentiles, memory of the estimator and what its checkpoints block."""
    with BenchStack() as stack:
        for name in ("estimator", "clusterer", "projector"):
            stack.start(name)
        port = free_port()
        stack.start("api", "--port", str(port), wait=False)
        stack.wait_for(f"http://127.0.0.1:{port}/healthz", "api")
        feed, arrived = Feed(), {}

        async def run() -> None:
            warm = asyncio.create_task(feed.run(stack.kafka.bootstrap_servers, SECONDS))
            await asyncio.sleep(WARM_UP_SECONDS)
            listening = asyncio.create_task(listen(port, arrived))
            await warm
            await asyncio.sleep(1)
            listening.cancel()

        asyncio.run(run())
        taken = [arrived[k] - feed.completed[k] for k in arrived if k in feed.completed]
        milliseconds = np.sort(np.array([t for t in taken if t > 0])) * 1000
        if milliseconds.size < 100:
            raise RuntimeError(f"only {milliseconds.size} grids arrived")
        note = f"{milliseconds.size} grids, p50 {np.percentile(milliseconds, 50):.0f} ms, max {milliseconds[-1]:.0f} ms"
        metrics = stack.metrics("estimator")
        return [
            result("event_to_browser_p99_ms", float(np.percentile(milliseconds, 99)), "ms", "<= 250", note),
            result(
                "estimator_memory_mb",
                stack.memory_bytes("estimator") / 1e6,
                "MB",
                "<= 300",
                f"{len(COINS)} coins x {len(VENUES)} venues",
            ),
            result(
                "checkpoint_blocking_ms",
                _upper_bound(metrics, "liqheat_stage_checkpoint_blocking_seconds") * 1000,
                "ms",
                "<= 20",
                "bucket that holds the longest stretch",
            ),
        ]


def _upper_bound(metrics: dict[str, float], name: str) -> float:
    """Smallest bucket bound that holds every observation."""
    count = metrics[f"{name}_count"]
    bounds = {
        key.split('le="')[1].split('"')[0]: value for key, value in metrics.items() if key.startswith(f"{name}_bucket")
    }
    return min(float(bound) for bound, value in bounds.items() if value == count)


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(main(), option=orjson.OPT_INDENT_2).decode() + "\n")
