"""``trade-setups-v1``: named situations with evidence, invalidation, target and a paper record."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Output, Price, Scope, Share, Side, TimeMs


class PaperRecord(Contract):
    """How earlier setups of the kind ended, on paper."""

    won: Annotated[int, Field(ge=0)]
    lost: Annotated[int, Field(ge=0)]
    open: Annotated[int, Field(ge=0)]
    base_rate: Share | None = None


class TradeSetup(Output):
    """A situation, not advice: what speaks for it, what ends it, and its record."""

    kind: Literal["opened", "updated", "target-reached", "invalidated", "expired"]
    setup_id: str
    scope: Scope
    setup: Literal[
        "liquidity-sweep-reversal",
        "short-squeeze-accelerator",
        "long-squeeze-accelerator",
        "cvd-floor",
        "cvd-trap",
        "drift-to-pool",
        "pool-edge-scalp",
    ]
    direction: Side
    entry_price: Price
    invalidation_price: Price
    target_price: Price
    evidence: list[str] = Field(max_length=20)
    cluster_ids: list[str] = Field(max_length=20)
    opened_time_ms: TimeMs
    record: PaperRecord
