"""The story behind the fake venues: deterministic, and one story for history, prices, trades and positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_ingest.fake_venue.accounts import BUYER, MAKERS, SELLER, account_code, account_of, address, maker_code
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.minute_bars import (
    CLOSE,
    COLUMNS,
    HIGH,
    LOW,
    MAX_LIVE_MINUTES,
    MINUTE_MS,
    OPEN,
    PRINTS,
    VOLUME,
    MinuteBars,
)
from liqheat_ingest.fake_venue.order_book import FakeOrderBook
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.trade_file import TradeFile
from liqheat_ingest.fake_venue.world import SLOT_MS, World

START_MS = 1_800_000_000_000 - 1_800_000_000_000 % MINUTE_MS


def tell(world: World, seconds: float) -> list[Any]:
    return [world.advance(world.now_ms + SLOT_MS) for _ in range(round(seconds * 1_000 / SLOT_MS))]


def every(world: World) -> list[FakeInstrument]:
    return [one for venue in world.by_venue for one in world.by_venue[venue].values()]


@pytest.fixture(scope="module")
def told() -> tuple[World, list[Any]]:
    world = World(3, 6, START_MS, 1_440, positions_per_side=200)
    tell(world, 1.0)
    world.shock("BTC", -0.05)
    return world, tell(world, 130.0)


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    def story(seed: int, coins: int = 2) -> list[Any]:
        world = World(seed, coins, START_MS, 600, positions_per_side=100)
        slots = tell(world, 5.0)
        return [slot[1:] for part in slots for venue in part for slot in part[venue] if slot[0].listing.coin == "BTC"]

    assert story(1) == story(1)
    assert story(1) != story(2)
    assert story(1, coins=2) == story(1, coins=3), "a coin more changes nothing for the others"


def test_trades_are_numbered_without_a_hole_and_in_order_of_time(told: tuple[World, list[Any]]) -> None:
    world, slots = told
    seen: dict[int, list[Any]] = {}
    for happened in slots:
        for parts in happened.values():
            for slot in parts:
                seen.setdefault(id(slot.instrument), []).extend(slot.trades)
    for one in every(world):
        trades = seen[id(one)]
        numbers = [trade.number for trade in trades]
        assert numbers == list(range(one.next_number - len(numbers), one.next_number))
        times = [trade.time_ms for trade in trades]
        assert times == sorted(times)
        assert all(trade.lots > 0 and trade.price_ticks > 0 for trade in trades)


def test_a_liquidation_happens_at_its_price_and_prints_at_once(told: tuple[World, list[Any]]) -> None:
    _, slots = told
    count = 0
    for happened in slots:
        for parts in happened.values():
            for slot in parts:
                for closed in slot.liquidations:
                    count += 1
                    prints = [t for t in slot.trades if t.time_ms == closed.time_ms and t.lots == closed.lots]
                    assert any(trade.side == -closed.side for trade in prints), "closing a long is a taker who sells"
                    # A long fills above its bankruptcy price, a short below.
                    assert closed.side * (closed.fill_ticks - closed.bankruptcy_ticks) >= 0
    assert count > 20, "a fall of 5 % liquidates"


def test_a_cascade_ends(told: tuple[World, list[Any]]) -> None:
    world, _ = told
    for one in every(world):
        if one.listing.coin == "BTC":
            assert 0.88 < one.mark_price / 97_000.0 < 0.98, "five percent, and what they set off"


def test_nobody_stands_beyond_the_price_that_would_have_closed_him(told: tuple[World, list[Any]]) -> None:
    world, _ = told
    for one in every(World(9, 6, START_MS, 2_880, positions_per_side=200)) + every(world):
        longs, shorts = one.market.longs, one.market.shorts
        assert (longs.liquidation_prices < one.market.mark_price).all()
        some = shorts.liquidation_prices[shorts.liquidation_prices > 0]
        assert (some > one.market.mark_price).all()
        assert longs.total_lots == shorts.total_lots == int(longs.lots.sum()) == int(shorts.lots.sum())


def test_candles_of_the_history_lead_to_the_first_live_price() -> None:
    world = World(3, 6, START_MS, 1_440, positions_per_side=50)
    for one in every(world):
        start_ms, rows = one.bars.rows(world.history_start_ms, START_MS)
        assert (start_ms, len(rows)) == (world.history_start_ms, 1_440)
        assert rows[-1, CLOSE] == one.last_ticks == round(one.mark_price / one.market.coin.tick_size)
        assert rows[-1, 9] == one.open_interest_lots
        assert (rows[:, LOW] <= np.minimum(rows[:, OPEN], rows[:, CLOSE])).all()
        assert (rows[:, HIGH] >= np.maximum(rows[:, OPEN], rows[:, CLOSE])).all()
        assert (rows[:, 5] <= rows[:, VOLUME]).all()


def test_live_candles_are_the_sums_of_the_trades(told: tuple[World, list[Any]]) -> None:
    world, _ = told
    one = world.by_venue["bybit"]["BTCUSDT"]
    trades = [trade for trade in one.trades if trade.time_ms >= START_MS + MINUTE_MS]
    times, rows = one.bars.candles(MINUTE_MS, START_MS + MINUTE_MS, world.now_ms)
    assert times == [START_MS + MINUTE_MS, START_MS + 2 * MINUTE_MS]
    for start_ms, row in zip(times, rows, strict=True):
        of_minute = [t for t in trades if start_ms <= t.time_ms < start_ms + MINUTE_MS]
        prices = [trade.price_ticks for trade in of_minute]
        assert (row[OPEN], row[CLOSE], row[HIGH], row[LOW]) == (prices[0], prices[-1], max(prices), min(prices))
        assert (row[VOLUME], row[PRINTS]) == (sum(t.lots for t in of_minute), len(of_minute))


@given(st.integers(1, 12), st.integers(0, 400), st.integers(0, 400), st.integers(0, 30), st.data())
@settings(max_examples=60, deadline=None)
def test_candles_of_any_span_equal_those_put_together_one_by_one(
    per_candle: int, start: int, length: int, live: int, data: st.DataObject
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    history = random.integers(1, 50, (300, COLUMNS)).astype(float)
    bars = MinuteBars(0, 300 * MINUTE_MS, lambda: history, 7, 7)
    rows = [list(row) for row in history]
    for minute in range(live):
        ticks = [int(x) for x in random.integers(1, 50, 3)]
        for tick in ticks:
            bars.add(tick, 2, 1)
        value = float(2 * sum(ticks))
        rows.append([ticks[0], max(ticks), min(ticks), ticks[-1], 6.0, 6.0, value, value, 3.0, 11.0])
        bars.advance((300 + minute + 1) * MINUTE_MS, 11)
    step_ms = per_candle * MINUTE_MS
    times, found = bars.candles(step_ms, start * MINUTE_MS, min(start + length, 300 + live) * MINUTE_MS)
    expected_times, expected = [], []
    first = -(-start // per_candle) * per_candle
    for at in range(first, min(start + length, 300 + live), per_candle):
        part = np.array(rows[at : at + per_candle])
        if at + per_candle > 300 + live:
            break  # the last one holds the minute that is open
        expected_times.append(at * MINUTE_MS)
        merged = part.sum(axis=0)
        merged[OPEN], merged[HIGH], merged[LOW] = part[0, OPEN], part[:, HIGH].max(), part[:, LOW].min()
        merged[CLOSE], merged[9] = part[-1, CLOSE], part[-1, 9]
        expected.append(merged)
    assert times[: len(expected_times)] == expected_times
    assert len(times) - len(expected_times) <= 1
    for row, other in zip(found, expected, strict=False):
        np.testing.assert_allclose(row, other)


def test_bars_are_bounded_and_never_join_what_is_apart() -> None:
    bars = MinuteBars(-10 * MINUTE_MS, 0, lambda: np.ones((10, COLUMNS)), 7, 7)
    for minute in range(MAX_LIVE_MINUTES + 200):
        bars.add(minute + 1, 1, 1)
        bars.advance((minute + 1) * MINUTE_MS, 7)
    start_ms, rows = bars.rows(-10 * MINUTE_MS, 10**15)
    minutes = start_ms // MINUTE_MS
    assert len(rows) == MAX_LIVE_MINUTES + 1
    assert minutes > 0, "the history is gone, what is left is without a hole"
    assert rows[0, OPEN] == minutes + 1
    assert rows[-2, OPEN] == MAX_LIVE_MINUTES + 200


@given(st.integers(0, 2**20), st.lists(st.integers(-60, 60), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_a_book_never_crosses_and_its_changes_rebuild_it(seed: int, moves: list[int]) -> None:
    book, middle = FakeOrderBook(seed, 20.0), 20_000
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    number = book.number
    for move in moves:
        middle += move
        change = book.update(middle)
        assert change.previous_number == number
        assert change.number > number
        number = change.number
        for side, changed in ((bids, change.bids), (asks, change.asks)):
            for price, lots in changed.items():
                if lots:
                    side[price] = lots
                else:
                    del side[price]
        assert bids == book.bids
        assert asks == book.asks
        assert max(bids) < middle < min(asks)
        assert max(bids) == middle - 1
        assert min(bids) < middle * 0.9


def test_an_address_leads_back_to_its_account_and_no_other_does() -> None:
    codes = [account_code(side, coin, n) for side in (BUYER, SELLER) for coin in (0, 5, 199) for n in (0, 1, 10**9)]
    codes += [maker_code(n) for n in range(MAKERS)]
    addresses = {address(code) for code in codes}
    assert len(addresses) == len(codes)
    assert account_of(address(account_code(SELLER, 199, 10**9))) == (-1, 199, 10**9)
    found = account_of(address(maker_code(3)))
    assert found is not None
    assert found.side == 0
    assert account_of("0x" + "f" * 40) is None


def test_weights_are_counted_in_windows() -> None:
    window = WeightWindow(10, 60.0)
    assert all(window.spend(120.0 + i, 2) for i in range(5))
    assert not window.spend(130.0, 1)
    assert window.seconds_left(130.0) == pytest.approx(50.0)
    assert window.spend(180.0, 10)


def test_the_file_of_trades_has_every_trade_under_the_name_that_the_contracts_use(tmp_path: Path) -> None:
    world = World(3, 6, START_MS, 60, positions_per_side=50)
    path, made = tmp_path / "trades.tsv", 0
    file = TradeFile(path)
    for part in tell(world, 3.0):
        file.add(slot for slots in part.values() for slot in slots)
        made += sum(len(slot.trades) for slots in part.values() for slot in slots)
    file.close()
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert len(rows) == made > 0
    names = {(venue, symbol) for venue, symbol, *_ in rows}
    known = {("binance", "BTC/USDT:USDT"), ("bybit", "BTC/USD:BTC"), ("okx", "BTC/USDT:USDT")}
    assert known | {("hyperliquid", "KPEPE/USDC:USDC")} <= names, "Hyperliquid's kPEPE, as ccxt writes it"
    assert all(abs(int(time_ms) - START_MS) <= 4_000 for *_, time_ms in rows)
