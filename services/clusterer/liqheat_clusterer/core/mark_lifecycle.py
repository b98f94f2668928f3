"""What the mark does to clusters, on every grid: approached, touched, consumed, swept, and the reaction after."""

from __future__ import annotations

from operator import methodcaller

from liqheat_clusterer.core.scope_view import ScopeView
from liqheat_clusterer.core.tracked_cluster import TrackedCluster, price_of
from liqheat_clusterer.core.zones import Side

#: Consumption is reported in quarters.
STEPS = 4


def follow_mark(
    clusters: list[TrackedCluster], consumed_usd: dict[Side, float], view: ScopeView
) -> list[TrackedCluster]:
    """Move formed clusters along their life and put the events out.

    Parameters
    ----------
    consumed_usd : dict
        What the mark swept on each side since the last grid, USD. It is given to the clusters that the mark is in,
        the one reached first before the others.

    Returns
    -------
    list of TrackedCluster
        Those that were swept; the caller takes them out of the living.
    """
    log_mark, threshold = view.log_mark, view.approach_log_distance
    visited: list[TrackedCluster] | None = None
    for cluster in clusters:
        if cluster.formed_time_ms is None:
            continue
        distance = (cluster.near_log - log_mark) * cluster.direction
        if cluster.visiting or distance <= 0.0:
            visited = [cluster] if visited is None else [*visited, cluster]
        elif threshold is not None:
            if distance > threshold:
                if cluster.approached and distance > 2.0 * threshold:
                    cluster.approached = False
            elif not cluster.approached:
                cluster.approached = True
                view.event("approached", cluster, reason=f"within 1 {view.approach_unit}")
    if visited is None:
        return []
    visited.sort(key=methodcaller("log_distance", log_mark))
    return [cluster for cluster in visited if _visit(cluster, consumed_usd, view)]


def _visit(cluster: TrackedCluster, consumed_usd: dict[Side, float], view: ScopeView) -> bool:
    """One grid of a cluster that the mark has touched; whether it is swept."""
    if not cluster.visiting:
        _touch(cluster, view)
    band_mass_usd = view.band_mass_usd(cluster.side, cluster.lower_bin, cluster.upper_bin)
    # what left the band was swept as far as the side's consumption covers it; the rest was closed
    swept_usd = min(max(cluster.band_mass_usd - band_mass_usd, 0.0), consumed_usd[cluster.side])
    consumed_usd[cluster.side] -= swept_usd
    cluster.swept_usd += swept_usd
    cluster.band_mass_usd = cluster.mass_usd = band_mass_usd
    fraction = cluster.consumed_fraction
    step = min(int(fraction * STEPS), STEPS - 1)
    if step > cluster.consumed_step:
        cluster.consumed_step = step
        view.event("consumed", cluster, reason=f"{100 * step // STEPS} %")
    if cluster.past_far_edge(view.log_mark) > 0.0:
        _sweep(cluster, view, "mark beyond the far edge")
        return True
    if fraction >= view.parameters.swept_share:
        _sweep(cluster, view, f"{100 * view.parameters.swept_share:.0f} % consumed")
        return True
    if cluster.log_distance(view.log_mark) > (view.approach_log_distance or cluster.width_log):
        cluster.visiting = False
    return False


def _touch(cluster: TrackedCluster, view: ScopeView) -> None:
    now_usd = view.band_mass_usd(cluster.side, cluster.lower_bin, cluster.upper_bin)
    # the grid that shows the touch may already miss what was swept within its second
    before_usd = max(cluster.mass_usd, now_usd)
    cluster.visiting = cluster.approached = True
    cluster.touched_time_ms = view.time_ms
    cluster.touch_base_usd = cluster.swept_usd + before_usd
    cluster.band_mass_usd = cluster.mass_usd = before_usd
    view.event("touched", cluster)


def _sweep(cluster: TrackedCluster, view: ScopeView, reason: str) -> None:
    true_range, sigma_1h = view.grid.average_true_range_1h, view.grid.sigma_1h
    if true_range is not None:
        cluster.reaction_log_distance = true_range / view.map.mark_price
    else:
        cluster.reaction_log_distance = cluster.width_log if sigma_1h is None else sigma_1h
    cluster.swept_time_ms = view.time_ms
    cluster.extreme_log = view.log_mark
    cluster.visiting = False
    view.event("swept", cluster, reason=reason)


def follow_reactions(reacting: list[TrackedCluster], view: ScopeView) -> list[TrackedCluster]:
    """Report the reactions that are known now; returns the swept clusters whose reaction still is not.

    ``rejected``: the mark is back before the near edge by one average true range of the hour at the sweep (where it
    is unknown one sigma, else the width of the band), or simply before the near edge when 30 minutes have passed.
    ``broke-through``: the same beyond the far edge. ``undecided``: between the edges after 30 minutes, or not seen
    for more than an hour.
    """
    waiting = []
    for cluster in reacting:
        outcome = _outcome(cluster, view)
        if outcome is None:
            waiting.append(cluster)
        else:
            report_reaction(cluster, outcome, view)
    return waiting


def _outcome(cluster: TrackedCluster, view: ScopeView) -> str | None:
    assert cluster.swept_time_ms is not None
    assert cluster.extreme_log is not None
    assert cluster.reaction_log_distance is not None
    after_ms = view.time_ms - cluster.swept_time_ms
    if after_ms <= 0:
        return None
    if (view.log_mark - cluster.extreme_log) * cluster.direction > 0:
        cluster.extreme_log = view.log_mark
    beyond, before = cluster.past_far_edge(view.log_mark), cluster.log_distance(view.log_mark)
    limit_ms = view.parameters.reaction_after_ms
    if after_ms > 2 * limit_ms:
        return "undecided"
    needed = cluster.reaction_log_distance if after_ms < limit_ms else 0.0
    if beyond > needed:
        return "broke-through"
    if before > needed:
        return "rejected"
    return "undecided" if after_ms >= limit_ms else None


def report_reaction(cluster: TrackedCluster, outcome: str, view: ScopeView) -> None:
    """Put the last event of a swept cluster out."""
    assert cluster.swept_time_ms is not None
    assert cluster.extreme_log is not None
    reaction = {
        "outcome": outcome,
        "extreme_price": price_of(cluster.extreme_log),
        "after_ms": max(view.time_ms - cluster.swept_time_ms, 1),
    }
    view.event("reaction", cluster, reaction=reaction)
