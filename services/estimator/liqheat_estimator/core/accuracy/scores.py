"""Running scores of all methods on one horizon, from sums by day, so that days can be drawn again for an interval."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

import numpy as np

from liqheat_estimator.core.accuracy.baselines import METHODS
from liqheat_estimator.core.bins import Floats

DAYS: Final = 60
HALF_LIFE_DAYS: Final = 30.0
#: Added before the logarithm to what came true and to what was expected.
OBSERVED_FLOOR_USD: Final = 1e3
FORECAST_FLOOR_USD: Final = 1e4
#: Records and days below which a score says nothing.
MIN_RECORDS: Final = 48
MIN_DAYS: Final = 3
RESAMPLES: Final = 400
#: Sums of a day: 3 of the observed (n, y, y²), then of each method its x, x², x·y, forecast and observed.
_OBSERVED: Final = 3
_OF_METHOD: Final = 4
#: Lower bounds of the calibration's sizes, in USD.
BUCKETS: Final = (0.0, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7)


class Score(NamedTuple):
    """Of one method: R² of the logarithms, and observed over forecast."""

    r_squared: float
    observed_over_forecast: float | None


class Gain(NamedTuple):
    """R² of the map less that of the best baseline, with a 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(slots=True)
class ScoreBook:
    """Sums of one horizon.

    Attributes
    ----------
    days : list of int
        Numbers of the days that have sums, rising; at most ``DAYS``.
    sums : ndarray, shape (DAYS, columns)
        Row i belongs to ``days[i]``.
    calibration : ndarray, shape (buckets, 3)
        Records, forecast and observed USD by size of the map's forecast; older days count less.
    """

    days: list[int] = field(default_factory=list)
    sums: Floats = field(default_factory=lambda: np.zeros((DAYS, _OBSERVED + 1 + _OF_METHOD * len(METHODS))))
    calibration: Floats = field(default_factory=lambda: np.zeros((len(BUCKETS), 3)))

    def add(self, day: int, forecasts: tuple[float, ...], observed_usd: float) -> None:
        """Take a record of one side."""
        row = self.sums[self._row(day)]
        y = float(np.log10(observed_usd + OBSERVED_FLOOR_USD))
        row[:_OBSERVED] += (1.0, y, y * y)
        row[_OBSERVED] += observed_usd
        for place, forecast_usd in enumerate(forecasts):
            x = float(np.log10(forecast_usd + FORECAST_FLOOR_USD))
            start = _OBSERVED + 1 + _OF_METHOD * place
            row[start : start + _OF_METHOD] += (x, x * x, x * y, forecast_usd)
        bucket = int(np.searchsorted(BUCKETS, forecasts[0], side="right")) - 1
        self.calibration[bucket] += (1.0, forecasts[0], observed_usd)

    def _row(self, day: int) -> int:
        if self.days and day <= self.days[-1]:
            return len(self.days) - 1
        if self.days:
            self.calibration *= 0.5 ** ((day - self.days[-1]) / HALF_LIFE_DAYS)
            # A day that is over changes no more: single precision is enough for it, and half the bytes in a checkpoint.
            self.sums[len(self.days) - 1] = self.sums[len(self.days) - 1].astype(np.float32)
        if len(self.days) == DAYS:
            self.days.pop(0)
            self.sums[:-1] = self.sums[1:]
            self.sums[-1] = 0.0
        self.days.append(day)
        return len(self.days) - 1

    def records(self) -> int:
        """Records in the sums."""
        return round(float(self.sums[: len(self.days), 0].sum()))

    def _weights(self) -> Floats:
        ages = self.days[-1] - np.array(self.days, dtype=np.float64)
        weights: Floats = 0.5 ** (ages / HALF_LIFE_DAYS)
        return weights

    def scores(self) -> list[Score] | None:
        """Score of each method, order as ``METHODS``; None: too early."""
        if self.records() < MIN_RECORDS or len(self.days) < MIN_DAYS:
            return None
        total = self._weights() @ self.sums[: len(self.days)]
        r_squared = _r_squared(total[None])[0]
        forecasts = total[_OBSERVED + 1 :].reshape(-1, _OF_METHOD)[:, 3]
        ratios = [float(total[_OBSERVED] / each) if each > 0 else None for each in forecasts]
        return [Score(float(value), ratio) for value, ratio in zip(r_squared, ratios, strict=True)]

    def gain(self) -> Gain | None:
        """The map's gain over its best baseline, days drawn again with replacement; None: too early."""
        scores = self.scores()
        if scores is None:
            return None
        best = 1 + int(np.argmax([score.r_squared for score in scores[1:]]))
        count = len(self.days)
        drawn = _draws(count) * self._weights() @ self.sums[:count]
        values = _r_squared(drawn)
        low, high = np.quantile(values[:, 0] - values[:, best], (0.025, 0.975))
        return Gain(scores[0].r_squared - scores[best].r_squared, float(low), float(high))


@cache
def _draws(days: int) -> Floats:
    """How often each of so many days is drawn, in each resample: always the same draws, so that a replay agrees."""
    chosen = np.random.default_rng(days).integers(0, days, (RESAMPLES, days))
    counts: Floats = np.stack([np.bincount(row, minlength=days) for row in chosen]).astype(np.float64)
    return counts


def _r_squared(totals: Floats) -> Floats:
    """R² of a least-squares line of y on x for each row of sums and each method: shape (rows, methods)."""
    n, y, yy = (totals[:, place, None] for place in range(_OBSERVED))
    x, xx, xy, _ = np.moveaxis(totals[:, _OBSERVED + 1 :].reshape(len(totals), -1, _OF_METHOD), 2, 0)
    x_spread = xx - x * x / n
    y_spread = yy - y * y / n
    both = xy - x * y / n
    with np.errstate(divide="ignore", invalid="ignore"):
        values: Floats = np.where((x_spread > 1e-9) & (y_spread > 1e-9), both * both / (x_spread * y_spread), 0.0)
    return values
