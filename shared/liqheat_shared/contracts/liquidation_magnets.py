"""``liquidation-magnets-v1``: which clusters pull, how likely they are reached, and how likely that is anyway."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Finite, Output, Price, Scope, Side, Usd
from liqheat_shared.contracts.clusters import TouchProbability


class Magnet(Contract):
    """A cluster seen as a target."""

    cluster_id: str
    side: Side
    near_price: Price
    peak_price: Price
    mass_usd: Usd
    distance_fraction: Finite
    score: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        description="ln(1 + mass / depth to the near edge) x probability of touch."
    )
    depth_to_near_edge_usd: Usd | None = Field(description="Resting orders on the way; null: unknown, volume is used.")
    touches: list[TouchProbability] = Field(min_length=1)


class LiquidationMagnets(Output):
    """The magnets of one scope, strongest first."""

    kind: Literal["magnets"] = "magnets"
    scope: Scope
    mark_price: Price
    magnets: list[Magnet] = Field(max_length=20)
    bias: Annotated[float, Field(ge=-1, le=1)] = Field(description="(up - down) / (up + down) of the scores.")
