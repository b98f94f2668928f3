"""The barrier formula against simulated paths, base rates against a count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_clusterer.core.base_rates import CLASS_WIDTH, BaseRates
from liqheat_clusterer.core.parameters import DAY_MS, HOUR_MS, Parameters
from liqheat_clusterer.core.touch_probability import touch_probability
from synthetic_grids import START_MS

PATHS, STEPS = 200_000, 32


def simulated(log_distance: float, direction: int, sigma_1h: float, hours: float) -> float:
    """Share of geometric Brownian paths without drift of the price that touch; exact between the steps."""
    chance = np.random.default_rng(20_250_614)
    step_variance = sigma_1h**2 * hours / STEPS
    position = np.zeros(PATHS)
    missed = np.ones(PATHS)
    for _ in range(STEPS):
        after = position + chance.normal(-0.5 * step_variance, math.sqrt(step_variance), PATHS)
        before_gap, after_gap = log_distance - position * direction, log_distance - after * direction
        crossing = np.exp(-2 * np.clip(before_gap, 0, None) * np.clip(after_gap, 0, None) / step_variance)
        missed *= np.where((before_gap <= 0) | (after_gap <= 0), 0.0, 1.0 - crossing)
        position = after
    return 1.0 - float(missed.mean())


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize(
    ("log_distance", "sigma_1h", "hours"), [(0.01, 0.005, 4), (0.05, 0.02, 24), (0.3, 0.1, 24), (0.004, 0.01, 1)]
)
def test_the_formula_agrees_with_simulated_paths(log_distance, direction, sigma_1h, hours):
    expected = simulated(log_distance, direction, sigma_1h, hours)
    assert touch_probability(log_distance, direction, sigma_1h, hours * HOUR_MS) == pytest.approx(expected, abs=0.004)


def test_the_drift_of_the_logarithm_favours_levels_below():
    up, down = (touch_probability(0.3, direction, 0.1, DAY_MS) for direction in (1, -1))
    assert down > up + 0.05


@given(
    log_distance=st.floats(-1, 40),
    direction=st.sampled_from([1, -1]),
    sigma_1h=st.floats(1e-6, 10),
    horizon_ms=st.sampled_from([HOUR_MS, 4 * HOUR_MS, DAY_MS]),
)
def test_it_always_is_a_probability(log_distance, direction, sigma_1h, horizon_ms):
    probability = touch_probability(log_distance, direction, sigma_1h, horizon_ms)
    assert 0.0 <= probability <= 1.0
    assert probability >= touch_probability(log_distance + 0.01, direction, sigma_1h, horizon_ms) - 1e-12


def walk(seed: int, grids: int, step_ms: int) -> tuple[list[int], list[float], list[float]]:
    chance = np.random.default_rng(seed)
    times = [START_MS + 1_000 + step_ms * number for number in range(grids)]
    prices = (60_000 * np.exp(np.cumsum(chance.normal(0, 0.001, grids)))).tolist()
    sigmas = chance.uniform(0.003, 0.02, grids).tolist()
    return times, prices, sigmas


def counted_by_hand(times, prices, sigmas, horizon_ms: int, direction: int, sigma_distance: float) -> tuple[int, int]:
    """(windows that reached the distance, windows): a start at the first grid of every five minutes."""
    starts, last = [], None
    for place, time_ms in enumerate(times):
        if last is None or time_ms // 300_000 != last:
            starts.append(place)
            last = time_ms // 300_000
    ends = {times[place] // 300_000: place for place in starts}
    reached = windows = 0
    for place in starts:
        end = ends.get(times[place] // 300_000 + horizon_ms // 300_000)
        if end is None:
            continue
        windows += 1
        moves = [direction * math.log(price / prices[place]) for price in prices[place : end + 1]]
        reached += max(moves) / (sigmas[place] * math.sqrt(horizon_ms / HOUR_MS)) >= sigma_distance
    return reached, windows


@pytest.mark.parametrize(("place", "horizon_ms"), [(0, HOUR_MS), (1, 4 * HOUR_MS), (2, DAY_MS)])
@pytest.mark.parametrize("direction", [1, -1])
def test_base_rates_are_the_share_counted_by_hand(place, horizon_ms, direction):
    times, prices, sigmas = walk(3, 2_400, 60_000)
    rates = BaseRates(Parameters())
    for time_ms, price, sigma in zip(times, prices, sigmas, strict=True):
        rates.observe(time_ms, price, sigma)
    for classes in (0, 5, 25, 50, 90, 200, 400):  # at the borders of classes nothing is interpolated
        sigma_distance = classes * CLASS_WIDTH
        reached, windows = counted_by_hand(times, prices, sigmas, horizon_ms, direction, sigma_distance)
        log_distance = (sigma_distance + 1e-9) * 0.01 * math.sqrt(horizon_ms / HOUR_MS)
        rate, samples = rates.rate(place, direction, log_distance, 0.01, 30)
        assert samples == windows > 100
        assert rate == pytest.approx(reached / windows, abs=1e-6)


def test_a_base_rate_is_unknown_below_thirty_windows():
    rates = BaseRates(Parameters())
    seen = []
    for number in range(60):
        rates.observe(START_MS + number * 300_000, 100.0, 0.01)
        seen.append(rates.rate(0, 1, 0.01, 0.01, 30))
    assert all(rate is None for rate, samples in seen if samples < 30)
    assert seen[-1] == (0.0, 48)


def test_a_window_with_a_hole_in_it_is_not_counted():
    rates = BaseRates(Parameters())
    for number in range(11):
        rates.observe(START_MS + number * 300_000, 100.0, 0.01)
    for number in range(20, 32):
        rates.observe(START_MS + number * 300_000, 100.0, 0.01)
    assert rates.rate(0, 1, 0.01, 0.01, 0)[1] == 0
    rates.observe(START_MS + 32 * 300_000, 100.0, 0.01)
    assert rates.rate(0, 1, 0.01, 0.01, 0)[1] == 1


def test_nothing_is_measured_from_a_moment_without_volatility():
    rates = BaseRates(Parameters())
    for number in range(30):
        rates.observe(START_MS + number * 300_000, 100.0, None)
    assert rates.rate(0, 1, 0.01, 0.01, 0)[1] == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400_000), st.floats(1e-3, 1e6)), max_size=400))
def test_the_record_is_bounded_whatever_comes(steps):
    rates, time_ms = BaseRates(Parameters()), START_MS
    for step_ms, price in steps:
        time_ms += step_ms
        rates.observe(time_ms, price, 0.01)
    assert len(rates.windows) <= 288
    assert rates.counts.sum() % 2 == 0
