"""State of a coin in the clusterer."""

from __future__ import annotations

from liqheat_clusterer.core.base_rates import BaseRates
from liqheat_clusterer.core.magnets import HourlyVolume
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.core.scope_clusters import ScopeClusters
from liqheat_clusterer.core.zones import Side
from liqheat_shared.folding import Origin


class CoinClusters:
    """Everything the clusterer knows about one coin.

    Attributes
    ----------
    scopes : dict of str to ScopeClusters
        Only iterated in sorted order.
    last_origin : Origin or None
        Coordinates of the last grid.
    minted : int
        Identities given at those coordinates.
    event_count : int
        Events put out to ``liquidation-clusters-v1``: the sequence of the last one, for sequences are dense.
    restart_reason : str or None
        Why every cluster has to expire at the next grid.
    rejected_events : int
        Inputs that were dead-lettered.
    """

    __slots__ = (
        "coin",
        "event_count",
        "last_origin",
        "last_time_ms",
        "minted",
        "rates",
        "rejected_events",
        "restart_reason",
        "scopes",
        "volume",
    )

    def __init__(self, coin: str, parameters: Parameters) -> None:
        self.coin = coin
        self.scopes: dict[str, ScopeClusters] = {}
        self.rates = BaseRates(parameters)
        self.volume = HourlyVolume()
        self.last_origin: Origin | None = None
        self.last_time_ms: int | None = None
        self.minted = 0
        self.event_count = 0
        self.restart_reason: str | None = None
        self.rejected_events = 0

    def mint(self, scope: str, side: Side) -> str:
        """A new identity, unique because the source coordinates are."""
        assert self.last_origin is not None
        log_epoch, partition, offset, _ = self.last_origin
        self.minted += 1
        return f"{self.coin}-{scope}-{side}-{log_epoch}-{partition}-{offset}-{self.minted - 1}"

    def pause(self) -> None:
        """Grids were skipped: nothing that needs an unbroken run goes on."""
        self.rates.cut()
        self.volume.last_time_ms = None
        for scope in self.scopes.values():
            scope.pause()
