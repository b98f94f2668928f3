"""How often price really travelled this far: the base rate beside every probability of touch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqheat_clusterer.core.parameters import HOUR_MS, Parameters

#: Excursions are counted in classes of 0.02 sigma up to 8 sigma; the last class holds all above.
CLASS_WIDTH = 0.02
CLASSES = 400
UP, DOWN = 0, 1


@dataclass(slots=True)
class Window:
    """Five minutes of the mark: what it was when they began, and its extremes until the next began.

    ``sigma_1h`` is None where it was not known: nothing is measured from there.
    """

    start_ms: int
    price: float
    sigma_1h: float | None
    high: float
    low: float


class BaseRates:
    """Largest moves up and down after past moments, in units of sigma * sqrt(horizon), per horizon and direction.

    Every 5 minutes (price, sigma) are noted; when a horizon has passed, the excursion within it is counted. A silence
    longer than 5 minutes cuts the record: what was not seen is not counted.

    Attributes
    ----------
    windows : list of Window
        Oldest first; the last is open. At most one longest horizon of them.
    counts : ndarray of int64, shape (horizons, 2, CLASSES + 1)
    """

    __slots__ = ("_at_least", "counts", "interval_ms", "last_time_ms", "next_start_ms", "spans", "windows")

    def __init__(self, parameters: Parameters) -> None:
        self.interval_ms = parameters.base_rate_interval_ms
        self.spans = [horizon // self.interval_ms for horizon in parameters.horizons_ms]
        self.windows: list[Window] = []
        self.counts: NDArray[np.int64] = np.zeros((len(self.spans), 2, CLASSES + 1), dtype=np.int64)
        self.next_start_ms = 0
        self.last_time_ms: int | None = None
        self._at_least: list[list[list[int]]] | None = None

    def observe(self, time_ms: int, price: float, sigma_1h: float | None) -> None:
        """Take the mark of a grid."""
        if self.last_time_ms is not None and time_ms - self.last_time_ms > self.interval_ms:
            self.cut()
        self.last_time_ms = time_ms
        if self.windows:
            window = self.windows[-1]
            if price > window.high:
                window.high = price
            elif price < window.low:
                window.low = price
        if time_ms < self.next_start_ms:
            return
        self._count_finished()
        self.windows.append(Window(time_ms, price, sigma_1h, price, price))
        del self.windows[: -max(self.spans)]
        self.next_start_ms = (time_ms // self.interval_ms + 1) * self.interval_ms

    def cut(self) -> None:
        """Forget the moments whose horizon has not passed, for something was not seen."""
        self.windows = []
        self.next_start_ms = 0
        self.last_time_ms = None

    def _count_finished(self) -> None:
        for place, span in enumerate(self.spans):
            if len(self.windows) < span:
                continue
            seen = self.windows[-span:]
            start = seen[0]
            if start.sigma_1h is None:
                continue
            unit = start.sigma_1h * math.sqrt(span * self.interval_ms / HOUR_MS)
            up = math.log(max(window.high for window in seen) / start.price) / unit
            down = -math.log(min(window.low for window in seen) / start.price) / unit
            self.counts[place, UP, excursion_class(up)] += 1
            self.counts[place, DOWN, excursion_class(down)] += 1
            self._at_least = None

    def rate(
        self, horizon_place: int, direction: int, log_distance: float, sigma_1h: float, minimum_samples: int
    ) -> tuple[float | None, int]:
        """Share of past windows whose excursion reached a distance, and how many windows that rests on.

        Parameters
        ----------
        horizon_place : int
            Which of the horizons.
        direction : int
            +1 up, -1 down.
        log_distance : float
            Of the level, in its direction.

        Returns
        -------
        tuple of (float or None, int)
            None with fewer than ``minimum_samples`` windows. Interpolated within a class; beyond 8 sigma the share
            beyond 8 sigma.
        """
        if self._at_least is None:
            self._at_least = self.counts[:, :, ::-1].cumsum(axis=2)[:, :, ::-1].tolist()
        reached = self._at_least[horizon_place][UP if direction > 0 else DOWN]
        samples = reached[0]
        if samples < max(minimum_samples, 1):
            return None, samples
        if log_distance <= 0.0:
            return 1.0, samples
        unit = sigma_1h * math.sqrt(self.spans[horizon_place] * self.interval_ms / HOUR_MS)
        place = log_distance / (unit * CLASS_WIDTH)
        if place >= CLASSES:
            return reached[CLASSES] / samples, samples
        below = int(place)
        return (reached[below + 1] + (reached[below] - reached[below + 1]) * (below + 1 - place)) / samples, samples


def excursion_class(excursion: float) -> int:
    """Class of an excursion in sigmas.

    >>> excursion_class(0.0), excursion_class(0.05), excursion_class(99.0)
    (0, 2, 400)
    """
    return min(int(max(excursion, 0.0) / CLASS_WIDTH), CLASSES)
