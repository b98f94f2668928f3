"""How much the price has moved lately: the state behind the forecast's features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.structure import (
    ACTIVITY_CENTRES,
    ACTIVITY_STEPS,
    FEATURES,
    RANGE_HOURS,
    UNIT_SHARE,
)
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS

STEP_MS = 300_000
#: A quiet market must not send the logarithm to minus infinity: this much a step, grown with the root of the window.
FLOOR = 1e-4
#: Mean hourly range that is assumed before the first hour has ended.
USUAL_RANGE = 0.007
#: Steps over which a hole in the data spreads its price change; beyond that the change says nothing about activity.
MAX_GAP_STEPS = 2_016
#: 1970-01-01 was a Thursday, so days 2 and 3 of each week are Saturday and Sunday.
WEEKEND = (2, 3)


@dataclass(slots=True)
class Activity:
    """Sums of absolute 5-minute log returns with exponential windows, and the hourly ranges of the last day.

    Attributes
    ----------
    step : int or None
        Number of the last 5-minute boundary at which the price was sampled.
    sums : list of float
        One a window: sum of |log return|, each step weighing ``1 - 1/window`` of the next. Early on they are divided
        by the weight that has been seen, so that a young market is not taken for a quiet one.
    ranges : list of float
        (high - low) / open of the last hours, latest last, at most a day.
    """

    step: int | None = None
    price: float = 0.0
    sums: list[float] = field(default_factory=lambda: [0.0] * len(ACTIVITY_STEPS))
    weights: list[float] = field(default_factory=lambda: [0.0] * len(ACTIVITY_STEPS))
    ranges: list[float] = field(default_factory=list)

    def sample(self, step: int, price: float) -> None:
        """Take the price at the 5-minute boundary ``step``; boundaries that don't advance are ignored."""
        if self.step is not None:
            gap = step - self.step
            if gap <= 0:
                return
            change = abs(math.log(price / self.price)) if gap <= MAX_GAP_STEPS else 0.0
            for place, window in enumerate(ACTIVITY_STEPS):
                kept = (1.0 - 1.0 / window) ** gap
                # A change over several steps is spread evenly over them.
                spread = (1.0 - kept) * window / gap
                self.sums[place] = self.sums[place] * kept + change * spread
                self.weights[place] = self.weights[place] * kept + (1.0 - kept)
        self.step, self.price = step, price

    def end_hour(self, open_price: float, low: float, high: float) -> None:
        """Take the range of an hour that has ended."""
        self.ranges.append((high - low) / open_price)
        del self.ranges[: -RANGE_HOURS[-1]]

    def features(self, time_ms: int, liquidated_usd: tuple[float, float], open_interest_usd: float) -> Floats:
        """Features of both sides at the start of an hour, shape (2, features); order as in ``FEATURES``.

        Parameters
        ----------
        time_ms : int
            The hour's start: only what was before it has been taken.
        liquidated_usd : tuple
            Longs and shorts liquidated in the hour before, as reported.
        open_interest_usd : float
            Of the market, which gives the liquidations their unit.
        """
        common = self._moves() + _clock(time_ms) + self._ranges()
        unit = max(open_interest_usd * UNIT_SHARE, 1e-9) / 1e6
        lately = [math.log10(amount / unit + 1e3) - 5.0 for amount in liquidated_usd]
        features = np.empty((2, len(FEATURES)))
        for side in (0, 1):
            features[side] = [*common, float(side), lately[side], lately[1 - side]]
        return features

    def _moves(self) -> list[float]:
        moves = []
        for window, centre, total, weight in zip(
            ACTIVITY_STEPS, ACTIVITY_CENTRES, self.sums, self.weights, strict=True
        ):
            seen = total / weight if weight > 0 else -1.0
            moves.append(math.log(seen + FLOOR * math.sqrt(window)) - centre if seen >= 0 else 0.0)
        return moves

    def _ranges(self) -> list[float]:
        values = []
        for hours in RANGE_HOURS:
            recent = self.ranges[-hours:]
            mean = sum(recent) / len(recent) if recent else USUAL_RANGE
            values.append(math.log(mean + 1e-5) + 5.0)
        return values


def _clock(time_ms: int) -> list[float]:
    """Three daily harmonics and whether it is weekend, in UTC."""
    angle = 2.0 * math.pi * (time_ms % DAY_MS) / DAY_MS
    harmonics = [wave(order * angle) for order in (1, 2, 3) for wave in (math.sin, math.cos)]
    return [*harmonics, float(time_ms // DAY_MS % 7 in WEEKEND)]


def hour_of(time_ms: int) -> int:
    """Number of the hour that ends at or after a time: an event at a full hour belongs to the hour that it ends.

    >>> hour_of(HOUR_MS), hour_of(HOUR_MS + 1)
    (1, 2)
    """
    return -(-time_ms // HOUR_MS)
