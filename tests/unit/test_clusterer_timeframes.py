"""How long the map has shown a cluster, and the mass below which no zone is born."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clusterer_runs import Run, kinds
from liqheat_clusterer.core.mass_quantile import MassQuantile
from liqheat_clusterer.core.parameters import DAY_MS, HOUR_MS, Parameters
from liqheat_clusterer.core.time_averages import AVERAGED, MAXIMUM_BINS, TimeAverages
from synthetic_grids import BINS, FIRST_BIN, START_MS, Hump, MapBuilder

PARAMETERS = Parameters()
EMPTY = [0] * BINS
#: Of a hump of 2e7 USD, 3 bins wide, smoothed by 2: what lies within 5.5 of its 3.6 bins.
DENSITY_SUM = 2e7 * math.erf(5.5 / math.sqrt(2 * 13))


def sampled(hours: float, builder: MapBuilder, averages: TimeAverages | None = None) -> TimeAverages:
    averages = averages or TimeAverages()
    start = START_MS if averages.last_sample_ms is None else averages.last_sample_ms
    for minute in range(1, round(hours * 60) + 1):
        averages.sample(start + minute * 60_000, builder.first_bin, builder.long_usd, builder.short_usd, 11_050, 2.0)
    return averages


def shown(averages: TimeAverages) -> str:
    return averages.longest_shown("long", 10_995, 11_005, DENSITY_SUM, PARAMETERS)


@pytest.mark.parametrize(
    ("hours", "timeframe"), [(0.5, "5m"), (1, "1h"), (3.9, "1h"), (4, "4h"), (12, "12h"), (24, "1d")]
)
def test_a_timeframe_needs_its_time(hours: float, timeframe: str):
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    assert shown(sampled(hours, builder)) == timeframe


def test_a_new_cluster_in_an_old_map_has_a_short_timeframe():
    old, new = MapBuilder(), MapBuilder()
    old.add(Hump(10_950, 5e7))
    new.add(Hump(10_950, 5e7))
    new.add(Hump(11_000, 2e7))
    averages = sampled(24, old)
    assert shown(averages) == "5m"
    # half of the mass is in the average of one hour after ln 2 = 42 minutes
    assert shown(sampled(0.66, new, averages)) == "5m"
    assert shown(sampled(0.1, new, averages)) == "1h"


def test_mass_without_a_peak_shows_nothing():
    builder = MapBuilder(long_usd=[2_000_000] * BINS)
    assert shown(sampled(24, builder)) == "5m"


def test_averages_are_the_exponential_mean_of_the_samples():
    chance = np.random.default_rng(4)
    averages, expected = TimeAverages(), np.zeros((4, 2, BINS))
    for minute in range(1, 300):
        masses = chance.integers(0, 10**6, (2, BINS))
        averages.sample(START_MS + minute * 60_000, FIRST_BIN, *masses.tolist(), 11_050, 2.0)
        for place, (_, timeframe_ms) in enumerate(AVERAGED):
            weight = 1 - math.exp(-60_000 / timeframe_ms)
            expected[place] = (1 - weight) * expected[place] + weight * masses
    offset = FIRST_BIN - averages.first_bin
    assert np.allclose(averages.mean[:, :, offset : offset + BINS], expected, rtol=1e-4)


def test_the_window_follows_the_map_and_stays_bounded():
    averages = TimeAverages()
    for number in range(60):
        first = 11_000 + (-1) ** number * number * 100
        averages.sample(START_MS + number * 60_000, first, [10**6] * 50, [0] * 50, first + 60, 2.0)
        assert averages.mean.shape[2] <= MAXIMUM_BINS
        at = first - averages.first_bin
        assert averages.mean[3, 0, at : at + 50].min() > 0


def test_a_long_silence_is_not_averaged_over():
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    averages = sampled(0.1, builder)
    averages.sample(START_MS + 10 * DAY_MS, FIRST_BIN, builder.long_usd, EMPTY, 11_050, 2.0)
    assert averages.observed_ms == 16 * 60_000


def test_a_formed_cluster_says_whether_it_is_reliable():
    run, builder = Run(), MapBuilder()
    builder.add(Hump(11_000, 2e7))
    seen = []
    for _ in range(5 * 60):
        run.step(builder, 60_000)
        seen += [(cluster["timeframe"], cluster["reliable"]) for cluster in run.clusters()]
    assert list(dict.fromkeys(seen)) == [("5m", False), ("1h", False), ("4h", True)]


def test_the_quantile_is_that_of_the_masses_of_seven_days():
    chance = np.random.default_rng(11)
    quantile, kept = MassQuantile(7), []
    for day in range(12):
        masses = (10 ** chance.uniform(5 + day / 10, 8, 400)).tolist()
        quantile.add(masses, START_MS + day * DAY_MS)
        kept = [*kept[-6:], masses]
    expected = np.quantile(np.concatenate(kept), 0.9)
    assert quantile.floor_usd(START_MS + 11 * DAY_MS, PARAMETERS) == pytest.approx(expected, rel=0.13)


def test_the_quantile_counts_from_the_second_day_on():
    quantile = MassQuantile(7)
    assert quantile.floor_usd(START_MS, PARAMETERS) == 0.0
    quantile.add([1e7] * 10, START_MS)
    assert quantile.floor_usd(START_MS + DAY_MS - 1, PARAMETERS) == 0.0
    assert quantile.floor_usd(START_MS + DAY_MS, PARAMETERS) == pytest.approx(1e7, rel=0.13)
    assert quantile.floor_usd(START_MS + 9 * DAY_MS, PARAMETERS) == 0.0


def test_on_the_second_day_only_the_heaviest_zones_are_born_and_the_living_stay():
    builder, run = MapBuilder(open_interest_usd=1e9), Run()
    for number in range(9):
        builder.add(Hump(10_930 + 12 * number, 2e7, 2.0))
    run.steps(builder, 40)
    for _ in range(25 * 12):
        run.step(builder, 300_000)
    assert len(run.clusters()) == 9
    builder.add(Hump(11_080, 1e7, 2.0, side="short"))
    assert "formed" not in kinds(run.steps(builder, 60))
    builder.add(Hump(11_080, 5e7, 2.0, side="short"))
    assert "formed" in kinds(run.steps(builder, 60))
    assert run.time_ms - START_MS > 25 * HOUR_MS
