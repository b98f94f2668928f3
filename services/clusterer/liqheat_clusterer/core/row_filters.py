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

    Parameters
    ----------
    values : ndarray, shape (..., n)
    weights : ndarray, shape (2 k + 1,)

    Examples
    --------
    >>> convolve_rows(np.array([0.0, 1.0, 0.0]), np.array([0.25, 0.5, 0.25])).tolist()
    [0.25, 0.5, 0.25]
    """
    rows = values.reshape(-1, values.shape[-1])
    reach = len(weights) // 2
    kernel = weights.astype(values.dtype)
    smoothed = np.empty_like(rows)
    for source, target in zip(rows, smoothed, strict=True):
        target[:] = np.convolve(source, kernel)[reach : reach + len(source)]
    return smoothed.reshape(values.shape)


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


def peak_prominences(values: NDArray[Real], peaks: NDArray[np.intp]) -> NDArray[Real]:
    """How far one must go down from each peak before one can go up to something higher, or to an end.

    Examples
    --------
    >>> peak_prominences(np.array([0.0, 2.0, 1.0, 5.0, 0.0]), np.array([1, 3])).tolist()
    [1.0, 5.0]
    """
    found = np.empty(len(peaks), dtype=values.dtype)
    for place, peak in enumerate(peaks.tolist()):
        height = values[peak]
        higher = np.flatnonzero(values > height)
        split = int(np.searchsorted(higher, peak))
        start = higher[split - 1] + 1 if split else 0
        end = higher[split] if split < len(higher) else len(values)
        found[place] = height - max(values[start : peak + 1].min(), values[peak:end].min())
    return found
