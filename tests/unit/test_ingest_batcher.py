"""The batcher: order kept, nothing lost or doubled, cut by the data alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_ingest.batcher import MAX_BATCH_TRADES, Batcher, messages
from liqheat_ingest.instruments import InstrumentSpec, instrument_fields
from liqheat_ingest.readings import BrokenLine, Fact, Item, Market, Trade
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.market_events import MARKET_EVENT

BTC = Market("BTC", "hyperliquid", "BTC/USDC:USDC")
BTC_ELSEWHERE = Market("BTC", "binance", "BTC/USDT:USDT")
DOGE = Market("DOGE", "hyperliquid", "DOGE/USDC:USDC")
START_MS = 1_790_000_000_000
TICKER = {"mark_price": 100.0, "open_interest_base": 5.0}


def batcher(window_ms: int = 100) -> Batcher:
    return Batcher(
        "replay",
        1,
        lambda coin: 1000 if coin == "DOGE" else window_ms,
        lambda market: instrument_fields(InstrumentSpec(market, "USDC")),
    )


def trade(at_ms: int, market: Market = BTC, number: int = 0, *, lag_ms: int = 3) -> Trade:
    return Trade(START_MS + at_ms, market, START_MS + at_ms - lag_ms, 100.0 + number, 1.0, "b", str(number))


def ticker(at_ms: int, market: Market = BTC) -> Fact:
    return Fact(START_MS + at_ms, market, START_MS + at_ms - 1, "ticker", TICKER, "ticker")


def values(items: list[Item], window_ms: int = 100) -> list[dict[str, Any]]:
    return [orjson.loads(message.value) for message in messages(items, batcher(window_ms))]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_batch_ends_at_a_multiple_of_its_window() -> None:
    events = values([trade(0), trade(99, number=1), trade(100, number=2), trade(199, number=3)])

    assert kinds(events) == ["instrument", "trades", "trades"]
    assert [event["trade_id"] for event in events[1:]] == [["0", "1"], ["2", "3"]]
    assert events[1]["event_time_ms"] == START_MS + 96
    assert events[1]["receive_time_ms"] == START_MS + 99
    assert events[1]["time_offset_ms"] == [-99, 0]


def test_event_time_of_a_batch_is_its_latest_even_when_trades_come_out_of_order() -> None:
    (_, batch) = values([trade(10, lag_ms=0), trade(12, lag_ms=9, number=1)])

    assert batch["event_time_ms"] == START_MS + 10
    assert batch["time_offset_ms"] == [0, -7]


def test_a_ticker_releases_the_waiting_trades_of_its_own_market_only() -> None:
    events = values([trade(0, DOGE), trade(1), ticker(2), trade(3, DOGE, 1)])

    assert [(event["type"], event["coin"]) for event in events[2:]] == [
        ("trades", "BTC"),
        ("ticker", "BTC"),
        ("trades", "DOGE"),
    ]
    assert events[-1]["trade_id"] == ["0", "1"]


def test_a_full_batch_goes_at_once() -> None:
    events = values([trade(5, number=n) for n in range(MAX_BATCH_TRADES + 1)])

    assert [len(event["price"]) for event in events[1:]] == [MAX_BATCH_TRADES, 1]


def test_a_silent_second_ends_with_a_heartbeat_that_tells_the_ages() -> None:
    events = values([ticker(500), ticker(3_200)])

    assert kinds(events) == ["instrument", "ticker", "heartbeat", "heartbeat", "ticker"]
    assert [event["receive_time_ms"] - START_MS for event in events[2:4]] == [1_999, 2_999]
    assert events[2]["stream_age_ms"] == {"trades": None, "ticker": 1_499}


def test_a_second_with_one_trade_needs_no_heartbeat() -> None:
    events = values([trade(second * 1_000 + 950, number=second) for second in range(5)])

    assert kinds(events) == ["instrument"] + ["trades"] * 5


def test_history_has_no_heartbeats() -> None:
    candle = Fact(START_MS, BTC, START_MS, "funding-only", {}, None)
    later = candle._replace(receive_time_ms=START_MS + 3_600_000)

    assert "heartbeat" not in kinds(values([candle, later]))


def test_a_receive_time_that_goes_back_is_raised_to_the_last() -> None:
    events = values([ticker(500), ticker(100)])

    assert events[2]["receive_time_ms"] == START_MS + 500
    assert events[2]["event_time_ms"] == START_MS + 99


def test_a_delisted_market_has_no_heartbeats_and_is_described_anew_when_it_comes_back() -> None:
    def end(at_ms: int, stream: str) -> Fact:
        fields = {"stream": stream, "from_ms": START_MS, "to_ms": None, "reason": "delisted", "missed_trades": None}
        return Fact(START_MS + at_ms, BTC, START_MS + at_ms, "feed-interrupted", fields | {"delisted": True}, None)

    events = values(
        [ticker(0), end(100, "trades"), end(100, "ticker"), ticker(60_000, DOGE), ticker(60_100), ticker(60_200)]
    )
    of_btc = [event for event in events if event["coin"] == "BTC"]
    assert kinds(of_btc) == [
        *("instrument", "ticker", "feed-interrupted", "feed-interrupted"),
        *("instrument", "ticker", "ticker"),
    ]
    assert [event["sequence"] for event in of_btc] == list(range(7))
    assert all(MARKET_EVENT.validate_python(event) for event in of_btc)


def test_a_broken_line_is_a_valid_dead_letter_in_its_place() -> None:
    line = BrokenLine(START_MS, BTC, "tape.csv", 17, "broken-line", "price is no number: 'x'", b"a,b\xff")
    (message,) = messages([line], batcher())

    letter = DeadLetter.parse_strict(orjson.loads(message.value))
    assert (letter.event_id, letter.source_line, letter.stage) == ("ingest-tape.csv-17", 17, "ingest")
    assert letter.detail == "tape.csv:17: price is no number: 'x'"
    assert message.key == "BTC"


def test_a_window_that_does_not_divide_a_second_is_refused() -> None:
    with pytest.raises(ValueError, match="70 ms"):
        values([trade(0)], window_ms=70)


gaps = st.one_of(st.integers(0, 30), st.integers(0, 700), st.integers(0, 5_000))
steps = st.lists(
    st.tuples(gaps, st.sampled_from([BTC, BTC_ELSEWHERE, DOGE]), st.sampled_from(["trade"] * 6 + ["ticker"])),
    min_size=1,
    max_size=120,
)


def items_of(drawn: list[tuple[int, Market, str]]) -> list[Item]:
    items: list[Item] = []
    at_ms = 0
    for number, (gap, market, kind) in enumerate(drawn):
        at_ms += gap
        items.append(trade(at_ms, market, number) if kind == "trade" else ticker(at_ms, market))
    return items


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from([50, 100, 1000]))
def test_every_trade_comes_out_once_and_in_order(drawn: list[tuple[int, Market, str]], window_ms: int) -> None:
    items = items_of(drawn)
    events = values(items, window_ms)

    sent: dict[str, list[str]] = defaultdict(list)
    received: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if isinstance(item, Trade):
            sent[item.market.symbol].append(str(item.trade_id))
        else:
            sent[item.market.symbol].append("ticker")  # type: ignore[union-attr]
    for event in events:
        if event["type"] == "trades":
            received[event["symbol"]] += event["trade_id"]
        elif event["type"] == "ticker":
            received[event["symbol"]].append("ticker")
    assert received == sent


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from([50, 100, 1000]))
def test_envelopes_are_dense_valid_and_never_go_back(drawn: list[tuple[int, Market, str]], window_ms: int) -> None:
    last: dict[str, tuple[int, int]] = {}
    for event in values(items_of(drawn), window_ms):
        MARKET_EVENT.validate_python(event, extra="forbid")
        sequence, received = last.get(event["symbol"], (-1, 0))
        assert event["sequence"] == sequence + 1
        assert event["receive_time_ms"] >= received
        last[event["symbol"]] = (event["sequence"], event["receive_time_ms"])


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from([50, 100, 1000]))
def test_no_batch_spans_its_window_and_no_second_is_silent(
    drawn: list[tuple[int, Market, str]], window_ms: int
) -> None:
    items = items_of(drawn)
    seconds: dict[str, set[int]] = defaultdict(set)
    for event in values(items, window_ms):
        seconds[event["symbol"]].add(event["receive_time_ms"] // 1000)
        if event["type"] == "trades":
            window = 1000 if event["coin"] == "DOGE" else window_ms
            first = event["receive_time_ms"] + event["time_offset_ms"][0]
            assert first // window == event["receive_time_ms"] // window
    end = items[-1].receive_time_ms // 1000
    for symbol, heard in seconds.items():
        assert heard >= set(range(min(heard), end)), symbol


@settings(max_examples=100, deadline=None)
@given(steps, st.lists(st.integers(0, 400), min_size=1, max_size=20))
def test_the_cut_does_not_depend_on_when_time_is_told(drawn: list[tuple[int, Market, str]], ticks: list[int]) -> None:
    """A live run is told the time between items, a replay only with the next item: the bytes are the same."""
    items = items_of(drawn)
    replayed = batcher()
    told = batcher()
    for number, item in enumerate(items):
        replayed.push(item)  # type: ignore[arg-type]
        told.push(item)  # type: ignore[arg-type]
        if number + 1 < len(items):
            gap = items[number + 1].receive_time_ms - item.receive_time_ms
            told.advance(item.receive_time_ms + min(gap, ticks[number % len(ticks)]))
    replayed.finish()
    told.finish()

    assert [message.value for message in told.take()] == [message.value for message in replayed.take()]
