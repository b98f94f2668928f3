"""The clusters of one scope: what is remembered, and what one grid does to it."""

from __future__ import annotations

from typing import Any

from liqheat_clusterer.core.magnets import bias_of, magnets_value, score_magnets
from liqheat_clusterer.core.mark_lifecycle import follow_mark, follow_reactions, report_reaction
from liqheat_clusterer.core.mass_lifecycle import Mint, follow_map, set_timeframe
from liqheat_clusterer.core.mass_quantile import MassQuantile
from liqheat_clusterer.core.parameters import MINUTE_MS, Parameters
from liqheat_clusterer.core.scope_view import ScopeView
from liqheat_clusterer.core.time_averages import TimeAverages
from liqheat_clusterer.core.tracked_cluster import TrackedCluster
from liqheat_clusterer.core.zones import Side, smoothing_bins
from liqheat_shared.contracts.topics import CLUSTER_SETS, LIQUIDATION_MAGNETS
from liqheat_shared.folding import Emission


class ScopeClusters:
    """State of one scope.

    Attributes
    ----------
    clusters, reacting : list of TrackedCluster
        The living with the candidates, oldest first; the swept whose reaction is not known yet.
    consumed_usd : tuple of (float, float) or None
        Cumulative consumption of longs and shorts at the last grid; None: not known, the next grid sets it.
    quantile_floor_usd : float
        Of the masses of the last days, looked up once a minute.
    last_set, last_magnets : dict or None
        What was published last, to see what changed.
    """

    __slots__ = (
        "averages",
        "clusters",
        "consumed_usd",
        "last_bias",
        "last_grid_ms",
        "last_magnets",
        "last_magnets_ms",
        "last_set",
        "last_set_mark_bin",
        "last_set_ms",
        "masses",
        "next_detection_ms",
        "next_sample_ms",
        "quantile_floor_usd",
        "reacting",
    )

    def __init__(self, parameters: Parameters) -> None:
        self.clusters: list[TrackedCluster] = []
        self.reacting: list[TrackedCluster] = []
        self.averages = TimeAverages()
        self.masses = MassQuantile(parameters.mass_quantile_days)
        self.quantile_floor_usd = 0.0
        self.consumed_usd: tuple[float, float] | None = None
        self.next_detection_ms = 0
        self.next_sample_ms = 0
        self.last_grid_ms = 0
        self.last_set: dict[str, list[Any]] | None = None
        self.last_set_ms = 0
        self.last_set_mark_bin = 0
        self.last_magnets: dict[str, float] | None = None
        self.last_magnets_ms = 0
        self.last_bias = 0.0

    def follow(self, view: ScopeView, mint: Mint, volume_usd_an_hour: float | None, events_before: int) -> None:
        """Take one grid; outputs are left in the view.

        Parameters
        ----------
        events_before : int
            Cluster events of the coin up to here, see ``events_until_sequence`` of the contract.
        """
        self.last_grid_ms = view.time_ms
        if self.reacting:
            self.reacting = follow_reactions(self.reacting, view)
        swept = follow_mark(self.clusters, self._consumed_since(view), view)
        if swept:
            self.clusters = [cluster for cluster in self.clusters if cluster.swept_time_ms is None]
            self.reacting += swept
            self._bound_reacting(view)
        detecting = view.time_ms >= self.next_detection_ms
        if detecting:
            self._detect(view, mint)
        events = len(view.emissions)
        if events or (detecting and self._set_changed(view)):
            self._publish_set(view, events_before + events)
        if detecting:
            self._publish_magnets(view, volume_usd_an_hour)

    def pause(self) -> None:
        """Grids were not seen or could not be used: what needs an unbroken run starts again."""
        self.consumed_usd = None
        self.clusters = [cluster for cluster in self.clusters if cluster.formed_time_ms is not None]

    def end(self, view: ScopeView, reason: str, events_before: int) -> None:
        """Expire every cluster and forget the scope's past."""
        for cluster in self.clusters:
            if cluster.formed_time_ms is not None:
                view.event("expired", cluster, reason=reason)
        for cluster in self.reacting:
            report_reaction(cluster, "undecided", view)
        self.clusters, self.reacting = [], []
        self.consumed_usd = None
        if view.emissions:
            self._publish_set(view, events_before + len(view.emissions))

    # ---- steps

    def _consumed_since(self, view: ScopeView) -> dict[Side, float]:
        now = (view.map.consumed_long_usd, view.map.consumed_short_usd)
        before = now if self.consumed_usd is None else self.consumed_usd
        self.consumed_usd = now
        return {"long": max(now[0] - before[0], 0.0), "short": max(now[1] - before[1], 0.0)}

    def _bound_reacting(self, view: ScopeView) -> None:
        surplus = len(self.reacting) - view.parameters.maximum_clusters
        for cluster in self.reacting[: max(surplus, 0)]:
            report_reaction(cluster, "undecided", view)
        self.reacting = self.reacting[max(surplus, 0) :]

    def _detect(self, view: ScopeView, mint: Mint) -> None:
        parameters, scope_map = view.parameters, view.map
        interval_ms = parameters.detection_interval_ms
        self.next_detection_ms = (view.time_ms // interval_ms + 1) * interval_ms
        width_bins = smoothing_bins(view.grid.sigma_1h, parameters)
        sampling = view.time_ms >= self.next_sample_ms
        if sampling:
            self.next_sample_ms = (view.time_ms // MINUTE_MS + 1) * MINUTE_MS
            self.averages.sample(
                view.time_ms,
                scope_map.first_bin,
                scope_map.long_usd,
                scope_map.short_usd,
                view.mark_bin,
                width_bins,
            )
            self.quantile_floor_usd = self.masses.floor_usd(view.time_ms, parameters)
        zones = view.search.find(scope_map, view.mark_bin, width_bins)
        self.masses.add([zone.density_sum for side in zones.values() for zone in side], view.time_ms)
        floor_usd = parameters.open_interest_share_minimum * scope_map.open_interest_usd
        birth_mass_usd = max(floor_usd, self.quantile_floor_usd, 1.0)
        self.clusters = follow_map(self.clusters, zones, birth_mass_usd, self.averages, mint, view)
        if sampling:
            for cluster in self.clusters:
                if cluster.formed_time_ms is not None and not cluster.visiting:
                    set_timeframe(cluster, self.averages, view)

    # ---- outputs

    def _formed(self) -> list[TrackedCluster]:
        return [cluster for cluster in self.clusters if cluster.formed_time_ms is not None]

    def _set_changed(self, view: ScopeView) -> bool:
        """Whether a reader of the last set would be told something by a new one."""
        last = self.last_set
        if last is None or view.time_ms - self.last_set_ms >= view.parameters.refresh_ms:
            return True
        formed = self._formed()
        if len(formed) != len(last) or self._mark_moved(view):
            return True
        share = view.parameters.set_mass_change_share
        for cluster in formed:
            known = last.get(cluster.cluster_id)
            if known is None or known[1:] != _shape(cluster):
                return True
            if abs(cluster.mass_usd - known[0]) > share * known[0]:
                return True
        return False

    def _mark_moved(self, view: ScopeView) -> bool:
        return abs(view.mark_bin - self.last_set_mark_bin) >= view.parameters.set_mark_move_bins

    def _publish_set(self, view: ScopeView, events_until_sequence: int) -> None:
        formed = self._formed()
        self.last_set = {cluster.cluster_id: [cluster.mass_usd, *_shape(cluster)] for cluster in formed}
        self.last_set_ms, self.last_set_mark_bin = view.time_ms, view.mark_bin
        formed.sort(key=lambda cluster: (abs(cluster.near_log - view.log_mark), cluster.cluster_id))
        value = {
            **view.envelope(),
            "clusters": [view.cluster_value(cluster) for cluster in formed],
            "events_until_sequence": events_until_sequence,
        }
        view.emissions.append(Emission(CLUSTER_SETS, "set", value, key=f"{view.coin}|{view.scope}"))

    def _publish_magnets(self, view: ScopeView, volume_usd_an_hour: float | None) -> None:
        scored = score_magnets(self.clusters, volume_usd_an_hour, view)
        if scored is None:
            return
        bias = bias_of(scored)
        shown = {cluster.cluster_id: score for score, cluster in scored[: view.parameters.maximum_magnets]}
        if not self._magnets_changed(shown, bias, view):
            return
        self.last_magnets, self.last_bias, self.last_magnets_ms = shown, bias, view.time_ms
        view.emissions.append(Emission(LIQUIDATION_MAGNETS, "magnets", magnets_value(scored, bias, view)))

    def _magnets_changed(self, shown: dict[str, float], bias: float, view: ScopeView) -> bool:
        last, share = self.last_magnets, view.parameters.magnet_change_share
        if last is None or view.time_ms - self.last_magnets_ms >= view.parameters.refresh_ms:
            return True
        if last.keys() != shown.keys() or abs(bias - self.last_bias) > share:
            return True
        # measured by the strongest: a level far away, reached once in a million, changes by half with every tick
        noticed = share * max(shown.values(), default=0.0)
        return any(abs(score - last[name]) > noticed for name, score in shown.items())


def _shape(cluster: TrackedCluster) -> list[Any]:
    return [cluster.lower_bin, cluster.upper_bin, cluster.timeframe, cluster.consumed_step, cluster.touched_time_ms]
