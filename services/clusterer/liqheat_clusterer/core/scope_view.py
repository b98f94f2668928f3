"""One scope of one grid as the lifecycle sees it, and the values that go out about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from liqheat_clusterer.core.base_rates import BaseRates
from liqheat_clusterer.core.decoded_grid import DecodedGrid, DecodedScope
from liqheat_clusterer.core.time_averages import RELIABLE
from liqheat_clusterer.core.touch_probability import touch_probability
from liqheat_clusterer.core.tracked_cluster import TrackedCluster, price_of
from liqheat_clusterer.core.zones import BIN_WIDTH, Side, ZoneSearch
from liqheat_shared.contracts.topics import LIQUIDATION_CLUSTERS
from liqheat_shared.folding import Emission

#: After a value is refreshed at the latest every minute, another half is left for a slow reader.
VALID_BEYOND_REFRESH_MS = 30_000


class ScopeView:
    """Prices, volatility and outputs of one scope at one grid. Lives for one call of the fold.

    Attributes
    ----------
    approach_log_distance : float or None
        One sigma of the hour; where sigma is unknown, one average true range; None without either.
    approach_unit : str
        Which of the two.
    emissions : list of Emission
        Outputs of this scope so far.
    """

    __slots__ = (
        "approach_log_distance",
        "approach_unit",
        "coin",
        "emissions",
        "grid",
        "log_mark",
        "map",
        "parameters",
        "rates",
        "scope",
        "search",
    )

    def __init__(
        self,
        coin: str,
        scope: str,
        grid: DecodedGrid,
        scope_map: DecodedScope,
        rates: BaseRates,
        search: ZoneSearch,
    ) -> None:
        self.coin = coin
        self.scope = scope
        self.grid = grid
        self.map = scope_map
        self.rates = rates
        self.search = search
        self.parameters = parameters = search.parameters
        self.log_mark = math.log(self.map.mark_price)
        self.emissions: list[Emission] = []
        self.approach_log_distance: float | None = None
        self.approach_unit = "sigma of the hour"
        if grid.sigma_1h is not None:
            self.approach_log_distance = parameters.approach_distances * grid.sigma_1h
        elif grid.average_true_range_1h is not None:
            self.approach_log_distance = (
                parameters.approach_distances * grid.average_true_range_1h / self.map.mark_price
            )
            self.approach_unit = "average true range of the hour"

    @property
    def time_ms(self) -> int:
        """Event time of the grid."""
        return self.grid.event_time_ms

    @property
    def mark_bin(self) -> int:
        """Absolute bin of the mark."""
        return math.floor(self.log_mark / BIN_WIDTH)

    def band_mass_usd(self, side: Side, lower_bin: int, upper_bin: int) -> float:
        """Mass of a side in a band now, USD."""
        masses = self.map.long_usd if side == "long" else self.map.short_usd
        first = self.map.first_bin
        return float(sum(masses[max(lower_bin - first, 0) : max(upper_bin + 1 - first, 0)]))

    # ---- values

    def envelope(self) -> dict[str, Any]:
        """Fields that every output begins with."""
        return {
            "schema_version": 1,
            "coin": self.coin,
            "phase": self.grid.phase,
            "event_time_ms": self.time_ms,
            "valid_until_ms": self.time_ms + self.parameters.refresh_ms + VALID_BEYOND_REFRESH_MS,
            "scope": self.scope,
            "mark_price": self.map.mark_price,
        }

    def event(self, kind: str, cluster: TrackedCluster, **fields: Any) -> None:
        """Put an event of a cluster's life out."""
        value: Mapping[str, Any] = {**self.envelope(), "cluster": self.cluster_value(cluster), **fields}
        self.emissions.append(Emission(LIQUIDATION_CLUSTERS, kind, value))

    def touches(self, log_distance: float, direction: int) -> list[dict[str, Any]]:
        """Probability of touch for each horizon with its base rate; none while volatility is unknown."""
        sigma_1h = self.grid.sigma_1h
        if sigma_1h is None:
            return []
        values = []
        for place, horizon_ms in enumerate(self.parameters.horizons_ms):
            base_rate, samples = self.rates.rate(
                place, direction, log_distance, sigma_1h, self.parameters.base_rate_samples_minimum
            )
            values.append(
                {
                    "horizon_ms": horizon_ms,
                    "probability": round(touch_probability(log_distance, direction, sigma_1h, horizon_ms), 6),
                    "base_rate": None if base_rate is None else round(base_rate, 6),
                    "base_rate_samples": samples,
                }
            )
        return values

    def cluster_value(self, cluster: TrackedCluster) -> dict[str, Any]:
        """A cluster as the contract has it."""
        mark = self.map.mark_price
        grid = self.grid
        near_price = price_of(cluster.near_log)
        open_interest_usd = self.map.open_interest_usd
        true_range = grid.average_true_range_1h
        sigma_1h = grid.sigma_1h
        return {
            "cluster_id": cluster.cluster_id,
            "parents": list(cluster.parents),
            "side": cluster.side,
            "lower_price": price_of(cluster.lower_bin * BIN_WIDTH),
            "upper_price": price_of((cluster.upper_bin + 1) * BIN_WIDTH),
            "peak_price": price_of((cluster.peak_bin + 0.5) * BIN_WIDTH),
            "lower_bin": cluster.lower_bin,
            "upper_bin": cluster.upper_bin,
            "mass_usd": cluster.mass_usd,
            "peak_mass_usd": cluster.peak_mass_usd,
            "open_interest_share": cluster.mass_usd / open_interest_usd if open_interest_usd >= 1.0 else 0.0,
            "formed_time_ms": cluster.first_seen_ms if cluster.formed_time_ms is None else cluster.formed_time_ms,
            "timeframe": cluster.timeframe,
            "reliable": cluster.timeframe in RELIABLE,
            "distance_fraction": (near_price - mark) / mark,
            "distance_atr": None if true_range is None else (near_price - mark) / true_range,
            "distance_sigma": None if sigma_1h is None else (cluster.near_log - self.log_mark) / sigma_1h,
            "consumed_fraction": round(cluster.consumed_fraction, 6),
            "touched_time_ms": cluster.touched_time_ms,
            "touches": self.touches(cluster.log_distance(self.log_mark), cluster.direction),
        }
