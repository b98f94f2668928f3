"""Clusters as targets: how much pulls, how likely it is reached."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from liqheat_clusterer.core.parameters import HOUR_MS
from liqheat_clusterer.core.scope_view import ScopeView
from liqheat_clusterer.core.touch_probability import touch_probability
from liqheat_clusterer.core.tracked_cluster import TrackedCluster, price_of
from liqheat_clusterer.core.zones import BIN_WIDTH


class ScoredCluster(NamedTuple):
    """A cluster and its score."""

    score: float
    cluster: TrackedCluster


class HourlyVolume:
    """USD traded an hour: an exponential average with a memory of one hour.

    Attributes
    ----------
    decayed_usd : float
        Sum of the volume, each interval weighted by exp(-age / 1 h).
    observed_ms : int
        Time that went into it.
    """

    __slots__ = ("decayed_usd", "last_time_ms", "observed_ms")

    def __init__(self) -> None:
        self.decayed_usd = 0.0
        self.observed_ms = 0
        self.last_time_ms: int | None = None

    def add(self, time_ms: int, cadence_ms: int, volume_usd: float) -> None:
        """Take the volume of a grid's interval."""
        step_ms = cadence_ms if self.last_time_ms is None else time_ms - self.last_time_ms
        self.last_time_ms = time_ms
        self.observed_ms = min(self.observed_ms + step_ms, 100 * HOUR_MS)
        self.decayed_usd = self.decayed_usd * math.exp(-step_ms / HOUR_MS) + volume_usd

    def usd_an_hour(self) -> float | None:
        """None before the first trade."""
        if self.decayed_usd <= 0.0 or self.observed_ms <= 0:
            return None
        return self.decayed_usd / -math.expm1(-self.observed_ms / HOUR_MS)


def score_magnets(
    clusters: list[TrackedCluster], volume_usd_an_hour: float | None, view: ScopeView
) -> list[ScoredCluster] | None:
    """Score every cluster that the mark has still to reach, strongest first.

    ``score = ln(1 + mass / depth) * P_touch(4 h)``. Grids carry no order book, so depth is a proxy: what is usually
    traded while price goes that far, ``volume of an hour * distance / sigma of the hour``, at least that of one bin.

    Returns
    -------
    list of ScoredCluster or None
        None while volatility or volume is unknown.
    """
    sigma_1h = view.grid.sigma_1h
    if sigma_1h is None or volume_usd_an_hour is None:
        return None
    horizon_ms = view.parameters.magnet_horizon_ms
    scored = []
    for cluster in clusters:
        if cluster.formed_time_ms is None or cluster.absorbed_by is not None:
            continue
        distance = cluster.log_distance(view.log_mark)
        if distance <= 0.0:
            continue
        depth_usd = volume_usd_an_hour * max(distance, BIN_WIDTH) / sigma_1h
        pull = math.log1p(cluster.mass_usd / depth_usd)
        probability = touch_probability(distance, cluster.direction, sigma_1h, horizon_ms)
        # rounded, so that levels out of reach count as nothing and do not make up a bias
        scored.append(ScoredCluster(round(pull * probability, 6), cluster))
    scored.sort(key=lambda entry: (-entry.score, entry.cluster.log_distance(view.log_mark), entry.cluster.cluster_id))
    return scored


def bias_of(scored: list[ScoredCluster]) -> float:
    """(up - down) / (up + down) of the scores, 0 without any."""
    up = sum(score for score, cluster in scored if cluster.direction > 0)
    down = sum(score for score, cluster in scored if cluster.direction < 0)
    return (up - down) / (up + down) if up + down > 0.0 else 0.0


def magnets_value(scored: list[ScoredCluster], bias: float, view: ScopeView) -> dict[str, Any]:
    """The message: the strongest magnets; the bias is that of all."""
    magnets = []
    for score, cluster in scored[: view.parameters.maximum_magnets]:
        near_price = price_of(cluster.near_log)
        magnets.append(
            {
                "cluster_id": cluster.cluster_id,
                "side": cluster.side,
                "near_price": near_price,
                "peak_price": price_of((cluster.peak_bin + 0.5) * BIN_WIDTH),
                "mass_usd": cluster.mass_usd,
                "distance_fraction": (near_price - view.map.mark_price) / view.map.mark_price,
                "score": score,
                "depth_to_near_edge_usd": None,
                "touches": view.touches(cluster.log_distance(view.log_mark), cluster.direction),
            }
        )
    return {**view.envelope(), "magnets": magnets, "bias": bias}
