"""Memory of one coin in Redis: every timeframe of five scopes at full retention, and the values of now.

``python benchmarks/redis_memory.py [REDIS_URL]``: the URL, or LIQHEAT_REDIS_URL, or a server of its own.
The map is made up: each column opens positions at eight distances from a wandering price and lets old ones close, so
that about 600 bins a side are filled and neighbouring columns are alike, as in a map of a market.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import redis

from liqheat_api.columns import chunk as chunks
from liqheat_api.columns.retention import CHUNK_COLUMNS, RETENTION_MS, chunk_index
from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO, TIMEFRAME_MS, Timeframe
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.redis_keys import RedisKeys

SCOPES = ("aggregated", "binance", "bybit", "hyperliquid", "okx")
COIN = "MEMORYTEST"
END_MS = 1_781_308_800_000
#: Standard deviation of the log return over a year, of a coin that moves.
VOLATILITY = 0.6
YEAR_MS = 365 * 86_400_000
LAYER_BINS = (8, 13, 20, 33, 50, 100, 200, 330, 500)
BINS_A_SIDE = 600


def levels(usd: np.ndarray) -> bytes:
    """USD as level codes."""
    with np.errstate(divide="ignore"):
        codes = 1 + np.rint(np.log(usd / LEVEL_FLOOR_USD) / np.log(LEVEL_RATIO))
    return np.where(usd < LEVEL_FLOOR_USD, 0, np.clip(codes, 1, 255)).astype(np.uint8).tobytes()


def made_up_columns(timeframe: Timeframe, seed: int) -> Iterator[tuple[int, chunks.Column]]:
    """Open time and column, the whole retention of a timeframe."""
    random = np.random.default_rng(seed)
    span_ms = TIMEFRAME_MS[timeframe]
    count = RETENTION_MS[timeframe] // span_ms
    step_bins = VOLATILITY * (span_ms / YEAR_MS) ** 0.5 / 0.001
    width = 6 * BINS_A_SIDE
    side_usd = np.zeros((2, width))
    offset, place = 11_000 - width // 2, width / 2
    shapes = [np.exp(-0.5 * (np.arange(-bins // 2, bins // 2 + 1) / (bins / 6)) ** 2) for bins in LAYER_BINS]
    for number in range(-200, count):
        place += step_bins * random.standard_normal()
        if not 2 * BINS_A_SIDE < place < width - 2 * BINS_A_SIDE:
            shift = round(place - width / 2)
            side_usd, offset, place = np.roll(side_usd, -shift, axis=1), offset + shift, place - shift
        price_bin = int(place)
        for bins, shape in zip(LAYER_BINS, shapes, strict=True):
            for side, centre in ((0, price_bin - bins), (1, price_bin + bins)):
                low = centre - len(shape) // 2
                side_usd[side, low : low + len(shape)] += 4e5 * random.gamma(0.4) * shape
        side_usd *= 0.995
        side_usd[0, price_bin:], side_usd[1, : price_bin + 1] = 0, 0
        if number >= 0:
            low, high = price_bin - BINS_A_SIDE, price_bin + BINS_A_SIDE
            open_time_ms = END_MS - (count - number) * span_ms
            candle = (*(64_000 * random.lognormal(0, 0.01, 4)).round(1), *random.lognormal(15, 1, 4), 0, 0, 0, 0)
            yield (
                open_time_ms,
                chunks.Column(
                    slot=open_time_ms // span_ms % CHUNK_COLUMNS,
                    first_bin=offset + low,
                    long_levels=levels(side_usd[0, low:high]),
                    short_levels=levels(side_usd[1, low:high]),
                    candle=tuple(float(value) for value in candle),
                    incomplete=False,
                ),
            )


def fill(database: redis.Redis, keys: RedisKeys) -> tuple[int, float]:
    """Write all columns; returns how many, and the filled bins of one side of one."""
    total = filled = 0
    for place, scope in enumerate(SCOPES):
        for number, timeframe in enumerate(TIMEFRAME_MS):
            by_chunk: dict[int, list[chunks.Column]] = {}
            for open_time_ms, column in made_up_columns(timeframe, 100 * place + number):
                by_chunk.setdefault(chunk_index(timeframe, open_time_ms), []).append(column)
                total += 1
                filled += len(column.long_levels) - column.long_levels.count(0)
            for index, columns in by_chunk.items():
                data = chunks.encode(chunks.merge(chunks.EMPTY, columns))
                database.hset(keys.columns(COIN, scope, timeframe), str(index), data)
        grid = json.dumps({"long_usd": list(range(100_000, 101_200)), "short_usd": list(range(100_000, 101_200))})
        database.hset(keys.grids(COIN), scope, grid)
        database.hset(keys.clusters(COIN), scope, b"x" * 20_000)
        database.hset(keys.magnets(COIN), scope, b"x" * 6_000)
    database.set(keys.liquidations(COIN), b"x" * 35_000)
    return total, filled / total


def measure(url: str) -> list[dict[str, Any]]:
    """The figures."""
    keys = RedisKeys("liqheat-memory-benchmark:")
    with redis.Redis.from_url(url) as database:
        before = int(database.info("memory")["used_memory"])
        try:
            total, filled = fill(database, keys)
            used_mb = (int(database.info("memory")["used_memory"]) - before) / 1e6
        finally:
            for name in database.scan_iter(match=keys.prefix + "*"):
                database.unlink(name)
    note = f"{total} columns of 5 scopes, all timeframes, {filled:.0f} filled bins a side"
    return [{"name": "redis_memory_per_coin_mb", "value": used_mb, "unit": "MB", "target": "<= 20", "note": note}]


def main() -> list[dict[str, Any]]:
    """Measure on the server that was named, or on one of its own."""
    url = sys.argv[1] if Path(sys.argv[0]).name == "redis_memory.py" and len(sys.argv) > 1 else None
    url = url or os.environ.get("LIQHEAT_REDIS_URL")
    if url:
        return measure(url)
    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder)) as server:
        return measure(server.url)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
