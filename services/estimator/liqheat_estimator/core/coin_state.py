"""Everything that is known about one coin: its markets, its output clock, its open columns."""

from __future__ import annotations

from dataclasses import dataclass, field

from liqheat_estimator.core.accuracy.book import AccuracyBook
from liqheat_estimator.core.columns import ScopeColumns
from liqheat_estimator.core.liquidations import LiquidationTotals
from liqheat_estimator.core.market_state import MarketState, Suspicion
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.scope_grid import ScopeCache
from liqheat_estimator.core.volatility import AverageTrueRange, Volatility
from liqheat_shared.contracts.base import AGGREGATED, Phase

MarketKey = tuple[str, str]


@dataclass(slots=True)
class CoinState:
    """State of a coin.

    Attributes
    ----------
    clock_ms : int or None
        The output clock: running maximum of ``receive_time_ms``.
    cursors : dict
        Last (ingest_epoch, sequence) of each market; what is not beyond it is a duplicate.
    markets : dict
        In the order in which they were first heard of, which is the order of every sum over them.
    interval : PriceBar
        Of the grid interval that is open.
    last_price : float or None
        Last accepted price on any market: the reference for a market that has none yet.
    incomplete_until_ms : int
        Until then outputs say that something is missing.
    history_lost_ms : int or None
        Clock when the broker was found to have deleted events before they were read; -1 before the first event.
    live_phase : str or None
        Phase of the last event that was not a backfill's: outputs of live markets carry it while others backfill.
    reported_share : float or None
        Part of the map near the mark that venues are expected to report, as of the last minute's first grid.
    """

    coin: str
    clock_ms: int | None = None
    cursors: dict[MarketKey, tuple[int, int]] = field(default_factory=dict)
    markets: dict[MarketKey, MarketState] = field(default_factory=dict)
    interval: PriceBar = field(default_factory=PriceBar)
    cumulative_volume_delta_usd: float = 0.0
    last_price: float | None = None
    volatility: Volatility = field(default_factory=Volatility)
    average_true_range: AverageTrueRange = field(default_factory=AverageTrueRange)
    columns: dict[str, ScopeColumns] = field(default_factory=dict)
    liquidation_totals: LiquidationTotals = field(default_factory=LiquidationTotals)
    classes_minute: int = -1
    stressed_minute: int = -1
    live_phase: Phase | None = None
    duplicates: int = 0
    rejected_events: int = 0
    incomplete_until_ms: int = -1
    history_lost_ms: int | None = None
    clock_suspicion: Suspicion = field(default_factory=Suspicion)
    clusterer_released: bool = False
    accuracy: AccuracyBook = field(default_factory=AccuracyBook)
    reported_share: float | None = None
    # Derived, never stored.
    scope_cache: ScopeCache = field(default_factory=ScopeCache)

    def restart_cold(self) -> None:
        """Prices before can't be compared with what comes: how far they moved, and the open records, are void."""
        self.volatility = Volatility()
        self.average_true_range = AverageTrueRange()
        self.accuracy.restart()

    def live_markets(self) -> list[MarketState]:
        """Markets that the map rests on now."""
        return [market for market in self.markets.values() if market.phase() == "live"]

    def is_incomplete(self, time_ms: int) -> bool:
        """Whether something is missing at a time: a rejected input, a hole, an interrupted feed."""
        if time_ms < self.incomplete_until_ms:
            return True
        return any(market.interrupted or time_ms < market.incomplete_until_ms for market in self.markets.values())

    def columns_of(self, scope: str) -> ScopeColumns:
        """Open columns of a scope, made at its first use."""
        columns = self.columns.get(scope)
        if columns is None:
            columns = self.columns[scope] = ScopeColumns()
        return columns


def scopes_of(markets: list[MarketState]) -> dict[str, list[MarketState]]:
    """Markets by scope: ``aggregated`` first, then each venue in order of appearance."""
    scopes: dict[str, list[MarketState]] = {}
    if markets:
        scopes[AGGREGATED] = markets
    for market in markets:
        scopes.setdefault(market.venue, []).append(market)
    return scopes
