"""The estimated map against markets whose positions are known; and a cold start against a long run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from estimator_market import COIN, MarketWriter, feed, instrument_fields
from liqheat_estimator.core.coin_state import CoinState
from liqheat_ingest.market_simulation.price_path import PricePath
from truth.crash import run_crash
from truth.market_story import Setting
from truth.runs import new_fold, row, run, run_throttled
from truth.scores import beside

DAY_CANDLES = 288
#: A market that is small and seen often enough to be run in a test; the benchmark `true_maps` runs large ones.
SMALL = Setting(seed=2, positions_per_side=15_000, unseen_days=1.0, candle_days=1.0, live_days=5.0, step_s=60.0)


@pytest.mark.slow
def test_the_map_is_near_the_true_one_and_its_mirror_image_is_not() -> None:
    figures = row("", run(SMALL, warm_days=3.0, every_hours=6))
    print(figures)

    assert float(figures["both_1"]) >= 0.75
    assert float(figures["both_5"]) >= 0.8
    assert float(figures["mirrored_5"]) < float(figures["both_5"]) - 0.4
    assert float(figures["least_mass"]) > 1 / 1.5
    assert float(figures["most_mass"]) < 1.5


@pytest.mark.slow
def test_a_throttled_feed_with_holes_costs_little() -> None:
    figures = row("", run(replace(SMALL, feed="throttled", gaps_per_day=6.0), warm_days=3.0, every_hours=6))
    print(figures)

    assert float(figures["both_5"]) >= 0.7
    assert float(figures["mirrored_5"]) < float(figures["both_5"]) - 0.4
    assert float(figures["least_mass"]) > 1 / 1.5
    assert float(figures["most_mass"]) < 1.5


@pytest.mark.slow
def test_the_share_that_a_throttled_feed_shows_is_learned_from_the_coins_complete_feed() -> None:
    """The companion has half of the venue's size and traders of its own; only the price is common."""
    setting = replace(SMALL, feed="throttled", companion_share=0.5, live_days=4.0)
    share = run_throttled(setting)
    print(share)

    assert share.true < 0.85, "the market is too quiet to say anything"
    assert share.estimated == pytest.approx(share.true, rel=0.15)
    assert 1 / 1.5 < share.mass < 1.5


@pytest.mark.slow
def test_deleveraging_is_suspected_in_the_crash_that_has_it_and_in_no_other() -> None:
    plain, hit = (run_crash(2, absorbed, 0.15, positions=5_000) for absorbed in (None, 0.0005))
    print(plain, hit)

    assert not plain.suspected_before
    assert plain.suspected_after_minutes is None
    assert plain.open_interest_fall > 0.05, "a crash that liquidates nobody shows nothing"
    assert hit.suspected_after_minutes is not None
    assert hit.suspected_after_minutes < 10
    assert hit.true_share > 0.05
    assert hit.estimated_share == pytest.approx(hit.true_share, rel=0.5)


def candles(days: int, seed: int) -> Iterator[tuple[float, float, float]]:
    """Low, high and open interest of candles of five minutes."""
    random = np.random.default_rng(seed)
    path, interest = PricePath(60_000.0, 0.6, random), 10_000.0
    price = path.price
    for _ in range(days * DAY_CANDLES):
        marks = [price, *(path.advance(100.0) for _ in range(3))]
        price = marks[-1]
        interest *= float(np.exp(0.003 * random.standard_normal())) * (10_000.0 / interest) ** 0.002
        yield min(marks), max(marks), interest


def distance(one: CoinState, other: CoinState) -> float:
    """Half the sum of differences of two maps within 10 % of the mark, over their mean mass: 0 alike, 1 disjoint."""
    parts = []
    for state in (one, other):
        (market,) = state.markets.values()
        first_bin, usd = market.map_usd()
        parts.append(np.stack([beside(first_bin, usd[side], market.mark_bin, side) for side in (0, 1)]))
    return float(np.abs(parts[0] - parts[1]).sum() / (parts[0].sum() + parts[1].sum()))


@pytest.mark.slow
def test_a_cold_start_from_candles_comes_to_the_map_of_a_long_run() -> None:
    """One fold has seen 10 days more than the other; both see the same candles from then on."""
    fold, writer = new_fold(), MarketWriter(phase="backfill")
    long_run, cold = fold.new(COIN), fold.new(COIN)
    distances: list[float] = []
    for number, (low, high, interest) in enumerate(candles(16, 1)):
        writer.now_ms += 300_000
        messages = [writer.candle(low, high, interest)]
        if number == 0:
            messages.insert(0, writer.message("instrument", **instrument_fields()))
        feed(fold, long_run, messages)
        if number >= 10 * DAY_CANDLES:
            if number == 10 * DAY_CANDLES:
                feed(fold, cold, [writer.message("instrument", **instrument_fields())])
            feed(fold, cold, messages)
            if (number + 1) % DAY_CANDLES == 0:
                distances.append(distance(long_run, cold))
    print(np.round(distances, 3))

    assert distances[0] < 0.15
    assert distances[2] < 0.05
    assert distances[5] < 0.03
