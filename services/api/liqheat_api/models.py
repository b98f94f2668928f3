"""Shapes of the answers, for OpenAPI and for tests. The bytes come from Redis as they are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from liqheat_api.accuracy.answer import Horizon
from liqheat_shared.contracts.base import Coin, Phase, Scope, Share, TimeMs, Usd
from liqheat_shared.contracts.clusters import Cluster
from liqheat_shared.contracts.heatmap_columns import Timeframe
from liqheat_shared.contracts.liquidation_grids import IntervalCandle, Member, Provenance
from liqheat_shared.contracts.liquidation_magnets import Magnet
from liqheat_shared.contracts.map_accuracy import CalibrationBucket, Method, RunningScore, SideRecord
from liqheat_shared.contracts.realised_liquidations import LiquidationTotals


class Answer(BaseModel):
    """An answer: no fields but these."""

    model_config = ConfigDict(extra="forbid")


class CoinEntry(Answer):
    """A coin that there is a map of."""

    coin: Coin
    mark_price: float = Field(examples=[64250.5])
    phase: Phase
    event_time_ms: TimeMs
    valid_until_ms: TimeMs
    scopes: list[Scope] = Field(examples=[["aggregated", "binance"]])
    open_interest_usd: Usd | None


class Coins(Answer):
    """``GET /v1/coins``, largest open interest first."""

    coins: list[CoinEntry]
    server_time_ms: TimeMs


class Grid(Answer):
    """``GET /v1/grids/{coin}``: the estimated map now. Bin i of the lists is absolute bin ``first_bin + i``."""

    coin: Coin
    scope: Scope
    phase: Phase
    event_time_ms: TimeMs
    valid_until_ms: TimeMs
    cadence_ms: int
    bin_width: float = Field(examples=[0.001])
    index_price: float | None
    candle: IntervalCandle | None
    cumulative_volume_delta_usd: float
    sigma_1h: float | None
    average_true_range_1h: float | None
    liquidated_long_usd: float
    liquidated_short_usd: float
    provenance: Provenance
    mark_price: float = Field(examples=[64250.5])
    open_interest_usd: float
    consumed_long_usd: float
    consumed_short_usd: float
    first_bin: int = Field(examples=[11050])
    long_usd: list[int] = Field(examples=[[0, 120000, 90000]])
    short_usd: list[int] = Field(examples=[[0, 0, 310000]])


class Candles(Answer):
    """One value a column; null: no price was seen in it."""

    open: list[float | None]
    high: list[float | None]
    low: list[float | None]
    close: list[float | None]
    volume_usd: list[float | None]
    taker_buy_usd: list[float | None]
    cvd: list[float | None]
    open_interest_usd: list[float | None]
    liquidated_long: list[float | None]
    liquidated_short: list[float | None]
    consumed_long: list[float | None]
    consumed_short: list[float | None]


class Heatmap(Answer):
    """``GET /v1/heatmap/{coin}``: closed columns. The binary answer has the same header before the levels."""

    coin: Coin
    scope: Scope
    timeframe: Timeframe
    timeframe_ms: int
    bin_width: float
    first_bin: int
    bins: int
    columns: int
    level_floor_usd: float
    level_ratio: float
    open_time_ms: list[int]
    candles: Candles
    incomplete: list[bool]
    long_levels: str = Field(description="base64 of bins x columns bytes, all columns of the lowest bin first.")
    short_levels: str


class Clusters(Answer):
    """``GET /v1/clusters/{coin}``, nearest first."""

    coin: Coin
    scope: Scope
    phase: Phase | None
    event_time_ms: TimeMs | None
    valid_until_ms: TimeMs | None = None
    mark_price: float | None = None
    events_until_sequence: int | None = None
    clusters: list[Cluster]


class Magnets(Answer):
    """``GET /v1/magnets/{coin}``; without any yet only ``magnets``, empty."""

    coin: Coin | None = None
    scope: Scope | None = None
    phase: Phase | None = None
    event_time_ms: TimeMs | None = None
    valid_until_ms: TimeMs | None = None
    mark_price: float | None = None
    bias: float | None = None
    magnets: list[Magnet]


class LiquidationItem(Answer):
    """A liquidation that a venue reported."""

    venue: str
    symbol: str
    phase: Phase
    event_time_ms: TimeMs
    valid_until_ms: TimeMs
    liquidated_side: Literal["long", "short"]
    price: float
    price_kind: str
    mark_price: float | None
    quantity_base: float
    notional_usd: float
    feed_completeness: str
    estimated_usd_at_price: float | None


class Liquidations(Answer):
    """``GET /v1/liquidations/{coin}``: a lower bound wherever a feed is throttled or partial. Newest first."""

    coin: Coin
    event_time_ms: TimeMs | None
    phase: Phase | None
    totals: list[LiquidationTotals]
    liquidations: list[LiquidationItem]


class AccuracyRecord(Answer):
    """A forecast that has run its course, and how the map and its baselines have scored up to it."""

    frozen_time_ms: TimeMs
    lowest_price: float
    highest_price: float
    sides: list[SideRecord]
    gain_over_best_baseline: float | None = Field(
        description="R² of the map less the best baseline's; null: too early."
    )
    gain_low: float | None = Field(description="95 % interval of the gain.")
    gain_high: float | None
    best_baseline: Method | None = Field(description="The baseline with the highest running R²; null: too early.")
    alarm: bool = Field(description="The map no longer beats its best baseline: the interval is below 0.")
    complete: bool = Field(description="False: prices or liquidations were interrupted; not scored.")
    model_version: str
    reporting_venues: list[str]
    reported_share: Share | None
    scored_records: int
    running: list[RunningScore]
    calibration: list[CalibrationBucket]


class AccuracySide(Answer):
    """One side, a value a record: whole USD; null: unknown."""

    observed_usd: list[int | None]
    map_usd: list[int | None] = Field(description="What the map expected.")
    baseline_usd: list[int | None] = Field(description="What the best baseline of that hour expected.")


class AccuracyHistory(Answer):
    """Records of the last seven days of the same phase, oldest first, one value each; the last is ``latest``."""

    frozen_time_ms: list[TimeMs]
    lowest_price: list[float]
    highest_price: list[float]
    complete: list[bool]
    best_baseline: list[Method | None]
    long: AccuracySide
    short: AccuracySide


class Accuracy(Answer):
    """``GET /v1/accuracy/{coin}``; without a record yet ``latest`` is null and ``detail`` says why."""

    coin: Coin
    scope: Scope
    horizon: Horizon
    horizon_ms: int
    phase: Phase | None
    event_time_ms: TimeMs | None = Field(description="When the latest record was closed.")
    valid_until_ms: TimeMs | None
    latest: AccuracyRecord | None
    history: AccuracyHistory
    detail: str | None


class CoinStatus(Answer):
    """How fresh a coin's map is, and what it rests on."""

    coin: Coin
    state: Literal["ok", "stale"]
    phase: Phase
    age_ms: int | None
    event_time_ms: TimeMs
    valid_until_ms: TimeMs
    incomplete: bool
    history_lost: bool
    members: list[Member]


class ProjectorStatus(Answer):
    """How far the view in Redis is behind the topics."""

    state: Literal["running", "reading-history", "silent"]
    lag_messages: int | None
    invalid_messages: int | None
    age_ms: int | None


class Status(Answer):
    """``GET /v1/status``: ``stale`` where any coin is, ``empty`` without a map."""

    state: Literal["ok", "stale", "empty"]
    server_time_ms: TimeMs
    projector: ProjectorStatus
    coins: list[CoinStatus]


class Problem(BaseModel):
    """Every error."""

    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no map of 'XYZ'. There are: BTC, ETH."])
