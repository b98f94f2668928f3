"""The clusterer as a fold: grids in; cluster events, cluster sets and magnets out."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from liqheat_clusterer.core.coin_clusters import CoinClusters
from liqheat_clusterer.core.decoded_grid import MAXIMUM_SCOPES, DecodedGrid, DecodedScope, decode_grid
from liqheat_clusterer.core.magnets import HourlyVolume
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.core.persistence import dump_state, load_state
from liqheat_clusterer.core.scope_clusters import ScopeClusters
from liqheat_clusterer.core.scope_view import ScopeView
from liqheat_clusterer.core.zones import ZoneSearch
from liqheat_shared.contracts.dead_letters import Reason
from liqheat_shared.contracts.topics import LIQUIDATION_CLUSTERS
from liqheat_shared.folding import Emission, Fold, Origin, Rejected


class ClustererFold(Fold[CoinClusters, DecodedGrid]):
    """Follows dense zones of every scope of a coin.

    Parameters
    ----------
    parameters : Parameters, optional
        The same ones must be used for a state's whole life.

    Examples
    --------
    >>> fold = ClustererFold()
    >>> state = fold.new("BTC")
    >>> fold.dump(fold.load(fold.dump(state), "BTC")) == fold.dump(state)
    True
    """

    stage: ClassVar[Literal["estimator", "clusterer"]] = "clusterer"
    state_version: ClassVar[int] = 1

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()

    def decode(self, value: bytes, coin: str, append_time_ms: int) -> DecodedGrid:  # noqa: ARG002 - event time rules
        return decode_grid(value, coin)

    def new(self, coin: str) -> CoinClusters:
        return CoinClusters(coin, self.parameters)

    def load(self, body: bytes, coin: str) -> CoinClusters:
        return load_state(body, coin, self.parameters)

    def dump(self, state: CoinClusters) -> bytes:
        return dump_state(state)

    def origin(self, event: DecodedGrid) -> Origin | None:
        return event.origin

    def rejected(self, state: CoinClusters, reason: Reason) -> None:  # noqa: ARG002 - counted, whatever it was
        state.rejected_events += 1

    def history_lost(self, state: CoinClusters, first_offset: int, last_offset: int) -> None:
        state.restart_reason = f"grids at offsets {first_offset} to {last_offset} were lost"[:200]

    def releases_quarantine(self, event: DecodedGrid) -> bool:
        return event.releases_quarantine

    def quarantine_released(self, state: CoinClusters) -> None:
        state.pause()

    def fold(self, state: CoinClusters, event: DecodedGrid) -> list[Emission]:
        """Apply one grid.

        Raises
        ------
        Rejected
            ``out-of-order``: its event time lies before that of the last grid, in the same log epoch.
        """
        last_ms, last_origin = state.last_time_ms, state.last_origin
        if last_ms is not None and last_origin is not None and event.event_time_ms < last_ms:
            if event.origin.log_epoch <= last_origin.log_epoch:
                raise Rejected("out-of-order", f"event_time_ms {event.event_time_ms} after {last_ms}")
            state.restart_reason = "the log began again at an earlier time"
        emissions: list[Emission] = []
        if last_origin is None or event.origin[:3] != last_origin[:3]:
            state.minted = 0
        state.last_origin, state.last_time_ms = event.origin, event.event_time_ms
        if state.restart_reason is not None:
            self._restart(state, event, emissions)
        self._follow(state, event, emissions)
        return emissions

    def _follow(self, state: CoinClusters, grid: DecodedGrid, emissions: list[Emission]) -> None:
        if not any(scope.live for scope in grid.scopes.values()):
            state.pause()
            return
        state.rates.observe(grid.event_time_ms, grid.mark_price, grid.sigma_1h)
        state.volume.add(grid.event_time_ms, grid.cadence_ms, grid.volume_usd)
        volume_usd_an_hour = state.volume.usd_an_hour()
        search = ZoneSearch(self.parameters)
        for name, scope_map in grid.scopes.items():
            scope = state.scopes.get(name)
            if not scope_map.live:
                if scope is not None:
                    scope.pause()
                continue
            if scope is None:
                scope = state.scopes[name] = ScopeClusters(self.parameters)
            view = ScopeView(state.coin, name, grid, scope_map, state.rates, search)
            scope.follow(view, partial(state.mint, name), volume_usd_an_hour, state.event_count)
            self._collect(state, view, emissions)
        if len(state.scopes) > len(grid.scopes):
            self._forget_missing_scopes(state, grid, emissions)

    def _forget_missing_scopes(self, state: CoinClusters, grid: DecodedGrid, emissions: list[Emission]) -> None:
        """End scopes that left the map: nothing tells how their clusters go on."""
        missing = sorted(state.scopes.keys() - grid.scopes.keys())
        patience_ms = self.parameters.absence_tolerated_ms
        crowded = len(state.scopes) > 2 * MAXIMUM_SCOPES
        for name in missing:
            if crowded or grid.event_time_ms - state.scopes[name].last_grid_ms > patience_ms:
                self._end_scope(state, name, grid, "the map of this scope ended", emissions)

    def _restart(self, state: CoinClusters, grid: DecodedGrid, emissions: list[Emission]) -> None:
        """Begin cold. What was measured about past moves stays true and is kept."""
        reason = state.restart_reason or ""
        for name in sorted(state.scopes):
            self._end_scope(state, name, grid, reason, emissions)
        state.restart_reason = None
        state.rates.cut()
        state.volume = HourlyVolume()

    def _end_scope(
        self, state: CoinClusters, name: str, grid: DecodedGrid, reason: str, emissions: list[Emission]
    ) -> None:
        scope = state.scopes.pop(name)
        view = ScopeView(
            state.coin, name, grid, grid.scopes.get(name) or _no_map(grid), state.rates, ZoneSearch(self.parameters)
        )
        scope.end(view, reason, state.event_count)
        self._collect(state, view, emissions)

    def _collect(self, state: CoinClusters, view: ScopeView, emissions: list[Emission]) -> None:
        state.event_count += sum(emission.topic == LIQUIDATION_CLUSTERS for emission in view.emissions)
        emissions += view.emissions


def _no_map(grid: DecodedGrid) -> DecodedScope:
    """Stands for a scope that the grid does not have: no mass, the coin's price."""
    return DecodedScope(0, [], [], 0.0, 0.0, 0.0, grid.mark_price, live=False)
