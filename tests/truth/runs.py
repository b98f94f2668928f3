"""A simulated market through the fold, looked at several times: how near its map comes to the true one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from liqheat_estimator.core.estimator_fold import EstimatorFold, EstimatorParameters
from liqheat_estimator.core.market_state import MarketState
from liqheat_ingest.market_simulation.market_step import TrueDensity
from truth.market_story import COIN, DAY_MS, HOUR_MS, START_MS, VENUE, MarketStory, Setting
from truth.scores import WIDTHS, Maps, Scores, beside, rank_correlation, score, widened

#: Live days before the first look, and hours between looks.
WARM_DAYS = 4.0
LOOK_EVERY_HOURS = 12


class Look(NamedTuple):
    """Scores of a moment. ``ceiling``: what a map without any error would reach against so many positions.

    The true map is a sample of positions. Two halves of the traders correlate by r; the whole is then worth
    2r / (1 + r) of its own expectation, and nothing correlates with it by more than the root of that.
    """

    scores: Scores
    ceiling: dict[int, float]


def new_fold() -> EstimatorFold:
    """A fold that makes no grids on the way."""
    return EstimatorFold(EstimatorParameters(cadence_ms=DAY_MS))


def maps_of(story: MarketStory, market: MarketState) -> Maps:
    """Estimated and true map beside the mark."""
    first_bin, usd = market.map_usd()
    true = story.market.true_density()
    sides = (0, 1)
    estimated = np.stack([beside(first_bin, usd[side], market.mark_bin, side) for side in sides])
    return Maps(estimated, _beside_mark(true, market.mark_bin))


def _beside_mark(true: TrueDensity, mark_bin: int) -> np.ndarray:
    columns = (true.long_usd, true.short_usd)
    return np.stack([beside(true.first_bin, column, mark_bin, side) for side, column in enumerate(columns)])


def _ceiling(story: MarketStory, mark_bin: int) -> dict[int, float]:
    even, odd = (_beside_mark(story.market.true_density(of_accounts=half), mark_bin) for half in (0, 1))
    halves = {width: rank_correlation(widened(even, width).ravel(), widened(odd, width).ravel()) for width in WIDTHS}
    return {width: float(np.sqrt(max(2 * r / (1 + r), 0.0))) for width, r in halves.items()}


def run(setting: Setting, warm_days: float = WARM_DAYS, every_hours: int = LOOK_EVERY_HOURS) -> list[Look]:
    """Looks at a market after its warm-up."""
    story, fold = MarketStory(setting), new_fold()
    state = fold.new(COIN.coin)
    next_look_ms = START_MS + int((setting.candle_days + warm_days) * DAY_MS)
    looks: list[Look] = []
    for event in story.events():
        fold.fold(state, event)
        if story.now_ms >= next_look_ms and event.type == "ticker":
            next_look_ms += every_hours * HOUR_MS
            market = state.markets[VENUE.venue, event.symbol]
            looks.append(Look(score(maps_of(story, market)), _ceiling(story, market.mark_bin)))
    return looks


class ThrottledShare(NamedTuple):
    """What a throttled feed showed of the liquidated USD, what the fold believes, and the map's mass over true."""

    true: float
    estimated: float | None
    mass: float


def run_throttled(setting: Setting) -> ThrottledShare:
    """The end of a story about a throttled venue."""
    story, fold = MarketStory(setting), new_fold()
    state = fold.new(setting.coin.coin)
    for event in story.events():
        fold.fold(state, event)
    venue = story.venues[0]
    market = next(each for each in state.markets.values() if each.venue == venue.venue)
    true = sum(venue.shown_usd) / sum(venue.liquidated_usd)
    return ThrottledShare(true, market.liquidation_minutes.share(), score(maps_of(story, market)).mass)


def row(name: str, looks: Iterable[Look]) -> dict[str, float | str]:
    """Means over looks, the worst of the main figures, and the mass ratio's mean and extremes."""
    looks = list(looks)
    result: dict[str, float | str] = {"name": name}
    for width in WIDTHS:
        for kind in ("both", "longs", "shorts", "mirrored"):
            values = [getattr(look.scores, kind)[width] for look in looks]
            result[f"{kind}_{width}"] = float(np.mean(values))
            if kind == "both":
                result[f"worst_{width}"] = float(np.min(values))
        result[f"ceiling_{width}"] = float(np.mean([look.ceiling[width] for look in looks]))
    mass = np.array([look.scores.mass for look in looks])
    result |= {"mass": float(np.exp(np.log(mass).mean())), "least_mass": float(mass.min())}
    return result | {"most_mass": float(mass.max())}
