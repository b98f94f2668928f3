"""``liquidation-cascades-v1``: where liquidations would set off more liquidations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Finite, Output, Price, Scope, Side, Usd


class LiquidationCascade(Output):
    """A run that would feed itself if the trigger price were reached."""

    kind: Literal["cascade"] = "cascade"
    scope: Scope
    side: Side
    trigger_price: Price
    terminal_price: Price
    notional_usd: Usd
    assumed_depth_usd: Usd = Field(description="Book depth the run was computed against.")
    depth_stress: Annotated[float, Field(gt=0, le=1)]
    distance_sigma: Finite | None
