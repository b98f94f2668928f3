"""The simulator: known positions, exact liquidations, a story that can be told again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pytest

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.margin_tables import margin_table
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.position_book import PositionBook
from liqheat_ingest.market_simulation.price_path import PricePath
from liqheat_ingest.market_simulation.simulation import Simulation
from liqheat_ingest.readings import Fact, Trade
from liqheat_ingest.sources.simulator import SimulatorSource
from liqheat_shared.contracts.market_events import MARKET_EVENT

HOUR_MS = 3_600_000
#: 7 minutes past an hour, so that the history does not end with a whole candle.
END_MS = 1_790_000_220_000
DAY_STEPS = 24 * 60


def standing(market: SimulatedMarket) -> tuple[np.ndarray, np.ndarray]:
    return market.longs.liquidation_prices, market.shorts.liquidation_prices


@pytest.fixture(scope="module")
def day() -> Simulation:
    """A day of two coins, every step of it checked."""
    simulation = Simulation(seed=11, coins=("BTC", "DOGE"))
    liquidations = 0
    for _ in range(DAY_STEPS):
        before = [
            (np.sort(market.longs.liquidation_prices), np.sort(market.shorts.liquidation_prices))
            for market in simulation.markets
        ]
        for (longs, shorts), (market, _, step, *_) in zip(before, simulation.step(60.0), strict=True):
            liquidations += len(step.liquidated)
            # Exactly those that the mark has reached, no more and no fewer.
            closed = {"long": [], "short": []}  # type: ignore[var-annotated]
            for side, position in step.liquidated:
                closed[side].append(position.liquidation_price)
            assert sorted(closed["long"]) == longs[longs >= step.mark_price].tolist()
            assert sorted(closed["short"]) == shorts[shorts <= step.mark_price].tolist()
            # None that should have been closed still stands, new positions included.
            assert market.longs.liquidation_prices.max() < step.mark_price < market.shorts.liquidation_prices.min()
            # Two sides of the same contracts.
            assert market.longs.total_lots == market.shorts.total_lots == market.open_interest_lots
    assert liquidations > 20
    return simulation


def test_liquidations_come_exactly_when_the_mark_crosses_and_the_sides_stay_equal(day: Simulation) -> None:
    for market in day.markets:
        assert market.longs.lots.sum() == market.longs.total_lots
        assert market.shorts.lots.sum() == market.shorts.total_lots
        assert (market.longs.lots > 0).all()
        assert (market.shorts.lots > 0).all()


def test_the_true_density_is_all_positions_at_their_liquidation_price(day: Simulation) -> None:
    for market in day.markets:
        density = day.true_density(market.coin.coin, market.venue.venue)
        for book, found in ((market.longs, density.long_usd), (market.shorts, density.short_usd)):
            usd = book.lots * book.lot_size_base * book.liquidation_prices
            assert found.sum() == pytest.approx(usd.sum())
            k = int(np.argmax(found))
            low, high = np.exp((density.first_bin + k) * 0.001), np.exp((density.first_bin + k + 1) * 0.001)
            inside = (book.liquidation_prices >= low) & (book.liquidation_prices < high)
            assert found[k] == pytest.approx(usd[inside].sum())


def test_leverage_is_mixed_as_on_chain(day: Simulation) -> None:
    """Measured there: by notional 36 % at 0–3x, 48 % at 3–7x, 15 % above."""
    leverage = np.concatenate([book.leverage for m in day.markets for book in (m.longs, m.shorts)])
    weight = np.concatenate(
        [book.lots * m.mark_price * m.coin.lot_size_base for m in day.markets for book in (m.longs, m.shorts)]
    )
    shares = [weight[(leverage > low) & (leverage <= high)].sum() / weight.sum() for low, high in ((0, 3), (3, 7))]
    assert shares == pytest.approx([0.36, 0.48], abs=0.12)


def test_open_interest_and_price_stay_where_a_market_can_be(day: Simulation) -> None:
    for market in day.markets:
        usual = market.coin.open_interest_usd * market.venue.share / market.coin.price
        assert 0.5 < market.open_interest_base / usual < 2.0
        assert 0.5 < market.mark_price / market.coin.price < 2.0
        assert market.longs.count < 5_000


def test_volatility_clusters_and_forced_orders_move_the_price() -> None:
    path = PricePath(100.0, 0.6, np.random.default_rng(3))
    prices = [path.advance(60.0) for _ in range(20_000)]
    returns = np.abs(np.diff(np.log(prices)))
    assert np.corrcoef(returns[:-10], returns[10:])[0, 1] > 0.05
    annual = np.diff(np.log(prices)).std() * np.sqrt(525_960)
    assert 0.4 < annual < 1.2

    before = path.price
    path.push(-5e6, daily_volume_usd=1e9)
    assert path.price == pytest.approx(before * np.exp(-path.sigma_day * np.sqrt(0.005)))


def test_a_book_closes_in_part_and_keeps_its_sum() -> None:
    random = np.random.default_rng(5)
    book = PositionBook(+1, 0.001, margin_table("sim-beta", "BTC", is_inverse=False).tiers)
    for _ in range(3_000):  # more than it has room for at first
        book.open(int(random.integers(1, 1_000)), 50_000.0, float(random.choice([2, 5, 20])))
    total = book.total_lots

    assert book.close_lots(123_456, random) == 123_456
    assert book.total_lots == total - 123_456 == book.lots.sum()
    assert book.close_lots(1 << 40, random) == total - 123_456
    assert (book.count, book.total_lots, book.close_one(random)) == (0, 0, 0)
    assert book.liquidate(1.0) == []


def run(source: SimulatorSource) -> list[dict[str, Any]]:
    batcher = Batcher("simulated", 1, lambda coin: 100, lambda market: instrument_fields(source.describe(market)))
    return [orjson.loads(message.value) for message in messages(source.items(), batcher)]


@pytest.fixture(scope="module")
def story() -> list[dict[str, Any]]:
    return run(SimulatorSource(4, END_MS, 2 * HOUR_MS, END_MS + 90_000, ("BTC", "DOGE")))


def test_every_event_is_valid(story: list[dict[str, Any]]) -> None:
    for event in story:
        MARKET_EVENT.validate_python(event, extra="forbid")
        assert event["phase"] == "simulated"
        assert event["venue"] in ("sim-alpha", "sim-beta")


def test_history_is_bracketed_whole_and_consistent(story: list[dict[str, Any]]) -> None:
    for coin, venue in (("BTC", "sim-alpha"), ("DOGE", "sim-beta")):
        events = [event for event in story if (event["coin"], event["venue"]) == (coin, venue)]
        kinds = [event["type"] for event in events]
        finished = kinds.index("backfill-finished")
        candles = events[2:finished]
        assert kinds[:2] == ["instrument", "backfill-started"]
        assert {candle["type"] for candle in candles} == {"candle"}
        assert "candle" not in kinds[finished:]
        assert candles[0]["open_time_ms"] == END_MS - 2 * HOUR_MS == events[1]["from_ms"]
        for one, two in pairwise(candles):
            assert two["open_time_ms"] == one["open_time_ms"] + one["interval_ms"]
            assert two["open"] == one["close"]
        last = candles[-1]
        assert last["open_time_ms"] + last["interval_ms"] == END_MS == events[finished]["to_ms"]
        assert {candle["interval_ms"] for candle in candles} == {60_000, 300_000}
        assert all(c["open_time_ms"] % 300_000 == 0 for c in candles if c["interval_ms"] == 300_000)
        ticker = next(event for event in events if event["type"] == "ticker")
        assert ticker["open_interest_base"] == pytest.approx(last["open_interest_base"], rel=0.02)


def test_every_second_has_a_ticker_of_every_market(story: list[dict[str, Any]]) -> None:
    for venue in ("sim-alpha", "sim-beta"):
        times = [
            e["receive_time_ms"] for e in story if e["type"] == "ticker" and (e["coin"], e["venue"]) == ("BTC", venue)
        ]
        assert times == list(range(END_MS + 990, END_MS + 90_000, 1_000))
    assert sum(len(event["price"]) for event in story if event["type"] == "trades") > 500


def test_the_same_seed_tells_the_same_story_and_another_does_not() -> None:
    def told(seed: int) -> list[dict[str, Any]]:
        return run(SimulatorSource(seed, END_MS, HOUR_MS, END_MS + 20_000, ("SOL",)))

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_a_coin_has_the_same_story_alone() -> None:
    together = Simulation(seed=3, coins=("BTC", "ETH"))
    alone = Simulation(seed=3, coins=("ETH",))
    for _ in range(50):
        together.step(60.0)
        alone.step(60.0)

    assert together.market("ETH", "sim-beta").mark_price == alone.market("ETH", "sim-beta").mark_price


def test_liquidations_are_published_with_the_mark_that_caused_them() -> None:
    """A minute of seconds after a crash: the throttled venue shows the largest of each second, the other all."""
    source = SimulatorSource(2, END_MS, 0, END_MS + 3_000, ("BTC",))
    simulation = source.simulation
    path = simulation._paths[0][1]
    path.push(-5e9, daily_volume_usd=2e10)
    items = list(source.items())

    shown = {
        venue: [i for i in items if isinstance(i, Fact) and i.type == "liquidation" and i.market.venue == venue]
        for venue in ("sim-alpha", "sim-beta")
    }
    assert len(shown["sim-alpha"]) > 3
    assert 1 <= len(shown["sim-beta"]) <= 3
    for venue, facts in shown.items():
        for fact in facts:
            marks = {
                i.receive_time_ms // 1000: i.fields["mark_price"]
                for i in items
                if isinstance(i, Fact) and i.type == "ticker" and i.market.venue == venue
            }
            assert fact.fields["price"] == marks[fact.receive_time_ms // 1000]
            assert fact.fields["notional_usd"] == pytest.approx(fact.fields["price"] * fact.fields["quantity_base"])
    assert any(isinstance(item, Trade) and item.aggressor == "s" for item in items)


def test_a_history_must_be_whole_minutes() -> None:
    with pytest.raises(ValueError, match="whole minute"):
        SimulatorSource(1, END_MS + 1, HOUR_MS)
