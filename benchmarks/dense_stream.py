"""Trades a second through one estimator worker from Kafka: 100 trades a message, a grid a minute."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaProducer

from bench_stack import BenchStack, result

MESSAGES = 40_000
TRADES = 100
START_MS = 1_780_000_000_000
COINS = ("BTC", "ETH", "SOL", "DOGE")


async def _publish(servers: str) -> None:
    random = np.random.default_rng(1)
    producer = AIOKafkaProducer(bootstrap_servers=servers, compression_type="zstd", linger_ms=20)
    await producer.start()
    walk = 50_000 * np.exp(np.cumsum(1e-5 * random.standard_normal((MESSAGES, TRADES)).ravel())).reshape(
        MESSAGES, TRADES
    )
    for n in range(MESSAGES):
        coin = COINS[n % len(COINS)]
        now = START_MS + n * 50
        envelope = {
            "schema_version": 1,
            "coin": coin,
            "venue": "bench",
            "symbol": f"{coin}/USDT:USDT",
            "phase": "replay",
            "ingest_epoch": 1,
            "sequence": n // len(COINS),
            "event_time_ms": now,
            "receive_time_ms": now,
        }
        if n % 400 < len(COINS):
            price = float(walk[n, 0])
            body: dict[str, Any] = {"type": "ticker", "mark_price": price, "open_interest_base": 1000.0 + n % 7}
        else:
            body = {
                "type": "trades",
                "time_offset_ms": list(range(-TRADES + 1, 1)),
                "price": np.round(walk[n], 1).tolist(),
                "quantity_base": np.round(random.exponential(0.1, TRADES), 4).tolist(),
                "aggressor_side": "".join(np.where(random.random(TRADES) < 0.5, "b", "s")),
            }
        await producer.send("market-events-v1", key=coin.encode(), value=orjson.dumps(envelope | body))
    await producer.stop()


def main() -> list[dict[str, Any]]:
    """Fill the log first, then time the worker from its first to its last message."""
    with BenchStack(partitions=1) as stack:
        asyncio.run(_publish(stack.kafka.bootstrap_servers))
        stack.start(
            "estimator", LIQHEAT_ESTIMATOR_GRID_CADENCE_MS="60000", LIQHEAT_ESTIMATOR_CHECKPOINT_INTERVAL_SECONDS="1"
        )
        points: list[tuple[float, float, float]] = []
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            metrics = stack.metrics("estimator")
            folded = metrics.get("liqheat_stage_events_total", 0.0)
            if not points or folded != points[-1][1]:
                points.append((time.perf_counter(), folded, stack.cpu_seconds("estimator")))
            if folded >= MESSAGES:
                break
            time.sleep(0.05)
        first = next(p for p in points if p[1] > 0)
        seconds, messages = points[-1][0] - first[0], points[-1][1] - first[1]
        rate = messages * TRADES / seconds if seconds else 0.0
        used = points[-1][2] - first[2]
        note = (
            f"{messages:.0f} messages of {TRADES} trades in {seconds:.2f} s, {used:.2f} s of them on a core: "
            f"{messages * TRADES / max(used, 0.01):,.0f} trades per second of processor time"
        )
        return [result("dense_stream_trades_per_second", rate, "trades/s", ">= 300000", note)]


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(main(), option=orjson.OPT_INDENT_2).decode() + "\n")
