"""The hours of a market: freeze a forecast at the start of each, let its end teach the filter.

Everything goes by the market's event time. An hour ends just before the first event that is later than its last
millisecond's end, so an event at a full hour still belongs to the hour that it ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.activity import STEP_MS, Activity, hour_of
from liqheat_estimator.core.learning.filter import ReportedFilter
from liqheat_estimator.core.learning.frozen import REACH_BINS, FrozenMap
from liqheat_estimator.core.learning.layer_evidence import LayerEvidence
from liqheat_estimator.core.learning.prior_table import PriorTable
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT
from liqheat_estimator.core.position_map import PositionMap

STEPS_AN_HOUR = HOUR_MS // STEP_MS


@dataclass(slots=True)
class HourlyLearning:
    """What a market learns from hour to hour.

    Attributes
    ----------
    hour : int or None
        Number of the open hour, which ends at ``hour * HOUR_MS``.
    low, high : float
        Extremes of the mark in the open hour.
    observed_usd : list of float
        Reported in the open hour, by side.
    hidden_usd : list of float
        What a throttled feed is estimated to have left out of the open hour, by side.
    last_observed_usd, last_hidden_usd : tuple of float
        The same of the hour before.
    last_range : tuple of float
        Low and high of the hour before.
    is_watched, last_watched : bool
        Whether the liquidation feed was heard during all of the open hour, and of the hour before.
    filter : ReportedFilter or None
        None until the market has a liquidation feed.
    evidence : LayerEvidence or None
        None until the market has a liquidation feed.
    """

    activity: Activity = field(default_factory=Activity)
    hour: int | None = None
    low: float = math.inf
    high: float = 0.0
    observed_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    hidden_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    last_observed_usd: tuple[float, float] = (0.0, 0.0)
    last_hidden_usd: tuple[float, float] = (0.0, 0.0)
    last_range: tuple[float, float] = (math.inf, 0.0)
    is_watched: bool = False
    last_watched: bool = False
    frozen: FrozenMap | None = None
    filter: ReportedFilter | None = None
    evidence: LayerEvidence | None = None

    def see_price(self, price: float) -> None:
        """Extend the open hour's range by a mark."""
        if price < self.low:
            self.low = price
        if price > self.high:
            self.high = price

    def observe(self, side: int, notional_usd: float) -> None:
        """Count a liquidation that the venue reported."""
        self.observed_usd[side] += notional_usd

    def hide(self, hidden_usd: list[float]) -> None:
        """Count what the feed is estimated to have left out, by side."""
        for side in (LONG, SHORT):
            self.hidden_usd[side] += hidden_usd[side]

    def is_due(self, time_ms: int) -> bool:
        """Whether an event of this time leads beyond a 5-minute boundary."""
        step = self.activity.step
        return step is None or time_ms > (step + 1) * STEP_MS

    def advance(
        self, time_ms: int, mark_price: float, situation: Callable[[], Situation], priors: PriorTable
    ) -> int | None:
        """Let time pass up to an event, from the state before it; the number of the hour that ended, if one did.

        Parameters
        ----------
        situation : callable
            Tells more of the market where an hour ends: most samples don't need it.
        """
        hour = hour_of(time_ms)
        ended = None
        if self.hour is None:
            self.hour = hour
        elif hour > self.hour:
            market = situation()
            self.activity.sample(self.hour * STEPS_AN_HOUR, mark_price)
            self._weigh(market)
            self._end_hour(priors.drift, is_next=hour == self.hour + 1)
            ended, self.hour = self.hour, hour
            self._freeze(market, priors)
        self.activity.sample((time_ms - 1) // STEP_MS, mark_price)
        return ended

    def _weigh(self, market: Situation) -> None:
        """Hold what the hour swept of each layer against what was reported, if the feed was heard all the time."""
        if market.map is None:
            return
        if self.evidence is not None and self.is_watched and market.open_interest_usd > 0:
            # What is held against the map is what was liquidated, not what a throttled feed showed of it.
            liquidated = np.array(self.observed_usd) + np.array(self.hidden_usd)
            self.evidence.learn(market.map.swept_usd / market.open_interest_usd, liquidated / market.open_interest_usd)
        market.map.swept_usd[...] = 0.0

    def _end_hour(self, drift: Floats, *, is_next: bool) -> None:
        frozen = self.frozen
        if frozen is not None and self.high > 0:
            self.activity.end_hour(frozen.mark_price, self.low, self.high)
            if self.filter is not None and self.is_watched:
                observed = (self.observed_usd[LONG], self.observed_usd[SHORT])
                self.filter.learn(frozen, self.reaches(), observed, drift)
        self.last_observed_usd = (self.observed_usd[LONG], self.observed_usd[SHORT]) if is_next else (0.0, 0.0)
        self.last_hidden_usd = (self.hidden_usd[LONG], self.hidden_usd[SHORT]) if is_next else (0.0, 0.0)
        self.observed_usd, self.hidden_usd = [0.0, 0.0], [0.0, 0.0]
        self.last_range = (self.low, self.high)
        self.last_watched = self.is_watched and frozen is not None
        self.low, self.high = math.inf, 0.0

    def interrupt(self) -> None:
        """The liquidation feed stopped: the open hour teaches nothing."""
        self.is_watched = False

    def restart_cold(self) -> None:
        """Prices before are of no use any more; what was learned about reports stays."""
        self.activity = Activity()
        self.hour = None
        self.low, self.high = math.inf, 0.0
        self.frozen = None

    def reaches(self) -> Floats:
        """How far price went from the frozen mark, down and up, in log price."""
        assert self.frozen is not None
        mark = self.frozen.mark_price
        return np.array([max(math.log(mark / self.low), 0.0), max(math.log(self.high / mark), 0.0)])

    def _freeze(self, market: Situation, priors: PriorTable) -> None:
        assert self.hour is not None
        self.is_watched = market.has_liquidations
        if self.is_watched and self.filter is None:
            self.filter = ReportedFilter.from_prior(priors.of(market.venue, market.symbol, market.leverage_class))
        if self.is_watched and self.evidence is None:
            self.evidence = LayerEvidence.of(priors.layers)
        self.frozen = None
        if market.map is not None and market.open_interest_usd > 0:
            self.frozen = self.snapshot((self.hour - 1) * HOUR_MS, market, REACH_BINS)
            self.see_price(market.mark_price)

    def snapshot(self, time_ms: int, market: Situation, cells: int) -> FrozenMap:
        """The map and the features of a moment."""
        assert market.map is not None
        features = self.activity.features(time_ms, self.last_observed_usd, market.open_interest_usd)
        return FrozenMap.of(market.map, market.mark_price, market.open_interest_usd, features, cells)


@dataclass(slots=True)
class Situation:
    """What the learning needs to know of its market at one moment."""

    venue: str
    symbol: str
    leverage_class: str | None
    mark_price: float
    open_interest_usd: float
    map: PositionMap | None
    has_liquidations: bool
