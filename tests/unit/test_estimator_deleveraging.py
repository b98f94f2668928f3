"""Auto-deleveraging: when it is suspected, what the map loses, and what a grid says of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_market import COIN, MarketWriter, feed, instrument_fields, of_kind, parsed, start
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.deleveraging import SAMPLES, DeleveragingWatch, close_best
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.layers import layer_shifts
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.position_map import PositionMap

PARAMETERS = EstimatorParameters()
LEVERAGES = np.array(PARAMETERS.leverages)
MINUTE_MS = 60_000
MARKET = "alpha", f"{COIN}/USDT:USDT"


def reports(
    watch: DeleveragingWatch, fall: float = 0.1, move: float = -40.0, liquidated: float = 5.0, volume: float = 100.0
) -> list[float]:
    """Five calm minutes at 1,000 coins, then five over which all of this is spread evenly."""
    found = [watch.unexplained(number * MINUTE_MS, 0.0, 1_000.0, 0.0, 1.0) for number in range(6)]
    for number in range(1, 6):
        part = number / 5
        at_ms, interest = (5 + number) * MINUTE_MS, 1_000.0 * (1 - fall * part)
        found.append(watch.unexplained(at_ms, move * part, interest, liquidated / 5, volume / 5))
    return found


def test_a_fall_that_nothing_explains_is_suspected_and_told_for_a_day() -> None:
    watch = DeleveragingWatch()
    found = reports(watch)
    assert found[:9] == [0.0] * 9, "not before all four conditions hold"
    # 100 coins less, of which 5 were liquidated and 10 may have been closed by their owners (and 0.5 before).
    assert found[-1] == pytest.approx(100 - 5 - 10 - 0.5)
    assert watch.side == SHORT
    assert (watch.from_ms, watch.to_ms) == (9 * MINUTE_MS, 10 * MINUTE_MS)
    assert watch.is_told(10 * MINUTE_MS + 86_400_000)
    assert not watch.is_told(10 * MINUTE_MS + 86_400_001)


@pytest.mark.parametrize(
    "change",
    [
        {"fall": 0.045},
        {"move": -29.0},
        {"liquidated": 0.0},
        {"volume": 700.0},  # owners may have closed it
        {"liquidated": 70.0},  # liquidations explain it
        {"fall": -0.1},
    ],
)
def test_each_condition_is_needed(change: dict[str, float]) -> None:
    watch = DeleveragingWatch()
    assert not any(reports(watch, **change))
    assert watch.to_ms is None


def test_a_rise_takes_from_the_longs() -> None:
    watch = DeleveragingWatch()
    assert reports(watch, move=40.0)[-1] > 0
    assert watch.side == LONG


def test_what_was_taken_is_not_taken_again() -> None:
    watch = DeleveragingWatch()
    amount = reports(watch)[-1]
    watch.deleveraged(amount, amount * 100.0)
    # A calm minute has left the window, and its 0.1 coins of owners' closings with it.
    assert watch.unexplained(11 * MINUTE_MS, -40.0, 900.0, 0.0, 0.0) == pytest.approx(0.1)
    watch.deleveraged(0.1, 0.0)
    more = watch.unexplained(12 * MINUTE_MS, -40.0, 880.0, 0.0, 0.0)
    assert more == pytest.approx(20.0 + 0.1)
    assert watch.deleveraged_usd == pytest.approx(amount * 100.0)


def test_a_report_after_a_long_silence_or_out_of_order_begins_anew() -> None:
    for later_ms in (11 * MINUTE_MS, -1):
        watch = DeleveragingWatch()
        watch.unexplained(0, 0.0, 1_000.0, 0.0, 0.0)
        assert watch.unexplained(later_ms, -100.0, 500.0, 5.0, 0.0) == 0.0
        assert watch.to_ms is None


def test_the_watch_stays_small_whatever_the_pace() -> None:
    for pace_ms in (100, 5_000, 70_000, 300_000):
        watch = DeleveragingWatch()
        for number in range(3_000):
            watch.unexplained(number * pace_ms, 0.0, 1_000.0, 0.0, 1.0)
            assert len(watch.samples) <= SAMPLES
        assert watch.samples[-1].time_ms - watch.samples[0].time_ms <= 12 * MINUTE_MS


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), side=st.sampled_from((LONG, SHORT)), share=st.floats(0.0, 1.2))
def test_the_most_profitable_and_levered_go_first(seed: int, side: int, share: float) -> None:
    """Against a slow oracle that goes through the cells one by one."""
    random = np.random.default_rng(seed)
    shifts, positions = layer_shifts(PARAMETERS), PositionMap(len(LEVERAGES), 0)
    cells = positions.mass
    cells[...] = random.exponential(1.0, cells.shape) * (random.random(cells.shape) > 0.98)
    positions.scale[...] = random.uniform(0.1, 1.0, positions.scale.shape)
    positions.tail_mass[side, 0] = 3.0
    positions.refresh_totals()
    mark_at = float(random.uniform(-50, 50))
    amount = share * positions.standing(side)
    ranked = []
    for layer, place in np.argwhere(cells[side] > 0):
        profit = mark_at - (positions.first_bin + place + 0.5 - shifts[side, layer])
        rank = (profit if side == LONG else -profit) * LEVERAGES[layer]
        if rank > 0:
            ranked.append((rank, layer, place, cells[side, layer, place] * positions.scale[side, layer]))
    ranked.sort(key=lambda entry: -entry[0])
    expected, left = (cells * positions.scale[:, :, None]).copy(), amount
    for _, layer, place, mass in ranked:
        taken = min(mass, left)
        expected[side, layer, place] -= taken
        left -= taken

    before = positions.standing(side)
    closed = close_best(positions, side, amount, shifts, LEVERAGES, mark_at)

    assert closed == pytest.approx(amount - left, abs=1e-9)
    assert before - positions.standing(side) == pytest.approx(closed, abs=1e-9)
    assert positions.mass * positions.scale[:, :, None] == pytest.approx(expected, abs=1e-9)
    assert positions.tail_mass[side, 0] == 3.0
    assert (positions.mass >= 0).all()
    assert positions.mass.shape[2] == WINDOW_BINS


def crashed(*, is_deleveraged: bool) -> tuple[EstimatorFold, CoinState, MarketWriter, list[object]]:
    """A fall by 8 % in five minutes, with liquidations; the open interest falls by a fifth, or hardly at all."""
    fold, state, writer = start()
    messages = [writer.message("instrument", **instrument_fields())]
    for number in range(48):
        messages.append(writer.trades([60_000.0 * (1 + 5e-4 * (number % 9))] * 5))
        messages.append(writer.ticker(60_000.0 * (1 + 5e-4 * (number % 9)), 10_000.0))
        writer.now_ms += 300_000
    for number in range(1, 31):
        writer.now_ms += 10_000
        price = 60_000.0 * (1 - 0.08 * number / 30)
        messages.append(writer.trades([price] * 3))
        messages.append(
            writer.message(
                "liquidation",
                liquidated_side="long",
                price=price,
                price_kind="average",
                quantity_base=3.0,
                notional_usd=3.0 * price,
                feed_completeness="complete",
            )
        )
        messages.append(writer.ticker(price, 10_000.0 * (1 - (0.2 if is_deleveraged else 0.01) * number / 30)))
    emissions = feed(fold, state, messages)
    return fold, state, writer, list(emissions)


def test_the_winning_side_loses_its_best_positions_and_the_books_balance() -> None:
    fold, state, writer, _ = crashed(is_deleveraged=True)
    market = state.markets[MARKET]
    ledger, watch = market.ledger, market.deleveraging
    assert watch.side == SHORT
    assert ledger.deleveraged_base[LONG] == 0.0
    assert ledger.deleveraged_base[SHORT] == pytest.approx(10_000 * 0.2 - 90 - 0.1 * 90, rel=0.05)
    for side in (LONG, SHORT):
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
        assert market.standing(side) == pytest.approx(8_000.0, rel=1e-9)
    writer.now_ms += 1_000
    (grid,) = [each for each in feed(fold, state, [writer.ticker(55_200.0, 8_000.0)]) if each.kind == "grid"]
    parsed(grid)
    (member,) = grid.value["provenance"]["members"]
    told = member["deleveraging"]
    assert told["deleveraged_side"] == "short"
    assert told["deleveraged_usd"] == pytest.approx(watch.deleveraged_usd)
    assert watch.deleveraged_usd > 1e8
    assert told["suspected_from_ms"] <= told["suspected_to_ms"] <= writer.now_ms
    body = fold.dump(state)
    assert fold.dump(fold.load(body, COIN)) == body


def test_the_same_crash_without_it_is_told_as_nothing() -> None:
    _, state, _, emissions = crashed(is_deleveraged=False)
    market = state.markets[MARKET]
    assert market.deleveraging.to_ms is None
    assert market.ledger.deleveraged_base == [0.0, 0.0]
    grids = of_kind(emissions, "grid")  # type: ignore[arg-type]
    assert all(member["deleveraging"] is None for grid in grids for member in grid["provenance"]["members"])


def test_what_is_left_is_less_profitable_and_levered_than_after_closings_in_proportion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranks = []
    for is_ranked in (True, False):
        if not is_ranked:
            monkeypatch.setattr(DeleveragingWatch, "unexplained", lambda *_: 0.0)
        _, state, _, _ = crashed(is_deleveraged=True)
        market = state.markets[MARKET]
        assert market.map is not None
        assert market.standing(SHORT) == pytest.approx(8_000.0)
        shifts = market.layer_shifts(PARAMETERS)[SHORT]
        entries = market.map.first_bin + np.arange(WINDOW_BINS) + 0.5 - shifts[:, None]
        profit = np.maximum(entries - market.mark_at, 0.0) * LEVERAGES[:, None]
        ranks.append(float((market.map.mass[SHORT] * market.map.scale[SHORT][:, None] * profit).sum()))
    assert ranks[0] < 0.8 * ranks[1]
