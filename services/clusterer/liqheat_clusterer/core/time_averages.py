"""Exponential averages of the map over 1 h, 4 h, 12 h and 1 d, and what they still show."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from liqheat_clusterer.core.parameters import DAY_MS, HOUR_MS, MINUTE_MS, Parameters
from liqheat_clusterer.core.row_filters import convolve_rows
from liqheat_clusterer.core.zones import Side, gaussian, standing_out

ClusterTimeframe = Literal["5m", "1h", "4h", "12h", "1d"]
#: Longest first. 5m is what a cluster has that none of these shows.
AVERAGED: tuple[tuple[ClusterTimeframe, int], ...] = (
    ("1d", DAY_MS),
    ("12h", 12 * HOUR_MS),
    ("4h", 4 * HOUR_MS),
    ("1h", HOUR_MS),
)
RELIABLE: frozenset[str] = frozenset({"4h", "12h", "1d"})
SIDES: tuple[Side, Side] = ("long", "short")
#: A silence longer than this is not averaged over as if the last map had stood all the time.
LONGEST_STEP_MS = 10 * MINUTE_MS
#: +-1 in log price around the mark; bounds the state of a scope to 64 kB.
MAXIMUM_BINS = 2_048
BLOCK_BINS = 64


class TimeAverages:
    """Averaged maps of one scope. Sampled once a minute of event time.

    Attributes
    ----------
    first_bin : int
        Of the window.
    mean : ndarray of float32, shape (4, 2, bins)
        Timeframe (order of ``AVERAGED``), side (long, short), bin. USD. Starts at 0, so it is divided by
        ``1 - exp(-observed / timeframe)`` when it is read.
    observed_ms : int
        Time that went into the averages.
    last_sample_ms : int or None
    width_bins : float
        Smoothing that the search used at the last sample.
    """

    __slots__ = ("_excess", "first_bin", "last_sample_ms", "mean", "observed_ms", "width_bins")

    def __init__(self) -> None:
        self.first_bin = 0
        self.mean: NDArray[np.float32] = np.zeros((len(AVERAGED), 2, 0), dtype=np.float32)
        self.observed_ms = 0
        self.last_sample_ms: int | None = None
        self.width_bins = 2.0
        self._excess: NDArray[np.float32] | None = None

    def sample(
        self,
        time_ms: int,
        first_bin: int,
        long_usd: list[int],
        short_usd: list[int],
        mark_bin: int,
        width_bins: float,
    ) -> None:
        """Take the map of now into every average."""
        step_ms = MINUTE_MS if self.last_sample_ms is None else time_ms - self.last_sample_ms
        step_ms = min(max(step_ms, 0), LONGEST_STEP_MS)
        self.last_sample_ms = time_ms
        self.observed_ms = min(self.observed_ms + step_ms, 40 * DAY_MS)
        self.width_bins = width_bins
        self._excess = None
        self._cover(first_bin, first_bin + len(long_usd), mark_bin)
        start, end = self.first_bin, self.first_bin + self.mean.shape[2]
        taken = slice(max(start - first_bin, 0), max(end - first_bin, 0))
        placed = max(first_bin - start, 0)
        now = np.array([long_usd[taken], short_usd[taken]], dtype=np.float32)
        weights = [-math.expm1(-step_ms / timeframe_ms) for _, timeframe_ms in AVERAGED]
        self.mean *= np.array([1.0 - weight for weight in weights], dtype=np.float32)[:, None, None]
        self.mean[:, :, placed : placed + now.shape[1]] += (
            np.array(weights, dtype=np.float32)[:, None, None] * now[None]
        )

    def longest_shown(
        self, side: Side, lower_bin: int, upper_bin: int, density_sum: float, parameters: Parameters
    ) -> ClusterTimeframe:
        """Longest timeframe whose average still shows a band.

        It shows it when averages were taken for at least that long, when at least half as much stands out of the
        average in the band as stands out now (``density_sum``), and when there is a peak inside: both bins just outside
        of the band are at most 70 % of the highest inside.
        """
        lower, upper = lower_bin - self.first_bin, upper_bin - self.first_bin
        if lower < 1 or upper + 1 >= self.mean.shape[2]:
            return "5m"
        row = SIDES.index(side)
        for place, (name, timeframe_ms) in enumerate(AVERAGED):
            if self.observed_ms < timeframe_ms:
                continue
            weight = -math.expm1(-self.observed_ms / timeframe_ms)
            excess = self._standing_out(parameters)[place, row]
            inside = excess[lower : upper + 1]
            if float(inside.sum(dtype=np.float64)) < parameters.timeframe_mass_share * density_sum * weight:
                continue
            outside = max(float(excess[lower - 1]), float(excess[upper + 1]))
            if outside <= parameters.merge_valley_share * float(inside.max()):
                return name
        return "5m"

    def _standing_out(self, parameters: Parameters) -> NDArray[np.float32]:
        """What stands out of the smoothed averages; derived from the state, so it is not part of it."""
        if self._excess is None:
            smoothed = convolve_rows(self.mean, gaussian(self.width_bins))
            self._excess = standing_out(smoothed, self.width_bins, parameters)
        return self._excess

    def _cover(self, first_bin: int, end_bin: int, mark_bin: int) -> None:
        """Make the window hold these bins; at most ``MAXIMUM_BINS`` around the mark are kept."""
        old_first, old_bins = self.first_bin, self.mean.shape[2]
        if old_bins and old_first <= first_bin and end_bin <= old_first + old_bins:
            return
        first = min(first_bin, old_first) if old_bins else first_bin
        end = max(end_bin, old_first + old_bins) if old_bins else end_bin
        first = max(first // BLOCK_BINS * BLOCK_BINS, mark_bin - MAXIMUM_BINS // 2)
        end = min(-(-end // BLOCK_BINS) * BLOCK_BINS, mark_bin + MAXIMUM_BINS // 2)
        bins = max(end - first, 0)
        mean = np.zeros((len(AVERAGED), 2, bins), dtype=np.float32)
        kept_first, kept_end = max(first, old_first), min(end, old_first + old_bins)
        if kept_first < kept_end:
            mean[:, :, kept_first - first : kept_end - first] = self.mean[
                :, :, kept_first - old_first : kept_end - old_first
            ]
        self.first_bin, self.mean = first, mean
