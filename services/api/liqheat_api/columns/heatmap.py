"""A heatmap put together from chunks: columns in time order over one range of bins."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from liqheat_api.columns import chunk as chunks
from liqheat_api.columns.retention import CHUNK_COLUMNS
from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO, TIMEFRAME_MS, Timeframe
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

_LENGTH = struct.Struct("<I")
#: Name in the answer to name in the contract.
CANDLE_NAMES = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume_usd": "volume_usd",
    "taker_buy_usd": "taker_buy_usd",
    "cvd": "cumulative_volume_delta_usd",
    "open_interest_usd": "open_interest_usd",
    "liquidated_long": "liquidated_long_usd",
    "liquidated_short": "liquidated_short_usd",
    "consumed_long": "consumed_long_usd",
    "consumed_short": "consumed_short_usd",
}


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Closed columns of one coin, scope and timeframe.

    Attributes
    ----------
    open_time_ms : ndarray of int64, shape (columns,)
        Rising; a column that was never closed is missing.
    long_levels, short_levels : ndarray of uint8, shape (bins, columns)
        Row i is absolute bin ``first_bin + i``.
    candles : ndarray of float64, shape (len(CANDLE_FIELDS), columns)
    """

    open_time_ms: npt.NDArray[np.int64]
    incomplete: npt.NDArray[np.bool_]
    has_candle: npt.NDArray[np.bool_]
    candles: npt.NDArray[np.float64]
    first_bin: int
    long_levels: npt.NDArray[np.uint8]
    short_levels: npt.NDArray[np.uint8]


def assemble(
    timeframe: Timeframe, found: Mapping[int, bytes], from_ms: int, to_ms: int, last: int | None = None
) -> Heatmap:
    """Columns that open in [from_ms, to_ms) out of encoded chunks by index; ``last``: no more than the latest ones.

    Raises
    ------
    BadChunkError
        A chunk cannot be read.
    """
    span_ms = TIMEFRAME_MS[timeframe]
    times: list[npt.NDArray[np.int64]] = []
    parts: list[tuple[chunks.Chunk, npt.NDArray[np.intp]]] = []
    missing = last
    for index in sorted(found, reverse=True):
        part = chunks.decode(found[index])
        opened = (index * CHUNK_COLUMNS + part.slots.astype(np.int64)) * span_ms
        wanted = np.flatnonzero((opened >= from_ms) & (opened < to_ms))
        if missing is not None:
            wanted = wanted[max(0, len(wanted) - missing) :]
            missing -= len(wanted)
        if len(wanted):
            times.append(opened[wanted])
            parts.append((part, wanted))
    times.reverse()
    parts.reverse()
    return _joined(times, parts)


def _joined(times: list[npt.NDArray[np.int64]], parts: list[tuple[chunks.Chunk, npt.NDArray[np.intp]]]) -> Heatmap:
    filled = [part for part, _ in parts if len(part.long_levels)]
    low = min((part.first_bin for part in filled), default=0)
    high = max((part.first_bin + len(part.long_levels) for part in filled), default=0)
    count = sum(len(wanted) for _, wanted in parts)
    long_levels, short_levels = np.zeros((high - low, count), np.uint8), np.zeros((high - low, count), np.uint8)
    at = 0
    for part, wanted in parts:
        rows = slice(part.first_bin - low, part.first_bin - low + len(part.long_levels))
        if len(part.long_levels):
            long_levels[rows, at : at + len(wanted)] = part.long_levels[:, wanted]
            short_levels[rows, at : at + len(wanted)] = part.short_levels[:, wanted]
        at += len(wanted)
    used = np.flatnonzero(long_levels.any(axis=1) | short_levels.any(axis=1))
    first, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
    return Heatmap(
        open_time_ms=np.concatenate([*times, np.empty(0, np.int64)]),
        incomplete=np.concatenate([*(part.incomplete[wanted] for part, wanted in parts), np.empty(0, np.bool_)]),
        has_candle=np.concatenate([*(part.has_candle[wanted] for part, wanted in parts), np.empty(0, np.bool_)]),
        candles=np.concatenate(
            [*(part.candles[:, wanted] for part, wanted in parts), np.empty((len(chunks.CANDLE_FIELDS), 0))], axis=1
        ),
        first_bin=low + first if len(used) else 0,
        long_levels=long_levels[first:end],
        short_levels=short_levels[first:end],
    )


def header(heatmap: Heatmap, coin: str, scope: str, timeframe: Timeframe) -> dict[str, Any]:
    """Everything of the answer but the levels."""
    bins, columns = heatmap.long_levels.shape
    rows = dict(zip(chunks.CANDLE_FIELDS, heatmap.candles, strict=True))
    return {
        "coin": coin,
        "scope": scope,
        "timeframe": timeframe,
        "timeframe_ms": TIMEFRAME_MS[timeframe],
        "bin_width": BIN_WIDTH,
        "first_bin": heatmap.first_bin,
        "bins": bins,
        "columns": columns,
        "level_floor_usd": LEVEL_FLOOR_USD,
        "level_ratio": LEVEL_RATIO,
        "open_time_ms": heatmap.open_time_ms.tolist(),
        "candles": {
            name: [
                value if there else None for value, there in zip(rows[field].tolist(), heatmap.has_candle, strict=True)
            ]
            for name, field in CANDLE_NAMES.items()
        },
        "incomplete": heatmap.incomplete.tolist(),
    }


def _or_null(values: npt.NDArray[np.float64], there: npt.NDArray[np.bool_]) -> list[float | None]:
    return [value if is_there else None for value, is_there in zip(values.tolist(), there.tolist(), strict=True)]


def as_json(heatmap: Heatmap, head: dict[str, Any]) -> bytes:
    """The JSON answer: levels in base64."""
    levels = {
        "long_levels": base64.b64encode(heatmap.long_levels.tobytes()).decode(),
        "short_levels": base64.b64encode(heatmap.short_levels.tobytes()).decode(),
    }
    return orjson.dumps(head | levels)


def as_binary(heatmap: Heatmap, head: dict[str, Any]) -> bytes:
    """The binary answer: length of the header (u32 little-endian), header as JSON, long levels, short levels."""
    encoded = orjson.dumps(head)
    return b"".join(
        (_LENGTH.pack(len(encoded)), encoded, heatmap.long_levels.tobytes(), heatmap.short_levels.tobytes())
    )
