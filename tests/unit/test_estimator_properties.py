"""Laws that hold for every sequence of events: books that balance, sides that agree, sweeps that leave nothing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_market import COIN, START_MS, RandomMarket, encode, feed
from liqheat_estimator.core.bins import bin_of, bins_of
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.layers import Layers, layer_shifts
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.open_interest_flow import apply_open_interest, put_measured
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.position_map import OpeningPrices, PositionMap
from liqheat_estimator.core.sweep import move_mark
from liqheat_estimator.core.unconfirmed_positions import release_unconfirmed

PARAMETERS = EstimatorParameters()
LAYERS = Layers.from_parameters(PARAMETERS)
LAYER_COUNT = len(PARAMETERS.leverages)

STEP = st.one_of(
    st.tuples(st.just("mark"), st.floats(-0.05, 0.05)),
    st.tuples(st.just("mark"), st.floats(-1.5, 1.5)),  # far beyond the window
    st.tuples(st.just("interest"), st.floats(0.0, 3.0)),
    st.tuples(st.just("trade"), st.floats(-0.01, 0.01)),
    st.tuples(st.just("wait"), st.floats(0.0, 400.0)),
    st.tuples(st.just("crash"), st.floats(-0.2, 0.2)),
    st.tuples(st.just("hour"), st.just(0.0)),
    st.tuples(st.just("long"), st.floats(0.0, 0.9)),
    st.tuples(st.just("short"), st.floats(0.0, 0.9)),
)


class Market:
    """One market driven step by step, with the laws checked after each."""

    def __init__(self) -> None:
        self.state = MarketState("alpha", "BTC")
        self.state.has_trades = True
        self.price = 100.0
        self.now_ms = START_MS
        move_mark(self.state, self.price, PARAMETERS)
        apply_open_interest(self.state, 1_000.0, self.now_ms, LAYERS, PARAMETERS)

    def step(self, kind: str, amount: float) -> None:
        if kind == "mark":
            self.price = float(np.clip(self.price * np.exp(amount), 1e-6, 1e9))
            move_mark(self.state, self.price, PARAMETERS)
            self.check_that_nothing_was_left_behind()
        elif kind == "interest":
            apply_open_interest(self.state, 1_000.0 * amount, self.now_ms, LAYERS, PARAMETERS)
            self.check_sides(1_000.0 * amount)
        elif kind == "crash":
            self.crash(amount)
        elif kind == "trade":
            self.state.traded.add(bin_of(self.price * np.exp(amount)), 40.0)
        elif kind == "hour":
            self.check_rounding()
        elif kind == "wait":
            self.now_ms += int(amount * 3_600_000)
            standing = self.state.standing_of_both()
            release_unconfirmed(self.state, self.now_ms, PARAMETERS)
            assert self.state.standing_of_both() == pytest.approx(standing, rel=1e-9)
        else:
            account, quantity = f"0x{int(amount * 100) % 3}", round(300 * amount)
            away = -amount if kind == "long" else amount
            side = LONG if kind == "long" else SHORT
            put_measured(self.state, account, side, quantity, self.price * (1 + away), self.now_ms)

    def crash(self, amount: float) -> None:
        """In five minutes the mark moves violently, little is liquidated, and a fifth of the open interest goes."""
        state = self.state
        before = state.open_interest_base
        assert before is not None
        self.now_ms += 3_600_000
        apply_open_interest(
            state, before, self.now_ms, LAYERS, PARAMETERS
        )  # long after the last: the watch begins anew
        self.now_ms += 300_000
        start = self.price
        self.price = float(np.clip(self.price * np.exp(amount), 1e-6, 1e9))
        move_mark(state, self.price, PARAMETERS)
        state.liquidated_base = before * 0.01
        apply_open_interest(state, before * 0.8, self.now_ms, LAYERS, PARAMETERS)
        self.check_sides(before * 0.8)
        moved = abs(math.log(self.price / start))
        if before > 0 and not math.isclose(moved, 0.03, abs_tol=1e-9):
            assert (state.deleveraging.to_ms == self.now_ms) == (moved > 0.03)
        if state.deleveraging.to_ms == self.now_ms:
            assert state.deleveraging.side == (SHORT if self.price < start else LONG)

    def check_rounding(self) -> None:
        """The hourly rounding moves next to nothing, and what it moves is booked as closed."""
        positions = self.state.map
        assert positions is not None
        before, closed = positions.total.sum(axis=1), list(self.state.ledger.closed_base)
        self.state.round_map()
        assert (positions.mass == positions.mass.astype(np.float32)).all()
        moved = before - positions.total.sum(axis=1)
        assert (np.abs(moved) <= before * 1e-7 + 1e-12).all()
        assert np.array(self.state.ledger.closed_base) - closed == pytest.approx(moved, abs=1e-9)

    def check_books(self) -> None:
        ledger = self.state.ledger
        for side in (LONG, SHORT):
            explained = self.state.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
            assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
            # A part of what was closed; the hourly rounding may have booked a little of either sign there.
            assert 0 <= ledger.deleveraged_base[side] <= ledger.closed_base[side] + 0.01

    def check_map(self) -> None:
        positions = self.state.map
        assert positions is not None
        for array in (positions.mass, positions.scale, positions.tail_mass, positions.total):
            assert np.isfinite(array).all()
            assert (array >= 0).all()
        recounted = (positions.mass.sum(axis=2) + positions.tail_mass) * positions.scale
        assert recounted.sum(axis=1) == pytest.approx(positions.total.sum(axis=1), rel=1e-9, abs=1e-9)
        assert (positions.seed_share <= 1 + 1e-12).all()
        self.check_that_nothing_was_left_behind()

    def check_that_nothing_was_left_behind(self) -> None:
        positions = self.state.map
        assert positions is not None
        state = self.state
        assert state.swept_low <= state.mark_at <= state.swept_high
        assert 0 <= bin_of(self.price) - positions.first_bin < WINDOW_BINS
        # The mark's own bin may hold longs below the mark and shorts above it, and so may the bins of its extremes.
        lowest, highest = (math.floor(each) - positions.first_bin for each in (state.swept_low, state.swept_high))
        assert not positions.mass[LONG, :, max(lowest + 1, 0) :].any()
        assert not positions.mass[SHORT, :, : max(highest, 0)].any()
        for side, moved in ((LONG, lowest), (SHORT, highest)):
            for layer in np.flatnonzero(positions.tail_mass[side]):
                place = positions.tail_moment[side, layer] / positions.tail_mass[side, layer] - positions.first_bin
                assert (place + 0.5 < moved + 1) if side == LONG else (place + 0.5 > moved)
        for side, _, place, _ in state.measured.accounts.values():
            if place is not None:
                assert (place < state.swept_low) if side == LONG else (place > state.swept_high)

    def check_sides(self, open_interest: float) -> None:
        for side in (LONG, SHORT):
            expected = max(open_interest, self.state.measured.quantity_base[side])
            assert self.state.standing(side) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_books_balance_and_maps_stay_legal(steps: list[tuple[str, float]]) -> None:
    market = Market()
    for kind, amount in steps:
        market.step(kind, amount)
        market.check_books()
        market.check_map()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(-1_500, 1_500), max_size=6))
def test_scrolling_conserves_mass_per_layer(seed: int, moves: list[int]) -> None:
    random = np.random.default_rng(seed)
    positions = PositionMap(LAYER_COUNT, 0)
    positions.mass[LONG, :, :1_000] = random.random((LAYER_COUNT, 1_000))
    positions.mass[SHORT, :, 1_100:] = random.random((LAYER_COUNT, WINDOW_BINS - 1_100))
    positions.scale[...] = random.uniform(0.1, 1, (2, LAYER_COUNT))
    positions.refresh_totals()
    before = positions.total.copy()
    for mark_bin in moves:
        positions.scroll(mark_bin)
        positions.refresh_totals()
        assert positions.total == pytest.approx(before, rel=1e-12)
    positions.scroll(0)
    assert (positions.mass[LONG] * positions.scale[LONG][:, None]).sum() <= before[LONG].sum() * (1 + 1e-12)


def test_edge_mass_comes_back_when_the_window_does() -> None:
    positions = PositionMap(LAYER_COUNT, 0)
    positions.mass[LONG, 3, 10] = 5.0
    positions.refresh_totals()
    positions.scroll(500)
    assert not positions.mass.any()
    assert positions.tail_mass[LONG, 3] == 5.0
    positions.scroll(0)
    assert positions.mass[LONG, 3, 10] == 5.0
    assert not positions.tail_mass.any()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 60), away=st.integers(-40, 40), scroll=st.integers(-900, 900))
def test_deposit_equals_the_slow_oracle(seed: int, width: int, away: int, scroll: int) -> None:
    random = np.random.default_rng(seed)
    shifts = layer_shifts(PARAMETERS)
    positions = PositionMap(LAYER_COUNT, scroll)
    mark_bin = scroll + int(random.integers(-100, 100))
    amounts = random.exponential(10.0, (2, LAYER_COUNT)) * (random.random((2, LAYER_COUNT)) > 0.2)
    positions.scale[...] = random.uniform(1e-3, 1.0, (2, LAYER_COUNT))
    profile = random.exponential(1.0, width)
    profile /= profile.sum()
    first = mark_bin + away - width // 2
    offset = float(random.uniform(-0.5, 0.5))
    positions.deposit(amounts, OpeningPrices(first, profile, offset), shifts, mark_bin)
    expected: dict[tuple[int, int, int], float] = {}
    for side in (LONG, SHORT):
        for layer in range(LAYER_COUNT):
            near, far = band_of(np.abs(shifts[side]), layer)
            cells: dict[int, float] = {}
            for step, share in enumerate(profile):
                entry = first + step + 0.5 + offset
                low, high = (entry - far, entry - near) if side == LONG else (entry + near, entry + far)
                for place in range(math.floor(low), math.floor(high) + 1):
                    covered = min(high, place + 1) - max(low, place)
                    if (place <= mark_bin) if side == LONG else (place >= mark_bin):
                        cells[place] = cells.get(place, 0.0) + share * covered / (far - near)
            total = sum(cells.values())
            if total < 1e-6:
                whole = max(math.floor(near), 1)
                cells, total = {mark_bin + (-whole if side == LONG else whole): 1.0}, 1.0
            for place, part in cells.items():
                expected[side, layer, place] = amounts[side, layer] * part / total
    true_mass = positions.mass * positions.scale[:, :, None]
    assert true_mass.sum() + (positions.tail_mass * positions.scale).sum() == pytest.approx(amounts.sum())
    for (side, layer, place), amount in expected.items():
        column = place - positions.first_bin
        if 0 <= column < WINDOW_BINS:
            assert true_mass[side, layer, column] == pytest.approx(amount, rel=1e-6, abs=1e-6 * amounts.max())
    assert positions.total == pytest.approx(amounts)
    assert (positions.mass >= 0.0).all()
    recounted = (positions.mass.sum(axis=2) + positions.tail_mass) * positions.scale
    assert recounted == pytest.approx(amounts, rel=1e-9)
    tails = [(side, layer) for side, layer in np.argwhere(positions.tail_mass)]
    for side, layer in tails:
        beyond = [
            (place, amount)
            for (s, k, place), amount in expected.items()
            if (s, k) == (side, layer) and not 0 <= place - positions.first_bin < WINDOW_BINS
        ]
        held = float(positions.tail_mass[side, layer] * positions.scale[side, layer])
        assert held == pytest.approx(sum(amount for _, amount in beyond), rel=1e-6, abs=1e-6 * amounts.max())
        if held > 1e-3 * amounts.max():
            mean = sum(place * amount for place, amount in beyond) / sum(amount for _, amount in beyond)
            moment, mass = float(positions.tail_moment[side, layer]), float(positions.tail_mass[side, layer])
            assert moment / mass == pytest.approx(mean, abs=1.0)


def band_of(distances: np.ndarray, layer: int) -> tuple[float, float]:
    """A class reaches to the geometric means with its neighbours; at the ends as far as to the other side."""
    here = float(distances[layer])
    far = math.sqrt(here * distances[layer - 1]) if layer else None
    near = math.sqrt(here * distances[layer + 1]) if layer + 1 < len(distances) else None
    if far is None:
        far = here * here / near  # type: ignore[operator]
    if near is None:
        near = here * here / far
    return (near, far) if far - near >= 1.0 else (here - 0.5, here + 0.5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), low=st.integers(-1_200, 1_200), count=st.integers(0, 300))
def test_consume_equals_the_slow_oracle(seed: int, low: int, count: int) -> None:
    random = np.random.default_rng(seed)
    positions = PositionMap(LAYER_COUNT, 0)
    positions.mass[...] = random.random(positions.mass.shape) * (random.random(positions.mass.shape) > 0.5)
    positions.scale[...] = random.uniform(0.1, 1, (2, LAYER_COUNT))
    positions.refresh_totals()
    before = positions.mass.copy()
    base, usd = positions.consume(LONG, low, low + count)
    slow_base = slow_usd = 0.0
    for column in range(WINDOW_BINS):
        if low <= column + positions.first_bin <= low + count:
            here = float((before[LONG, :, column] * positions.scale[LONG]).sum())
            slow_base += here
            slow_usd += here * np.exp((column + positions.first_bin + 0.5) * 0.001)
            assert not positions.mass[LONG, :, column].any()
            before[LONG, :, column] = 0.0
    assert (positions.mass == before).all()
    assert base == pytest.approx(slow_base)
    assert usd == pytest.approx(slow_usd)
    recounted = (positions.mass.sum(axis=2) * positions.scale).sum(axis=1)
    assert positions.total.sum(axis=1) == pytest.approx(recounted)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=50))
def test_bins_of_many_equal_bins_of_one(prices: list[float]) -> None:
    many = bins_of(np.array(prices)).tolist()
    for price, found in zip(prices, many, strict=True):
        edge = abs(np.log(price) / 0.001 - round(np.log(price) / 0.001)) < 1e-9
        assert found == bin_of(price) or (edge and abs(found - bin_of(price)) == 1)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_whole_logs_keep_the_books_and_replay_to_the_same_bytes(seed: int, venues: int) -> None:
    log = RandomMarket(seed, venues).log(150)
    fold = EstimatorFold()
    state = fold.new(COIN)
    outputs = [encode(emission) for emission in feed(fold, state, log)]
    again = EstimatorFold()
    other = again.new(COIN)
    assert [encode(emission) for emission in feed(again, other, log)] == outputs
    assert again.dump(other) == fold.dump(state)
    _check_books(state)


def _check_books(state: CoinState) -> None:
    for market in state.markets.values():
        for side in (LONG, SHORT):
            ledger = market.ledger
            explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
            assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 190), min_size=1, max_size=4))
def test_restored_states_go_on_byte_for_byte(seed: int, cuts: list[int]) -> None:
    log = RandomMarket(seed, 2).log(180)
    fold = EstimatorFold()
    straight = fold.new(COIN)
    expected = [encode(emission) for emission in feed(fold, straight, log)]
    state = fold.new(COIN)
    outputs: list[bytes] = []
    edges = [0, *sorted(cuts), len(log)]
    for start, end in itertools.pairwise(edges):
        outputs += [encode(emission) for emission in feed(fold, state, log[start:end])]
        body = fold.dump(state)
        state = fold.load(body, COIN)
        assert fold.dump(state) == body
    assert outputs == expected
    assert fold.dump(state) == fold.dump(straight)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60))
def test_duplicates_change_no_output(seed: int, repeat_from: int) -> None:
    log = RandomMarket(seed, 2).log(80)
    fold = EstimatorFold()
    plain, repeated = fold.new(COIN), fold.new(COIN)
    expected = [encode(emission) for emission in feed(fold, plain, log)]
    twice = [*log[: repeat_from + 20], *log[repeat_from:]]
    assert [encode(emission) for emission in feed(fold, repeated, twice)] == expected
    assert repeated.duplicates == 20
    repeated.duplicates = 0
    assert fold.dump(repeated) == fold.dump(plain)
