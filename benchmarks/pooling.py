"""What pooled priors are worth to a coin that has said little: `run.py pooling`, some minutes.

Simulated markets of two venues, one with a complete feed and one that shows the largest of each second, and two classes
of coins, four of each kind. Three of each teach, the fourth, which the pool never saw, is forecast in its first days
from different priors; each is the fourth once. The market itself is the same under each prior: only what is believed
of its reports differs.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bench_stack import result
from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.filter import ReportedFilter
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.pooling import TaughtMarket, pool
from liqheat_estimator.core.learning.prior import Prior, uninformed_prior
from liqheat_estimator.core.learning.prior_table import ALL, PriorTable, shipped_priors
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_ingest.margin_tables import tiers
from liqheat_ingest.market_simulation.profiles import CoinProfile, VenueProfile
from truth.market_story import TIERS, MarketStory, Setting
from truth.runs import new_fold

PARAMETERS = EstimatorParameters()
LAYERS = len(PARAMETERS.leverages)
VENUES = (VenueProfile("whole", 1.0, 5, "complete"), VenueProfile("largest", 1.0, 5, "throttled"))
SMALL_TIERS = tiers((50_000, 0.01, 50.0), (500_000, 0.02, 25.0), (None, 0.05, 10.0))
#: Profile, tiers and leverage at opening of each class: liquid coins, and small ones that move twice as much.
CLASSES = (
    (CoinProfile("L", 97_000.0, 0.55, 6.0e9, 2.0e10, 0.001, 0.1, 6.0), TIERS, None),
    (
        CoinProfile("S", 28.0, 1.1, 2.0e8, 5.0e8, 0.1, 0.0001, 1.0),
        SMALL_TIERS,
        ((2.0, 0.3), (3.0, 0.25), (5.0, 0.2), (8.0, 0.1), (10.0, 0.08), (20.0, 0.05), (50.0, 0.02)),
    ),
)
OF_A_KIND, POSITIONS, LIVE_DAYS = 4, 10_000, 12.0
#: Hours after which a coin has spoken for itself: forecasts are judged up to each.
JUDGED_HOURS = (24, 72, 240)
FLOOR_UNITS = 1e-2


class Hour(NamedTuple):
    """What an hour taught a filter."""

    frozen: FrozenMap
    reaches: Floats
    observed_usd: tuple[float, float]
    drift: Floats


class Market(NamedTuple):
    """A market that ran, and the hours that taught it."""

    venue: str
    symbol: str
    leverage_class: str | None
    hours: list[Hour]


def main() -> list[dict[str, Any]]:
    """Mean squared error of log(reported) of the markets that the pool never saw, by prior and hours."""
    kinds = [(venue, size) for venue in range(len(VENUES)) for size in range(len(CLASSES))]
    rounds = [[_run(seed, venue, size) for venue, size in kinds] for seed in range(OF_A_KIND)]
    errors: dict[tuple[str, int], list[float]] = defaultdict(list)
    for held_out, pupils in enumerate(rounds):
        teachers = [market for seed, markets in enumerate(rounds) if seed != held_out for market in markets]
        for name, table in _tables(teachers).items():
            for hours in JUDGED_HOURS:
                errors[name, hours].append(_error(pupils, table, hours))
    lines = []
    for hours in JUDGED_HOURS:
        means = {name: float(np.mean(found)) for (name, judged), found in errors.items() if judged == hours}
        note = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        better = [
            pooled < shipped for pooled, shipped in zip(errors["pooled", hours], errors["shipped", hours], strict=True)
        ]
        note += f"; better in {sum(better)} of {len(better)} rounds"
        lines.append(
            result(f"pooled_error_over_shipped_{hours}h", means["pooled"] / means["shipped"], "ratio", "< 1", note)
        )
    return lines


def _tables(teachers: list[Market]) -> dict[str, PriorTable]:
    shipped = shipped_priors(PARAMETERS)
    pooled = _pooled(teachers, shipped)
    venues = {level: prior for level, prior in pooled.levels.items() if "|" not in level}
    return {
        "uninformed": PriorTable.single(uninformed_prior(LAYERS), LAYERS),
        "shipped": shipped,
        "pooled for all": PriorTable({ALL: pooled.levels[ALL]}, LAYERS),
        "by venue": PriorTable(venues, LAYERS),
        "pooled": pooled,
    }


def _run(seed: int, venue: int, size: int) -> Market:
    profile, table, mix = CLASSES[size]
    coin = profile._replace(coin=f"{profile.coin}{seed}")
    habits = Setting().habits if mix is None else Setting().habits._replace(leverage_mix=mix)
    setting = Setting(
        seed=100 * seed + 10 * venue + size,
        positions_per_side=POSITIONS,
        habits=habits,
        live_days=LIVE_DAYS,
        feed=VENUES[venue].liquidation_feed,
        coin=coin,
        venue=VENUES[venue],
        tiers=table,
    )
    story, fold, hours = MarketStory(setting), new_fold(), list[Hour]()
    state, learn = fold.new(coin.coin), ReportedFilter.learn

    def listen(self: Any, frozen: Any, reaches: Any, observed: Any, drift: Any) -> None:
        hours.append(Hour(frozen, reaches.copy(), observed, drift))
        learn(self, frozen, reaches, observed, drift)

    ReportedFilter.learn = listen  # type: ignore[method-assign]
    try:
        for event in story.events():
            fold.fold(state, event)
    finally:
        ReportedFilter.learn = learn  # type: ignore[method-assign]
    market = state.markets[setting.venue.venue, f"{coin.coin}/USDT:USDT"]
    sys.stderr.write(f"pooling: {coin.coin} at {setting.venue.venue}: {len(hours)} hours\n")
    return Market(setting.venue.venue, market.symbol, market.leverage_class(), hours)


def _pooled(teachers: list[Market], table: PriorTable) -> PriorTable:
    taught = []
    for market in teachers:
        reported = ReportedFilter.from_prior(table.of(market.venue, market.symbol, market.leverage_class))
        for hour in market.hours:
            reported.learn(hour.frozen, hour.reaches, hour.observed_usd, hour.drift)
        variances = np.diag(reported.covariance).copy()
        taught.append(TaughtMarket(*market[:3], values=reported.values, variances=variances, hours=len(market.hours)))
    priors: dict[str, Prior] = pool(taught, table)
    return PriorTable(priors, LAYERS)


def _error(pupils: list[Market], table: PriorTable, hours: int) -> float:
    """Mean squared error of the logarithm, forecasts made before each hour was learned."""
    errors = []
    for market in pupils:
        reported = ReportedFilter.from_prior(table.of(market.venue, market.symbol, market.leverage_class))
        for hour in market.hours[:hours]:
            expected = np.array(reported.medians(hour.frozen, hour.frozen.parts(hour.reaches)))
            observed = np.array(hour.observed_usd) / hour.frozen.unit_usd
            errors += list((np.log(observed + FLOOR_UNITS) - np.log(expected + FLOOR_UNITS)) ** 2)
            reported.learn(hour.frozen, hour.reaches, hour.observed_usd, hour.drift)
    return float(np.mean(errors))
