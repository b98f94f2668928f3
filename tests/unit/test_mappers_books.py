"""Books: joined to their snapshots, dropped when a change is lost, binned without losing a dollar."""

from __future__ import annotations

from math import floor, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_ingest.instruments import find_instrument
from liqheat_ingest.mappers.book_depth import MAX_BINS_FROM_BEST, Change, OrderBook, depth_fields
from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.raw import RawMessage, rest_channel
from liqheat_ingest.readings import Fact, Problem
from venue_messages import AT_MS, BINANCE, OKX, PRELUDES, prepared, raw

BTC = find_instrument("bybit", "BTCUSDT")
INVERSE = find_instrument("bybit", "BTCUSD")
PEPE = find_instrument("binance", "1000PEPEUSDT")
LEVELS = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 50)), max_size=30)


def book_of(spec: Any = BTC) -> OrderBook:
    return OrderBook(spec, 2)


def texts(levels: list[tuple[int, int]], offset: int = 0) -> list[list[str]]:
    return [[str(offset + price), str(amount)] for price, amount in levels]


@given(st.lists(st.tuples(LEVELS, LEVELS), max_size=8))
def test_a_book_is_what_its_changes_make_of_it(changes: list[tuple[Any, Any]]) -> None:
    book, by_hand = book_of(), ({}, {})  # type: ignore[var-annotated]
    book.replace([], [], 0)
    for number, sides in enumerate(changes, 1):
        bids, asks = texts(sides[0], 60_000), texts(sides[1], 61_000)
        book.change(Change(number - 1, number, bids, asks))
        for kept, levels in zip(by_hand, (bids, asks), strict=True):
            for price, amount in levels:
                kept[float(price)] = float(amount)

    for kept, levels in zip(by_hand, (book.bids, book.asks), strict=True):
        assert set(levels) == {price for price, amount in kept.items() if amount}
        for price, (index, usd) in levels.items():
            assert index == floor(log(price) / 0.001)
            assert usd == pytest.approx(price * kept[price])


@given(
    st.lists(st.tuples(st.floats(100, 59_999), st.floats(0.001, 1e6)), min_size=1, max_size=40),
    st.lists(st.tuples(st.floats(60_001, 1e6), st.floats(0.001, 1e6)), min_size=1, max_size=40),
)
def test_a_depth_keeps_every_dollar_within_its_range(bids: list[Any], asks: list[Any]) -> None:
    book = book_of()
    book.replace([list(level) for level in bids], [list(level) for level in asks], 1)
    fields = depth_fields(book.bids, book.asks)

    lowest = floor(log(max(book.bids)) / 0.001) - MAX_BINS_FROM_BEST
    highest = floor(log(min(book.asks)) / 0.001) + MAX_BINS_FROM_BEST
    if highest - lowest > 3 * MAX_BINS_FROM_BEST:
        assert fields is None
        return
    assert fields is not None
    assert len(fields["bid_usd"]) == len(fields["ask_usd"]) <= 3 * MAX_BINS_FROM_BEST + 1
    for side, name in ((book.bids, "bid_usd"), (book.asks, "ask_usd")):
        expected = sum(usd for index, usd in side.values() if lowest <= index <= highest)
        assert sum(fields[name]) == pytest.approx(expected, abs=0.5 * len(side) + 1e-9 * expected)
    # Bids end where asks begin: no bin above the best ask holds a bid.
    best = floor(log(min(book.asks)) / 0.001)
    assert not any(fields["bid_usd"][max(0, best + 1 - fields["first_bin"]) :])


def test_units_of_a_depth() -> None:
    inverse, thousands = book_of(INVERSE), book_of(PEPE)
    inverse.replace([["60000", "5000"]], [["60100", "1"]], 1)
    thousands.replace([["0.01", "1000"]], [["0.0101", "1"]], 1)

    assert inverse.bids[60_000.0][1] == 5_000  # a contract is a dollar
    assert thousands.bids[0.01] == (floor(log(0.00001) / 0.001), pytest.approx(10))


@pytest.mark.parametrize("first", [96, 100, 101])
def test_a_snapshot_joins_the_change_that_reaches_over_it(first: int) -> None:
    book = book_of()
    book.change(Change(first - 6, first - 1, [["59000", "1"]], []))
    book.change(Change(first - 1, first + 9, [["59001", "1"]], []))
    book.replace_fetched([["58000", "1"]], [["60000", "1"]], 100)

    assert book.sequence == first + 9
    assert 59_001.0 in book.bids
    assert (59_000.0 in book.bids) == (first - 1 > 100)


def test_a_snapshot_older_than_the_changes_that_were_kept_does_not_join() -> None:
    book = book_of()
    book.change(Change(150, 160, [["59000", "1"]], []))
    with pytest.raises(BadMessage, match="follows on 150, after 100"):
        book.replace_fetched([["58000", "1"]], [["60000", "1"]], 100)
    assert book.sequence is None


def test_a_lost_change_of_binance_drops_the_book_and_asks_for_a_snapshot() -> None:
    mapper: Any = prepared("binance")
    good = BINANCE[6][1]["data"]
    assert isinstance(mapper.map(raw("binance", BINANCE[6], AT_MS + 1_000))[0], Fact)
    lost = good | {"U": 120, "u": 130, "pu": 119}
    [problem] = mapper.map(RawMessage("binance", "ws:/market/ws", AT_MS + 2_000, lost))
    assert isinstance(problem, Problem)
    assert problem.reason == "out-of-order"
    assert mapper.books.stale == {"BTCUSDT"}

    # Changes wait meanwhile; a snapshot that was fetched afterwards takes them up.
    later = good | {"U": 131, "u": 140, "pu": 130, "T": AT_MS + 3_000, "b": [["64990.0", "9"]]}
    assert mapper.map(RawMessage("binance", "ws:/market/ws", AT_MS + 3_000, later)) == []
    snapshot = {"lastUpdateId": 135, "E": AT_MS, "T": AT_MS, "bids": [["64000", "1"]], "asks": [["65010", "1"]]}
    channel = rest_channel("/fapi/v1/depth", {"symbol": "BTCUSDT"})
    [fact] = mapper.map(RawMessage("binance", channel, AT_MS + 3_500, snapshot))
    assert isinstance(fact, Fact)
    assert pytest.approx(sum(fact.fields["bid_usd"]) - 64_000, abs=2) == 64_990.0 * 9
    assert mapper.books.stale == set()


def test_a_depth_is_told_once_a_second() -> None:
    mapper = prepared("okx")
    update = next(message for message in OKX if message[1].get("action") == "update")
    told = []
    for step in range(30):
        entry = update[1]["data"][0] | {"prevSeqId": 500 + step, "seqId": 501 + step}
        message = RawMessage("okx", update[0], AT_MS + step * 100, update[1] | {"data": [entry]})
        told += [item for item in mapper.map(message) if isinstance(item, Fact)]
    assert [fact.receive_time_ms // 1_000 for fact in told] == [AT_MS // 1_000 + k for k in range(3)]


def test_a_change_of_okx_before_its_snapshot_waits_for_the_one_that_is_fetched() -> None:
    """From 2026 on OKX need not push the snapshot any more."""
    mapper: Any = prepared("okx")
    mapper.books.drop("BTC-USDT-SWAP")
    update = next(message for message in OKX if message[1].get("action") == "update")
    entry = update[1]["data"][0] | {"prevSeqId": 590, "seqId": 610, "bids": []}
    assert mapper.map(RawMessage("okx", update[0], AT_MS + 100, update[1] | {"data": [entry]})) == []
    assert mapper.books.stale == {"BTC-USDT-SWAP"}
    fetched = next(message for message in OKX if "market/books" in message[0])
    [fact] = mapper.map(raw("okx", fetched, AT_MS + 1_500))
    assert isinstance(fact, Fact)
    assert mapper.books.of("BTC-USDT-SWAP", mapper.find("BTC-USDT-SWAP")).sequence == 610


def test_a_book_with_an_empty_side_waits_for_no_snapshot() -> None:
    """It has no depth to show, and asking for its snapshot again would change nothing."""
    mapper: Any = prepared("okx")
    mapper.books.drop("BTC-USDT-SWAP")
    snapshot = next(message for message in PRELUDES["okx"] if message[1].get("action") == "snapshot")
    empty = snapshot[1] | {"data": [snapshot[1]["data"][0] | {"asks": []}]}
    assert mapper.map(RawMessage("okx", snapshot[0], AT_MS, empty)) == []
    assert mapper.books.stale == set()


def test_a_book_begins_anew_when_its_units_turn_out_to_be_others() -> None:
    """A default contract size, then the venue's own."""
    mapper: Any = prepared("okx")
    spec = mapper.find("BTC-USDT-SWAP")
    assert mapper.books.of("BTC-USDT-SWAP", spec).sequence == 500
    from dataclasses import replace

    assert mapper.books.of("BTC-USDT-SWAP", replace(spec, contract_size=0.1)).sequence is None
