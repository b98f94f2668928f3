"""A made-up record of the map, in the bytes that the api answers with."""

from __future__ import annotations

import math
import zlib
from typing import Any, Literal

import numpy as np

from liqheat_api.accuracy.answer import HORIZON_MS, Horizon, no_record, with_record
from liqheat_shared.contracts.map_accuracy import MapAccuracy

#: What the made-up record says of the map.
Verdict = Literal["ahead", "level", "early", "none", "alarm"]

HOUR_MS = 3_600_000
HOURS = 72
R_SQUARED = {"map": 0.69, "uniform": 0.31, "distance-kernel": 0.41, "unswept": 0.58, "vendor-like": 0.34}
GAINS = {"ahead": (0.11, 0.08, 0.14), "level": (0.02, -0.01, 0.05), "alarm": (-0.06, -0.09, -0.02)}


def record_answer(coin: str, horizon: Horizon, phase: str, now_ms: int, verdict: Verdict) -> bytes:
    """Bytes of ``/v1/accuracy``: three days of hours with a crash in them, the last of which has ended."""
    if verdict == "none":
        return no_record(coin, "aggregated", horizon)
    random = np.random.default_rng(zlib.crc32(f"{coin} {horizon}".encode()))
    span_ms = HORIZON_MS[horizon]
    last_frozen_ms = (now_ms - span_ms) // HOUR_MS * HOUR_MS
    data: bytes | None = None
    for hour in range(HOURS - 4 if verdict == "early" else 0, HOURS):
        frozen_time_ms = last_frozen_ms - (HOURS - 1 - hour) * HOUR_MS
        usual = 13.2 + math.log(span_ms / HOUR_MS) + (3.4 if hour in (50, 51) else 0.7 * math.sin(hour / 3.8))
        sides = [_side(side, usual, random, 0.5 if verdict == "ahead" else 1.4) for side in ("long", "short")]
        record = _record(coin, hour, phase, frozen_time_ms, span_ms, sides, verdict)
        data = with_record(data, MapAccuracy.parse_strict(record))
    return data or b""


def _side(side: str, usual: float, random: np.random.Generator, spread: float) -> dict[str, Any]:
    expected = float(np.exp(usual + random.normal(0, 1.1)))
    observed = 0.0 if random.random() < 0.04 else float(expected * np.exp(random.normal(-0.1, spread)))
    return {
        "side": side,
        "observed_usd": observed,
        "forecasts": [
            {"method": method, "forecast_usd": expected * float(np.exp(random.normal(0, 1 - r_squared)))}
            for method, r_squared in R_SQUARED.items()
        ],
    }


def _record(
    coin: str, hour: int, phase: str, frozen_time_ms: int, span_ms: int, sides: list[dict[str, Any]], verdict: Verdict
) -> dict[str, Any]:
    gain, low, high = GAINS.get(verdict, (None, None, None))
    scores = R_SQUARED | ({} if gain is None else {"map": R_SQUARED["unswept"] + gain})
    ended_ms = frozen_time_ms + span_ms
    return {
        "event_id": f"1-0-{hour + 1}-accuracy-0",
        "log_epoch": 1,
        "source_partition": 0,
        "source_offset": hour + 1,
        "sequence": hour + 1,
        "coin": coin,
        "phase": phase,
        "event_time_ms": ended_ms,
        "valid_until_ms": ended_ms + HOUR_MS,
        "scope": "aggregated",
        "frozen_time_ms": frozen_time_ms,
        "horizon_ms": span_ms,
        "lowest_price": 70_900.0 + hour,
        "highest_price": 71_600.0 + hour,
        "sides": sides,
        "gain_over_best_baseline": gain,
        "gain_low": low,
        "gain_high": high,
        "model_version": "layered-flow-2",
        "complete": hour not in (60, 61),
        "reporting_venues": ["binance", "bybit", "okx"],
        "scored_records": 8 if verdict == "early" else 1_440 + 2 * hour,
        "running": [
            {
                "method": method,
                "r_squared": None if verdict == "early" else r_squared,
                "observed_over_forecast": None if verdict == "early" else 0.94,
            }
            for method, r_squared in scores.items()
        ],
        "calibration": [] if verdict == "early" else _calibration(),
        "alarm": verdict == "alarm",
        "reported_share": 0.06,
    }


def _calibration() -> list[dict[str, Any]]:
    ratios = (1.62, 1.27, 1.49, 1.11, 0.86, 0.78, 1.0, 0.98, 0.83, 3.2)
    bounds = [0.0, *(10.0 ** (4 + step / 2) for step in range(1, 10))]
    return [
        {
            "from_usd": low,
            "to_usd": None if place == 9 else bounds[place + 1],
            "records": 7 if place == 9 else 144,
            "forecast_usd": max(low, 1e3) * 200,
            "observed_usd": max(low, 1e3) * 200 * ratio,
        }
        for place, (low, ratio) in enumerate(zip(bounds, ratios, strict=True))
    ]
