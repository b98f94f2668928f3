"""The compiled loops against slow numpy, and the filter's step against a textbook filter with numeric slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from liqheat_estimator.core import map_kernels
from liqheat_estimator.core.bins import centre_prices
from liqheat_estimator.core.learning import kernels
from liqheat_estimator.core.learning.filter import FLOOR_UNITS as OBSERVED_FLOOR_UNITS
from liqheat_estimator.core.learning.filter import NOISE, SMALL_NOISE, SMALL_UNITS, SURPRISE_BOUND
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.structure import (
    COMMON,
    DIFFUSE_BANDS,
    DIFFUSE_EDGES,
    FEATURES,
    UNIT_SHARE,
    V_COUNT,
    W_COUNT,
    Z_COUNT,
)
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS
from liqheat_estimator.core.position_map import PositionMap

Floats = NDArray[np.float64]
LAYERS = 5
GROUPS = LAYERS + DIFFUSE_BANDS + 1
PARAMETERS = GROUPS + Z_COUNT + W_COUNT + V_COUNT
SEEDS = st.integers(0, 10**6)


def _filled(random: np.random.Generator, first_bin: int = 5_000) -> PositionMap:
    positions = PositionMap(LAYERS, first_bin + WINDOW_BINS // 2)
    positions.mass[...] = random.random(positions.mass.shape) * (random.random(positions.mass.shape) > 0.5)
    positions.scale[...] = random.uniform(0.1, 1, (2, LAYERS))
    positions.refresh_totals()
    return positions


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, low=st.floats(-50, WINDOW_BINS + 50), width=st.floats(1e-6, 300), side=st.integers(0, 1))
def test_a_sweep_takes_whole_bins_and_the_crossed_part_of_the_last(
    seed: int, low: float, width: float, side: int
) -> None:
    positions = _filled(np.random.default_rng(seed))
    low += positions.first_bin
    high = low + width
    before = positions.mass.copy()
    base, usd = positions.consume(side, low, high)
    slow_base = slow_usd = 0.0
    for column in range(WINDOW_BINS):
        edge = column + positions.first_bin
        # Longs of a bin stand between its lower edge and where the mark came from; shorts the other way round.
        stood = (edge, min(edge + 1, high)) if side == LONG else (max(edge, low), edge + 1)
        crossed = max(min(stood[1], high) - max(stood[0], low), 0.0)
        if edge > high or edge + 1 < low or (side != LONG and edge + 1 == low):
            continue  # a bin that ends where the way of a rise began holds no shorts any more
        # What stands in a bin that the mark left at its very edge has no room there, so it goes.
        part = crossed / (stood[1] - stood[0]) if stood[1] > stood[0] else 1.0
        here = float((before[side, :, column] * positions.scale[side]).sum()) * part
        slow_base += here
        slow_usd += here * math.exp((edge + 0.5) * 0.001)
        before[side, :, column] *= 1 - part
    np.testing.assert_allclose(positions.mass, before, rtol=1e-6, atol=1e-9)
    assert base == pytest.approx(slow_base, rel=1e-9, abs=1e-9)
    assert usd == pytest.approx(slow_usd, rel=1e-9, abs=1e-9)
    recounted = positions.mass.sum(axis=2) * positions.scale
    assert positions.total == pytest.approx(recounted, rel=1e-9, abs=1e-9)


def test_a_sweep_in_two_steps_takes_what_one_step_takes() -> None:
    """Of a bin whose mass lies evenly, half and then a half of the rest is three quarters."""
    once, twice = (_filled(np.random.default_rng(3)) for _ in range(2))
    start = once.first_bin + 700.0
    both = once.consume(LONG, start - 0.75, start)
    first = twice.consume(LONG, start - 0.5, start)
    second = twice.consume(LONG, start - 0.75, start - 0.5)
    assert first[0] + second[0] == pytest.approx(both[0])
    np.testing.assert_allclose(twice.mass, once.mass)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_density_is_the_weighted_sum_of_the_layers(seed: int) -> None:
    random = np.random.default_rng(seed)
    positions = _filled(random)
    weights = random.exponential(1.0, (2, LAYERS)) * (random.random((2, LAYERS)) > 0.3)
    expected = (positions.mass * (positions.scale * weights)[:, :, None]).sum(axis=1)
    assert positions.density(weights) == pytest.approx(expected)
    plain = (positions.mass * positions.scale[:, :, None]).sum(axis=1)
    assert positions.density() == pytest.approx(plain)
    place = int(random.integers(0, WINDOW_BINS))
    for side in (LONG, SHORT):
        at = positions.density_at(side, place + positions.first_bin, weights)
        assert at == pytest.approx(expected[side, place])
        assert positions.density_at(side, positions.first_bin - 1) == 0.0


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, mark=st.integers(-20, WINDOW_BINS + 20))
def test_the_map_beside_the_mark_is_copied_outwards_in_usd(seed: int, mark: int) -> None:
    positions = _filled(np.random.default_rng(seed))
    near = np.zeros((2, LAYERS, 64), dtype=np.float32)
    map_kernels.copy_near(positions.mass, positions.scale, mark, positions.prices(), near)
    prices = centre_prices(positions.first_bin, WINDOW_BINS)
    for side, step in ((LONG, -1), (SHORT, 1)):
        for n in range(64):
            column = mark + step * n
            expected = np.zeros(LAYERS)
            if 0 <= column < WINDOW_BINS:
                expected = positions.mass[side, :, column] * positions.scale[side] * prices[column]
            assert near[side, :, n] == pytest.approx(expected, rel=1e-6)


def _frozen(random: np.random.Generator, cells: int = 40) -> FrozenMap:
    near = random.exponential(1e6, (2, LAYERS, cells)).astype(np.float32)
    features = random.normal(0, 0.5, (2, len(FEATURES)))
    return FrozenMap(float(random.uniform(50, 60)) * 1_000, 8e9, near, features)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, down=st.floats(0, 0.06), up=st.floats(0, 0.06))
def test_the_parts_of_a_band_are_the_cells_that_it_covers(seed: int, down: float, up: float) -> None:
    frozen = _frozen(np.random.default_rng(seed))
    parts = frozen.parts(np.array([down, up]))
    place = math.log(frozen.mark_price) / 0.001 % 1
    for side, (reach, width) in enumerate(((down, place), (up, 1 - place))):
        edges = np.concatenate([[0.0], (width + np.arange(frozen.near_usd.shape[2])) * 0.001])
        covered = np.clip((reach - edges[:-1]) / np.diff(edges), 0, 1)
        mass = (frozen.near_usd[side] * covered).sum(axis=1) / (8e9 * UNIT_SHARE)
        assert parts[side, :LAYERS] == pytest.approx(mass, rel=1e-6)
        for band in range(DIFFUSE_BANDS):
            low, high = DIFFUSE_EDGES[band : band + 2]
            share = min(max(reach - low, 0.0), high - low) / (high - low)
            assert parts[side, LAYERS + band] == pytest.approx(share * 1e-3 / UNIT_SHARE)
        assert parts[side, -1] == pytest.approx(1e-3 / UNIT_SHARE)
        # The same from the sums that forecasts are read from.
        layers, bands = frozen.cumulative_parts(side, np.array([reach]))
        assert layers[0] == pytest.approx(parts[side, :LAYERS], rel=1e-6)
        assert bands[0] == pytest.approx(parts[side, LAYERS:-1])


def _expected(values: Floats, parts: Floats, features: Floats) -> float:
    """The median forecast of a side, from the formula in ``structure``."""
    beta, gamma, eta = np.split(values[GROUPS:], [Z_COUNT, Z_COUNT + W_COUNT])
    z = math.exp(beta[:COMMON] @ features[:COMMON] + beta[COMMON])
    w = math.exp(gamma @ features[: COMMON + 1])
    v = math.exp(eta @ features)
    weighted = np.exp(values[:GROUPS]) * parts
    mapped, diffuse = weighted[:LAYERS].sum(), weighted[LAYERS:-1].sum() + kernels.FLOOR_UNITS
    return float(z * (w * mapped + diffuse) + v * weighted[-1])


def _slopes(values: Floats, parts: Floats, features: Floats) -> Floats:
    """Of log(expected + floor), by central differences."""
    slopes = np.empty(PARAMETERS)
    for place in range(PARAMETERS):
        moved = [values.copy(), values.copy()]
        moved[0][place] -= 1e-5
        moved[1][place] += 1e-5
        low, high = (math.log(_expected(each, parts, features) + OBSERVED_FLOOR_UNITS) for each in moved)
        slopes[place] = (high - low) / 2e-5
    return slopes


def _textbook(
    values: Floats, covariance: Floats, drift: Floats, parts: Floats, features: Floats, observed: Floats
) -> tuple[Floats, Floats]:
    values, covariance = values.copy(), covariance + np.diag(drift)
    for side in (LONG, SHORT):
        expected = _expected(values, parts[side], features[side])
        slopes = _slopes(values, parts[side], features[side])
        surprise = math.log(observed[side] + OBSERVED_FLOOR_UNITS) - math.log(expected + OBSERVED_FLOOR_UNITS)
        variance = slopes @ covariance @ slopes + NOISE + SMALL_NOISE / (1 + expected / SMALL_UNITS)
        gain = covariance @ slopes / variance
        values = values + gain * np.clip(surprise, -SURPRISE_BOUND, SURPRISE_BOUND)
        covariance = covariance - np.outer(gain, slopes @ covariance)
    return values, covariance


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, loud=st.booleans())
def test_an_hour_of_the_filter_is_that_of_a_textbook(seed: int, loud: bool) -> None:
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(-5, 0.5, GROUPS), random.normal(0, 0.1, PARAMETERS - GROUPS)])
    root = random.normal(0, 0.1, (PARAMETERS, PARAMETERS))
    covariance = root @ root.T
    drift = random.uniform(0, 1e-3, PARAMETERS)
    frozen = _frozen(random)
    parts = frozen.parts(random.uniform(0.0, 0.02, 2))
    observed = random.exponential(1e6 if loud else 5.0, 2)  # loud: a surprise that is cut off
    expected_values, expected_covariance = _textbook(values, covariance, drift, parts, frozen.features, observed)
    kernels.learn_hour(
        values,
        covariance,
        drift,
        parts,
        frozen.features,
        observed,
        LAYERS,
        NOISE,
        SMALL_NOISE,
        SMALL_UNITS,
        OBSERVED_FLOOR_UNITS,
        SURPRISE_BOUND,
    )
    np.testing.assert_allclose(values, expected_values, atol=1e-6)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-6)
    assert (covariance == covariance.T).all()
    assert (covariance == covariance.astype(np.float32)).all()


def test_weights_and_exponents_are_bounded() -> None:
    random = np.random.default_rng(1)
    frozen = _frozen(random)
    values = np.concatenate([np.full(GROUPS, -5.0), np.full(PARAMETERS - GROUPS, 50.0)])
    z, w, v = kernels.exponents(values, np.abs(frozen.features[0]), GROUPS)
    assert (z, w, v) == pytest.approx((math.exp(5), math.exp(4), math.exp(4)))
    covariance = np.eye(PARAMETERS) * 1e4
    arguments = (LAYERS, NOISE, SMALL_NOISE, SMALL_UNITS, OBSERVED_FLOOR_UNITS, SURPRISE_BOUND)
    parts = frozen.parts(np.array([0.01, 0.01]))
    for _ in range(50):
        kernels.learn_hour(values, covariance, np.zeros(PARAMETERS), parts, frozen.features, np.zeros(2), *arguments)
        assert np.isfinite(values).all()
        assert (values[:GROUPS] >= kernels.LOG_WEIGHT_LOW).all()


def test_rounding_is_that_of_single_precision() -> None:
    values = np.random.default_rng(5).exponential(1e3, 1_000)
    rounded = values.astype(np.float32).astype(np.float64)
    map_kernels.round_to_single(values)
    assert (values == rounded).all()
