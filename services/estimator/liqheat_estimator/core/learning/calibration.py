"""From the filter's median to an expected sum."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from liqheat_estimator.core.bins import Floats

#: Sizes of a forecast, in log10 of its units times a million, between which the ratio is interpolated.
KNOTS: Final = (3.0, 4.0, 5.0, 5.7, 6.4, 7.1)
HALF_LIFE_HOURS: Final = 2_160.0
#: Small sums are lumpier, so their mean is farther above their median; believed with the weight of so many hours.
PRIOR_RATIOS: Final = (4.0, 3.0, 2.0, 1.5, 1.3, 1.2)
PRIOR_WEIGHT: Final = 100.0
#: Added to a forecast before dividing by it, in units: a ratio over nothing says nothing.
FLOOR_UNITS: Final = 1e-3


@dataclass(slots=True)
class KnotCalibration:
    """Mean ratio of what came true to the median forecast, by size of the forecast; older hours count less.

    Examples
    --------
    >>> calibration = KnotCalibration()
    >>> round(calibration.expected(1.0), 3)  # nothing was seen: the prior
    1.411
    """

    ratio_sum: list[float] = field(default_factory=lambda: [ratio * PRIOR_WEIGHT for ratio in PRIOR_RATIOS])
    weight: list[float] = field(default_factory=lambda: [PRIOR_WEIGHT] * len(KNOTS))

    def learn(self, medians: tuple[float, float], observed: tuple[float, float]) -> None:
        """Take an hour: the median forecast of each side for the band reached, and what came true; in units."""
        kept = 0.5 ** (1.0 / HALF_LIFE_HOURS)
        self.ratio_sum = [each * kept for each in self.ratio_sum]
        self.weight = [each * kept for each in self.weight]
        for median, came in zip(medians, observed, strict=True):
            knot, part = _place(median)
            ratio = came / (median + FLOOR_UNITS)
            for index, share in ((knot, 1.0 - part), (knot + 1, part)):
                self.ratio_sum[index] += share * ratio
                self.weight[index] += share

    def expected(self, median: float) -> float:
        """Expected sum of a median forecast, both in units."""
        knot, part = _place(median)
        logs = [math.log(self.ratio_sum[index] / self.weight[index] + 1e-9) for index in (knot, knot + 1)]
        return median * math.exp((1.0 - part) * logs[0] + part * logs[1])

    def expected_all(self, medians: Floats) -> Floats:
        """Expected sums of medians that rise with distance; the result rises, too."""
        ratios = np.log(np.array(self.ratio_sum) / np.array(self.weight) + 1e-9)
        sizes = np.log10(medians * 1e6 + 1.0)
        expected = medians * np.exp(np.interp(sizes, KNOTS, ratios))
        rising: Floats = np.maximum.accumulate(expected, axis=-1)
        return rising


def _place(median: float) -> tuple[int, float]:
    """Knot below a forecast, and how far on the way to the next it is."""
    size = min(max(math.log10(median * 1e6 + 1.0), KNOTS[0]), KNOTS[-1])
    knot = 0
    while knot < len(KNOTS) - 2 and size >= KNOTS[knot + 1]:
        knot += 1
    return knot, (size - KNOTS[knot]) / (KNOTS[knot + 1] - KNOTS[knot])
