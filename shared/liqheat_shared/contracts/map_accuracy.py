"""``map-accuracy-v1``: the record of the map, hour by hour, beside its baselines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Finite, Output, Price, Scope, Side, TimeMs, Usd


class Forecast(Contract):
    """USD that a method expected in the band that price then reached."""

    method: Literal["map", "uniform", "distance-kernel", "unswept", "vendor-like", "mirrored-map"]
    forecast_usd: Usd


class SideRecord(Contract):
    """One side over one horizon."""

    side: Side
    observed_usd: Usd
    forecasts: list[Forecast] = Field(min_length=1)


class MapAccuracy(Output):
    """A forecast frozen at ``frozen_time_ms`` and what came true by the end of the horizon."""

    kind: Literal["accuracy"] = "accuracy"
    scope: Scope
    frozen_time_ms: TimeMs
    horizon_ms: Annotated[int, Field(gt=0)]
    lowest_price: Price
    highest_price: Price
    sides: list[SideRecord]
    gain_over_best_baseline: Finite | None = None
    model_version: str
