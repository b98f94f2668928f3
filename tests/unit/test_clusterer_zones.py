"""Zones in maps whose humps are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from liqheat_clusterer.core.decoded_grid import decode_grid
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.core.zones import Side, ZoneSearch, _prominent_peaks, find_zones, gaussian, smoothing_bins
from synthetic_grids import FIRST_BIN, START_MS, Hump, MapBuilder, build_grid, encode_grid

PARAMETERS = Parameters()


def zones_of(builder: MapBuilder, mark_bin: int = 11_050, width: float = 2.0):
    return find_zones(builder.first_bin, builder.long_usd, builder.short_usd, mark_bin, width, PARAMETERS)


def test_each_hump_is_a_zone_with_its_mass_and_place():
    builder = MapBuilder()
    for hump in (Hump(10_950, 2e7), Hump(11_000, 1e7), Hump(11_100, 3e7, side="short")):
        builder.add(hump)
    zones = zones_of(builder)
    assert [zone.peak_bin for zone in zones["long"]] == [10_950, 11_000]
    assert [zone.peak_bin for zone in zones["short"]] == [11_100]
    # 35 % of a bell's height is at 1.45 widths; the band then holds about 85-95 % of the mass, smoothing widens it
    for zone, mass_usd in zip(zones["long"] + zones["short"], (2e7, 1e7, 3e7), strict=True):
        assert 0.85 * mass_usd < zone.mass_usd < mass_usd
        assert 4 <= zone.upper_bin - zone.peak_bin == zone.peak_bin - zone.lower_bin <= 6


def test_edges_lie_where_the_smoothed_map_falls_to_35_percent():
    builder = MapBuilder()
    builder.add(Hump(10_980, 5e7, 5.0))
    (zone,) = zones_of(builder)["long"]
    smoothed = gaussian_filter1d(np.array(builder.long_usd, dtype=float), 2.0, mode="constant")
    level = 0.35 * smoothed.max()
    inside = np.flatnonzero(smoothed >= level) + FIRST_BIN
    assert (zone.lower_bin, zone.upper_bin) == (inside[0], inside[-1])
    assert zone.mass_usd == sum(builder.long_usd[inside[0] - FIRST_BIN : inside[-1] - FIRST_BIN + 1])


@pytest.mark.parametrize(("gap", "zones"), [(6, 1), (14, 2)])
def test_peaks_without_a_valley_between_are_one_zone(gap: int, zones: int):
    builder = MapBuilder()
    builder.add(Hump(10_980, 2e7))
    builder.add(Hump(10_980 + gap, 2e7))
    assert len(zones_of(builder)["long"]) == zones


def test_a_valley_of_more_than_70_percent_merges_a_prominent_peak():
    builder = MapBuilder()
    for centre, mass in ((10_980, 6e7), (10_989, 5e7)):
        builder.add(Hump(centre, mass))
    smoothed = gaussian_filter1d(np.array(builder.long_usd, dtype=float), 2.0)
    peaks, _ = find_peaks(smoothed)
    valley = smoothed[peaks[0] : peaks[1]].min()
    assert len(peaks) == 2
    assert 0.7 < valley / smoothed[peaks].min() < 1.0
    (zone,) = zones_of(builder)["long"]
    assert zone.lower_bin < 10_980 < 10_989 < zone.upper_bin


def test_longs_are_only_looked_for_below_the_mark_and_shorts_above():
    builder = MapBuilder()
    builder.add(Hump(11_100, 2e7, side="long"))
    builder.add(Hump(11_000, 2e7, side="short"))
    assert zones_of(builder) == {"long": [], "short": []}


def test_a_zone_beside_the_mark_stops_before_its_bin():
    builder = MapBuilder()
    builder.add(Hump(11_047, 2e7))
    (zone,) = zones_of(builder)["long"]
    assert zone.upper_bin == 11_049


@pytest.mark.parametrize("mark_bin", [0, FIRST_BIN - 1, FIRST_BIN, FIRST_BIN + 299, FIRST_BIN + 300, 20_000])
def test_the_mark_may_lie_outside_of_the_map(mark_bin: int):
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    builder.add(Hump(11_000, 2e7, side="short"))
    zones = zones_of(builder, mark_bin)
    within = abs(mark_bin - 11_000) < PARAMETERS.reach_bins
    assert len(zones["long"]) == (within and mark_bin >= FIRST_BIN + 299)
    assert len(zones["short"]) == (within and mark_bin <= FIRST_BIN)


def test_zones_beyond_reach_are_left_alone():
    near, far = 11_000 - PARAMETERS.reach_bins + 40, 11_000 - PARAMETERS.reach_bins - 40
    longs = [0] * 600
    for centre in (near, far):
        for step in range(-3, 4):
            longs[centre - 10_450 + step] = 1_000_000 - 200_000 * abs(step)
    (zone,) = find_zones(10_450, longs, [0] * 600, 11_000, 2.0, PARAMETERS)["long"]
    assert zone.peak_bin == near


@pytest.mark.parametrize("side", ["long", "short"])
def test_a_slope_that_goes_on_beyond_reach_is_no_zone_where_it_is_cut(side: Side):
    """Far away a map rises towards positions of little leverage; only those within reach are looked at."""
    mark_bin, length = 11_000, 1_000
    rising = [20_000 * step for step in range(length)]
    longs, shorts = (rising[::-1], [0] * length) if side == "long" else ([0] * length, rising)
    first_bin = mark_bin - length if side == "long" else mark_bin + 1
    assert find_zones(first_bin, longs, shorts, mark_bin, 2.0, PARAMETERS)[side] == []


def test_flat_summits_and_empty_maps():
    assert find_zones(0, [], [], 10, 2.0, PARAMETERS) == {"long": [], "short": []}
    longs = [0] * 40 + [1000] * 30 + [0] * 40
    (zone,) = find_zones(0, longs, [0] * 110, 200, 2.0, PARAMETERS)["long"]
    assert zone.mass_usd == 30_000


def test_the_smoothing_follows_volatility_within_bounds():
    assert [smoothing_bins(sigma, PARAMETERS) for sigma in (None, 0.001, 0.02, 9.0)] == [2.0, 2.0, 5.0, 40.0]


MASSES = st.lists(st.integers(0, 10_000_000) | st.just(0), min_size=1, max_size=120)


@settings(max_examples=150, deadline=None)
@given(masses=MASSES, noise=st.floats(0, 1e6))
def test_prominent_peaks_are_those_of_scipy(masses: list[int], noise: float):
    padded = np.concatenate([np.zeros(9), np.array(masses, dtype=float), np.zeros(9)])
    smoothed = np.convolve(padded, gaussian(2.0), "same")
    expected, _ = find_peaks(smoothed, prominence=max(3 * noise, 0.02 * smoothed.max(), 1e-9))
    found = _prominent_peaks(smoothed, noise, 0, len(smoothed), Parameters(maximum_zones_per_side=1000))
    for ours, theirs in zip(found, expected.tolist(), strict=True):  # of a level summit scipy gives the middle
        assert smoothed[ours] == smoothed[theirs]


@settings(max_examples=150, deadline=None)
@given(longs=MASSES, shorts=MASSES, mark=st.integers(-5, 130), width=st.sampled_from([2.0, 5.5, 40.0]))
def test_zones_are_apart_and_hold_what_the_map_has_there(longs, shorts, mark: int, width: float):
    bins = max(len(longs), len(shorts))
    sides = {"long": longs + [0] * (bins - len(longs)), "short": shorts + [0] * (bins - len(shorts))}
    zones = find_zones(0, sides["long"], sides["short"], mark, width, PARAMETERS)
    for side, found in zones.items():
        masses = sides[side]
        ends = -(10**9)
        for zone in found:
            assert ends < zone.lower_bin <= zone.peak_bin <= zone.upper_bin
            assert zone.upper_bin < mark if side == "long" else zone.lower_bin > mark
            assert zone.mass_usd == sum(masses[max(zone.lower_bin, 0) : max(zone.upper_bin + 1, 0)])
            assert len(zone.density) == zone.upper_bin - zone.lower_bin + 1
            ends = zone.upper_bin


def test_a_ridge_on_a_wide_background_is_a_zone_of_its_own_width():
    builder = MapBuilder(long_usd=[2_800_000] * 145 + [0] * 155)
    builder.add(Hump(10_990, 4e7, 4.0))
    (zone,) = zones_of(builder)["long"]
    assert zone.peak_bin == 10_990
    assert 9 <= zone.upper_bin - zone.lower_bin <= 15
    assert zone.density_sum == pytest.approx(0.88 * 4e7, rel=0.06)
    bins = zone.upper_bin - zone.lower_bin + 1
    assert zone.mass_usd == pytest.approx(zone.density_sum + 2.8e6 * bins, rel=0.06)


def test_a_plateau_and_a_wide_hill_are_background():
    plateau = MapBuilder(long_usd=[2_800_000] * 145 + [0] * 155)
    assert zones_of(plateau)["long"] == []
    hill = MapBuilder(first_bin=10_700, long_usd=[0] * 400, short_usd=[0] * 400)
    hill.add(Hump(10_880, 1e9, 50.0))
    assert sum(zone.density_sum for zone in zones_of(hill)["long"]) < 0.05 * 1e9


def test_equal_maps_of_one_grid_are_searched_once_and_others_apart():
    same, moved, other = MapBuilder(), MapBuilder(mark_bin=11_040.5), MapBuilder()
    for builder in (same, moved):
        builder.add(Hump(11_000, 2e7))
    other.add(Hump(10_990, 2e7))
    maps = {"aggregated": same, "binance": same, "bybit": moved, "okx": other}
    scopes = decode_grid(encode_grid(build_grid(START_MS, 1, maps)), "BTC").scopes
    search = ZoneSearch(PARAMETERS)
    bins = {"aggregated": 11_050, "binance": 11_050, "bybit": 11_004, "okx": 11_050}
    found = {name: search.find(scope, bins[name], 2.0) for name, scope in scopes.items()}
    assert found["binance"] is found["aggregated"]
    assert found["bybit"]["long"][0].upper_bin == 11_003
    assert found["okx"]["long"][0].peak_bin == 10_990
