"""A coin's life: holes, owners, liquidations, lost history, quarantine, margin rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from estimator_market import (
    COIN,
    START_MS,
    MarketWriter,
    RandomMarket,
    encode,
    feed,
    instrument_fields,
    of_kind,
    start,
)
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


# ---- the end of a market


#: Fields of the envelope of a market event.
ENVELOPE = (
    *("schema_version", "coin", "venue", "symbol", "phase"),
    *("event_time_ms", "receive_time_ms", "ingest_epoch", "sequence"),
)


def _next_second(writer: MarketWriter, venue: str = "alpha") -> bytes:
    """A ticker that moves the output clock over the next boundary."""
    writer.now_ms += 1_000
    return writer.ticker(60_000.0, 1_000.0, venue)


def _delisted(writer: MarketWriter, venue: str, stream: str) -> bytes:
    fields = {"stream": stream, "from_ms": writer.now_ms, "reason": "delisted", "delisted": True}
    return writer.message("feed-interrupted", venue, **fields)


def test_a_delisted_market_leaves_the_map_and_comes_back_as_a_new_one() -> None:
    fold, state, writer = start()
    for venue in ("alpha", "beta"):
        feed(fold, state, [writer.message("instrument", venue, **instrument_fields())])
        feed(fold, state, [writer.ticker(60_000.0, 1_000.0, venue)])
    both = of_kind(feed(fold, state, [_next_second(writer)]), "grid")[-1]
    assert {member["venue"] for member in both["provenance"]["members"]} == {"alpha", "beta"}

    feed(fold, state, [_delisted(writer, "beta", "trades"), _delisted(writer, "beta", "ticker")])
    alone = of_kind(feed(fold, state, [_next_second(writer)]), "grid")[-1]
    assert {member["venue"] for member in alone["provenance"]["members"]} == {"alpha"}
    assert not alone["provenance"]["incomplete"]
    assert alone["scopes"]["aggregated"]["open_interest_usd"] == pytest.approx(60_000.0 * 1_000.0)
    assert "beta" not in alone["scopes"]

    restored = fold.load(fold.dump(state), COIN)
    assert fold.dump(restored) == fold.dump(state)
    again = [writer.message("instrument", "beta", **instrument_fields()), writer.ticker(60_100.0, 400.0, "beta")]
    for each in (state, restored):
        feed(fold, each, again)
        assert each.markets["beta", f"{COIN}/USDT:USDT"].open_interest_base == 400.0
    assert fold.dump(restored) == fold.dump(state)


def test_what_was_told_before_the_delisting_is_not_taken_again_after_it() -> None:
    fold, state, writer = start()
    ticker = writer.ticker(60_000.0, 1_000.0, "beta")
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0), ticker, _delisted(writer, "beta", "ticker"), ticker])
    assert ("beta", f"{COIN}/USDT:USDT") not in state.markets
    assert state.duplicates == 1


@pytest.mark.parametrize("seed", range(4))
def test_markets_that_end_anywhere_in_a_random_log_leave_a_state_that_restores(seed: int) -> None:
    random = np.random.default_rng(seed)
    log = RandomMarket(seed).log(300)
    ends = sorted(random.choice(len(log), 6, replace=False).tolist())
    fold, state, _ = start()
    fold_again, other, _ = start()
    for place, message in enumerate(log):
        messages = [message]
        if place in ends:
            event = orjson.loads(message)
            fields = {"type": "feed-interrupted", "stream": "trades", "from_ms": event["event_time_ms"]}
            envelope = {name: event[name] for name in ENVELOPE}
            messages = [orjson.dumps(envelope | fields | {"reason": "delisted", "delisted": True})]
        emissions = feed(fold, state, messages)
        assert [encode(one) for one in feed(fold_again, other, messages)] == [encode(one) for one in emissions]
        if place % 50 == 0:
            other = fold_again.load(fold_again.dump(other), COIN)
    assert fold_again.dump(other) == fold.dump(state)
