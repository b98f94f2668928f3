"""The clusterer's own filters and its assignment against scipy's."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage, optimize, signal

from liqheat_clusterer.core.assignment import best_assignment
from liqheat_clusterer.core.row_filters import convolve_rows, peak_prominences, running_maximum, running_minimum

amounts = st.floats(0, 1e9, width=32)
rows = npst.arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(1, 60)), elements=amounts)
line = npst.arrays(np.float64, st.integers(3, 60), elements=st.integers(0, 9).map(float))


@settings(max_examples=100, deadline=None)
@given(rows, st.integers(0, 40))
def test_running_extremes(values: np.ndarray, half: int) -> None:
    window = 2 * half + 1
    np.testing.assert_array_equal(
        running_minimum(values, window), ndimage.minimum_filter1d(values, window, axis=-1, mode="constant")
    )
    np.testing.assert_array_equal(
        running_maximum(values, window), ndimage.maximum_filter1d(values, window, axis=-1, mode="constant")
    )


@settings(max_examples=100, deadline=None)
@given(rows, st.floats(0.5, 8))
def test_convolution(values: np.ndarray, width: float) -> None:
    reach = np.arange(-int(4 * width + 0.5), int(4 * width + 0.5) + 1)
    weights = np.exp(-0.5 * (reach / width) ** 2)
    weights /= weights.sum()
    wanted = ndimage.gaussian_filter1d(values, width, axis=-1, mode="constant", truncate=4.0)
    np.testing.assert_allclose(convolve_rows(values, weights), wanted, rtol=1e-9, atol=1e-6 * max(1.0, values.max()))


@settings(max_examples=200, deadline=None)
@given(line)
def test_prominences(values: np.ndarray) -> None:
    peaks = signal.find_peaks(values)[0]
    np.testing.assert_array_equal(peak_prominences(values, peaks), signal.peak_prominences(values, peaks)[0])


@settings(max_examples=300, deadline=None)
@given(npst.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 6).map(float)))
def test_assignment_is_as_good_as_any(weights: np.ndarray) -> None:
    pairs = best_assignment(weights)
    assert len(pairs) == min(weights.shape)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    found = optimize.linear_sum_assignment(weights, maximize=True)
    assert sum(weights[row, column] for row, column in pairs) == weights[found].sum()


def test_the_convolution_adds_up_in_a_fixed_order() -> None:
    chance = np.random.default_rng(3)
    values, weights = chance.uniform(0, 1e7, 70), np.array([0.1, 0.2, 0.4, 0.2, 0.1])
    around = [0.0, 0.0, *values.tolist(), 0.0, 0.0]
    wanted = []
    for place in range(2, 72):
        total = around[place] * 0.4
        for step, weight in ((1, 0.2), (2, 0.1)):
            total += (around[place - step] + around[place + step]) * weight
        wanted.append(total)
    assert convolve_rows(values, weights).tolist() == wanted
