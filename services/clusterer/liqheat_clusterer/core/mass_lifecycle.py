"""What the map does to clusters, at every search: formed, split, grown, shrunk, merged, expired."""

from __future__ import annotations

from collections.abc import Callable

from liqheat_clusterer.core.identity import match
from liqheat_clusterer.core.scope_view import ScopeView
from liqheat_clusterer.core.time_averages import SIDES, TimeAverages
from liqheat_clusterer.core.tracked_cluster import TrackedCluster
from liqheat_clusterer.core.zones import Side, Zone

Mint = Callable[[Side], str]


def follow_map(
    clusters: list[TrackedCluster],
    zones: dict[Side, list[Zone]],
    birth_mass_usd: float,
    averages: TimeAverages,
    mint: Mint,
    view: ScopeView,
) -> list[TrackedCluster]:
    """Give zones to clusters, put the events out and return who lives now, candidates included.

    Parameters
    ----------
    birth_mass_usd : float
        A zone of which less stands out makes no candidate. A formed cluster is followed below it.
    mint : callable
        New identity for a side.
    """
    living: list[TrackedCluster] = []
    newborn: list[TrackedCluster] = []
    for side in SIDES:
        mine = [cluster for cluster in clusters if cluster.side == side]
        kept, fresh = _assign_side(mine, zones[side], side, birth_mass_usd, mint, view)
        living += kept
        newborn += fresh
    survivors = []
    by_id = {cluster.cluster_id: cluster for cluster in living}
    for cluster in living:
        if cluster.formed_time_ms is None:
            _form(cluster, averages, view)
            survivors.append(cluster)
        elif not _end(cluster, by_id, view):
            _report_change(cluster, view)
            survivors.append(cluster)
    room = view.parameters.maximum_clusters - len(survivors)
    newborn.sort(key=lambda cluster: -cluster.density_sum)
    return survivors + newborn[: max(room, 0)]


def _assign_side(
    clusters: list[TrackedCluster],
    zones: list[Zone],
    side: Side,
    birth_mass_usd: float,
    mint: Mint,
    view: ScopeView,
) -> tuple[list[TrackedCluster], list[TrackedCluster]]:
    matching = match(clusters, zones, birth_mass_usd, view.parameters.overlap_minimum)
    owner_of = {number: place for place, number in matching.zone_of.items()}
    mass_before = [cluster.mass_usd for cluster in clusters]
    kept = []
    for place, cluster in enumerate(clusters):
        number = matching.zone_of.get(place)
        if number is not None:
            cluster.follow(zones[number])
            kept.append(cluster)
        elif cluster.formed_time_ms is not None:  # a candidate must be seen without a break
            if cluster.absent_since_ms is None:
                cluster.absent_since_ms = view.time_ms
            absorber = matching.absorber_of.get(place)
            cluster.absorbed_by = None if absorber is None else clusters[owner_of[absorber]].cluster_id
            kept.append(cluster)
    fresh = []
    for number, zone in enumerate(zones):
        if number in owner_of or zone.density_sum < birth_mass_usd:
            continue
        cluster = TrackedCluster.seen(mint(side), side, zone, view.time_ms)
        parent = matching.parent_of.get(number)
        if parent is not None:
            cluster.parents = [clusters[parent].cluster_id]
            cluster.parent_mass_usd = mass_before[parent]
        fresh.append(cluster)
    return kept, fresh


def _form(cluster: TrackedCluster, averages: TimeAverages, view: ScopeView) -> None:
    if view.time_ms - cluster.first_seen_ms < view.parameters.formed_after_ms:
        return
    cluster.formed_time_ms = view.time_ms
    cluster.reported_mass_usd = cluster.mass_usd
    set_timeframe(cluster, averages, view)
    view.event("formed", cluster)
    if cluster.parents:
        view.event(
            "split", cluster, previous_mass_usd=cluster.parent_mass_usd, reason=f"split from {cluster.parents[0]}"
        )
        cluster.parent_mass_usd = None


def set_timeframe(cluster: TrackedCluster, averages: TimeAverages, view: ScopeView) -> None:
    """Look up how long the map has shown the cluster."""
    cluster.timeframe = averages.longest_shown(
        cluster.side, cluster.lower_bin, cluster.upper_bin, cluster.density_sum, view.parameters
    )


def _end(cluster: TrackedCluster, by_id: dict[str, TrackedCluster], view: ScopeView) -> bool:
    """Put the event of the end out, if this is it. While the mark visits, consumption explains a loss of mass."""
    assert cluster.formed_time_ms is not None
    parameters = view.parameters
    if view.time_ms - cluster.formed_time_ms >= parameters.maximum_age_ms:
        view.event("expired", cluster, reason="older than 7 days")
        return True
    if cluster.visiting:
        if cluster.mass_usd + cluster.swept_usd >= parameters.expired_mass_share * cluster.peak_mass_usd:
            return False
        view.event("expired", cluster, reason="mass below 30 % of its peak")
        return True
    if cluster.absent_since_ms is None:
        if cluster.mass_usd >= parameters.expired_mass_share * cluster.peak_mass_usd:
            return False
        view.event("expired", cluster, reason="mass below 30 % of its peak")
        return True
    if view.time_ms - cluster.absent_since_ms <= parameters.absence_tolerated_ms:
        return False
    absorber = by_id.get(cluster.absorbed_by or "")
    if absorber is not None and absorber.formed_time_ms is not None and absorber.absent_since_ms is None:
        absorber.parents = [*absorber.parents, cluster.cluster_id][-parameters.maximum_parents :]
        view.event("merged", cluster, merged_into=absorber.cluster_id)
    else:
        view.event("expired", cluster, reason="not seen for 60 s")
    return True


def _report_change(cluster: TrackedCluster, view: ScopeView) -> None:
    if cluster.visiting or cluster.absent_since_ms is not None:
        return
    before, share = cluster.reported_mass_usd, view.parameters.change_share
    if cluster.mass_usd >= before * (1.0 + share):
        kind = "grown"
    elif cluster.mass_usd <= before * (1.0 - share):
        kind = "shrunk"
    else:
        return
    cluster.reported_mass_usd = cluster.mass_usd
    view.event(kind, cluster, previous_mass_usd=before)
