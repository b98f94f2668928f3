"""Values of which only the newest is shown: grids, cluster sets, magnets."""

from __future__ import annotations

from liqheat_api.projector import views
from liqheat_api.projector.messages import Message
from liqheat_api.projector.projection import Latest
from liqheat_api.projector.store import Command
from liqheat_shared.contracts.cluster_sets import ClusterSet
from liqheat_shared.contracts.liquidation_grids import LiquidationGrid
from liqheat_shared.contracts.liquidation_magnets import LiquidationMagnets
from liqheat_shared.contracts.topics import CLUSTER_SETS, LIQUIDATION_GRIDS, LIQUIDATION_MAGNETS


class Grids(Latest):
    """The latest map of a coin in each scope."""

    topic = LIQUIDATION_GRIDS

    def slot(self, message: Message) -> str:
        return f"grid|{message.coin}"

    def render(self, message: Message, *, publish: bool) -> list[Command]:
        grid = views.parse(LiquidationGrid, message)
        key, scopes = self.keys.grids(grid.coin), views.grid_views(grid)
        # Deleted first: a scope that the map has no longer must not stay.
        commands: list[Command] = [("DEL", key)]
        commands += [("HSET", key, scope, data) for scope, data in scopes.items()]
        commands.append(("HSET", self.keys.coins, grid.coin, views.coin_view(grid)))
        commands.append(("HSET", self.keys.provenance, grid.coin, views.provenance_view(grid)))
        if publish:
            commands.append(self.notice("grid", grid.coin, scopes))
        return commands


class Sets(Latest):
    """The living clusters of a scope."""

    topic = CLUSTER_SETS

    def slot(self, message: Message) -> str:
        return f"clusters|{message.coin}|{message.scope()}"

    def render(self, message: Message, *, publish: bool) -> list[Command]:
        found = views.parse(ClusterSet, message)
        commands: list[Command] = [("HSET", self.keys.clusters(found.coin), found.scope, views.clusters_view(found))]
        if publish:
            commands.append(self.notice("clusters", found.coin, [found.scope]))
        return commands


class Magnets(Latest):
    """The magnets of a scope."""

    topic = LIQUIDATION_MAGNETS

    def slot(self, message: Message) -> str:
        return f"magnets|{message.coin}|{message.scope()}"

    def render(self, message: Message, *, publish: bool) -> list[Command]:
        found = views.parse(LiquidationMagnets, message)
        commands: list[Command] = [("HSET", self.keys.magnets(found.coin), found.scope, views.magnets_view(found))]
        if publish:
            commands.append(self.notice("magnets", found.coin, [found.scope]))
        return commands
