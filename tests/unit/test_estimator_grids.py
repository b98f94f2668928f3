"""Grids: against their contract, and against sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from estimator_market import COIN, START_MS, RandomMarket, feed, of_kind, parsed, start
from liqheat_estimator.core.bins import bin_of
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.parameters import MINUTE_MS, EstimatorParameters


@pytest.mark.parametrize("venues", [1, 3])
def test_every_output_is_what_its_contract_says(venues: int) -> None:
    fold = EstimatorFold()
    emissions = feed(fold, fold.new(COIN), RandomMarket(5, venues).log(300))
    assert {emission.kind for emission in emissions} == {"grid", "column", "liquidation"}
    for emission in emissions:
        parsed(emission)


def test_aggregated_is_the_sum_of_the_venues() -> None:
    fold = EstimatorFold()
    for grid in of_kind(feed(fold, fold.new(COIN), RandomMarket(11, 3).log(250)), "grid")[::10]:
        scopes = dict(grid["scopes"])
        total = scopes.pop("aggregated")
        for side in ("long_usd", "short_usd"):
            by_bin: dict[int, int] = {}
            for scope in scopes.values():
                for offset, usd in enumerate(scope[side].tolist()):
                    by_bin[scope["first_bin"] + offset] = by_bin.get(scope["first_bin"] + offset, 0) + usd
            for offset, usd in enumerate(total[side].tolist()):
                assert usd == pytest.approx(by_bin.pop(total["first_bin"] + offset, 0), abs=len(scopes))
            assert all(usd <= len(scopes) for usd in by_bin.values())  # rounding of what each venue has alone
        assert total["open_interest_usd"] == pytest.approx(sum(s["open_interest_usd"] for s in scopes.values()))
        assert total["consumed_long_usd"] == pytest.approx(sum(s["consumed_long_usd"] for s in scopes.values()))


def test_a_grid_shows_open_interest_on_both_sides_of_the_mark() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_000.0)]), "grid")
    scope = grid["scopes"]["alpha"]
    assert grid["scopes"]["aggregated"]["long_usd"] is scope["long_usd"]
    bins = scope["first_bin"] + np.arange(len(scope["long_usd"]))
    prices = np.exp((bins + 0.5) * 0.001)
    positions = state.markets["alpha", f"{COIN}/USDT:USDT"].map
    assert positions is not None
    for name, far in zip(("long_usd", "short_usd"), (positions.tail_mass * positions.scale).sum(axis=1), strict=True):
        # What no price in sight liquidates is not in the grid; it is the positions with hardly any leverage.
        assert far < 500
        assert (scope[name] / prices).sum() + far == pytest.approx(1_000.0, rel=1e-3)
    # The mark's own bin may hold both: longs in its part below the mark, shorts in its part above.
    assert not scope["long_usd"][bins > bin_of(60_000.0)].any()
    assert not scope["short_usd"][bins < bin_of(60_000.0)].any()
    classes = grid["leverage_classes"]
    shares = np.array(EstimatorParameters().open_interest_shares)
    assert classes["long_usd"] / 60e6 == pytest.approx(shares, abs=1e-6)
    assert grid["provenance"]["coverage_share"] == 0.0  # all of it is older than the data
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_500.0)]), "grid")
    assert grid["leverage_classes"] is None
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_500.0)]), "grid")
    assert grid["provenance"]["coverage_share"] == pytest.approx(1 / 3, abs=0.01)


def test_boundaries_are_multiples_of_the_cadence_and_see_the_state_before() -> None:
    fold, state, writer = start(cadence_ms=500)
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    writer.now_ms += 499
    assert feed(fold, state, [writer.ticker(61_000.0)]) == []
    writer.now_ms += 1
    (grid,) = of_kind(feed(fold, state, [writer.ticker(62_000.0)]), "grid")
    assert (grid["event_time_ms"], grid["mark_price"]) == (START_MS + 500, 61_000.0)
    assert feed(fold, state, [writer.ticker(62_000.0)]) == []
    writer.now_ms += 1_700  # three boundaries at once: one grid, of the latest
    (grid,) = of_kind(feed(fold, state, [writer.ticker(62_000.0)]), "grid")
    assert (grid["event_time_ms"], grid["cadence_ms"]) == (START_MS + 2_000, 500)
    writer.now_ms = START_MS + 900
    assert feed(fold, state, [writer.ticker(62_000.0)]) == []  # the clock never goes back


def test_the_candle_and_the_volume_delta_are_of_the_interval() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(100.0, 1_000.0), writer.trades([100.0, 102.0]), writer.trades([99.0])])
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.trades([101.0])]), "grid")
    expected = {"open": 100.0, "high": 102.0, "low": 99.0, "close": 99.0, "volume_usd": 301.0, "taker_buy_usd": 199.0}
    assert grid["candle"] == expected
    assert grid["cumulative_volume_delta_usd"] == 199.0 - 102.0
    writer.now_ms += 2_000
    (grid,) = of_kind(
        feed(fold, state, [writer.message("heartbeat", stream_age_ms={"trades": 700, "ticker": None})]), "grid"
    )
    assert grid["candle"]["volume_usd"] == 101.0
    writer.now_ms += 2_000
    (grid,) = of_kind(feed(fold, state, [writer.trades([101.0])]), "grid")
    assert grid["candle"] is None
    (member,) = grid["provenance"]["members"]
    assert member["stream_age_ms"] == {"ticker": 5_000, "trades": 2_700}


def test_an_old_mark_is_estimated_from_trades_with_the_known_basis() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(100.0, 1_000.0, last_price=101.0)])
    writer.now_ms += 3_000
    (grid,) = of_kind(feed(fold, state, [writer.trades([103.0])]), "grid")
    assert grid["mark_price"] == 100.0
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.trades([103.0, 104.0])]), "grid")
    assert grid["mark_price"] == 100.0
    assert grid["provenance"]["members"][0]["mark_price_kind"] == "reported"
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.trades([103.0])]), "grid")
    assert grid["mark_price"] == pytest.approx(103.5 * 100 / 101)
    assert grid["provenance"]["members"][0]["mark_price_kind"] == "estimated-from-trades"


def test_what_the_mark_sweeps_is_consumed_in_grid_and_column() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0), writer.ticker(57_000.0)])
    writer.now_ms += MINUTE_MS
    emissions = feed(fold, state, [writer.ticker(60_000.0)])
    (grid,) = of_kind(emissions, "grid")
    swept = grid["scopes"]["aggregated"]["consumed_long_usd"]
    assert swept > 100_000
    assert grid["scopes"]["aggregated"]["consumed_short_usd"] == 0.0
    for column in of_kind(emissions, "column"):
        assert column["candle"]["consumed_long_usd"] == swept
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.ledger.consumed_base[0] + market.standing(0) == pytest.approx(1_000.0)


def test_measured_positions_stand_at_their_price_in_place_of_the_estimate() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    position = {
        "account": "0xa",
        "side": "long",
        "quantity_base": 400.0,
        "entry_price": 60_000.0,
        "liquidation_price": 50_000.0,
        "leverage": 5.0,
        "margin_mode": "isolated",
    }
    feed(fold, state, [writer.message("on-chain-position", **position)])
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.map is not None
    assert market.standing(0) == pytest.approx(1_000.0)
    assert market.map.standing(0) == pytest.approx(600.0)
    writer.now_ms += 1_000
    (grid,) = of_kind(feed(fold, state, [writer.ticker(60_000.0, 1_000.0)]), "grid")
    assert grid["provenance"]["measured_share"] == pytest.approx(0.2)
    scope = grid["scopes"]["alpha"]
    assert scope["long_usd"][bin_of(50_000.0) - scope["first_bin"]] >= 400 * 49_900
    feed(fold, state, [writer.ticker(49_000.0)])
    assert market.measured.accounts == {}
    assert market.ledger.consumed_base[0] > 400
    closed = market.ledger.closed_base[0]
    feed(fold, state, [writer.message("on-chain-position", **(position | {"liquidation_price": 48_000.0}))])
    feed(fold, state, [writer.message("on-chain-position", **(position | {"quantity_base": 0.0}))])
    assert market.ledger.closed_base[0] == pytest.approx(closed + 400)
