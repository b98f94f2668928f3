"""What the fold refuses because of what it knows, and that a refusal leaves the map alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from estimator_market import COIN, START_MS, MarketWriter, encode, feed
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.market_state import Suspicion
from liqheat_estimator.core.parameters import DAY_MS
from liqheat_estimator.core.rejection import MAX_MARKETS
from liqheat_shared.folding import Emission, Rejected

Market = tuple[EstimatorFold, CoinState, MarketWriter]


@pytest.fixture
def market() -> Market:
    fold, writer = EstimatorFold(), MarketWriter()
    state = fold.new(COIN)
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0, last_price=60_010.0), writer.trades([60_000.0])])
    writer.now_ms += 100
    return fold, state, writer


def _refused(market: Market, message: bytes) -> Rejected:
    fold, state, _ = market
    event = fold.decode(message, COIN, START_MS * 2)
    before = _unsuspecting(fold, fold.dump(state))
    with pytest.raises(Rejected) as caught:
        fold.fold(state, event)
    assert _unsuspecting(fold, fold.dump(state)) == before
    fold.rejected(state, caught.value.reason)
    return caught.value


def _unsuspecting(fold: EstimatorFold, body: bytes) -> bytes:
    """The same state without the counts of refusals in a row, which alone may change."""
    state = fold.load(body, COIN)
    state.clock_suspicion = Suspicion()
    for market in state.markets.values():
        market.suspicion = Suspicion()
    return fold.dump(state)


@pytest.mark.parametrize(
    "write",
    [
        lambda writer: writer.trades([60_000.0, 60_000_000.0]),
        lambda writer: writer.trades([60.0]),
        lambda writer: writer.ticker(60_000_000.0),
        lambda writer: writer.ticker(60_000.0, index_price=60.0),
        lambda writer: writer.ticker(None, last_price=400_000.0),
        lambda writer: writer.candle(10_000.0, 60_000.0, None),
        lambda writer: writer.trades([60.0], venue="another"),  # the coin is known from the other venue
    ],
)
def test_absurd_prices(market: Market, write: Callable[[MarketWriter], bytes]) -> None:
    refusal = _refused(market, write(market[2]))
    assert refusal.reason == "absurd-price"
    assert "last price was" in refusal.detail
    assert market[1].rejected_events == 1


def test_prices_within_the_factor_are_no_matter_of_taste(market: Market) -> None:
    fold, state, writer = market
    feed(fold, state, [writer.trades([60_000.0 * 4.9]), writer.trades([60_000.0])])
    assert state.last_price == 60_000.0


@pytest.mark.parametrize("kind", ["trades", "ticker", "candle"])
def test_old_events_are_out_of_order(market: Market, kind: str) -> None:
    fold, state, writer = market
    on_the_edge = START_MS - 10_000
    write = {
        "trades": lambda at: writer.trades([60_000.0], event_time_ms=at),
        "ticker": lambda at: writer.ticker(60_000.0, event_time_ms=at),
        "candle": lambda at: writer.candle(59_900.0, 60_100.0, None, event_time_ms=at),
    }[kind]
    feed(fold, state, [write(on_the_edge)])
    assert _refused(market, write(on_the_edge - 1)).reason == "out-of-order"


def test_candles_of_a_backfill_may_be_old(market: Market) -> None:
    fold, state, writer = market
    old = {"event_time_ms": START_MS - DAY_MS, "open_time_ms": START_MS - DAY_MS - 300_000}
    feed(fold, state, [writer.bracket("started"), writer.candle(59_900.0, 60_100.0, 900.0, **old)])


def test_old_liquidations_are_a_record_all_the_same(market: Market) -> None:
    fold, state, writer = market
    message = writer.message(
        "liquidation",
        event_time_ms=START_MS - 60_000,
        liquidated_side="long",
        price=60_000.0,
        price_kind="average",
        quantity_base=1.0,
        notional_usd=60_000.0,
        feed_completeness="partial",
    )
    assert [emission.kind for emission in feed(fold, state, [message])] == ["liquidation"]


def test_quantities_in_the_wrong_unit(market: Market) -> None:
    writer = market[2]
    assert _refused(market, writer.ticker(60_000.0, 1e9)).reason == "invalid-field"
    assert _refused(market, writer.trades([60_000.0], quantity_base=[1e300])).reason == "invalid-field"
    assert _refused(market, writer.candle(59_000.0, 60_000.0, 1e9)).reason == "invalid-field"


def test_a_relisted_market_restarts_cold_at_its_new_price(market: Market) -> None:
    fold, state, writer = market
    for second in range(60):
        assert _refused(market, writer.trades([600.0 + second])).reason == "absurd-price"
        writer.now_ms += 1_000
    assert state.rejected_events == 60
    feed(fold, state, [writer.trades([630.0])])
    relisted = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert relisted.mark_price == pytest.approx(630.0)
    assert relisted.phase() == "cold"
    assert relisted.ledger.deposited_base == pytest.approx(relisted.ledger.closed_base)
    feed(fold, state, [writer.ticker(631.0, 50_000.0)])
    assert relisted.phase() == "live"
    assert relisted.standing(0) == pytest.approx(50_000.0)


@pytest.mark.parametrize("spoiler", ["good price between", "prices disagree", "too fast"])
def test_poison_is_no_relisting(market: Market, spoiler: str) -> None:
    fold, state, writer = market
    for number in range(120):
        absurd = 600.0 if number % 2 or spoiler != "prices disagree" else 3_000_000.0
        if number % 30 == 0 and spoiler == "good price between":
            feed(fold, state, [writer.trades([60_000.0])])
        assert _refused(market, writer.trades([absurd])).reason == "absurd-price"
        writer.now_ms += 100 if spoiler == "too fast" else 2_000


def test_the_clock_does_not_jump_by_months_for_one_message(market: Market) -> None:
    fold, state, writer = market
    far = START_MS + 90 * DAY_MS
    message = writer.trades([60_000.0], receive_time_ms=far, event_time_ms=START_MS)
    assert _refused(market, message).reason == "from-the-future"
    feed(fold, state, [writer.trades([60_000.0])])
    assert state.clock_suspicion == Suspicion()
    for number in range(19):
        late = writer.trades([60_000.0], receive_time_ms=far + number, event_time_ms=far)
        assert _refused(market, late).reason == "from-the-future"
    feed(fold, state, [writer.trades([60_000.0], receive_time_ms=far + 20, event_time_ms=far)])
    assert state.clock_ms == far + 20


def test_invented_markets_are_bounded(market: Market) -> None:
    fold, state, writer = market
    for number in range(MAX_MARKETS - 1):
        feed(fold, state, [writer.message("heartbeat", f"v{number}", stream_age_ms={})])
    refusal = _refused(market, writer.message("heartbeat", "one-more", stream_age_ms={}))
    assert refusal.reason == "unknown-market"


def test_a_refusal_shows_in_the_grids_for_a_minute(market: Market) -> None:
    fold, state, writer = market
    _refused(market, writer.trades([60.0]))
    feed(fold, state, [writer.trades([60_000.0])])
    assert _grid_after(market, 1_000)["provenance"]["incomplete"]
    assert _grid_after(market, 1_000)["provenance"]["rejected_events"] == 1
    _grid_after(market, 60_000)
    assert not _grid_after(market, 60_000)["provenance"]["incomplete"]


def _grid_after(market: Market, wait_ms: int) -> Emission:
    fold, state, writer = market
    writer.now_ms += wait_ms
    grids = [each for each in feed(fold, state, [writer.trades([60_000.0])]) if each.kind == "grid"]
    assert encode(grids[-1])
    return grids[-1].value  # type: ignore[return-value]
