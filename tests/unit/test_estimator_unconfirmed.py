"""A measured position that is told no more becomes an estimate where it stood; nothing is lost or invented by that."""

from __future__ import annotations

from typing import Any

import pytest

from estimator_market import COIN, MarketWriter, feed, start
from liqheat_estimator.core.bins import bin_of
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT

MINUTE_MS = 60_000
MARKET = ("alpha", f"{COIN}/USDT:USDT")


def position(account: str, side: str, quantity_base: float, liquidation_price: float | None) -> dict[str, Any]:
    return {
        "account": account,
        "side": side,
        "quantity_base": quantity_base,
        "entry_price": 60_000.0,
        "liquidation_price": liquidation_price,
        "leverage": None,
        "margin_mode": "cross",
    }


def measured() -> tuple[EstimatorFold, CoinState, MarketWriter, MarketState]:
    """1,000 BTC a side, of which three accounts hold some."""
    fold, state, writer = start()
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    told = (
        position("0xa", "long", 400.0, 50_000.0),
        position("0xb", "short", 300.0, 75_000.0),
        position("0xc", "long", 100.0, None),
    )
    feed(fold, state, [writer.message("on-chain-position", **each) for each in told])
    return fold, state, writer, state.markets[MARKET]


def balance(market: MarketState, side: int) -> float:
    ledger = market.ledger
    return ledger.deposited_base[side] - ledger.consumed_base[side] - ledger.closed_base[side] - market.standing(side)


def test_it_stays_where_it_was_and_fades_as_an_estimate() -> None:
    fold, state, writer, market = measured()
    assert market.map is not None
    place = bin_of(50_000.0)
    before = market.map.density_at(LONG, place), market.measured.at(LONG, place)
    standing = market.standing(LONG), market.standing(SHORT)
    closed = list(market.ledger.closed_base)
    writer.now_ms += HOUR_MS
    feed(fold, state, [writer.message("heartbeat", stream_age_ms={})])
    assert len(market.measured.accounts) == 3, "an hour is not more than an hour"
    writer.now_ms += 1
    feed(fold, state, [writer.message("heartbeat", stream_age_ms={})])
    assert market.measured.accounts == {}
    assert market.measured.quantity_base == [0.0, 0.0]
    assert (market.standing(LONG), market.standing(SHORT)) == pytest.approx(standing, rel=1e-8)
    assert market.map.density_at(LONG, place) == pytest.approx(before[0] + before[1], rel=1e-8)
    assert market.map.density_at(SHORT, bin_of(75_000.0)) >= 300.0
    assert market.map.tail_mass.sum() >= 100.0, "the one that nothing liquidates lies beyond the window"
    assert market.ledger.closed_base == pytest.approx(closed, abs=1e-4), "but for the hourly rounding"
    for side in (LONG, SHORT):
        assert balance(market, side) == pytest.approx(0.0, abs=1e-9)
    market.map.refresh_totals()
    assert (market.standing(LONG), market.standing(SHORT)) == pytest.approx(standing, rel=1e-8)
    writer.now_ms += 1_000
    grids = [each.value for each in feed(fold, state, [writer.ticker(60_000.0, 1_000.0)]) if each.kind == "grid"]
    assert grids[-1]["provenance"]["measured_share"] == 0.0
    held = market.map.density_at(LONG, place)
    for _ in range(24):
        writer.now_ms += HOUR_MS
        feed(fold, state, [writer.trades([60_000.0] * 200), writer.ticker(60_000.0, 1_000.0)])
    assert market.map.density_at(LONG, place) < 0.9 * held


def test_a_price_that_gets_there_sweeps_it_all_the_same() -> None:
    fold, state, writer, market = measured()
    feed(fold, state, [writer.ticker(49_960.0, 1_000.0)])
    consumed = market.ledger.consumed_base[LONG]
    other_fold, other, other_writer, late = measured()
    other_writer.now_ms += HOUR_MS + 1
    feed(other_fold, other, [other_writer.message("heartbeat", stream_age_ms={}), other_writer.ticker(49_960.0)])
    assert consumed > 400.0
    # The bin of 50,000 holds its mass evenly now, and the mark went through most of it.
    assert late.ledger.consumed_base[LONG] == pytest.approx(consumed, abs=400.0)
    assert late.ledger.consumed_base[LONG] > consumed - 200.0


def test_what_is_confirmed_stays_measured_and_what_is_told_again_replaces_the_estimate() -> None:
    fold, state, writer, market = measured()
    for _ in range(12):
        writer.now_ms += 10 * MINUTE_MS
        feed(fold, state, [writer.message("on-chain-position", **position("0xa", "long", 400.0, 50_000.0))])
    assert list(market.measured.accounts) == ["0xa"]
    feed(fold, state, [writer.message("on-chain-position", **position("0xb", "short", 300.0, 75_000.0))])
    assert market.measured.quantity_base == [400.0, 300.0]
    assert market.standing(SHORT) == pytest.approx(1_000.0)
    for side in (LONG, SHORT):
        assert balance(market, side) == pytest.approx(0.0, abs=1e-9)


def test_an_ingest_that_comes_back_after_hours_finds_no_stale_measurement() -> None:
    """And a checkpoint in between changes nothing."""
    fold, state, writer, _ = measured()
    other = fold.load(fold.dump(state), COIN)
    writer.now_ms += 3 * HOUR_MS
    restart = {"stream": "trades", "from_ms": writer.now_ms - 3 * HOUR_MS, "reason": "restart", "ingest_epoch": 2}
    messages = [writer.message("feed-interrupted", **restart), writer.ticker(58_000.0, 990.0, ingest_epoch=2)]
    for each in (state, other):
        feed(fold, each, messages)
        assert each.markets[MARKET].measured.accounts == {}
    assert fold.dump(state) == fold.dump(other)


def test_without_a_map_it_is_closed() -> None:
    fold, state, writer = start()
    feed(fold, state, [writer.message("on-chain-position", **position("0xa", "long", 400.0, 50_000.0))])
    writer.now_ms += HOUR_MS + 1
    feed(fold, state, [writer.message("heartbeat", stream_age_ms={})])
    market = state.markets[MARKET]
    assert market.measured.accounts == {}
    assert market.ledger.closed_base[LONG] == 400.0
    assert balance(market, LONG) == 0.0
