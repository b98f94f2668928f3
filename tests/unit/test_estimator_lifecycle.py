"""A coin's life: holes, owners, liquidations, lost history, quarantine, margin rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from estimator_market import COIN, START_MS, feed, instrument_fields, of_kind, start
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.learning.prior import uninformed_prior
from liqheat_estimator.core.learning.prior_table import PriorTable
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, MINUTE_MS, EstimatorParameters


def test_a_hole_in_the_sequence_and_a_silent_feed_mark_the_map_as_incomplete() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0), writer.ticker(60_000.0, 1_000.0)])
    assert not state.is_incomplete(writer.now_ms)
    writer.sequences["alpha"] += 1
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    assert state.is_incomplete(writer.now_ms)
    assert not state.is_incomplete(writer.now_ms + MINUTE_MS)
    writer.now_ms += MINUTE_MS
    status = {"stream": "trades", "from_ms": writer.now_ms, "reason": "closed"}
    feed(fold, state, [writer.message("feed-interrupted", **status)])
    assert state.is_incomplete(writer.now_ms + HOUR_MS)
    feed(fold, state, [writer.message("feed-resumed", **status)])
    assert not state.is_incomplete(writer.now_ms + HOUR_MS)


def test_a_new_owner_starts_its_own_sequence_and_the_old_one_is_ignored() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0, sequence=500)])
    feed(fold, state, [writer.ticker(61_000.0, 1_000.0, ingest_epoch=2, sequence=0)])
    feed(fold, state, [writer.ticker(62_000.0, 1_000.0, ingest_epoch=1, sequence=501)])
    assert state.markets["alpha", f"{COIN}/USDT:USDT"].mark_price == 61_000.0
    assert state.duplicates == 1
    assert not state.is_incomplete(writer.now_ms)


def test_liquidations_are_a_record_with_totals_and_no_second_sweep() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]

    def liquidate(side: str, usd: float) -> Any:
        message = writer.message(
            "liquidation",
            liquidated_side=side,
            price=58_800.0,
            price_kind="bankruptcy",
            quantity_base=usd / 58_800,
            notional_usd=usd,
            feed_completeness="throttled",
        )
        emissions = feed(fold, state, [message])
        return of_kind(emissions, "liquidation")[0]

    first = liquidate("long", 1_000.0)
    assert first["estimated_usd_at_price"] == pytest.approx(market.usd_at(0, 58_800.0))
    assert first["estimated_usd_at_price"] > 0
    assert market.ledger.consumed_base == [0.0, 0.0]
    writer.now_ms += 2 * HOUR_MS
    second = liquidate("short", 500.0)
    by_window = {each["window_ms"]: (each["long_usd"], each["short_usd"], each["count"]) for each in second["totals"]}
    assert by_window == {HOUR_MS: (0, 500, 1), 4 * HOUR_MS: (1_000, 500, 2), DAY_MS: (1_000, 500, 2)}
    writer.now_ms += DAY_MS
    third = liquidate("long", 70.0)
    assert [each["long_usd"] for each in third["totals"]] == [70, 70, 70]
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0)]), "grid")
    assert (grid["liquidated_long_usd"], grid["liquidated_short_usd"]) == (70, 0)


def test_lost_history_starts_the_coin_cold_and_says_so() -> None:
    fold, state, writer = start()
    feed(
        fold,
        state,
        [
            writer.ticker(60_000.0, 1_000.0),
            writer.message(
                "control", action="release-quarantine", stage="clusterer", operator="o", reason="r", venue="operator"
            ),
        ],
    )
    fold.history_lost(state, 5, 9)
    writer.now_ms += 1_000
    assert feed(fold, state, [writer.ticker(61_000.0, 2_000.0)]) == []
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(61_000.0, 2_000.0)]), "grid")
    assert grid["provenance"]["history_lost"]
    assert grid["release_quarantine"] == ["clusterer"]
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.standing(0) == pytest.approx(2_000.0)
    assert market.ledger.closed_base == pytest.approx([1_000.0, 1_000.0], rel=1e-3)
    writer.now_ms += DAY_MS
    (grid,) = of_kind(feed(fold, state, [writer.ticker(61_000.0, 2_000.0)]), "grid")
    assert not grid["provenance"]["history_lost"]
    assert grid["release_quarantine"] == []


def test_only_the_order_for_this_stage_releases_it() -> None:
    fold, state, writer = start()
    order = {"action": "release-quarantine", "operator": "o", "reason": "r", "venue": "operator"}
    mine = fold.decode(writer.message("control", stage="estimator", **order), COIN, START_MS)
    other = fold.decode(writer.message("control", stage="clusterer", **order), COIN, START_MS)
    assert (fold.releases_quarantine(mine), fold.releases_quarantine(other)) == (True, False)
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    fold.quarantine_released(state)
    assert state.is_incomplete(writer.now_ms)
    assert fold.fold(state, mine) == []
    assert [market.venue for market in state.markets.values()] == ["alpha"]  # an operator is no market


def test_open_interest_known_before_the_price_waits_for_it() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(None, 1_000.0)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.phase() == "cold"
    feed(fold, state, [writer.trades([60_000.0])])
    assert market.phase() == "live"
    assert market.standing(1) == pytest.approx(1_000.0)


def test_turnover_is_bounded_by_the_volume() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.trades([60_000.0]), writer.ticker(60_000.0, 1_000.0)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    writer.now_ms += DAY_MS
    feed(fold, state, [writer.trades([60_000.0], quantity_base=[3.0]), writer.ticker(60_000.0, 1_000.0)])
    assert market.ledger.closed_base == pytest.approx([3.0, 3.0])
    writer.now_ms += DAY_MS
    feed(fold, state, [writer.trades([60_000.0], quantity_base=[3_000.0]), writer.ticker(60_000.0, 1_000.0)])
    assert market.ledger.closed_base[0] > 100  # what half-lives of hours to days close in a day


def test_new_margin_tiers_hold_for_later_openings_only() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.map is not None
    before = market.map.mass.copy()
    old = market.layer_shifts(fold.parameters)
    feed(fold, state, [writer.message("instrument", **instrument_fields(inverse=True))])
    assert (market.map.mass == before).all()
    new = market.layer_shifts(fold.parameters)
    assert not np.array_equal(old, new)


def test_states_of_another_layout_are_refused() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    two_classes = EstimatorParameters(leverages=(2, 5), open_interest_shares=(0.5, 0.5), half_life_hours=(9, 9))
    with pytest.raises(ValueError, match="made for other layers"):
        EstimatorFold(two_classes)
    other = EstimatorFold(two_classes, PriorTable.single(uninformed_prior(2), 2))
    with pytest.raises(ValueError, match="13 leverage classes, the model 2"):
        other.load(fold.dump(state), COIN)
