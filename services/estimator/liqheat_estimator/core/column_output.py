"""From a closed column to its message."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.core.columns import ClosedColumn, OpenColumn
from liqheat_estimator.core.parameters import LONG, SHORT
from liqheat_shared.contracts.base import Phase
from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.topics import heatmap_columns_topic
from liqheat_shared.folding import Emission

_LOG_RATIO = math.log(LEVEL_RATIO)


def levels_of(usd: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Nearest 8-bit log class of each amount; below the lowest class by more than half a step it is 0, empty.

    >>> levels_of(np.array([0.0, 50.0, 100.0, 1e6, 1e300])).tolist()
    [0, 0, 1, 128, 255]
    """
    with np.errstate(divide="ignore"):
        steps = np.rint(np.log(usd / LEVEL_FLOOR_USD) / _LOG_RATIO)
    levels: NDArray[np.uint8] = np.clip(steps + 1, 0, 255).astype(np.uint8)
    return levels


def column_message(coin: str, scope: str, phase: Phase, column: ClosedColumn) -> Emission:
    """The message of a closed column."""
    content = column.content
    levels = levels_of(content.usd_minutes / np.float32(content.minutes))
    filled = np.flatnonzero(levels[LONG] | levels[SHORT])
    start, end = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    value = {
        "schema_version": 1,
        "coin": coin,
        "phase": phase,
        "event_time_ms": column.close_ms,
        "valid_until_ms": column.close_ms + (column.close_ms - column.open_ms),
        "scope": scope,
        "timeframe": column.timeframe,
        "open_time_ms": column.open_ms,
        "close_time_ms": column.close_ms,
        "bin_width": BIN_WIDTH,
        "first_bin": content.first_bin + start,
        "level_floor_usd": LEVEL_FLOOR_USD,
        "level_ratio": LEVEL_RATIO,
        "long_levels": base64.b64encode(levels[LONG, start:end].tobytes()).decode(),
        "short_levels": base64.b64encode(levels[SHORT, start:end].tobytes()).decode(),
        "candle": _candle(content),
        "incomplete": column.incomplete,
    }
    return Emission(heatmap_columns_topic(column.timeframe), "column", value)


def _candle(content: OpenColumn) -> dict[str, float] | None:
    bar = content.bar
    if bar.open is None:
        return None
    return {
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume_usd": bar.volume_usd,
        "taker_buy_usd": bar.taker_buy_usd,
        "cumulative_volume_delta_usd": content.cumulative_volume_delta_usd,
        "open_interest_usd": content.open_interest_usd,
        "liquidated_long_usd": bar.liquidated_usd[LONG],
        "liquidated_short_usd": bar.liquidated_usd[SHORT],
        "consumed_long_usd": bar.consumed_usd[LONG],
        "consumed_short_usd": bar.consumed_usd[SHORT],
    }
