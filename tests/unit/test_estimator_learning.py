"""What is learned from reported liquidations: nothing of what comes later, the right thing, and nothing in the dark."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_hours import FIRST_MS, MARKET, Hours
from estimator_market import COIN, encode, feed, of_kind, start
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.learning.activity import FLOOR, Activity, hour_of
from liqheat_estimator.core.learning.calibration import KnotCalibration
from liqheat_estimator.core.learning.filter import ReportedFilter
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.prior import hourly_drift, uninformed_prior
from liqheat_estimator.core.learning.structure import DIFFUSE_BANDS, FEATURES, Z_COUNT
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, LONG, SHORT
from liqheat_shared.folding import Emission


def _bytes(emissions: list[Emission]) -> list[bytes]:
    return [encode(emission) for emission in emissions]


def _forecast_bytes(state: CoinState) -> list[bytes]:
    """Everything that is frozen: the open hour's forecast and the open records'."""
    learning = state.markets[MARKET].learning
    frozen = [] if learning.frozen is None else [learning.frozen.near_usd.tobytes(), learning.frozen.features.tobytes()]
    records = [
        each
        for record in state.accuracy.open
        for each in (record.forecasts.map_usd.tobytes(), record.forecasts.vendor_usd.tobytes())
    ]
    return frozen + records


# ---- nothing of what comes later


def test_cutting_the_log_anywhere_changes_nothing_that_came_before() -> None:
    log = Hours(1).walk(7)
    fold, state, _ = start(cadence_ms=60_000)
    outputs, frozen, dumps = [], [], []
    for message in log:
        outputs.append(_bytes(feed(fold, state, [message])))
        frozen.append(_forecast_bytes(state))
        dumps.append(fold.dump(state))
    assert any(b'"kind":"accuracy"' in each for some in outputs for each in some)
    for cut in (1, 23, 24, 25, 77, 140):
        fold, other, _ = start(cadence_ms=60_000)
        assert _bytes(feed(fold, other, log[:cut])) == [each for some in outputs[:cut] for each in some]
        assert _forecast_bytes(other) == frozen[cut - 1]
        assert fold.dump(other) == dumps[cut - 1]


def test_a_frozen_forecast_never_changes_and_knows_nothing_of_its_hour() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    hours = Hours(2)
    feed(fold, state, hours.walk(30))
    body = fold.dump(state)
    last_ms = hours.writer.now_ms
    results = []
    for seed in (3, 4):  # two futures of the same past
        other = fold.load(body, COIN)
        future = Hours(seed)
        future.writer, future.price, future.interest = hours.writer, hours.price * (1 + 0.01 * (seed - 3)), 9_000.0
        future.writer.now_ms, sequence = last_ms, dict(hours.writer.sequences)
        feed(fold, other, [future.ticker()])  # the first event of the hour, which freezes it
        at_start = _forecast_bytes(other)
        records = list(other.accuracy.open)
        held = [record.forecasts.map_usd.tobytes() for record in records]
        feed(fold, other, future.walk(3, 0.004)[:-24])
        assert [record.forecasts.map_usd.tobytes() for record in records] == held
        hours.writer.sequences = sequence
        results.append(at_start)
    assert results[0] == results[1]
    assert len(results[0]) > 20


def test_an_event_at_a_full_hour_belongs_to_the_hour_that_it_ends() -> None:
    assert [hour_of(FIRST_MS + late) - FIRST_MS // HOUR_MS for late in (0, 1, HOUR_MS, HOUR_MS + 1)] == [0, 1, 1, 2]
    fold, state, _ = start()
    hours = Hours()
    feed(fold, state, hours.quiet(2))
    learning = state.markets[MARKET].learning
    frozen = learning.frozen
    at = FIRST_MS + 2 * HOUR_MS
    on_time = {"event_time_ms": at, "receive_time_ms": at}
    feed(fold, state, [hours.writer.ticker(59_000.0, 10_000.0, **on_time)])
    assert learning.frozen is frozen
    assert learning.low == 59_000.0
    feed(fold, state, [hours.writer.ticker(61_000.0, 10_000.0, event_time_ms=at + 1, receive_time_ms=at + 1)])
    assert learning.frozen is not frozen
    assert learning.frozen is not None
    assert learning.frozen.mark_price == 59_000.0  # the state before the event that ends the hour
    assert learning.last_range == (59_000.0, 60_000.0)


# ---- the right thing


@pytest.mark.parametrize("seed", [0, 2])
def test_known_weights_are_learned_back(seed: int) -> None:
    """A thousand hours with the lumpiness that the filter assumes: every weight to a factor of e^0.4 or better."""
    random, layers = np.random.default_rng(seed), 4
    truth = np.array([-6.0, -4.5, -5.5, -3.5])
    others = np.full(DIFFUSE_BANDS + 1, -7.0)
    reported, drift = ReportedFilter.from_prior(uninformed_prior(layers)), hourly_drift(layers)
    for _ in range(1_000):
        levels = random.exponential(1.0, (2, layers, 1))
        near = (levels * random.exponential(2e7, (2, layers, 64))).astype(np.float32)
        frozen = FrozenMap(60_000.0, 8e9, near, np.zeros((2, len(FEATURES))))
        reaches = random.exponential(0.006, 2)
        medians = frozen.parts(reaches) @ np.exp(np.concatenate([truth, others]))
        lumpy = medians * np.exp(math.sqrt(0.3) * random.standard_normal(2)) * frozen.unit_usd
        reported.learn(frozen, reaches, (float(lumpy[0]), float(lumpy[1])), drift)
    # A common factor of all weights is the multiplier's own constant.
    level = reported.values[layers + DIFFUSE_BANDS + 1 + Z_COUNT - 1]
    assert np.abs(reported.values[:layers] + level - truth).max() < 0.4
    # The same lumpiness makes the mean of what comes exp(0.15) times its median, and the calibration sees that.
    ratio = reported.calibration.expected(1.0)
    assert ratio == pytest.approx(math.exp(0.15), rel=0.15)


def test_the_map_follows_what_was_learned_and_keeps_its_total() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    hours = Hours(5)
    feed(fold, state, hours.walk(50))
    market = state.markets[MARKET]
    weights = market.layer_weights()
    assert weights is not None
    assert market.map is not None
    assert market.learning.evidence is not None
    learned = market.learning.evidence.weights()
    assert np.abs(np.log(learned)).max() > 0.01
    for side in (LONG, SHORT):
        ratios = weights[side] / learned
        assert ratios == pytest.approx(np.full(len(learned), ratios[0]))
        assert (weights[side] * market.map.total[side]).sum() == pytest.approx(market.map.standing(side))
    shown = market.map.density(weights).sum(axis=1) + (market.map.tail_mass * market.map.scale * weights).sum(axis=1)
    assert shown == pytest.approx([market.map.standing(side) for side in (LONG, SHORT)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_forecast_rises_with_the_distance(seed: int) -> None:
    random, layers = np.random.default_rng(seed), 3
    reported = ReportedFilter.from_prior(uninformed_prior(layers))
    for _ in range(20):
        sizes = 10 ** random.uniform(-3, 2, 4)
        reported.calibration.learn((sizes[0], sizes[1]), (sizes[2], sizes[3]))
    near = random.exponential(1e6, (2, layers, 128)).astype(np.float32)
    frozen = FrozenMap(60_000.0, 8e9, near, random.normal(0, 0.5, (2, len(FEATURES))))
    distances = np.sort(random.uniform(0, 0.12, 40))
    for side in (LONG, SHORT):
        for calibrated in (True, False):
            usd = reported.cumulative_usd(frozen, side, distances, calibrated=calibrated)
            assert np.isfinite(usd).all()
            assert (np.diff(usd) >= 0).all()
            assert (usd > 0).all()
        # The curve and the band that an hour is learned from are the same forecast.
        reach = float(distances[7])
        parts = frozen.parts(np.array([reach, reach]))
        median = reported.medians(frozen, parts)[side] * frozen.unit_usd
        assert reported.cumulative_usd(frozen, side, np.array([reach]), calibrated=False)[0] == pytest.approx(median)


def test_calibration_learns_the_ratio_at_each_size() -> None:
    calibration = KnotCalibration()
    for _ in range(20_000):
        calibration.learn((0.1, 10.0), (0.5, 8.0))
    assert calibration.expected(0.1) == pytest.approx(0.5, rel=0.05)
    assert calibration.expected(10.0) == pytest.approx(8.0, rel=0.05)


# ---- nothing in the dark


def test_an_interrupted_feed_teaches_nothing() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    hours = Hours(6)
    feed(fold, state, hours.walk(5))
    market = state.markets[MARKET]
    assert market.learning.filter is not None
    feed(fold, state, [hours.ticker()])

    def known() -> tuple[int, bytes, list[float]]:
        assert market.learning.filter is not None
        reported = market.learning.filter
        return reported.hours, reported.values.tobytes(), list(reported.calibration.ratio_sum)

    before = known()
    feed(fold, state, [*hours.walk(0.5), hours.status("interrupted"), *hours.walk(0.5)])
    assert known() == before  # the hour in which it stopped
    feed(fold, state, hours.walk(2))
    assert known() == before  # hours without it
    feed(fold, state, [*hours.walk(0.5), hours.status("resumed"), *hours.walk(0.5)])
    assert known() == before  # the hour in which it came back
    feed(fold, state, hours.walk(1))
    assert known()[0] == before[0] + 1
    assert known() != before


def test_a_market_without_a_liquidation_feed_learns_nothing_and_forecasts_nothing() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    emissions = feed(fold, state, Hours(7).quiet(30))
    market = state.markets[MARKET]
    assert market.learning.filter is None
    assert market.layer_weights() is None
    assert of_kind(emissions, "accuracy") == []
    assert of_kind(emissions, "grid")[-1]["provenance"]["reported_share"] is None


@pytest.mark.parametrize("cut", [26, 60, 61, 75, 170])
def test_a_restart_within_an_hour_changes_no_byte(cut: int) -> None:
    log = Hours(8).walk(8)
    fold, straight, _ = start(cadence_ms=60_000)
    expected = _bytes(feed(fold, straight, log))
    state = fold.new(COIN)
    outputs = _bytes(feed(fold, state, log[:cut]))
    body = fold.dump(state)
    state = fold.load(body, COIN)
    assert fold.dump(state) == body
    outputs += _bytes(feed(fold, state, log[cut:]))
    assert outputs == expected
    assert fold.dump(state) == fold.dump(straight)


# ---- features at known times


def test_features_by_hand() -> None:
    activity = Activity()
    activity.sample(100, 60_000.0)
    activity.sample(101, 60_600.0)
    activity.end_hour(60_000.0, 59_400.0, 60_600.0)  # a range of 2 %
    activity.end_hour(60_000.0, 59_400.0, 61_800.0)  # and of 4 %
    saturday_at_six = 2 * DAY_MS + 6 * HOUR_MS
    open_interest_usd = 8e9  # a unit is a million
    longs, shorts = activity.features(saturday_at_six, (99_000.0, 9_000.0), open_interest_usd)
    named = dict(zip(FEATURES, longs, strict=True))
    # One step has been seen: divided by its weight 1/w it counts as w steps like it.
    for steps, centre in ((3, -6.2), (12, -5.0), (48, -3.7), (288, -2.0), (2016, 0.0)):
        move = math.log(1.01) * steps
        assert named[f"activity_{steps}"] == pytest.approx(math.log(move + FLOOR * math.sqrt(steps)) - centre)
    waves = {"sin_day_1": 1, "cos_day_1": 0, "sin_day_2": 0, "cos_day_2": -1, "sin_day_3": -1, "cos_day_3": 0}
    for name, value in waves.items():
        assert named[name] == pytest.approx(value, abs=1e-12)
    assert named["weekend"] == 1.0
    assert named["range_1h"] == pytest.approx(math.log(0.04 + 1e-5) + 5)
    assert named["range_4h"] == named["range_24h"] == pytest.approx(math.log(0.03 + 1e-5) + 5)
    assert (named["short_side"], shorts[FEATURES.index("short_side")]) == (0.0, 1.0)
    assert (named["liquidated_own"], named["liquidated_other"]) == pytest.approx((0.0, -1.0))
    assert shorts[-2:] == pytest.approx([-1.0, 0.0])
    weekdays = [activity.features(day * DAY_MS, (0.0, 0.0), 8e9)[0][FEATURES.index("weekend")] for day in range(7)]
    assert weekdays == [0, 0, 1, 1, 0, 0, 0]  # 1970 began on a Thursday


def test_a_hole_in_the_samples_counts_as_many_small_steps() -> None:
    steady, gap = Activity(), Activity()
    for step in range(11):
        steady.sample(step, 100.0 * math.exp(0.001 * step))
    gap.sample(0, 100.0)
    gap.sample(10, 100.0 * math.exp(0.01))
    gap.sample(9, 500.0)  # does not advance
    assert gap.sums == pytest.approx(steady.sums)
    assert gap.weights == pytest.approx(steady.weights)
