"""Finding dense zones in a map: smooth, take prominent peaks, cut their edges, merge what has no valley between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from liqheat_clusterer.core.parameters import Parameters

Side = Literal["long", "short"]
Floats = NDArray[np.float64]
BIN_WIDTH = 0.001
TRUNCATE = 4.0


@dataclass(frozen=True, slots=True)
class Zone:
    """A dense stretch of one side's map, as one search saw it.

    Attributes
    ----------
    lower_bin, upper_bin, peak_bin : int
        Absolute bins, edges included.
    mass_usd : float
        Sum of the map itself, not of its smoothed form.
    density : ndarray of float64
        Smoothed map between the edges.
    """

    lower_bin: int
    upper_bin: int
    peak_bin: int
    mass_usd: float
    density: Floats
    density_sum: float


def smoothing_bins(sigma_1h: float | None, parameters: Parameters) -> float:
    """Width of the Gaussian, in bins.

    >>> smoothing_bins(0.02, Parameters())
    5.0
    >>> smoothing_bins(None, Parameters())
    2.0
    """
    wanted = 0.0 if sigma_1h is None else parameters.smoothing_sigma_share * sigma_1h / BIN_WIDTH
    return min(max(wanted, parameters.smoothing_minimum_bins), parameters.smoothing_maximum_bins)


def find_zones(
    first_bin: int,
    long_usd: list[int],
    short_usd: list[int],
    mark_bin: int,
    width_bins: float,
    parameters: Parameters,
) -> dict[Side, list[Zone]]:
    """Dense zones of both sides, lowest first. Longs are looked for below the bin of the mark, shorts above it.

    Parameters
    ----------
    long_usd, short_usd : list of int
        Whole USD per bin from ``first_bin`` on.
    mark_bin : int
        Bin of the mark; its own mass belongs to no zone, for it is being liquidated now.
    width_bins : float
        Standard deviation of the smoothing, see :func:`smoothing_bins`.

    Examples
    --------
    >>> longs = [0] * 20 + [10, 40, 90, 40, 10] + [0] * 20
    >>> zone = find_zones(100, longs, [0] * 45, 145, 2.0, Parameters())["long"][0]
    >>> (zone.lower_bin, zone.peak_bin, zone.upper_bin, zone.mass_usd)
    (119, 122, 125, 190.0)
    """
    bins = len(long_usd)
    padding = int(TRUNCATE * width_bins + 0.5) + 1
    mark = min(max(mark_bin - first_bin, -1), bins)
    masses = np.zeros((2, bins + 2 * padding))
    if mark > 0:
        masses[0, padding : padding + mark] = long_usd[:mark]
    if mark < bins - 1:
        masses[1, padding + mark + 1 : padding + bins] = short_usd[mark + 1 :]
    smoothed = gaussian_filter1d(masses, width_bins, axis=1, mode="constant", truncate=TRUNCATE)
    shift = first_bin - padding
    end = len(masses[0]) - 1
    # a zone ends before the bin of the mark, though the smoothing reaches over it
    limits: dict[Side, tuple[int, int]] = {
        "long": (0, min(end, mark_bin - 1 - shift)),
        "short": (max(0, mark_bin + 1 - shift), end),
    }
    return {
        "long": _zones_of_side(masses[0], smoothed[0], shift, limits["long"], parameters),
        "short": _zones_of_side(masses[1], smoothed[1], shift, limits["short"], parameters),
    }


def _zones_of_side(
    masses: Floats, smoothed: Floats, shift: int, limits: tuple[int, int], parameters: Parameters
) -> list[Zone]:
    occupied = np.flatnonzero(masses)
    if len(occupied) == 0:
        return []
    noise = _median_absolute_deviation(smoothed[occupied[0] : occupied[-1] + 1])
    peaks, properties = find_peaks(smoothed, prominence=max(parameters.prominence_mads * noise, 1e-9))
    inside = (peaks >= limits[0]) & (peaks <= limits[1])
    peaks, prominences = peaks[inside], properties["prominences"][inside]
    if len(peaks) > parameters.maximum_zones_per_side:
        keep = np.argsort(-prominences, kind="stable")[: parameters.maximum_zones_per_side]
        peaks = np.sort(peaks[keep])
    if len(peaks) == 0:
        return []
    heights = smoothed.tolist()
    zones = []
    for peak, lower, upper in _bands(peaks.tolist(), heights, limits, parameters):
        density = smoothed[lower : upper + 1].copy()
        zones.append(
            Zone(
                lower_bin=lower + shift,
                upper_bin=upper + shift,
                peak_bin=peak + shift,
                mass_usd=float(masses[lower : upper + 1].sum()),
                density=density,
                density_sum=float(density.sum()),
            )
        )
    return zones


def _median_absolute_deviation(values: Floats) -> float:
    """Around the (upper) median; sorting beats a median call for a few hundred bins."""
    middle = len(values) // 2
    deviations = np.abs(values - np.sort(values)[middle])
    deviations.sort()
    return float(deviations[middle])


def _bands(
    peaks: list[int], heights: list[float], limits: tuple[int, int], parameters: Parameters
) -> list[tuple[int, int, int]]:
    """(peak, lower, upper) of each zone: merged where the valley is shallow, cut at the valley where it is not."""
    merged: list[int] = []
    valleys: list[int] = []
    for peak in peaks:
        if merged:
            between = heights[merged[-1] : peak + 1]
            depth = min(between)
            if depth > parameters.merge_valley_share * min(heights[merged[-1]], heights[peak]):
                if heights[peak] > heights[merged[-1]]:
                    merged[-1] = peak
                continue
            valleys.append(merged[-1] + between.index(depth))
        merged.append(peak)
    bounds = [limits[0], *valleys, limits[1]]
    bands = []
    for place, peak in enumerate(merged):
        level = parameters.edge_share * heights[peak]
        least = bounds[place] if place == 0 else bounds[place] + 1
        most = bounds[place + 1]
        lower = upper = peak
        while lower > least and heights[lower - 1] >= level:
            lower -= 1
        while upper < most and heights[upper + 1] >= level:
            upper += 1
        bands.append((peak, lower, upper))
    return bands
