"""A made-up market for the page's tests: the same coins, prices and maps at every run.

Positions open at the going price with a few leverages, sit at their liquidation distance, fade slowly, and are swept
when price crosses them: enough structure to look at and to count pixels on.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO, TIMEFRAME_MS, Timeframe
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

Floats = npt.NDArray[np.float64]

COINS: dict[str, tuple[float, float]] = {
    # price, open interest in USD
    "BTC": (71_420.0, 9.2e9),
    "ETH": (3_812.0, 4.1e9),
    "SOL": (164.3, 1.9e9),
    "XRP": (0.5213, 6.0e8),
    "PEPE": (0.00000823, 1.4e8),
}
SCOPES = {"aggregated": 1.0, "binance": 0.45, "bybit": 0.3}
COLUMNS = 300
HALF_BINS = 420
DAILY_VOLATILITY = 0.034
#: Distance to liquidation by leverage, and the part of new positions that have it.
DISTANCES = ((0.0085, 0.10), (0.019, 0.22), (0.038, 0.28), (0.092, 0.26), (0.19, 0.14))
CANDLE_NAMES = (
    "open", "high", "low", "close", "volume_usd", "cvd", "open_interest_usd",
    "liquidated_long", "liquidated_short", "consumed_long", "consumed_short",
)  # fmt: skip


def codes(usd: Floats) -> npt.NDArray[np.uint8]:
    """Level codes of dollars."""
    with np.errstate(divide="ignore"):
        raw = np.rint(np.log(usd / LEVEL_FLOOR_USD) / math.log(LEVEL_RATIO)) + 1
    return np.where(usd > 0, np.clip(raw, 0, 255), 0).astype(np.uint8)


def centre_bin(price: float) -> int:
    return math.floor(math.log(price) / BIN_WIDTH)


@dataclass
class History:
    """Closed columns of one coin, scope and timeframe; rows are bins from ``first_bin``, lowest first."""

    timeframe: Timeframe
    first_bin: int
    open_time_ms: list[int]
    candles: dict[str, list[float | None]]
    long_usd: Floats
    short_usd: Floats
    incomplete: list[bool] = field(default_factory=list)

    def header(self, coin: str, scope: str, wanted: npt.NDArray[np.intp]) -> dict[str, Any]:
        return {
            "coin": coin,
            "scope": scope,
            "timeframe": self.timeframe,
            "bin_width": BIN_WIDTH,
            "first_bin": self.first_bin,
            "bins": len(self.long_usd),
            "columns": len(wanted),
            "level_floor_usd": LEVEL_FLOOR_USD,
            "level_ratio": LEVEL_RATIO,
            "open_time_ms": [self.open_time_ms[i] for i in wanted],
            "candles": {name: [values[i] for i in wanted] for name, values in self.candles.items()},
            "incomplete": [self.incomplete[i] for i in wanted],
        }


def simulate(coin: str, scope: str, timeframe: Timeframe, now_ms: int) -> History:
    """History that ends at the coin's price, with columns that close before ``now_ms``."""
    candles, long_usd, short_usd = _drawn(coin, timeframe)
    share = SCOPES[scope]
    prices = {"open", "high", "low", "close"}
    step_ms = TIMEFRAME_MS[timeframe]
    end_ms = now_ms // step_ms * step_ms
    return History(
        timeframe=timeframe,
        first_bin=centre_bin(COINS[coin][0]) - HALF_BINS,
        open_time_ms=[end_ms - (COLUMNS - i) * step_ms for i in range(COLUMNS)],
        candles={name: [float(v) * (1 if name in prices else share) for v in row] for name, row in candles.items()},
        long_usd=long_usd * share,
        short_usd=short_usd * share,
        incomplete=[i % 97 == 50 for i in range(COLUMNS)],
    )


@functools.cache
def _drawn(coin: str, timeframe: Timeframe) -> tuple[dict[str, Floats], Floats, Floats]:
    """Candles and planes (bins, columns) in the scope of all venues; drawn once, the same in every run."""
    price, open_interest = COINS[coin]
    seed = sum(ord(letter) * 31**place for place, letter in enumerate(f"{coin}{timeframe}"))
    random = np.random.default_rng(seed % 2**32)
    days = math.sqrt(TIMEFRAME_MS[timeframe] / 86_400_000)
    volatility = DAILY_VOLATILITY * days
    steps = random.normal(0, volatility, COLUMNS) * (1 + 1.6 * (random.random(COLUMNS) < 0.06))
    # Backwards from the price now: the last column closes at it.
    closes = np.append((price * np.exp(-np.cumsum(steps[::-1])[::-1]))[1:], price)
    opens = np.append(closes[0], closes[:-1])
    highs = np.maximum(opens, closes) * np.exp(np.abs(random.normal(0, volatility * 0.5, COLUMNS)))
    lows = np.minimum(opens, closes) * np.exp(-np.abs(random.normal(0, volatility * 0.5, COLUMNS)))
    volume = open_interest * 0.5 * days * random.lognormal(0, 0.5, COLUMNS)
    (long_usd, short_usd), (swept_long, swept_short) = _positions(closes, highs, lows, volume, random)
    delta = volume * (np.sign(closes - opens) * 0.2 + random.normal(0, 0.1, COLUMNS))
    standing = open_interest * (1 + 0.1 * np.sin(np.arange(COLUMNS) / 23))
    rows = (opens, highs, lows, closes, volume, np.cumsum(delta), standing,
            swept_long * 0.3, swept_short * 0.3, swept_long, swept_short)  # fmt: skip
    return dict(zip(CANDLE_NAMES, rows, strict=True)), long_usd, short_usd


def _positions(
    closes: Floats, highs: Floats, lows: Floats, volume: Floats, random: np.random.Generator
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Planes (bins, columns) of standing USD, and USD swept per column, for longs and shorts."""
    bins, columns = 2 * HALF_BINS + 1, len(closes)
    low_edge = centre_bin(float(closes[-1])) - HALF_BINS
    index = np.arange(bins)
    long_now, short_now = np.zeros(bins), np.zeros(bins)
    long_plane, short_plane = np.zeros((bins, columns)), np.zeros((bins, columns))
    swept_long, swept_short = np.zeros(columns), np.zeros(columns)
    bursts = random.random(columns) < 0.07
    for column in range(columns):
        opened = volume[column] * 0.05 * (7 if bursts[column] else 1)
        for distance, weight in DISTANCES:
            spread = 1.2 + distance * 60 * (0.35 if bursts[column] else 1)
            for side, now in ((-1, long_now), (1, short_now)):
                at = math.log(closes[column] * (1 + side * distance)) / BIN_WIDTH - low_edge + random.normal(0, 2)
                bell = np.exp(-0.5 * ((index - at) / spread) ** 2)
                now += opened * weight * (0.6 + 0.8 * random.random()) * bell / max(bell.sum(), 1e-9)
        low = math.floor(math.log(lows[column]) / BIN_WIDTH) - low_edge
        high = math.floor(math.log(highs[column]) / BIN_WIDTH) - low_edge
        swept_long[column] = long_now[max(low, 0) :].sum()
        swept_short[column] = short_now[: max(high + 1, 0)].sum()
        long_now[max(low, 0) :] = 0
        short_now[: max(high + 1, 0)] = 0
        for now in (long_now, short_now):
            now *= 0.988
            now[now < 150] = 0
        long_plane[:, column], short_plane[:, column] = long_now, short_now
    return (long_plane, short_plane), (swept_long, swept_short)


def clusters_of(coin: str, scope: str, long_usd: Floats, short_usd: Floats, first_bin: int, mark: float) -> list[Any]:
    """The three densest zones a side, as the contract of clusters has them."""
    found = []
    for side, plane in (("long", long_usd), ("short", short_usd)):
        smooth = np.convolve(plane, np.ones(5) / 5, mode="same")
        left = smooth.copy()
        for rank in range(4):
            peak = int(np.argmax(left))
            if left[peak] <= 0:
                break
            low = high = peak
            while low > 0 and smooth[low - 1] > smooth[peak] * 0.5:
                low -= 1
            while high < len(smooth) - 1 and smooth[high + 1] > smooth[peak] * 0.5:
                high += 1
            left[max(0, low - 14) : high + 15] = 0
            found.append(_cluster(coin, scope, side, rank, (first_bin + low, first_bin + peak, first_bin + high),
                                  float(plane[low : high + 1].sum()), mark))  # fmt: skip
    return sorted(found, key=lambda cluster: abs(cluster["distance_fraction"]))


def _cluster(coin: str, scope: str, side: str, rank: int, bins: tuple[int, int, int], mass: float, mark: float) -> Any:
    low, peak, high = bins
    near = math.exp((high + 1) * BIN_WIDTH) if side == "long" else math.exp(low * BIN_WIDTH)
    distance = near / mark - 1
    sigma = abs(distance) / 0.0069
    touch = max(0.02, min(0.97, math.erfc(sigma / math.sqrt(48))))
    reliable = rank < 3
    return {
        "cluster_id": f"{coin}-{scope}-{side}-{rank}",
        "parents": [],
        "side": side,
        "lower_price": math.exp(low * BIN_WIDTH),
        "upper_price": math.exp((high + 1) * BIN_WIDTH),
        "peak_price": math.exp((peak + 0.5) * BIN_WIDTH),
        "lower_bin": low,
        "upper_bin": high,
        "mass_usd": mass,
        "peak_mass_usd": mass * 1.2,
        "open_interest_share": mass / COINS[coin][1],
        "timeframe": ("1d", "12h", "4h")[rank] if reliable else "1h",
        "reliable": reliable,
        "distance_fraction": distance,
        "distance_atr": abs(distance) / 0.008,
        "distance_sigma": sigma,
        "consumed_fraction": 0.35 if rank == 1 else 0.0,
        "touched_time_ms": None,
        "touches": [
            {
                "horizon_ms": horizon,
                "probability": min(0.99, touch * factor),
                "base_rate": None if rank == 2 else min(0.99, touch * factor * 0.8),
                "base_rate_samples": 0 if rank == 2 else 1_240,
            }
            for horizon, factor in ((14_400_000, 0.45), (86_400_000, 1.0))
        ],
    }
