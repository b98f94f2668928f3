"""``heatmap-columns-{timeframe}-v1``: closed columns of the heatmap, one message a scope."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Finite, Output, Price, Scope, TimeMs, Usd

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "12h", "1d"]

TIMEFRAME_MS: dict[Timeframe, int] = {
    "1m": 60_000,
    "5m": 300_000,
    "15m": 900_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "12h": 43_200_000,
    "1d": 86_400_000,
}

#: 8-bit log classes: 0 is empty, code c >= 1 stands for FLOOR_USD * RATIO ** (c - 1). Error at most 3.7 %.
LEVEL_FLOOR_USD = 100.0
LEVEL_RATIO = 10 ** (8 / 254)


class ColumnCandle(Contract):
    """Prices, flow and open interest of the column."""

    open: Price
    high: Price
    low: Price
    close: Price
    volume_usd: Usd
    taker_buy_usd: Usd
    cumulative_volume_delta_usd: Finite
    open_interest_usd: Usd
    liquidated_long_usd: Usd
    liquidated_short_usd: Usd
    consumed_long_usd: Usd = Field(description="Estimated USD swept by the mark in the column.")
    consumed_short_usd: Usd


class HeatmapColumn(Output):
    """The time-averaged map of one scope over [open_time_ms, close_time_ms). A closed column never changes."""

    kind: Literal["column"] = "column"
    scope: Scope
    timeframe: Timeframe
    open_time_ms: TimeMs
    close_time_ms: TimeMs
    bin_width: Annotated[float, Field(gt=0)]
    first_bin: int
    level_floor_usd: Annotated[float, Field(gt=0)]
    level_ratio: Annotated[float, Field(gt=1)]
    long_levels: str = Field(description="base64 of one byte a bin: 0 empty, c: level_floor_usd * level_ratio^(c-1).")
    short_levels: str
    candle: ColumnCandle | None = Field(description="null: no price was seen in the column.")
    incomplete: bool = Field(description="Part of the interval was not observed.")
