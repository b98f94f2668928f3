"""``market-events-v1``: the one ordered log per coin that every fold reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from liqheat_shared.contracts.base import (
    Coin,
    Contract,
    Finite,
    Phase,
    Price,
    QuantityBase,
    Share,
    Side,
    Symbol,
    TimeMs,
    Usd,
    Venue,
)

MAX_TRADES_PER_MESSAGE = 1000

#: What part of a market's liquidations its feed carries: all; at most the largest of each interval (throttled); some,
#: as the venue says itself (partial); nobody knows. ``none``: there is no such feed.
FeedCompleteness = Literal["complete", "throttled", "partial", "unknown"]
LiquidationFeedKind = Literal["complete", "throttled", "partial", "unknown", "none"]


class MarketEvent(Contract):
    """Envelope of everything that happens on one market (venue, symbol) of a coin."""

    schema_version: Literal[1] = 1
    coin: Coin
    venue: Venue
    symbol: Symbol
    phase: Phase
    event_time_ms: TimeMs = Field(description="The venue's time; of a batch, the time of its last member.")
    receive_time_ms: TimeMs = Field(description="Our time. The running maximum per coin is the output clock.")
    ingest_epoch: int = Field(ge=0, description="Rises with every new owner of the market; lower epochs are dropped.")
    sequence: int = Field(ge=0, description="Dense per (venue, symbol, ingest_epoch): a repeat is a duplicate.")


class Trades(MarketEvent):
    """A micro-batch of trades in columns, in the venue's order. All columns have the same length."""

    type: Literal["trades"] = "trades"
    time_offset_ms: list[int] = Field(
        min_length=1,
        max_length=MAX_TRADES_PER_MESSAGE,
        description="Time of each trade relative to event_time_ms, so zero or negative.",
    )
    price: list[Price] = Field(min_length=1, max_length=MAX_TRADES_PER_MESSAGE)
    quantity_base: list[QuantityBase] = Field(min_length=1, max_length=MAX_TRADES_PER_MESSAGE)
    aggressor_side: str = Field(pattern=r"^[bs]+$", description="One letter a trade: b = taker bought, s = taker sold.")
    trade_id: list[str] | None = Field(default=None, description="The venue's ids, null where it has none.")
    refilled: bool = Field(
        default=False, description="Fetched after an interruption: older than what was published before it."
    )

    @model_validator(mode="after")
    def _columns_agree(self) -> Trades:
        n = len(self.price)
        columns: dict[str, list[Any]] = {"time_offset_ms": self.time_offset_ms, "quantity_base": self.quantity_base}
        columns |= {"aggressor_side": list(self.aggressor_side)}
        if self.trade_id is not None:
            columns["trade_id"] = list(self.trade_id)
        for name, column in columns.items():
            if len(column) != n:
                raise ValueError(f"{name} has {len(column)} members, price has {n}")
        if max(self.time_offset_ms) > 0:
            raise ValueError("time_offset_ms must not be positive")
        return self


class Ticker(MarketEvent):
    """State of the market as the venue publishes it. Absent is null, never 0."""

    type: Literal["ticker"] = "ticker"
    mark_price: Price | None = None
    index_price: Price | None = None
    last_price: Price | None = None
    open_interest_base: QuantityBase | None = Field(default=None, description="One side, in the coin.")
    funding_rate: Finite | None = Field(default=None, description="Fraction per funding interval; > 0: longs pay.")
    next_funding_time_ms: TimeMs | None = None


class Liquidation(MarketEvent):
    """A forced order as the venue reported it."""

    type: Literal["liquidation"] = "liquidation"
    liquidated_side: Side = Field(description="Side of the POSITION that was closed, never of the order.")
    price: Price
    price_kind: Literal["bankruptcy", "average", "order", "mark"]
    quantity_base: QuantityBase
    notional_usd: Usd
    feed_completeness: FeedCompleteness = Field(
        description="throttled: at most the largest per interval is published; partial: the venue says it omits some."
    )
    liquidation_id: str | None = None


class BookDepth(MarketEvent):
    """Resting orders by bin of the absolute log-price grid."""

    type: Literal["book-depth"] = "book-depth"
    first_bin: int
    bid_usd: list[Usd] = Field(max_length=4096)
    ask_usd: list[Usd] = Field(max_length=4096)


class OnChainPosition(MarketEvent):
    """A position read from a public chain: exact, not estimated. ``quantity_base`` 0 means it was closed.

    One that stands is told again every ten minutes; one that was not told for an hour is exact no longer.
    """

    type: Literal["on-chain-position"] = "on-chain-position"
    account: str = Field(min_length=1, max_length=100)
    side: Side
    quantity_base: QuantityBase
    entry_price: Price
    liquidation_price: Price | None = Field(description="null: the account's margin covers any price.")
    leverage: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    margin_mode: Literal["isolated", "cross"]


class MarginTier(Contract):
    """One step of a venue's maintenance-margin table."""

    notional_floor_usd: Usd
    notional_cap_usd: Usd | None = Field(description="null: no upper bound.")
    maintenance_margin_rate: Share
    maintenance_amount_usd: Usd = Field(description="Deduction that keeps the requirement continuous.")
    max_leverage: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Instrument(MarketEvent):
    """What one contract of the market is, and the margin rules that hold from a date."""

    type: Literal["instrument"] = "instrument"
    quote: str = Field(min_length=1, max_length=20)
    is_inverse: bool
    contract_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        description="Base units a contract if linear, USD a contract if inverse."
    )
    price_multiplier: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="Units of the coin in one unit of the venue's base, e.g. 1000 for 1000PEPE."
    )
    tick_size: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    taker_fee_rate: Share | None = None
    liquidation_feed: LiquidationFeedKind | None = Field(
        default=None,
        description="What part of the market's liquidations its feed carries; none: there is no feed of them, at the "
        "venue or on the tape; null: not told. While one is told and not interrupted, silence means no liquidation.",
    )
    margin_tiers: list[MarginTier] = Field(min_length=1, max_length=200)
    tiers_valid_from_ms: TimeMs
    tiers_source: str = Field(min_length=1, max_length=300)


class Candle(MarketEvent):
    """A closed candle with the open interest at its end, used by backfill."""

    type: Literal["candle"] = "candle"
    open_time_ms: TimeMs
    interval_ms: Annotated[int, Field(gt=0, le=86_400_000)]
    open: Price
    high: Price
    low: Price
    close: Price
    volume_base: QuantityBase | None = None
    taker_buy_base: QuantityBase | None = None
    open_interest_base: QuantityBase | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Candle:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError("a candle needs low <= open, close <= high")
        return self


class Heartbeat(MarketEvent):
    """Sent once a second per market when nothing else was: silence is data."""

    type: Literal["heartbeat"] = "heartbeat"
    stream_age_ms: dict[str, Annotated[int, Field(ge=0)] | None] = Field(
        description="Age of the last message of each stream; null: none yet."
    )


class FeedStatus(MarketEvent):
    """A stream stopped or came back. Between the two the map rests on less than it should."""

    type: Literal["feed-interrupted", "feed-resumed"]
    stream: str = Field(min_length=1, max_length=60)
    from_ms: TimeMs
    to_ms: TimeMs | None = None
    reason: str = Field(max_length=500)
    missed_trades: Annotated[int, Field(ge=0)] | None = None
    delisted: bool = Field(
        default=False, description="The venue trades the market no more: its positions were settled, nothing follows."
    )


class BackfillBracket(MarketEvent):
    """History of a market begins or ends; in between, no clusters and no per-second grids come from it."""

    type: Literal["backfill-started", "backfill-finished"]
    backfill_id: str = Field(min_length=1, max_length=100)
    from_ms: TimeMs
    to_ms: TimeMs


class Control(MarketEvent):
    """An operator's order, in the log so that a replay obeys it at the same place."""

    type: Literal["control"] = "control"
    action: Literal["release-quarantine"]
    stage: Literal["estimator", "clusterer"]
    operator: str = Field(min_length=1, max_length=100)
    reason: str = Field(max_length=500)


AnyMarketEvent = Annotated[
    Trades
    | Ticker
    | Liquidation
    | BookDepth
    | OnChainPosition
    | Instrument
    | Candle
    | Heartbeat
    | FeedStatus
    | BackfillBracket
    | Control,
    Field(discriminator="type"),
]

MARKET_EVENT: TypeAdapter[AnyMarketEvent] = TypeAdapter(AnyMarketEvent)
