"""The life of clusters on maps that are changed on purpose."""

from __future__ import annotations

import pytest

from clusterer_runs import Run, kinds
from synthetic_grids import Hump, MapBuilder, price_of_bin

MINUTE = 60


def one_long(mass_usd: float = 2e7, centre_bin: int = 11_000) -> MapBuilder:
    builder = MapBuilder()
    builder.add(Hump(centre_bin, mass_usd))
    return builder


def formed_run(builder: MapBuilder, count: int = 1) -> Run:
    run = Run()
    assert kinds(run.steps(builder, 40)) == ["formed"] * count
    return run


def test_a_zone_is_formed_after_thirty_seconds_of_being_seen():
    run, builder = Run(), one_long()
    assert run.steps(builder, 30) == []
    (event,) = run.steps(builder, 10)
    cluster = event["cluster"]
    assert event["kind"] == "formed"
    assert cluster["formed_time_ms"] - run.time_ms <= 0
    assert cluster["side"] == "long"
    assert cluster["lower_price"] < price_of_bin(11_000.5) < cluster["upper_price"] < event["mark_price"]
    assert cluster["peak_price"] == pytest.approx(price_of_bin(11_000.5))
    assert cluster["open_interest_share"] == pytest.approx(cluster["mass_usd"] / 1e9)
    assert cluster["distance_fraction"] == pytest.approx(cluster["upper_price"] / event["mark_price"] - 1)
    assert cluster["distance_fraction"] < 0
    assert cluster["distance_atr"] == pytest.approx((cluster["upper_price"] - event["mark_price"]) / 300.0)
    assert [cluster["cluster_id"] for cluster in run.clusters()] == [cluster["cluster_id"]]
    assert cluster["cluster_id"] == "BTC-aggregated-long-1-0-7-0"


def test_a_zone_that_flickers_is_not_formed():
    run, builder, empty = Run(), one_long(), MapBuilder()
    for second in range(300):
        assert run.step(empty if second % 20 == 19 else builder) == []


def test_a_zone_below_half_a_percent_of_open_interest_is_none():
    run = Run()
    assert run.steps(one_long(4e6), 120) == []
    assert run.clusters() == []


def test_growth_and_shrinkage_are_reported_in_steps_of_twenty_percent():
    builder = one_long()
    run = formed_run(builder)
    builder.scale("long", 1.15)
    assert run.steps(builder, 20) == []
    builder.scale("long", 1.1)
    (grown,) = run.steps(builder, 20)
    builder.scale("long", 0.7)
    (shrunk,) = run.steps(builder, 20)
    assert (grown["kind"], shrunk["kind"]) == ("grown", "shrunk")
    assert grown["cluster"]["mass_usd"] == pytest.approx(1.265 * grown["previous_mass_usd"], rel=1e-3)
    assert shrunk["previous_mass_usd"] == grown["cluster"]["mass_usd"]
    assert shrunk["cluster"]["peak_mass_usd"] == grown["cluster"]["mass_usd"]


def test_identity_stays_while_the_mass_shifts():
    builder = one_long()
    run = formed_run(builder)
    name = run.clusters()[0]["cluster_id"]
    for second in range(200):  # a bin every five seconds: a search sees it shifted by one bin
        if second % 5 == 0:
            builder.long_usd = [0, *builder.long_usd[:-1]] if second < 100 else [*builder.long_usd[1:], 0]
        assert set(kinds(run.step(builder))) <= {"approached"}
    assert [cluster["cluster_id"] for cluster in run.clusters()] == [name]


def test_identity_is_lost_when_the_mass_jumps():
    builder = one_long()
    run = formed_run(builder)
    moved = one_long(centre_bin=10_970)
    events = run.steps(moved, 120)
    assert kinds(events) == ["formed", "expired"]
    assert events[1]["reason"] == "not seen for 60 s"
    assert events[0]["cluster"]["cluster_id"] != events[1]["cluster"]["cluster_id"]


@pytest.mark.parametrize(("seconds", "ends"), [(55, []), (75, ["expired"])])
def test_an_absence_of_a_minute_is_tolerated(seconds: int, ends: list[str]):
    builder = one_long()
    run = formed_run(builder)
    assert kinds(run.steps(MapBuilder(), seconds)) == ends
    after = kinds(run.steps(builder, 40))
    assert after == ([] if not ends else ["formed"])


def test_zones_that_merge_end_in_the_heavier_one():
    builder = MapBuilder()
    for centre, mass in ((10_980, 3e7), (11_000, 2e7)):
        builder.add(Hump(centre, mass))
    run = formed_run(builder, count=2)
    heavy, light = sorted(run.clusters(), key=lambda cluster: -cluster["mass_usd"])
    builder.add(Hump(10_990, 4e7, 5.0))
    events = run.steps(builder, 90)
    (merged,) = [event for event in events if event["kind"] == "merged"]
    assert merged["cluster"]["cluster_id"] == light["cluster_id"]
    assert merged["merged_into"] == heavy["cluster_id"]
    (survivor,) = run.clusters()
    assert survivor["cluster_id"] == heavy["cluster_id"]
    assert survivor["parents"] == [light["cluster_id"]]
    assert survivor["lower_bin"] < 10_980 < 11_000 < survivor["upper_bin"]


def test_a_merger_of_less_than_a_minute_changes_nothing():
    builder = MapBuilder()
    for centre, mass in ((10_980, 3e7), (11_000, 2e7)):
        builder.add(Hump(centre, mass))
    run = formed_run(builder, count=2)
    names = {cluster["cluster_id"] for cluster in run.clusters()}
    bridged = MapBuilder(long_usd=list(builder.long_usd))
    bridged.add(Hump(10_990, 4e7, 5.0))
    assert set(kinds(run.steps(bridged, 30))) <= {"grown"}
    assert set(kinds(run.steps(builder, 90))) <= {"shrunk"}
    assert {cluster["cluster_id"] for cluster in run.clusters()} == names


def test_the_heavier_part_of_a_split_keeps_the_identity():
    builder = MapBuilder()
    builder.add(Hump(10_985, 6e7, 8.0))
    run = formed_run(builder)
    (before,) = run.clusters()
    builder.scale("long", 0.05, 10_985, 10_992)
    events = run.steps(builder, 40)
    formed, split = [event for event in events if event["kind"] in ("formed", "split")]
    assert formed["cluster"]["parents"] == split["cluster"]["parents"] == [before["cluster_id"]]
    assert formed["cluster"]["cluster_id"] == split["cluster"]["cluster_id"] != before["cluster_id"]
    assert split["previous_mass_usd"] == before["mass_usd"]
    by_id = {cluster["cluster_id"]: cluster for cluster in run.clusters()}
    assert by_id[before["cluster_id"]]["mass_usd"] > by_id[split["cluster"]["cluster_id"]]["mass_usd"]


def test_a_cluster_expires_when_its_mass_falls_below_thirty_percent_of_its_peak():
    builder = one_long()
    run = formed_run(builder)
    builder.scale("long", 0.29)
    events = run.steps(builder, 10)
    assert kinds(events) == ["expired"]
    assert events[0]["reason"] == "mass below 30 % of its peak"
    assert run.clusters() == []


def test_a_cluster_expires_after_seven_days():
    builder = one_long()
    run = formed_run(builder)
    events = []
    for _ in range(7 * 24 * 12 + 1):
        events += run.step(builder, 300_000)
    (expired,) = [event for event in events if event["kind"] == "expired"]
    assert expired["reason"] == "older than 7 days"
    assert 0 <= expired["event_time_ms"] - expired["cluster"]["formed_time_ms"] - 7 * 86_400_000 <= 300_000


def approach(run: Run, builder: MapBuilder, until_bin: float, step: float = 0.5) -> list[dict]:
    """Move the mark towards a bin, half a bin a second."""
    events: list[dict] = []
    direction = 1 if until_bin > builder.mark_bin else -1
    while (until_bin - builder.mark_bin) * direction > 0:
        builder.move_mark(builder.mark_bin + direction * step)
        events += run.step(builder)
    return events


@pytest.mark.parametrize(("side", "centre", "beyond"), [("long", 11_000, 10_995.5), ("short", 11_100, 11_105.5)])
def test_the_mark_consumes_a_cluster_in_steps_and_sweeps_it(side: str, centre: int, beyond: float):
    builder = MapBuilder()
    builder.add(Hump(centre, 2e7, side=side))
    run = formed_run(builder)
    total_usd = run.clusters()[0]["mass_usd"]
    events = approach(run, builder, beyond)
    assert kinds(events) == ["approached", "touched", "consumed", "consumed", "consumed", "swept"]
    assert events[0]["reason"] == "within 1 sigma of the hour"
    assert abs(events[0]["cluster"]["distance_sigma"]) <= 1.0
    assert [event["reason"] for event in events[2:]] == ["25 %", "50 %", "75 %", "80 % consumed"]
    swept = events[-1]["cluster"]
    assert 0.8 <= swept["consumed_fraction"] < 1.0
    assert swept["mass_usd"] == pytest.approx((1 - swept["consumed_fraction"]) * total_usd, rel=0.01)
    assert swept["touched_time_ms"] == events[1]["event_time_ms"]
    assert run.clusters() == []


def test_approach_is_measured_in_true_ranges_where_volatility_is_unknown():
    builder = one_long()
    run = Run()
    run.settings = run.settings.but(sigma_1h=None)
    run.steps(builder, 40)
    events = approach(run, builder, 11_008.5)
    assert kinds(events) == ["approached"]
    assert events[0]["reason"] == "within 1 average true range of the hour"
    assert abs(events[0]["cluster"]["distance_atr"]) == pytest.approx(1.0, abs=0.1)
    assert events[0]["cluster"]["distance_sigma"] is None
    assert events[0]["cluster"]["touches"] == []


def test_a_jump_over_a_cluster_touches_and_sweeps_it_at_once():
    builder = one_long()
    run = formed_run(builder)
    builder.move_mark(10_900.5)
    events = run.step(builder)
    assert kinds(events) == ["touched", "consumed", "swept"]
    assert events[-1]["reason"] == "mark beyond the far edge"
    assert events[-1]["cluster"]["consumed_fraction"] == 1.0


def test_mass_that_was_closed_is_not_called_swept():
    builder = one_long()
    run = formed_run(builder)
    approach(run, builder, 11_005.5)
    events = run.step(builder)
    builder.scale("long", 0.5, 10_990, 11_005)  # closed while the mark is inside: consumption does not move
    events = run.step(builder)
    assert kinds(events) == []
    assert run.state.scopes["aggregated"].clusters[0].consumed_fraction < 0.1


def test_a_cluster_that_is_left_can_be_touched_again():
    builder = one_long()
    run = formed_run(builder)
    events = approach(run, builder, 11_001.5)
    name = events[0]["cluster"]["cluster_id"]
    events += approach(run, builder, 11_040.5)
    events += run.steps(builder, 10)
    events += approach(run, builder, 10_980.5)
    mine = [event for event in events if event["cluster"]["cluster_id"] == name]
    assert kinds(mine).count("touched") == 2
    assert "swept" in kinds(mine)
    steps = [event["reason"] for event in mine if event["kind"] == "consumed"]
    assert steps == sorted(set(steps))


def swept_run(fall_to: float = 10_994.5) -> tuple[Run, MapBuilder]:
    builder = one_long()
    run = formed_run(builder)
    events = approach(run, builder, fall_to)
    assert kinds(events)[-1] == "swept"
    return run, builder


def test_a_return_before_the_near_edge_is_a_rejection():
    run, builder = swept_run()
    lowest = builder.mark_bin
    events = approach(run, builder, 11_020.5)
    (reaction,) = [event for event in events if event["kind"] == "reaction"]
    assert reaction["reaction"]["outcome"] == "rejected"
    assert reaction["reaction"]["extreme_price"] == pytest.approx(price_of_bin(lowest), rel=1e-3)
    near_price = reaction["cluster"]["upper_price"]
    assert reaction["mark_price"] >= near_price + 295  # one true range of 300


def test_a_continuation_beyond_the_far_edge_broke_through():
    run, builder = swept_run()
    events = approach(run, builder, 10_970.5)
    (reaction,) = [event for event in events if event["kind"] == "reaction"]
    assert reaction["reaction"]["outcome"] == "broke-through"
    assert reaction["reaction"]["after_ms"] < 60_000
    assert reaction["mark_price"] <= reaction["cluster"]["lower_price"] - 295


@pytest.mark.parametrize(
    ("rest_bin", "outcome"), [(11_006.5, "rejected"), (10_998.5, "undecided"), (10_992.5, "broke-through")]
)
def test_after_thirty_minutes_the_place_of_the_mark_decides(rest_bin: float, outcome: str):
    run, builder = swept_run()
    approach(run, builder, rest_bin)
    events = run.steps(builder, 31 * MINUTE)
    (reaction,) = [event for event in events if event["kind"] == "reaction"]
    assert reaction["reaction"]["outcome"] == outcome
    assert 1_800_000 <= reaction["reaction"]["after_ms"] < 1_802_000


def test_scopes_live_apart():
    run = Run()
    run.settings = run.settings.but(member_states=(("binance", "live"), ("okx", "backfilling")))
    maps = {name: one_long() for name in ("aggregated", "binance", "okx")}
    events = []
    for _ in range(40):
        events += run.step(maps)
    assert sorted(event["scope"] for event in events) == ["aggregated", "binance"]
    assert len({event["cluster"]["cluster_id"] for event in events}) == 2


def test_a_scope_that_leaves_the_map_ends_its_clusters():
    run, maps = Run(), {name: one_long() for name in ("aggregated", "binance")}
    for _ in range(40):
        run.step(maps)
    del maps["binance"]
    events = []
    for _ in range(70):
        events += run.step(maps)
    (expired,) = events
    assert (expired["kind"], expired["scope"]) == ("expired", "binance")
    assert expired["reason"] == "the map of this scope ended"
    assert run.clusters("binance") == []
    assert len(run.clusters("aggregated")) == 1


def test_there_are_no_clusters_while_every_market_is_backfilling():
    run = Run()
    run.settings = run.settings.but(member_states=(("binance", "backfilling"), ("bybit", "cold")))
    run.steps(one_long(), 120)
    assert run.values == []


def test_lost_history_ends_every_cluster_and_begins_cold():
    builder = one_long()
    run = formed_run(builder)
    run.fold.history_lost(run.state, 100, 200)
    events = run.steps(builder, 40)
    assert kinds(events) == ["expired", "formed"]
    assert events[0]["reason"] == "grids at offsets 100 to 200 were lost"


def test_a_released_quarantine_lets_clusters_live_and_measures_consumption_anew():
    builder = one_long()
    run = formed_run(builder)
    name = run.clusters()[0]["cluster_id"]
    builder.consumed_long_usd += 5e7  # swept elsewhere while nobody looked
    run.fold.quarantine_released(run.state)
    events = approach(run, builder, 11_001.5)
    assert kinds(events)[:2] == ["approached", "touched"]
    assert {event["cluster"]["cluster_id"] for event in events} == {name}
    assert events[-1]["cluster"]["consumed_fraction"] < 0.6


def test_a_new_log_epoch_may_begin_at_an_earlier_time():
    builder = one_long()
    run = formed_run(builder)
    run.time_ms -= 3_600_000
    run.settings = run.settings.but(log_epoch=2)
    events = run.steps(builder, 40)
    assert kinds(events) == ["expired", "formed"]
    assert events[0]["reason"] == "the log began again at an earlier time"
    assert "-2-0-" in events[1]["cluster"]["cluster_id"]


def test_consumption_is_given_to_the_cluster_reached_first():
    builder = one_long()
    builder.add(Hump(10_970, 2e7))
    run = formed_run(builder, count=2)
    near, far = run.clusters()
    builder.move_mark(10_970.5)
    builder.consumed_long_usd = near["mass_usd"]  # what the second band lost beyond that was closed
    by_name: dict[str, list[dict]] = {near["cluster_id"]: [], far["cluster_id"]: []}
    for event in run.step(builder):
        by_name[event["cluster"]["cluster_id"]].append(event)
    assert kinds(by_name[near["cluster_id"]]) == ["touched", "consumed", "swept"]
    assert by_name[near["cluster_id"]][-1]["cluster"]["consumed_fraction"] == 1.0
    assert kinds(by_name[far["cluster_id"]]) == ["touched"]
    assert run.clusters()[0]["consumed_fraction"] < 0.05


def test_an_approach_is_told_again_only_after_the_mark_was_two_away():
    builder = one_long()
    run = formed_run(builder)
    near_bin = run.clusters()[0]["upper_bin"] + 1
    told = []
    for sigmas in (0.9, 1.5, 0.9, 1.9, 0.9, 2.1, 0.9):  # a sigma is five bins
        builder.mark_bin = near_bin + 5 * sigmas
        told.append(kinds(run.step(builder)))
    assert told == [["approached"], [], [], [], [], [], ["approached"]]
