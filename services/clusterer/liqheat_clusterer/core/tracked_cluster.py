"""What is remembered about one cluster, from the first sight of its zone to the reaction after its sweep."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from liqheat_clusterer.core.zones import BIN_WIDTH, Floats, Side, Zone


@dataclass(slots=True)
class TrackedCluster:
    """A zone that keeps its identity. A candidate until ``formed_time_ms`` is set.

    Attributes
    ----------
    density, density_first_bin : ndarray of float64, int
        What stood out in the band when it was last seen: what the next search is compared with.
    direction : int
        +1: the mark must rise to reach it (shorts), -1: fall (longs).
    near_log, far_log : float
        Log price of the edge that the mark reaches first, and of the one behind which all of it is swept.
    reported_mass_usd : float
        Mass in the last formed, grown or shrunk event.
    absent_since_ms : int or None
        First search that did not see it.
    absorbed_by : str or None
        Cluster that owns the zone in its place.
    approached, visiting : bool
        The mark is near; the mark has touched and not gone away again. A visit freezes the band.
    touch_base_usd, swept_usd, band_mass_usd : float
        Mass at touch (with what earlier visits swept), mass swept, mass in the band at the last grid.
    consumed_step : int
        Highest step of 25 % that was reported.
    swept_time_ms, extreme_log, reaction_log_distance
        Of the sweep, until the reaction is known.
    """

    cluster_id: str
    side: Side
    first_seen_ms: int
    lower_bin: int
    upper_bin: int
    peak_bin: int
    mass_usd: float
    peak_mass_usd: float
    density: Floats
    density_first_bin: int
    density_sum: float
    direction: int
    near_log: float
    far_log: float
    reported_mass_usd: float = 0.0
    parents: list[str] = field(default_factory=list)
    parent_mass_usd: float | None = None
    formed_time_ms: int | None = None
    absent_since_ms: int | None = None
    absorbed_by: str | None = None
    timeframe: str = "5m"
    approached: bool = False
    visiting: bool = False
    touched_time_ms: int | None = None
    touch_base_usd: float = 0.0
    swept_usd: float = 0.0
    band_mass_usd: float = 0.0
    consumed_step: int = 0
    swept_time_ms: int | None = None
    extreme_log: float | None = None
    reaction_log_distance: float | None = None

    @classmethod
    def seen(cls, cluster_id: str, side: Side, zone: Zone, time_ms: int) -> TrackedCluster:
        """A candidate from a zone that belongs to nobody."""
        near_log, far_log = _edges(side, zone)
        return cls(
            cluster_id=cluster_id,
            side=side,
            first_seen_ms=time_ms,
            lower_bin=zone.lower_bin,
            upper_bin=zone.upper_bin,
            peak_bin=zone.peak_bin,
            mass_usd=zone.mass_usd,
            peak_mass_usd=zone.mass_usd,
            density=zone.density,
            density_first_bin=zone.lower_bin,
            density_sum=zone.density_sum,
            direction=1 if side == "short" else -1,
            near_log=near_log,
            far_log=far_log,
        )

    def follow(self, zone: Zone) -> None:
        """Take over what a search saw. During a visit the band stays as it was at the touch."""
        self.density = zone.density
        self.density_first_bin = zone.lower_bin
        self.density_sum = zone.density_sum
        self.absent_since_ms = None
        self.absorbed_by = None
        if self.visiting:
            return
        self.lower_bin, self.upper_bin, self.peak_bin = zone.lower_bin, zone.upper_bin, zone.peak_bin
        self.near_log, self.far_log = _edges(self.side, zone)
        self.mass_usd = zone.mass_usd
        self.peak_mass_usd = max(self.peak_mass_usd, zone.mass_usd)

    @property
    def width_log(self) -> float:
        """Width of the band in log price."""
        return (self.upper_bin + 1 - self.lower_bin) * BIN_WIDTH

    @property
    def consumed_fraction(self) -> float:
        """Swept mass over mass at touch, 0 before the first touch."""
        return min(self.swept_usd / self.touch_base_usd, 1.0) if self.touch_base_usd > 0 else 0.0

    def log_distance(self, log_mark: float) -> float:
        """Way to the near edge in the cluster's direction; at or below 0: reached."""
        return (self.near_log - log_mark) * self.direction

    def past_far_edge(self, log_mark: float) -> float:
        """Way of the mark beyond the far edge; above 0: all of the band lies behind it."""
        return (log_mark - self.far_log) * self.direction

    def shared_mass(self, zone: Zone) -> float:
        """Integral of the smaller of both densities, USD."""
        first = max(self.density_first_bin, zone.lower_bin)
        end = min(self.density_first_bin + len(self.density), zone.upper_bin + 1)
        if first >= end:
            return 0.0
        mine = self.density[first - self.density_first_bin : end - self.density_first_bin]
        theirs = zone.density[first - zone.lower_bin : end - zone.lower_bin]
        return float(np.minimum(mine, theirs).sum())


def _edges(side: Side, zone: Zone) -> tuple[float, float]:
    """Log price of the near and of the far edge."""
    lower, upper = zone.lower_bin * BIN_WIDTH, (zone.upper_bin + 1) * BIN_WIDTH
    return (lower, upper) if side == "short" else (upper, lower)


def price_of(log_price: float) -> float:
    """Price of a log price.

    >>> price_of(0.0)
    1.0
    """
    return math.exp(log_price)
