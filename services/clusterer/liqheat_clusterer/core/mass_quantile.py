"""A bounded, deterministic quantile of the masses of zones seen in the last days."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from liqheat_clusterer.core.parameters import DAY_MS, Parameters

#: Classes of mass: 20 a decade (12 % wide) from 100 USD to 10^12 USD.
CLASSES_PER_DECADE = 20
LOWEST_DECADE = 2
CLASSES = 200


class MassQuantile:
    """One histogram of masses a day; days older than the window are reused.

    Attributes
    ----------
    counts : ndarray of int64, shape (days + 1, CLASSES)
        Row ``day % rows``.
    day_numbers : list of int
        Which day each row is of; -1: none.
    first_time_ms : int or None
        Time of the first mass.
    """

    __slots__ = ("counts", "day_numbers", "first_time_ms")

    def __init__(self, days: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((days + 1, CLASSES), dtype=np.int64)
        self.day_numbers = [-1] * (days + 1)
        self.first_time_ms: int | None = None

    def add(self, masses_usd: list[float], time_ms: int) -> None:
        """Count the masses of one search."""
        if not masses_usd:
            return
        if self.first_time_ms is None:
            self.first_time_ms = time_ms
        day = time_ms // DAY_MS
        row = day % len(self.day_numbers)
        if self.day_numbers[row] != day:
            self.counts[row] = 0
            self.day_numbers[row] = day
        classes = [mass_class(mass_usd) for mass_usd in masses_usd]
        self.counts[row] += np.bincount(classes, minlength=CLASSES)

    def floor_usd(self, time_ms: int, parameters: Parameters) -> float:
        """Quantile of the masses of the last days; 0 while less than a day was seen.

        Exact to half a class (6 %).
        """
        if self.first_time_ms is None or time_ms - self.first_time_ms < parameters.mass_quantile_after_ms:
            return 0.0
        day = time_ms // DAY_MS
        rows = [
            row for row, number in enumerate(self.day_numbers) if day - parameters.mass_quantile_days < number <= day
        ]
        if not rows:
            return 0.0
        cumulative = self.counts[rows].sum(axis=0).cumsum()
        total = int(cumulative[-1])
        if total == 0:
            return 0.0
        found = int(np.searchsorted(cumulative, parameters.mass_quantile * total))
        return float(10 ** ((min(found, CLASSES - 1) + 0.5) / CLASSES_PER_DECADE + LOWEST_DECADE))


def mass_class(mass_usd: float) -> int:
    """Class of a mass.

    >>> mass_class(0.0), mass_class(100.0), mass_class(1_000_000.0)
    (0, 0, 80)
    """
    if mass_usd <= 100.0:
        return 0
    return min(int((math.log10(mass_usd) - LOWEST_DECADE) * CLASSES_PER_DECADE), CLASSES - 1)
