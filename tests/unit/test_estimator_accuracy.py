"""The record of the map: an hour by hand, scores against textbooks, and an alarm that can be heard."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from estimator_hours import FIRST_MS, MARKET, Hours
from estimator_market import COIN, encode, feed, of_kind, parsed, start
from liqheat_estimator.core.accuracy.baselines import KNOTS, METHODS, FrozenForecasts
from liqheat_estimator.core.accuracy.book import AccuracyBook, EndedHour, OpenRecord
from liqheat_estimator.core.accuracy.message import accuracy_message
from liqheat_estimator.core.accuracy.scores import (
    BUCKETS,
    DAYS,
    FORECAST_FLOOR_USD,
    HALF_LIFE_DAYS,
    OBSERVED_FLOOR_USD,
    RESAMPLES,
    ScoreBook,
)
from liqheat_estimator.core.bins import centre_price
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT
from liqheat_estimator.core.reported_share import expected_usd

COUNT = len(METHODS)


# ---- scores


def _random_book(seed: int, days: int, a_day: int) -> tuple[ScoreBook, list[int], np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    book, day_of = ScoreBook(), []
    observed = 10 ** random.uniform(2, 7, days * a_day)
    forecasts = observed[:, None] ** 0.5 * 10 ** random.normal(2, np.linspace(0.2, 1.5, COUNT), (days * a_day, COUNT))
    for place in range(days * a_day):
        day_of.append(100 + place // a_day)
        book.add(day_of[-1], tuple(forecasts[place].tolist()), float(observed[place]))
    return book, day_of, forecasts, observed


def _weighted_r_squared(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    covariance = np.cov(x, y, aweights=weights)
    return float(covariance[0, 1] ** 2 / (covariance[0, 0] * covariance[1, 1]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), days=st.integers(3, 8))
def test_scores_and_interval_are_those_of_a_textbook(seed: int, days: int) -> None:
    book, day_of, forecasts, observed = _random_book(seed, days, 24)
    x, y = np.log10(forecasts + FORECAST_FLOOR_USD), np.log10(observed + OBSERVED_FLOOR_USD)
    ages = max(day_of) - np.array(day_of)
    weights = 0.5 ** (ages / HALF_LIFE_DAYS)
    scores = book.scores()
    assert scores is not None
    for place, score in enumerate(scores):
        assert score.r_squared == pytest.approx(_weighted_r_squared(x[:, place], y, weights), abs=1e-5)
        ratio = (weights * observed).sum() / (weights * forecasts[:, place]).sum()
        assert score.observed_over_forecast == pytest.approx(ratio, rel=1e-5)
    best = 1 + int(np.argmax([score.r_squared for score in scores[1:]]))
    gains = []
    for row in np.random.default_rng(days).integers(0, days, (RESAMPLES, days)):
        drawn = np.bincount(row, minlength=days)[np.array(day_of) - min(day_of)] * weights
        kept = drawn > 0
        values = [_weighted_r_squared(x[kept, place], y[kept], drawn[kept]) for place in (0, best)]
        gains.append(values[0] - values[1])
    gain = book.gain()
    assert gain is not None
    assert gain.value == pytest.approx(scores[0].r_squared - scores[best].r_squared)
    assert (gain.low, gain.high) == pytest.approx(tuple(np.quantile(gains, (0.025, 0.975))), abs=1e-4)
    assert gain.low <= gain.value <= gain.high


def test_records_of_one_day_weigh_alike() -> None:
    book, _, forecasts, observed = _random_book(1, 1, 60)
    assert book.scores() is None  # one day says nothing
    book, _, forecasts, observed = _random_book(1, 3, 20)
    book.days = [100, 100, 100]  # as if no time had passed
    scores = book.scores()
    assert scores is not None
    line = stats.linregress(np.log10(forecasts[:, 2] + FORECAST_FLOOR_USD), np.log10(observed + OBSERVED_FLOOR_USD))
    assert scores[2].r_squared == pytest.approx(line.rvalue**2, abs=1e-5)


def test_calibration_by_size_and_old_days_leave() -> None:
    book = ScoreBook()
    book.add(1, (5e4, *[1.0] * (COUNT - 1)), 7e4)
    book.add(1, (2e4, *[1.0] * (COUNT - 1)), 1e4)
    bucket = BUCKETS.index(1e4)
    assert book.calibration[bucket].tolist() == [2.0, 7e4, 8e4]
    book.add(31, (5e6, *[1.0] * (COUNT - 1)), 0.0)
    assert book.calibration[bucket].tolist() == [1.0, 3.5e4, 4e4]  # half of it after 30 days
    for day in range(32, 32 + 2 * DAYS):
        book.add(day, (1.0,) * COUNT, 1.0)
    assert (len(book.days), book.days[-1], book.records()) == (DAYS, 31 + 2 * DAYS, DAYS)


# ---- alarm


def _message(book: AccuracyBook) -> Any:
    knots = np.zeros((2, len(KNOTS)), dtype=np.float32)
    forecasts = FrozenForecasts(1e9, knots, knots, ((0.0, 0.0), (0.0, 0.0)))
    record = OpenRecord(500_000, 60_000.0, forecasts, None)
    about = {"model_version": "m", "reporting_venues": ["alpha"]}
    return parsed(accuracy_message(COIN, "live", book, (0, record), about))


@pytest.mark.parametrize("map_is_better", [True, False])
def test_the_alarm_sounds_when_a_baseline_beats_the_map(map_is_better: bool) -> None:
    random, book = np.random.default_rng(4), AccuracyBook()
    for hour in range(10 * 24):
        observed = 10 ** random.uniform(3, 7)
        good, bad = observed * 10 ** random.normal(0, 0.2), 10 ** random.uniform(3, 7)
        own, baseline = (good, bad) if map_is_better else (bad, good)
        book.scores[0].add(hour // 24, (own, baseline, bad, bad, bad, bad), observed)
    message = _message(book)
    assert message.alarm is not map_is_better
    assert message.scored_records == 240
    assert (message.gain_low > 0) if map_is_better else (message.gain_high < 0)


def test_there_is_no_alarm_before_there_is_a_score() -> None:
    message = _message(AccuracyBook())
    assert (message.alarm, message.gain_over_best_baseline, message.running[0].r_squared) == (False, None, None)


# ---- baselines


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_baselines_by_their_formulas_and_the_mirrored_map_is_the_other_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    map_usd, vendor_usd = (np.cumsum(random.exponential(1e5, (2, len(KNOTS))), axis=1) for _ in range(2))
    extremes = tuple(tuple(np.sort(random.uniform(0, 0.05, 2)).tolist()) for _ in range(2))
    frozen = FrozenForecasts(9e9, map_usd.astype(np.float32), vendor_usd.astype(np.float32), extremes)
    distance = float(random.uniform(0, 0.35))
    both = [dict(zip(METHODS, frozen.forecast_usd(side, distance), strict=True)) for side in (LONG, SHORT)]
    for side, forecast in enumerate(both):
        assert forecast["mirrored-map"] == both[1 - side]["map"]
        assert forecast["map"] == pytest.approx(np.interp(distance, KNOTS, map_usd[side]), rel=1e-5)
        assert forecast["vendor-like"] == pytest.approx(np.interp(distance, KNOTS, vendor_usd[side]), rel=1e-5)
        assert forecast["uniform"] == pytest.approx(0.01 * 9e9 * distance)
        assert forecast["distance-kernel"] == pytest.approx(2 * 9e9 * distance**2)
        beyond = [max(distance - extreme, 0) for extreme in extremes[side]]
        expected = 0.01 * 9e9 * (0.1 * distance + 0.45 * beyond[0] + 0.45 * beyond[1])
        assert forecast["unswept"] == pytest.approx(expected)


# ---- the clock of records


def _run(hours: Hours, fold: Any, state: Any, messages: list[bytes]) -> list[Any]:
    return list(of_kind(feed(fold, state, messages), "accuracy"))


def test_an_hour_by_hand() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    hours = Hours()
    feed(fold, state, [*hours.quiet(1 / 12), hours.liquidation("long", 1.0), *hours.quiet(2)])
    hours.interest += 400.0  # an opening at 60,000, which the vendor-like map takes for new leverage on both sides
    feed(fold, state, hours.quiet(1))
    market, book = state.markets[MARKET], state.accuracy
    (record,) = book.open[-1:]
    frozen_ms = (record.hour - 1) * HOUR_MS
    assert frozen_ms == FIRST_MS + 3 * HOUR_MS
    assert record.mark_price == 60_000.0
    assert market.learning.frozen is not None
    expected = expected_usd(market, market.learning.frozen, KNOTS)  # the learning froze the same moment
    hours.price = 60_000.0 * math.exp(-0.0125)
    feed(fold, state, [hours.ticker(), hours.liquidation("long", 2e6)])
    hours.price = 60_000.0 * 1.001
    feed(fold, state, [hours.ticker(), hours.liquidation("short", 3e4)])
    hours.price = 60_000.0
    messages = _run(hours, fold, state, hours.quiet(10 / 12))
    (message,) = [each for each in messages if each["frozen_time_ms"] == frozen_ms]
    assert (message["horizon_ms"], message["event_time_ms"]) == (HOUR_MS, frozen_ms + HOUR_MS)
    assert message["lowest_price"] == 60_000.0 * math.exp(-0.0125)
    assert message["highest_price"] == 60_000.0 * 1.001
    assert message["complete"]
    interest_usd = 10_400.0 * 60_000.0
    reach = (0.0125, math.log(1.001))  # down to a knot of the record, where nothing is interpolated
    for side, (name, usd) in enumerate((("long", 2e6), ("short", 3e4))):
        of_side = message["sides"][side]
        assert (of_side["side"], of_side["observed_usd"]) == (name, usd)
        forecast = {each["method"]: each["forecast_usd"] for each in of_side["forecasts"]}
        assert forecast["uniform"] == pytest.approx(0.01 * interest_usd * reach[side])
        assert forecast["distance-kernel"] == pytest.approx(2 * interest_usd * reach[side] ** 2)
        # Nothing had moved: every price but 60,000 itself is unswept.
        assert forecast["unswept"] == pytest.approx(forecast["uniform"])
        assert forecast["map"] == pytest.approx(np.interp(reach[side], KNOTS, expected[side]), rel=1e-5)
        assert forecast["mirrored-map"] == pytest.approx(np.interp(reach[side], KNOTS, expected[1 - side]), rel=1e-5)
    vendor = {each["method"]: each["forecast_usd"] for each in message["sides"][LONG]["forecasts"]}["vendor-like"]
    # Down to -1.25 % lies the quarter of 100x, ten bins below that of 60,000, and no other.
    mark_bin = math.floor(math.log(60_000.0) / 0.001)
    assert vendor == pytest.approx(100.0 * centre_price(mark_bin - 10), rel=1e-4)
    later = _run(hours, fold, state, hours.quiet(23))
    horizons = sorted(each["horizon_ms"] for each in later if each["frozen_time_ms"] == frozen_ms)
    assert horizons == [4 * HOUR_MS, 24 * HOUR_MS]
    for each in later:
        if each["frozen_time_ms"] == frozen_ms:
            assert [side["observed_usd"] for side in each["sides"]] == [2e6, 3e4]
            assert each["lowest_price"] == 60_000.0 * math.exp(-0.0125)


def test_what_was_not_watched_is_told_and_not_scored() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    hours = Hours(3)
    messages = _run(hours, fold, state, [*hours.walk(6), hours.ticker()])
    assert messages
    assert all(each["complete"] for each in messages)
    scored = state.accuracy.scores[0].records()
    messages = _run(hours, fold, state, [*hours.walk(0.5), hours.status("interrupted"), *hours.walk(0.5)])
    messages += _run(hours, fold, state, [*hours.walk(0.5), hours.status("resumed"), *hours.walk(1)])
    incomplete = [each for each in messages if not each["complete"]]
    assert len([each for each in incomplete if each["horizon_ms"] == HOUR_MS]) >= 2
    assert all(each["scored_records"] == scored for each in incomplete if each["horizon_ms"] == HOUR_MS)
    later = _run(hours, fold, state, hours.walk(3))
    assert [each["complete"] for each in later if each["horizon_ms"] == HOUR_MS] == [True, True, True]
    assert state.accuracy.scores[0].records() == scored + 2 * 3
    # Four hours that contain the dark ones are not complete, either.
    assert not any(each["complete"] for each in later if each["horizon_ms"] == 4 * HOUR_MS)


def test_an_open_record_that_sees_no_price_is_a_band_of_no_width() -> None:
    book = AccuracyBook()
    knots = np.ones((2, len(KNOTS)), dtype=np.float32)
    book.open.append(OpenRecord(10, 100.0, FrozenForecasts(1.0, knots, knots, ((0.0, 0.0), (0.0, 0.0))), 0.5))
    ((index, record),) = book.take(EndedHour(10, math.inf, 0.0, (0.0, 0.0), (0.0, 0.0), True))
    assert (index, record.distances()) == (0, (0.0, 0.0))
    message = parsed(
        accuracy_message(COIN, "live", book, (index, record), {"model_version": "m", "reporting_venues": []})
    )
    assert (message.lowest_price, message.highest_price) == (100.0, 100.0)


def test_every_message_of_the_record_is_what_its_contract_says() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    emissions = feed(fold, state, Hours(9).walk(30))
    records = [each for each in emissions if each.kind == "accuracy"]
    assert len({encode(each) for each in records}) == len(records) >= 27
    for emission in records:
        parsed(emission)
