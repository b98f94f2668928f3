"""``liquidation-grids-v1``: the map of a coin, once a second while it moves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from liqheat_shared.contracts.base import (
    Contract,
    Finite,
    Output,
    Price,
    Scope,
    Share,
    Side,
    Symbol,
    TimeMs,
    Usd,
    Venue,
)
from liqheat_shared.contracts.market_events import LiquidationFeedKind

#: Width of a bin in natural log of price: bin k covers prices from exp(k * 0.001) to exp((k + 1) * 0.001).
BIN_WIDTH = 0.001

MarketState = Literal["cold", "backfilling", "live", "quarantined"]


class IntervalCandle(Contract):
    """Prices and flow of the interval that the grid closes."""

    open: Price
    high: Price
    low: Price
    close: Price
    volume_usd: Usd
    taker_buy_usd: Usd


class ScopeGrid(Contract):
    """Estimated USD that would be liquidated in each bin. Bin i of the lists is absolute bin ``first_bin + i``.

    Longs are liquidated when the mark falls to a bin, shorts when it rises to it.
    """

    first_bin: int
    long_usd: list[Annotated[int, Field(ge=0)]] = Field(description="Whole USD.")
    short_usd: list[Annotated[int, Field(ge=0)]] = Field(description="Whole USD, same bins.")
    consumed_long_usd: Usd = Field(description="Swept by the mark since the start, cumulative.")
    consumed_short_usd: Usd
    open_interest_usd: Usd
    mark_price: Price

    @model_validator(mode="after")
    def _same_bins(self) -> ScopeGrid:
        if len(self.long_usd) != len(self.short_usd):
            raise ValueError(f"long_usd has {len(self.long_usd)} bins, short_usd {len(self.short_usd)}")
        return self


class LeverageClasses(Contract):
    """The aggregated map by leverage at opening, once a minute: one row a class, over coarse bins."""

    leverage: list[Annotated[float, Field(gt=0)]]
    long_usd: list[Annotated[int, Field(ge=0)]] = Field(description="Total of each class.")
    short_usd: list[Annotated[int, Field(ge=0)]]


class StressedMap(Contract):
    """All venues together if maintenance requirements rose: positions are liquidated nearer to the mark."""

    maintenance_stress: Annotated[float, Field(gt=0)] = Field(description="Fraction by which they rose.")
    first_bin: int
    long_usd: list[Annotated[int, Field(ge=0)]] = Field(description="Whole USD.")
    short_usd: list[Annotated[int, Field(ge=0)]] = Field(description="Whole USD, same bins.")
    liquidated_at_once_long_usd: Usd = Field(description="Would be liquidated without any move of price.")
    liquidated_at_once_short_usd: Usd


class LiquidationFeed(Contract):
    """How much of the time a market's liquidation feed was listened to; how much it carries is ``kind``.

    Heard means: subscribed to, on a connection that lives, by an ingest that writes. A feed that says nothing for an
    hour was heard all the same. Times are ours (``receive_time_ms``).
    """

    kind: LiquidationFeedKind
    connected_since_ms: TimeMs | None = Field(
        description="When the feed was first heard; later interruptions leave it. null: never, or there is none."
    )
    unbroken_since_ms: TimeMs | None = Field(
        description="Since when it is heard without a break; null: it is not heard now."
    )
    heard_share_24h: Share | None = Field(
        description="Part of the last 24 hours in which it was heard; time before it was first connected counts as "
        "unheard, so sums over a day lack the rest. null: there is no feed."
    )
    heard_share_since_connected: Share | None = Field(
        description="Part of the time since connected_since_ms in which it was heard; null: never connected."
    )


class Deleveraging(Contract):
    """Suspected auto-deleveraging: open interest fell far more than liquidations and volume explain, in a violent move.

    No public feed says so; docs/model.md states the rule. Told for a day after ``suspected_to_ms``.
    """

    suspected_from_ms: TimeMs = Field(description="First open-interest report that looked like it; the venue's time.")
    suspected_to_ms: TimeMs = Field(description="Last one.")
    deleveraged_side: Side = Field(description="The winning side, of which the map lost its most profitable positions.")
    deleveraged_usd: Usd = Field(description="What the map lost of it, at the mark.")


class Member(Contract):
    """A market that the map rests on."""

    venue: Venue
    symbol: Symbol
    state: MarketState
    open_interest_usd: Usd | None
    stream_age_ms: dict[str, int | None] = Field(description="Age of each stream's last event at event_time_ms.")
    mark_price_kind: Literal["reported", "estimated-from-trades"]
    coverage_share: Share = Field(description="Part of the open interest that has a history behind it.")
    interrupted_streams: list[str] = []
    liquidation_feed: LiquidationFeed | None = Field(default=None, description="null: nothing was told of one.")
    deleveraging: Deleveraging | None = Field(default=None, description="null: none was suspected in the last day.")
    shown_liquidation_usd_share: Share | None = Field(
        default=None,
        description="Estimated part of the liquidated USD that the venue's liquidation feed publishes while it is "
        "heard; 1: it publishes all. null: unknown, or nothing was liquidated yet.",
    )


class Provenance(Contract):
    """How far to trust the map: what it rests on, how old that is, how much is estimated."""

    members: list[Member]
    estimated_share: Share = Field(description="Part of the mass that is estimated.")
    measured_share: Share = Field(description="Part that is exact, from on-chain positions.")
    reported_share: Share | None = Field(description="Part venues are expected to report if swept now; null: unknown.")
    coverage_share: Share
    model_version: str
    history_lost: bool = Field(description="Events were deleted before they were read: the map restarted cold.")
    incomplete: bool = Field(description="A feed is interrupted or an input was rejected recently.")
    rejected_events: int = Field(ge=0, description="Dead-lettered events of this coin since the start.")


class LiquidationGrid(Output):
    """The map of one coin at ``event_time_ms``, in every scope."""

    kind: Literal["grid"] = "grid"
    cadence_ms: int = Field(gt=0)
    bin_width: Annotated[float, Field(gt=0)] = BIN_WIDTH
    mark_price: Price
    index_price: Price | None = None
    candle: IntervalCandle | None = Field(description="null: no trade in the interval.")
    cumulative_volume_delta_usd: Finite = Field(description="Taker buys minus sells since the start.")
    sigma_1h: Annotated[float, Field(ge=0)] | None = Field(description="Std of the 1-hour log return, fraction.")
    average_true_range_1h: Usd | None = Field(description="ATR(14) over 1-hour bars, in price units.")
    liquidated_long_usd: Usd = Field(description="Reported by venues in the interval.")
    liquidated_short_usd: Usd
    scopes: dict[Scope, ScopeGrid]
    leverage_classes: LeverageClasses | None = None
    stressed: StressedMap | None = Field(default=None, description="Once a minute, where the estimator is told to.")
    provenance: Provenance
    release_quarantine: list[Literal["clusterer"]] = Field(
        default=[], description="An operator's order, passed down in the log."
    )
