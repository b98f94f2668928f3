"""Finding dense zones in a map: what stands out of it when it is smoothed, cut at its edges and valleys."""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from liqheat_clusterer.core.decoded_grid import DecodedScope
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.core.row_filters import convolve_rows, peak_prominences, running_maximum, running_minimum

Side = Literal["long", "short"]
Floats = NDArray[np.float64]
Real = TypeVar("Real", bound=np.floating[Any])
BIN_WIDTH = 0.001
TRUNCATE = 4.0
#: A quarter in log price.
NOISE_BINS = 256


class Zone(NamedTuple):
    """A dense stretch of one side's map, as one search saw it.

    Attributes
    ----------
    lower_bin, upper_bin, peak_bin : int
        Absolute bins, edges included.
    mass_usd : float
        Sum of the map itself, not of its smoothed form.
    density : ndarray of float64
        What stands out of the smoothed map between the edges.
    density_sum : float
        Its sum: the part of the mass that makes it a zone.
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


class ZoneSearch:
    """The search in the scopes of one grid. A coin traded at one venue has the same map twice: it is searched once."""

    __slots__ = ("_done", "parameters")

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._done: list[tuple[DecodedScope, int, dict[Side, list[Zone]]]] = []

    def find(self, scope: DecodedScope, mark_bin: int, width_bins: float) -> dict[Side, list[Zone]]:
        """Zones of a scope, see :func:`find_zones`."""
        for known, known_mark_bin, zones in self._done:
            same_place = known_mark_bin == mark_bin and known.first_bin == scope.first_bin
            if same_place and known.long_usd == scope.long_usd and known.short_usd == scope.short_usd:
                return zones
        zones = find_zones(scope.first_bin, scope.long_usd, scope.short_usd, mark_bin, width_bins, self.parameters)
        self._done.append((scope, mark_bin, zones))
        return zones


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
    mark, reach = mark_bin - first_bin, parameters.reach_bins
    # What lies beyond the reach is no zone, but without it a slope that is cut there would end in a hump.
    seen = reach + _background_window(width_bins, parameters)
    begin = max(mark - seen, 0)
    longs = long_usd[begin : max(mark, 0)]
    skipped = min(max(mark + 1, 0), len(short_usd))
    shorts = short_usd[skipped : max(mark + 1 + seen, 0)]
    below, above = (mark_bin - reach, mark_bin - 1), (mark_bin + 1, mark_bin + reach)
    return {
        "long": _zones_of_side(longs, first_bin + begin, below, width_bins, parameters),
        "short": _zones_of_side(shorts, first_bin + skipped, above, width_bins, parameters),
    }


def _zones_of_side(
    masses: list[int],
    first_bin: int,
    bounds: tuple[int, int],
    width_bins: float,
    parameters: Parameters,
) -> list[Zone]:
    """Zones of one side between two bins, included; none reaches beyond, though the smoothing does."""
    if not any(masses):
        return []
    weights = gaussian(width_bins)
    padding = len(weights) // 2 + 1
    padded = np.zeros(len(masses) + 2 * padding)
    padded[padding:-padding] = np.frombuffer(array("d", masses))
    smoothed = convolve_rows(padded, weights)
    shift = first_bin - padding
    least, most = max(bounds[0] - shift, 0), min(bounds[1] - shift, len(padded) - 1)
    excess = standing_out(smoothed, width_bins, parameters)
    peaks = _prominent_peaks(excess, _median_absolute_deviation(excess), least, most, parameters)
    if not peaks:
        return []
    heights = excess.tolist()
    zones = []
    for peak, lower, upper in _bands(peaks, heights, (least, most), parameters):
        mass_usd = float(sum(masses[max(lower - padding, 0) : max(upper + 1 - padding, 0)]))
        density = excess[lower : upper + 1].copy()
        density_sum = sum(heights[lower : upper + 1])
        zones.append(Zone(lower + shift, upper + shift, peak + shift, mass_usd, density, density_sum))
    return zones


def standing_out(smoothed: NDArray[Real], width_bins: float, parameters: Parameters) -> NDArray[Real]:
    """What of a smoothed map is narrower than a window: the map minus its morphological opening (along the last axis).

    A map rests on mass that is spread wide, above all where the past is not known and a prior stands in. Zones are what
    rises out of that. A lone hump narrower than the window keeps all of its height, a plateau or a slope keeps nothing.
    """
    window = _background_window(width_bins, parameters)
    return smoothed - running_maximum(running_minimum(smoothed, window), window)


def _background_window(width_bins: float, parameters: Parameters) -> int:
    """Bins beyond which a hump is background: an odd number."""
    widths = max(parameters.background_minimum_bins, round(parameters.background_widths * width_bins))
    return 2 * (widths // 2) + 1


@lru_cache(maxsize=256)
def gaussian(width_bins: float) -> Floats:
    """Weights of a Gaussian of this standard deviation, cut at ``TRUNCATE`` of them; their sum is 1."""
    reach = int(TRUNCATE * width_bins + 0.5)
    # not numpy's exponential: its last bit depends on the processor
    weights = [math.exp(-0.5 * (step / width_bins) ** 2) for step in range(-reach, reach + 1)]
    total = sum(weights)
    return np.array([weight / total for weight in weights])


def _prominent_peaks(smoothed: Floats, noise: float, least: int, most: int, parameters: Parameters) -> list[int]:
    """Places of the peaks, in order. As ``scipy.signal.find_peaks``, without its cost of looking at every ripple."""
    least_share = parameters.prominence_share_minimum * float(smoothed.max())
    prominence = max(parameters.prominence_mads * noise, least_share, 1e-9)
    inner = smoothed[1:-1]
    tops = np.flatnonzero((inner > smoothed[:-2]) & (inner >= smoothed[2:]) & (inner >= prominence)) + 1
    flat = smoothed[tops] == smoothed[tops + 1]
    if flat.any():
        tops = np.array([top for top in tops.tolist() if _falls_after(smoothed, top)], dtype=np.intp)
    prominences = peak_prominences(smoothed, tops)
    found = (prominences >= prominence) & (tops >= least) & (tops <= most)
    tops, prominences = tops[found], prominences[found]
    if len(tops) > parameters.maximum_zones_per_side:
        keep = np.argsort(-prominences, kind="stable")[: parameters.maximum_zones_per_side]
        tops = np.sort(tops[keep])
    return tops.tolist()


def _falls_after(smoothed: Floats, top: int) -> bool:
    """Whether a level stretch that begins here is a summit and not a step on the way up."""
    end = top
    while end + 1 < len(smoothed) and smoothed[end + 1] == smoothed[top]:
        end += 1
    return end + 1 < len(smoothed) and bool(smoothed[end + 1] < smoothed[top])


def _median_absolute_deviation(smoothed: Floats) -> float:
    """Of one side, around its (upper) median, in a stretch of at least ``NOISE_BINS``.

    Maps are trimmed to where they have mass. Without the emptiness around it a lone hump would be its own noise and
    never stand out of it.
    """
    values = (
        smoothed if len(smoothed) >= NOISE_BINS else np.concatenate([smoothed, np.zeros(NOISE_BINS - len(smoothed))])
    )
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
