"""One BTC day of the real tape, from the file through Kafka to the last grid in Redis, a grid every second."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import Any

import orjson
import redis

from bench_stack import DATA, LIQHEAT, BenchStack, result
from liqheat_shared.redis_keys import RedisKeys

TAPE = DATA / "hyperliquid-tape"
DAY = "2026-06-12"
LAST_SECOND_MS = 1_781_308_799_000


def main(with_clusterer: bool = False) -> list[dict[str, Any]]:
    """Replay the day; the projector and, if asked for, the clusterer run beside it."""
    if not TAPE.is_dir():
        return [
            result("replay_btc_day_seconds", -1, "s", "<= 45", "skipped: ../shared/data/hyperliquid-tape is absent")
        ]
    with BenchStack() as stack:
        stack.start("estimator")
        if with_clusterer:
            stack.start("clusterer")
        stack.start("projector")
        database = redis.Redis.from_url(stack.redis.url)
        started = time.perf_counter()
        replay = subprocess.Popen(
            [
                LIQHEAT,
                "replay",
                TAPE,
                *["--speed", "max", "--until-done", "--coin", "BTC", "--batch-ms", "1000", "--day"],
                DAY,
            ],
            env=stack.environment(),
            stdout=subprocess.PIPE,
        )
        last = 0
        key = RedisKeys("liqheat:").grids("BTC")
        while time.perf_counter() - started < 300:
            value = database.hget(key, "aggregated")
            if value is not None:
                last = orjson.loads(value)["event_time_ms"]
                if last >= LAST_SECOND_MS:
                    break
            time.sleep(0.05)
        seconds = time.perf_counter() - started
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = orjson.loads(replay.communicate(timeout=60)[0].splitlines()[-1])
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = stack.all_cpu_seconds()
        used["ingest"] = round(ended.ru_utime + ended.ru_stime - reaped.ru_utime - reaped.ru_stime, 1)
        grids = sum(v for k, v in stack.metrics("estimator").items() if "outputs_total" in k and "grids" in k)
        name = "replay_btc_day_with_clusterer_seconds" if with_clusterer else "replay_btc_day_seconds"
        note = f"{summary['events']} events, {grids:.0f} grids, last at {last}, CPU s {used}, batch 1000 ms"
        return [
            result(name, seconds, "s", "<= 45", note),
            result(name.replace("_seconds", "_times_real_time"), 86_400 / seconds, "x", ">= 1900", ""),
        ]


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(main("clusterer" in sys.argv), option=orjson.OPT_INDENT_2).decode() + "\n")
