"""Input that no market should send: each kind has a stated answer, and no mixture of them harms the state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from estimator_market import (
    COIN,
    START_MS,
    TIERS,
    MarketWriter,
    RandomMarket,
    encode,
    feed,
    instrument_fields,
    of_kind,
    parsed,
    start,
)
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.layers import MIN_DISTANCE_BINS, layer_shifts
from liqheat_estimator.core.margin import TierRow, tier_table
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, LONG, SHORT, EstimatorParameters
from liqheat_ingest.margin_tables import margin_table
from liqheat_shared.folding import Emission, Rejected

MARKET = "alpha", f"{COIN}/USDT:USDT"
#: Attributes that stand for "no price yet" and are infinite by design.
NO_PRICE_YET = {"low", "last_range"}


def tolerant_feed(
    fold: EstimatorFold, state: CoinState, messages: list[bytes]
) -> tuple[list[Emission], list[Rejected]]:
    """Fold messages as the shell does: refusals are noted in the state and everything goes on."""
    emissions: list[Emission] = []
    refusals: list[Rejected] = []
    for message in messages:
        try:
            emissions += fold.fold(state, fold.decode(message, COIN, START_MS * 2))
        except Rejected as refusal:
            fold.rejected(state, refusal.reason)
            refusals.append(refusal)
    return emissions, refusals


def check_books(state: CoinState) -> None:
    for market in state.markets.values():
        for side in (LONG, SHORT):
            ledger = market.ledger
            explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
            assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9, abs=1e-9)


def numbers_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """All floats and arrays of a state, with the attribute that they are in."""
    if isinstance(value, np.ndarray | float):
        yield name, value
    elif isinstance(value, dict):
        for each in value.values():
            yield from numbers_of(each, name)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers_of(each, name)
    else:
        names = [each.name for each in fields(value)] if is_dataclass(value) else getattr(value, "__slots__", ())
        for each in names:
            yield from numbers_of(getattr(value, each), each)


def check_finite(state: CoinState) -> None:
    for name, value in numbers_of(state):
        assert np.isfinite(value).all() or (name in NO_PRICE_YET and value == math.inf), name


class Bazaar(RandomMarket):
    """A random market in which everything of the table of bad input happens, too."""

    def _event(self) -> bytes:
        if self.random.random() < 0.75:
            return super()._event()
        self.writer.now_ms += int(self.random.choice([10, 2_000]))
        venue = str(self.random.choice(self.venues))
        kind = self.random.choice(
            [
                "jump",
                "nothing",
                "silence",
                "apart",
                "holes",
                "side",
                "backwards",
                "relisted",
                "late_liquidation",
                "tiny",
            ]
        )
        return getattr(self, f"_{kind}")(venue)  # type: ignore[no-any-return]

    def _jump(self, venue: str) -> bytes:
        self.interest[venue] = float(np.clip(self.interest[venue] * self.random.choice([0.1, 10.0]), 1.0, 1e6))
        return self.writer.ticker(self.price, self.interest[venue], venue)

    def _nothing(self, venue: str) -> bytes:
        return self.writer.ticker(self.price, 0.0, venue)

    def _tiny(self, venue: str) -> bytes:
        return self.writer.ticker(self.price, 1e-300, venue)

    def _silence(self, venue: str) -> bytes:
        self.writer.now_ms += int(self.random.integers(1, 30)) * HOUR_MS
        return self.writer.ticker(self.price, None, venue)

    def _apart(self, venue: str) -> bytes:
        factor = float(self.random.choice([0.001, 0.3, 0.8, 1.3, 4.0, 1_000.0]))
        return self.writer.ticker(self.price, None, venue, last_price=self.price * factor)

    def _holes(self, venue: str) -> bytes:
        return self.writer.message("instrument", venue, **(instrument_fields() | {"margin_tiers": [TIERS[1]]}))

    def _side(self, venue: str) -> bytes:
        return self._liquidation(venue).replace(b'"liquidated_side":"', b'"liquidated_side":"un')

    def _backwards(self, venue: str) -> bytes:
        back = int(self.random.choice([500, 9_000, 60_000, HOUR_MS, DAY_MS]))
        at = {"event_time_ms": self.writer.now_ms - back, "receive_time_ms": self.writer.now_ms - back}
        return self.writer.trades([self.price], venue, **at)

    def _late_liquidation(self, venue: str) -> bytes:
        old = str(self.writer.now_ms - 3 * HOUR_MS).encode()
        now = str(self.writer.now_ms).encode()
        return self._liquidation(venue).replace(b'"event_time_ms":' + now, b'"event_time_ms":' + old)

    def _relisted(self, venue: str) -> bytes:
        self.price = float(np.clip(self.price * self.random.choice([1e-3, 1e3]), 1e-4, 1e7))
        self.interest = dict.fromkeys(self.venues, 10000000.0 / self.price)
        return self.writer.trades([self.price], venue)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
@example(14487, 2)  # maps too far apart for one column
@example(649, 3)  # deleveraging is suspected where nothing is left to take
def test_whatever_comes_the_state_stays_finite_and_the_books_balance(seed: int, venues: int) -> None:
    fold, state, _ = start()
    log = Bazaar(seed, venues).log(200)
    emissions: list[Emission] = []
    for first in range(0, len(log), 20):
        emissions += tolerant_feed(fold, state, log[first : first + 20])[0]
        check_books(state)
        check_finite(state)
    for emission in emissions[::10]:
        parsed(emission)
    body = fold.dump(state)
    assert fold.dump(fold.load(body, COIN)) == body
    again, other, _ = start()
    assert [encode(each) for each in tolerant_feed(again, other, log)[0]] == [encode(each) for each in emissions]
    assert again.dump(other) == body


def _live() -> tuple[EstimatorFold, CoinState, MarketWriter, MarketState]:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0, last_price=60_000.0)])
    return fold, state, writer, state.markets[MARKET]


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_open_interest_that_jumps_is_believed(factor: float) -> None:
    fold, state, writer, market = _live()
    writer.now_ms += 1_000
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0 * factor)])
    for side in (LONG, SHORT):
        assert market.standing(side) == pytest.approx(1_000.0 * factor, rel=1e-9)
    check_books(state)
    closed = max(1_000.0 * (1 - factor), 0.0)
    assert market.ledger.closed_base == pytest.approx([closed, closed], abs=1.0)  # and a second of turnover
    assert state.rejected_events == 0


def test_open_interest_that_is_missing_lets_the_map_stand() -> None:
    fold, state, writer, market = _live()
    assert market.map is not None
    before = market.map.total.copy()
    for _ in range(60):
        writer.now_ms += 60_000
        feed(fold, state, [writer.ticker(60_000.0)])
    assert market.map.total == pytest.approx(before, rel=1e-6)  # cells are rounded once an hour
    assert market.open_interest_usd() == 60e6
    feed(fold, state, [writer.ticker(59_000.0)])
    assert market.ledger.consumed_base[LONG] > 0  # what the mark crosses is swept all the same
    feed(fold, state, [writer.ticker(59_000.0, 1_000.0)])
    assert market.standing(LONG) == pytest.approx(1_000.0, rel=1e-9)
    assert market.ledger.closed_base[SHORT] > 1.0  # an hour of turnover at once
    check_books(state)


def test_no_open_interest_is_an_empty_map_without_forecast() -> None:
    fold, state, writer, market = _live()
    feed(fold, state, [writer.message("heartbeat", stream_age_ms={"liquidations": 5})])
    emissions = []
    for _ in range(130):
        writer.now_ms += 60_000
        emissions += feed(fold, state, [writer.ticker(60_000.0, 0.0)])
    assert (market.standing(LONG), market.standing(SHORT)) == (0.0, 0.0)
    assert market.learning.frozen is None
    grid = of_kind(emissions, "grid")[-1]
    assert not grid["scopes"]["alpha"]["long_usd"].any()
    assert grid["provenance"]["reported_share"] is None
    feed(fold, state, [writer.ticker(60_000.0, 500.0)])
    assert market.standing(LONG) == pytest.approx(500.0, rel=1e-9)
    check_books(state)
    check_finite(state)


def test_mark_and_last_far_apart() -> None:
    fold, state, writer, market = _live()
    _, refusals = tolerant_feed(fold, state, [writer.ticker(60_000.0, last_price=60.0)])
    assert [refusal.reason for refusal in refusals] == ["absurd-price"]
    feed(fold, state, [writer.ticker(60_000.0, last_price=80_000.0)])
    assert (market.mark_price, market.last_price, market.mark_to_last) == (60_000.0, 80_000.0, 1.0)


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        ([TIERS[1]], "tier 1 starts at 100000.0, not at 0"),
        ([TIERS[0], TIERS[1] | {"notional_floor_usd": 200_000.0}], "tier 2 starts at 200000.0, the one before ends"),
        ([TIERS[0], TIERS[1] | {"maintenance_margin_rate": 0.001}], "tier 2: its maintenance rate 0.001 falls"),
        ([TIERS[0], TIERS[0]], "tier 2: its floor 0.0 does not rise"),
    ],
)
def test_broken_tier_tables_are_refused_by_name_and_the_old_one_stays(tiers: list[Any], message: str) -> None:
    fold, state, writer, market = _live()
    feed(fold, state, [writer.message("instrument", **instrument_fields())])
    good = market.instrument
    broken = writer.message("instrument", **(instrument_fields() | {"margin_tiers": tiers}))
    _, (refusal,) = tolerant_feed(fold, state, [broken])
    assert refusal.reason == "invalid-field"
    assert f"margin_tiers: {message}" in refusal.detail
    assert market.instrument is good
    assert state.rejected_events == 1


def test_tiers_that_rise_are_taken_in_any_order() -> None:
    fold, state, writer, market = _live()
    feed(fold, state, [writer.message("instrument", **(instrument_fields() | {"margin_tiers": TIERS[::-1]}))])
    assert market.instrument is not None
    ordered = layer_shifts(fold.parameters, sorted(market.instrument.margin_tiers, key=lambda t: t.notional_floor_usd))
    assert (market.layer_shifts(fold.parameters) == ordered).all()


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.tuples(st.floats(1.0, 1e9), st.floats(0, 0.99), st.floats(1e-3, 1e4)), min_size=1, max_size=6),
    is_inverse=st.booleans(),
)
def test_any_sound_table_has_finite_distances(steps: list[tuple[float, float, float]], is_inverse: bool) -> None:
    floors = [0.0, *sorted({floor for floor, _, _ in steps[1:]})]
    rates = sorted(rate for _, rate, _ in steps)
    rows = [TierRow(floor, rate, steps[0][2]) for floor, rate in zip(floors, rates, strict=False)]
    shifts = layer_shifts(EstimatorParameters(), tier_table(rows), is_inverse=is_inverse)
    assert np.isfinite(shifts).all()
    assert (shifts[LONG] <= -MIN_DISTANCE_BINS).all()
    assert (shifts[SHORT] >= MIN_DISTANCE_BINS).all()


def test_a_liquidation_of_an_unknown_side_is_refused_by_name() -> None:
    fold, state, writer, market = _live()
    bazaar = Bazaar(1)
    bazaar.writer = writer
    _, (refusal,) = tolerant_feed(fold, state, [bazaar._side("alpha")])
    assert refusal.reason == "invalid-field"
    assert "liquidated_side" in refusal.detail
    assert market.learning.observed_usd == [0.0, 0.0]


def test_a_clock_that_runs_backwards_reopens_nothing() -> None:
    fold, state, writer, market = _live()
    for _ in range(3):
        writer.now_ms += HOUR_MS
        feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    hour, clock_ms, step = market.learning.hour, state.clock_ms, market.learning.activity.step
    earlier = {"event_time_ms": writer.now_ms - 2 * HOUR_MS, "receive_time_ms": writer.now_ms - 2 * HOUR_MS}
    _, refusals = tolerant_feed(fold, state, [writer.ticker(59_000.0, 1_000.0, **earlier)])
    assert [refusal.reason for refusal in refusals] == ["out-of-order"]
    heartbeat = writer.message("heartbeat", stream_age_ms={}, **earlier)
    assert feed(fold, state, [heartbeat]) == []
    assert (market.learning.hour, state.clock_ms, market.learning.activity.step) == (hour, clock_ms, step)
    assert market.mark_price == 60_000.0


def test_a_coin_relisted_at_a_thousandth_starts_anew() -> None:
    fold, state, writer, market = _live()
    for minute in range(150):
        writer.now_ms += 60_000
        feed(fold, state, [writer.ticker(60_000.0 * (1 + 1e-4 * (minute % 3)), 1_000.0)])
    assert state.volatility.sigma_1h() is not None
    for _ in range(80):
        writer.now_ms += 1_000
        tolerant_feed(fold, state, [writer.ticker(60.0, 1e6)])
    assert state.rejected_events == 60
    assert market.mark_price == 60.0
    assert market.standing(LONG) == pytest.approx(1e6, rel=1e-9)
    assert market.learning.frozen is None
    assert state.volatility.returns <= 1
    assert state.accuracy.open == []
    check_books(state)
    for _ in range(130):
        writer.now_ms += 60_000
        feed(fold, state, [writer.ticker(60.0, 1e6)])
    sigma = state.volatility.sigma_1h()
    assert sigma is not None
    assert sigma < 0.01
    assert market.learning.frozen is not None
    check_finite(state)


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL", "DOGE", "PEPE", "UNKNOWN"])
@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "hyperliquid", "alpha"])
def test_shipped_tables_are_sound(venue: str, coin: str) -> None:
    fold, state, writer, market = _live()
    table = margin_table(venue, coin, is_inverse=False, time_ms=START_MS)
    tiers = [tier._asdict() for tier in table.tiers]
    feed(fold, state, [writer.message("instrument", **(instrument_fields() | {"margin_tiers": tiers}))])
    assert np.isfinite(market.layer_shifts(fold.parameters)).all()
