"""Magnets: scores, bias, what is said beside them, and when they and the sets are published."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from clusterer_runs import Run
from liqheat_clusterer.core.magnets import HourlyVolume
from liqheat_clusterer.core.touch_probability import touch_probability
from synthetic_grids import START_MS, Hump, MapBuilder

MAGNETS, SETS = "liquidation-magnets-v1", "cluster-sets-v1"


def two_sided() -> MapBuilder:
    builder = MapBuilder()
    builder.add(Hump(11_030, 2e7, side="long"))
    builder.add(Hump(11_070, 4e7, side="short"))
    return builder


def test_the_score_is_pull_times_probability_of_touch_in_four_hours():
    run = Run()
    run.steps(two_sided(), 60)
    value = run.last(MAGNETS)
    scores = {1: 0.0, -1: 0.0}
    for magnet in value["magnets"]:
        direction = 1 if magnet["side"] == "short" else -1
        distance = direction * math.log(magnet["near_price"] / value["mark_price"])
        # 100,000 USD a second is 360 million an hour; the average was last told a few seconds ago
        depth_usd = 3.6e8 * distance / 0.005
        probability = touch_probability(distance, direction, 0.005, 14_400_000)
        assert magnet["score"] == pytest.approx(math.log(1 + magnet["mass_usd"] / depth_usd) * probability, rel=0.03)
        assert magnet["depth_to_near_edge_usd"] is None
        assert [touch["horizon_ms"] for touch in magnet["touches"]] == [3_600_000, 14_400_000, 86_400_000]
        assert magnet["touches"][1]["probability"] == pytest.approx(probability, abs=1e-6)
        scores[direction] += magnet["score"]
    assert value["bias"] == pytest.approx((scores[1] - scores[-1]) / (scores[1] + scores[-1]))
    assert value["bias"] > 0
    assert [magnet["score"] for magnet in value["magnets"]] == sorted(
        (magnet["score"] for magnet in value["magnets"]), reverse=True
    )


def test_without_volatility_or_volume_there_are_no_magnets():
    for changes in ({"sigma_1h": None}, {"volume_usd": 0.0}):
        run = Run()
        run.settings = run.settings.but(**changes)
        run.steps(two_sided(), 60)
        assert not any(topic == MAGNETS for topic, _ in run.values)


def test_levels_out_of_reach_make_up_no_bias():
    run, builder = Run(), MapBuilder()
    builder.add(Hump(11_180, 4e7, side="short"))
    run.steps(builder, 60)
    value = run.last(MAGNETS)
    assert value["magnets"][0]["score"] == 0.0
    assert value["bias"] == 0.0


def test_a_cluster_that_the_mark_is_in_pulls_no_more():
    run, builder = Run(), two_sided()
    run.steps(builder, 60)
    builder.move_mark(11_030.5)
    run.steps(builder, 10)
    assert [magnet["side"] for magnet in run.last(MAGNETS)["magnets"]] == ["short"]


def test_at_most_twenty_magnets_are_shown():
    run = Run()
    builder = MapBuilder(first_bin=10_600, long_usd=[0] * 900, short_usd=[0] * 900)
    for number in range(24):
        builder.add(Hump(11_062 + 15 * number, 1e7, 1.5, side="short"))
    run.steps(builder, 60)
    assert len(run.clusters()) == 24
    assert len(run.last(MAGNETS)["magnets"]) == 20


def times_of(run: Run, topic: str) -> list[int]:
    return [value["event_time_ms"] for name, value in run.values if name == topic]


def test_a_still_market_is_refreshed_once_a_minute():
    run = Run()
    builder = two_sided()
    run.steps(builder, 300)  # the hourly volume settles
    run.values.clear()
    run.steps(builder, 600)
    for topic in (SETS, MAGNETS):
        times = times_of(run, topic)
        assert 9 <= len(times) <= 12
        assert all(after - before <= 60_000 for before, after in pairwise(times))
    assert all(value["valid_until_ms"] > value["event_time_ms"] + 60_000 for _, value in run.values)


def test_a_change_is_published_at_the_next_search_and_an_event_at_once():
    run, builder = Run(), two_sided()
    run.steps(builder, 120)
    run.values.clear()
    builder.scale("short", 1.1)
    run.steps(builder, 5)
    assert len(times_of(run, SETS)) == 1
    run.values.clear()
    builder.move_mark(11_031.5)
    events = run.step(builder)
    assert events
    assert times_of(run, SETS) == [run.time_ms]


def test_sets_come_at_most_every_five_seconds_without_events():
    run, builder = Run(), two_sided()
    run.steps(builder, 60)
    run.values.clear()
    run.steps(builder, 120, lambda second: builder.scale("short", 1.011 if second % 2 else 0.99))
    times = times_of(run, SETS)
    assert all(after - before >= 5_000 for before, after in pairwise(times))


def test_clusters_are_listed_nearest_first():
    run, builder = Run(), MapBuilder()
    for centre, side in ((10_960, "long"), (11_030, "long"), (11_085, "short"), (11_140, "short")):
        builder.add(Hump(centre, 2e7, side=side))
    run.steps(builder, 40)
    assert {cluster["side"] for cluster in run.clusters()} == {"long", "short"}
    distances = [abs(math.log1p(cluster["distance_fraction"])) for cluster in run.clusters()]
    assert distances == sorted(distances)


def test_base_rates_appear_beside_probabilities_after_thirty_windows():
    run, builder = Run(), two_sided()
    first_known = None
    for minute in range(60 * 5):
        builder.mark_bin = 11_050.5 + 5 * math.sin(minute)
        run.step(builder, 60_000)
        touch = run.clusters()[0]["touches"][0] if run.clusters() else None
        if touch and touch["base_rate"] is not None and first_known is None:
            first_known = (minute, touch["base_rate_samples"])
    assert first_known is not None
    assert first_known[1] >= 30
    assert 12 * 5 + 30 * 5 - 10 <= first_known[0] <= 12 * 5 + 30 * 5 + 10


def test_hourly_volume_is_the_rate_of_trade():
    volume = HourlyVolume()
    assert volume.usd_an_hour() is None
    for second in range(1, 20_000):
        volume.add(START_MS + second * 1_000, 1_000, 50.0)
        assert volume.usd_an_hour() == pytest.approx(180_000, rel=2e-3)
