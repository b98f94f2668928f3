"""Parts that the topics about clusters share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Finite, Price, Share, Side, TimeMs, Usd
from liqheat_shared.contracts.heatmap_columns import Timeframe


class TouchProbability(Contract):
    """Chance that the mark reaches the near edge within the horizon, never without its base rate."""

    horizon_ms: Annotated[int, Field(gt=0)]
    probability: Share = Field(description="From the barrier formula with the volatility now.")
    base_rate: Share | None = Field(description="How often price really travelled this many sigmas; null: unknown.")
    base_rate_samples: Annotated[int, Field(ge=0)]


class Cluster(Contract):
    """A dense zone of estimated liquidations, with an identity that lasts while the zone does."""

    cluster_id: str = Field(min_length=1, max_length=100, examples=["BTC-aggregated-long-1-0-4711-0"])
    parents: list[str] = []
    side: Side
    lower_price: Price
    upper_price: Price
    peak_price: Price
    lower_bin: int
    upper_bin: int = Field(description="Inclusive.")
    mass_usd: Usd
    peak_mass_usd: Usd = Field(description="Largest mass it has had.")
    open_interest_share: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    formed_time_ms: TimeMs
    timeframe: Timeframe = Field(description="Longest of 5m 1h 4h 12h 1d whose averaged map still shows it.")
    reliable: bool = Field(description="The timeframe is 4h or longer; shorter ones are noise.")
    distance_fraction: Finite = Field(description="(near edge - mark) / mark; negative below.")
    distance_atr: Finite | None
    distance_sigma: Finite | None = Field(description="In standard deviations of the 1-hour return.")
    consumed_fraction: Share
    touched_time_ms: TimeMs | None = None
    touches: list[TouchProbability] = []
