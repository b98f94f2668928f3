"""What comes late: trades fetched after an interruption, and a venue's history while others are live."""

from __future__ import annotations

import pytest

from estimator_market import MarketWriter, feed, of_kind, start
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_shared.folding import Rejected

KEY = ("alpha", "BTC/USDT:USDT")


def _live() -> tuple[EstimatorFold, CoinState, MarketWriter]:
    fold, state, writer = start()
    messages = [writer.ticker(60_000.0, 1_000.0)]
    for second in range(120):
        writer.now_ms += 1_000
        messages.append(writer.trades([60_000.0 + second % 3]))
    messages.append(writer.ticker(60_000.0, 1_000.0))
    feed(fold, state, messages)
    return fold, state, writer


def test_old_trades_are_refused_unless_they_are_a_refill() -> None:
    fold, state, writer = _live()
    late = writer.now_ms - 60_000
    with pytest.raises(Rejected, match="out-of-order"):
        feed(fold, state, [writer.trades([59_500.0], event_time_ms=late)])
    feed(fold, state, [writer.trades([59_500.0], event_time_ms=late, refilled=True)])


def test_a_refill_sweeps_what_price_reached_and_moves_no_price_of_now() -> None:
    fold, state, writer = _live()
    market = state.markets[KEY]
    before = (market.mark_price, market.last_price, state.last_price, state.columns_of("alpha").bar.close)
    consumed, volume = list(market.ledger.consumed_base), state.columns_of("alpha").bar.volume_usd
    writer.now_ms += 1_000
    refill = writer.trades([57_000.0, 63_000.0], event_time_ms=writer.now_ms - 60_000, refilled=True)
    feed(fold, state, [refill])
    assert (market.mark_price, market.last_price, state.last_price, state.columns_of("alpha").bar.close) == before
    assert all(now > then for now, then in zip(market.ledger.consumed_base, consumed, strict=True))
    assert state.columns_of("alpha").bar.volume_usd == pytest.approx(volume + 120_000.0)
    assert state.is_incomplete(writer.now_ms)
    for side in (0, 1):
        ledger = market.ledger
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)


def test_refilled_must_be_a_truth_value() -> None:
    fold, state, writer = _live()
    with pytest.raises(Rejected, match="refilled"):
        feed(fold, state, [writer.trades([60_000.0], refilled="yes")])


def test_a_late_history_of_one_venue_leaves_the_grids_of_the_others_what_they_are() -> None:
    fold, state, writer = _live()
    grids = []
    writer.now_ms += 1_000
    messages = [writer.bracket("started", "beta")]
    for _ in range(5):
        writer.now_ms += 1_000
        candle = writer.candle(59_900.0, 60_100.0, 500.0, "beta", phase="backfill", event_time_ms=writer.now_ms)
        messages += [candle, writer.trades([60_000.0])]
    grids = of_kind(feed(fold, state, messages), "grid")
    assert grids
    assert {grid["phase"] for grid in grids} == {"replay"}
    body = fold.dump(state)
    assert fold.load(body, "BTC").live_phase == "replay"
