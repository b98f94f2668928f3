"""Columns of all timeframes, volatility and true range."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pytest

from estimator_market import COIN, START_MS, feed, of_kind, start
from liqheat_estimator.core.bins import bin_of
from liqheat_estimator.core.column_output import levels_of
from liqheat_estimator.core.columns import MAX_BINS, OpenColumn
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, MINUTE_MS
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.volatility import AverageTrueRange, Volatility
from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO, TIMEFRAME_MS
from liqheat_shared.folding import Emission


def test_columns_of_all_timeframes_are_means_of_the_minutes() -> None:
    fold, state, writer = start(cadence_ms=60_000)
    writer.now_ms = START_MS // HOUR_MS * HOUR_MS
    emissions: list[Emission] = feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    random = np.random.default_rng(3)
    for _ in range(61):
        writer.now_ms += MINUTE_MS
        price = 60_000.0 * math.exp(0.004 * random.standard_normal())
        emissions += feed(
            fold, state, [writer.ticker(price, 1_000.0 * random.uniform(0.9, 1.1)), writer.trades([price])]
        )
    columns = [each for each in of_kind(emissions, "column") if each["scope"] == "aggregated"]
    counts = {frame: sum(each["timeframe"] == frame for each in columns) for frame in TIMEFRAME_MS}
    assert counts == {"1m": 61, "5m": 12, "15m": 4, "1h": 1, "4h": 0, "12h": 0, "1d": 0}
    minutes = [each for each in columns if each["timeframe"] == "1m"][:60]
    hour = next(each for each in columns if each["timeframe"] == "1h")
    assert (hour["close_time_ms"] - hour["open_time_ms"], hour["open_time_ms"] % HOUR_MS) == (HOUR_MS, 0)
    mean = sum(_usd(each, "long_levels") for each in minutes) / 60
    assert _usd(hour, "long_levels").sum() == pytest.approx(mean.sum(), rel=0.05)
    assert hour["candle"]["volume_usd"] == pytest.approx(sum(each["candle"]["volume_usd"] for each in minutes))
    assert hour["candle"]["high"] == max(each["candle"]["high"] for each in minutes)
    assert hour["candle"]["close"] == minutes[-1]["candle"]["close"]
    assert minutes[0]["incomplete"]  # the first minute of all was not watched from its beginning
    assert not any(each["incomplete"] for each in minutes[1:])
    assert state.average_true_range.value == pytest.approx(hour["candle"]["high"] - hour["candle"]["low"])
    assert state.volatility.sigma_1h() == pytest.approx(0.004 * math.sqrt(2 * 60), rel=0.5)


def _usd(column: Any, side: str) -> Any:
    levels = np.frombuffer(base64.b64decode(column[side]), dtype=np.uint8)
    usd = np.where(levels > 0, LEVEL_FLOOR_USD * LEVEL_RATIO ** (levels.astype(float) - 1), 0.0)
    row = np.zeros(4_096)
    start = column["first_bin"] - bin_of(60_000.0) + 2_048
    row[start : start + len(usd)] = usd
    return row


def test_levels_are_the_nearest_class() -> None:
    usd = np.exp(np.random.default_rng(0).uniform(math.log(100), math.log(9e9), 5_000))
    back = LEVEL_FLOOR_USD * LEVEL_RATIO ** (levels_of(usd).astype(float) - 1)
    assert abs(back / usd - 1).max() < 0.0371


def test_a_column_of_maps_that_lie_far_apart_keeps_within_its_bound() -> None:
    """Markets of a coin at prices of which one is wrong by a factor of thousands."""
    column = OpenColumn()
    wide = OpenColumn(minutes=1.0, first_bin=100, usd_minutes=np.ones((2, MAX_BINS + 500), dtype=np.float32))
    for part in (wide, wide, OpenColumn(minutes=1.0, first_bin=50, usd_minutes=np.ones((2, 10), dtype=np.float32))):
        column.add(part)
    assert column.minutes == 3.0
    assert column.first_bin == 100
    assert column.usd_minutes.shape == (2, MAX_BINS)
    assert (column.usd_minutes == 2.0).all()


def test_a_backfill_makes_columns_by_event_time_and_no_grids() -> None:
    fold, state, writer = start()
    writer.now_ms = START_MS // DAY_MS * DAY_MS
    now_ms = writer.now_ms + 7 * HOUR_MS
    emissions = feed(fold, state, [writer.bracket("started", venue) for venue in ("alpha", "beta")])
    for _ in range(49):
        writer.now_ms += 300_000
        for venue in ("alpha", "beta"):
            emissions += feed(fold, state, [writer.candle(59_000.0, 60_000.0, 1_000.0, venue, receive_time_ms=now_ms)])
    assert of_kind(emissions, "grid") == []
    assert state.markets["alpha", f"{COIN}/USDT:USDT"].phase() == "backfilling"
    writer.now_ms = now_ms
    emissions += feed(fold, state, [writer.bracket("finished", venue) for venue in ("alpha", "beta")])
    columns = of_kind(emissions, "column")
    per_scope = {
        (scope, frame): [each for each in columns if each["scope"] == scope and each["timeframe"] == frame]
        for scope in ("aggregated", "alpha", "beta")
        for frame in TIMEFRAME_MS
    }
    for scope in ("aggregated", "alpha", "beta"):
        counts = [len(per_scope[scope, frame]) for frame in TIMEFRAME_MS]
        assert counts == [0, 49, 16, 4, 1, 0, 0]  # a 5-minute candle makes no 1-minute column
    together = per_scope["aggregated", "5m"][10]
    alone = per_scope["beta", "5m"][10]
    assert together["open_time_ms"] == alone["open_time_ms"]
    assert together["candle"]["open_interest_usd"] == pytest.approx(2 * alone["candle"]["open_interest_usd"])
    assert together["candle"]["volume_usd"] == pytest.approx(2 * alone["candle"]["volume_usd"])
    assert not together["incomplete"]
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_000.0)]), "grid")
    assert grid["provenance"]["coverage_share"] > 0.03  # four hours of turnover


def test_candles_that_end_before_what_is_known_are_left_out() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    deposited = list(market.ledger.deposited_base)
    feed(
        fold, state, [writer.bracket("started"), writer.candle(50_000.0, 60_000.0, 2_000.0), writer.bracket("finished")]
    )
    assert market.ledger.deposited_base == deposited
    assert market.ledger.consumed_base == [0.0, 0.0]
    assert market.mark_price == 60_000.0


def test_silence_is_shown_as_incomplete_and_then_not_at_all() -> None:
    fold, state, writer = start()
    writer.now_ms = START_MS // HOUR_MS * HOUR_MS
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    writer.now_ms += HOUR_MS
    columns = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_000.0)]), "column")
    minutes = [each for each in columns if each["timeframe"] == "1m" and each["scope"] == "alpha"]
    assert len(minutes) == 15
    assert all(each["incomplete"] for each in minutes)


def test_volatility_is_the_deviation_of_an_hour() -> None:
    random = np.random.default_rng(1)
    volatility, price = Volatility(), 100.0
    assert volatility.sigma_1h() is None
    for minute in range(2_000):
        price *= math.exp(0.001 * random.standard_normal())
        volatility.update(minute * MINUTE_MS, price)
    assert volatility.sigma_1h() == pytest.approx(0.001 * math.sqrt(60), rel=0.25)
    before = (volatility.variance_sum, volatility.weight)
    volatility.update(100 * MINUTE_MS, 500.0)  # old: ignored
    assert (volatility.variance_sum, volatility.weight) == before


def test_average_true_range_after_wilder() -> None:
    average = AverageTrueRange()
    average.update(PriceBar())
    assert average.value is None
    ranges = []
    for hour in range(30):
        bar = PriceBar()
        bar.add_prices(100.0 + hour, 103.0 + hour, 99.0 + hour, 100.0 + hour)
        ranges.append(4.0)
        average.update(bar)
    assert average.value == pytest.approx(4.0)
    jump = PriceBar()
    jump.add_prices(200.0, 201.0, 199.0, 200.0)
    average.update(jump)
    assert average.value == pytest.approx((13 * 4.0 + (201.0 - 129.0)) / 14)
