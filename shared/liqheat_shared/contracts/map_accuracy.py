"""``map-accuracy-v1``: the record of the map, hour by hour, beside its baselines."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Finite, Output, Price, Scope, Share, Side, TimeMs, Usd

#: ``map`` is ours. The others know less: ``uniform`` only how far price went, ``distance-kernel`` also that near levels
#: hold more, ``unswept`` also where price has been lately, ``vendor-like`` is a map of fixed leverages without exits,
#: ``mirrored-map`` is our own map of the OTHER side, so it knows everything but where this side's positions are.
Method = Literal["map", "uniform", "distance-kernel", "unswept", "vendor-like", "mirrored-map"]


class Forecast(Contract):
    """USD that a method expected in the band that price then reached."""

    method: Method
    forecast_usd: Usd


class SideRecord(Contract):
    """One side over one horizon."""

    side: Side
    observed_usd: Usd = Field(description="As venues reported it.")
    estimated_liquidated_usd: Usd | None = Field(
        default=None, description="observed_usd and what throttled feeds are estimated to have left out."
    )
    forecasts: list[Forecast] = Field(min_length=1)


class RunningScore(Contract):
    """How well a method did so far on this coin and horizon; older hours count less (half-life 30 days)."""

    method: Method
    r_squared: Finite | None = Field(
        description="Of log10(observed + 1000 USD) on log10(forecast + 10,000 USD), by least squares; null: too early."
    )
    observed_over_forecast: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        description="Sum of what came true over sum of what was expected; 1 is calibrated."
    )


class CalibrationBucket(Contract):
    """Hours whose forecast lay between two bounds: what was expected and what came true, summed."""

    from_usd: Usd
    to_usd: Usd | None = Field(description="null: no upper bound.")
    records: int = Field(ge=0)
    forecast_usd: Usd
    observed_usd: Usd


class MapAccuracy(Output):
    """A forecast frozen at ``frozen_time_ms`` and what came true by the end of the horizon."""

    kind: Literal["accuracy"] = "accuracy"
    scope: Scope
    frozen_time_ms: TimeMs
    horizon_ms: Annotated[int, Field(gt=0)]
    lowest_price: Price
    highest_price: Price
    sides: list[SideRecord]
    gain_over_best_baseline: Finite | None = Field(
        default=None, description="R² of the map less the best baseline's, running; null: too early to say."
    )
    model_version: str
    complete: bool = Field(default=True, description="False: prices or liquidations were interrupted; not scored.")
    reporting_venues: list[str] = Field(
        default=[], description="Venues whose liquidations count in observed_usd. Most report only a part of them."
    )
    scored_records: int = Field(default=0, ge=0, description="Records of both sides that the running scores rest on.")
    running: list[RunningScore] = Field(default=[])
    gain_low: Finite | None = Field(default=None, description="95 % interval of the gain, bootstrap over days.")
    gain_high: Finite | None = None
    calibration: list[CalibrationBucket] = Field(default=[], description="By size of the forecast, smallest first.")
    alarm: bool = Field(
        default=False, description="The map no longer beats its best baseline: the interval is below 0."
    )
    reported_share: Share | None = Field(
        default=None,
        description="Part of the map within 5 % of the mark that was expected to be reported, when frozen.",
    )
