"""``realised-liquidations-v1``: every liquidation seen, normalised, with running totals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Output, Price, QuantityBase, Side, Symbol, Usd, Venue
from liqheat_shared.contracts.market_events import FeedCompleteness


class LiquidationTotals(Contract):
    """USD seen over a window; a lower bound wherever a feed is throttled or partial."""

    window_ms: int = Field(gt=0)
    long_usd: Usd
    short_usd: Usd
    count: int = Field(ge=0)


class RealisedLiquidation(Output):
    """A liquidation that a venue reported."""

    kind: Literal["liquidation"] = "liquidation"
    venue: Venue
    symbol: Symbol
    liquidated_side: Side
    price: Price
    price_kind: Literal["bankruptcy", "average", "order", "mark"]
    mark_price: Price | None
    quantity_base: QuantityBase
    notional_usd: Usd
    feed_completeness: FeedCompleteness
    estimated_usd_at_price: Usd | None = Field(description="What the map stood at in that bin just before.")
    totals: list[LiquidationTotals] = Field(description="Of the coin over 1 h, 4 h and 24 h, this one included.")
