"""Filters along the last axis and the prominence of peaks, as in scipy.ndimage and scipy.signal.

Written here because importing those costs a worker four seconds of processor time at every start. The tests hold each
against scipy.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating[Any])


def convolve_rows(values: NDArray[Real], weights: NDArray[np.float64]) -> NDArray[Real]:
    """Convolve each row with a symmetric kernel of odd length; zeros beyond the ends.

    Tap by tap: numpy's own convolution asks the linear algebra library for dot products, and that adds up in another
    order on another processor. Outputs must be the same to the last bit wherever a worker runs.

    Parameters
    ----------
    values : ndarray, shape (..., n)
    weights : ndarray, shape (2 k + 1,)

    Examples
    --------
    >>> convolve_rows(np.array([0.0, 1.0, 0.0]), np.array([0.25, 0.5, 0.25])).tolist()
    [0.25, 0.5, 0.25]
    """
    reach, count = len(weights) // 2, values.shape[-1]
    kernel = weights.astype(values.dtype)
    padded = np.zeros((*values.shape[:-1], count + 2 * reach), dtype=values.dtype)
    padded[..., reach : reach + count] = values
    smoothed = values * kernel[reach]
    for step in range(1, reach + 1):
        both = padded[..., reach - step : reach - step + count] + padded[..., reach + step : reach + step + count]
        both *= kernel[reach + step]
        smoothed += both
    return np.asarray(smoothed)


def running_minimum(values: NDArray[Real], window: int) -> NDArray[Real]:
    """Least value within ``window`` (odd) places centred on each; zeros beyond the ends.

    A window of any length is two overlapping windows of a power of two, and those double in a few passes.

    Examples
    --------
    >>> running_minimum(np.array([5.0, 3.0, 4.0, 6.0]), 3).tolist()
    [0.0, 3.0, 3.0, 0.0]
    """
    return _running(np.minimum, values, window)


def running_maximum(values: NDArray[Real], window: int) -> NDArray[Real]:
    """Greatest value within ``window`` (odd) places centred on each; zeros beyond the ends."""
    return _running(np.maximum, values, window)


def _running(extreme: np.ufunc, values: NDArray[Real], window: int) -> NDArray[Real]:
    reach, count = window // 2, values.shape[-1]
    padded = np.zeros((*values.shape[:-1], count + 2 * reach), dtype=values.dtype)
    padded[..., reach : reach + count] = values
    span = 1
    while span * 2 <= window:
        padded = extreme(padded[..., :-span], padded[..., span:])
        span *= 2
    rest = window - span
    return np.asarray(extreme(padded[..., :count], padded[..., rest : rest + count]))


def peak_prominences(values: NDArray[np.float64], peaks: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far one must go down from each peak before one can go up to something higher, or to an end.

    Parameters
    ----------
    values : ndarray, shape (n,)
    peaks : ndarray of int
        In order: every local maximum, or every one above some height. One that is left out would not be seen as higher.

    Examples
    --------
    >>> peak_prominences(np.array([0.0, 2.0, 1.0, 5.0, 0.0]), np.array([1, 3])).tolist()
    [1.0, 5.0]
    """
    if len(peaks) == 0:
        return np.zeros(0)
    heights = values[peaks].tolist()
    valleys = [float(values[: peaks[0] + 1].min()), *np.minimum.reduceat(values, peaks).tolist()]
    left = _bases(heights, valleys)
    right = _bases(heights[::-1], valleys[::-1])[::-1]
    return np.array([height - max(bases) for height, *bases in zip(heights, left, right, strict=True)])


def _bases(heights: list[float], valleys: list[float]) -> list[float]:
    """Lowest place between each peak and the first higher one before it; ``valleys[i]`` lies before peak i."""
    bases: list[float] = []
    open_peaks: list[tuple[float, float]] = []
    for height, base in zip(heights, valleys, strict=False):
        while open_peaks and open_peaks[-1][0] <= height:
            base = min(base, open_peaks.pop()[1])
        open_peaks.append((height, base))
        bases.append(base)
    return bases
