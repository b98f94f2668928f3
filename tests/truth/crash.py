"""A simulated market that crashes, with or without auto-deleveraging: what the fold suspects, and what was true."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from liqheat_estimator.core.market_state import MarketState
from truth.market_story import COIN, HABITS, VENUE, MarketStory, Setting
from truth.runs import new_fold

STEP_MS = 10_000
#: Bins beside each other that are summed before the winning side is compared.
WIDTH = 20
FALL_MINUTES = 10
CALM_MINUTES = 10


class Crash(NamedTuple):
    """Shares of the open interest before the crash.

    Attributes
    ----------
    suspected_before : bool
        Whether deleveraging was suspected in the ordinary days before it: a false alarm.
    suspected_after_minutes : float or None
        Since the crash began; None: never.
    true_share, estimated_share : float
        Shorts that were deleveraged, and that the map lost as such.
    distance : float
        Half the sum of differences between the map's shorts and the true ones, over their mean mass.
    """

    suspected_before: bool
    suspected_after_minutes: float | None
    open_interest_fall: float
    true_share: float
    estimated_share: float
    distance: float


def run_crash(
    seed: int, absorbed_share: float | None, depth: float, minutes: int = 10, positions: int = 8_000
) -> Crash:
    """A day as usual, then the price falls by ``depth`` in log within ten minutes; the fold sees all of it."""
    setting = Setting(
        seed=seed, positions_per_side=positions, unseen_days=1.0, candle_days=1.0, live_days=1.0, step_s=60.0
    )
    story, fold = MarketStory(setting), new_fold()
    state = fold.new(COIN.coin)
    for event in story.events():
        fold.fold(state, event)
    (market,) = state.markets.values()
    suspected_before = market.deleveraging.to_ms is not None
    simulated, venue = story.market, story.venues[0]
    assert venue.venue == VENUE.venue
    simulated.habits = HABITS._replace(absorbed_share=absorbed_share)
    before, began_ms, price = simulated.open_interest_base, story.now_ms, story.path.price
    steps = FALL_MINUTES * 60_000 // STEP_MS
    for number in range(steps + CALM_MINUTES * 60_000 // STEP_MS):
        index = price * math.exp(-depth * min(1.0, (number + 1) / steps))
        step = venue.step(index, STEP_MS / 1_000, 8.0)
        story.now_ms += STEP_MS
        for event in venue.told(step, story.now_ms, STEP_MS):
            fold.fold(state, event)
    from_ms = market.deleveraging.from_ms
    return Crash(
        suspected_before,
        None if from_ms is None or suspected_before else (from_ms - began_ms) / 60_000,
        1.0 - simulated.open_interest_base / before,
        simulated.deleveraged_lots[1] * COIN.lot_size_base / before,
        market.ledger.deleveraged_base[1] / before,
        _distance_of_shorts(story, market),
    )


def _distance_of_shorts(story: MarketStory, market: MarketState) -> float:
    first_bin, usd = market.map_usd()
    true = story.market.true_density()
    places = true.first_bin + np.arange(len(true.short_usd)) - first_bin
    inside = (places >= 0) & (places < usd.shape[1])
    shorts = np.bincount(places[inside], weights=true.short_usd[inside], minlength=usd.shape[1])
    whole = usd.shape[1] // WIDTH * WIDTH
    one, other = (column[:whole].reshape(-1, WIDTH).sum(axis=1) for column in (usd[1], shorts))
    return float(np.abs(one - other).sum() / (one.sum() + other.sum()))
