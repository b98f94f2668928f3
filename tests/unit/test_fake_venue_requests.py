"""Whatever a client sends, a fake venue answers in the venue's way and goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_ingest.fake_venue.connection import MAX_UNSENT_BYTES, Connection, text_frame
from liqheat_ingest.fake_venue.process import SERVERS
from liqheat_ingest.fake_venue.sent_ledger import SentLedger, StreamCount
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import World

PATHS = {"binance": "/market/ws", "bybit": "/v5/public/linear", "okx": "/ws/v5/public", "hyperliquid": "/ws"}
WORLD = World(1, 1, 1_800_000_000_000, 60, positions_per_side=20)

words = st.sampled_from(
    ["subscribe", "unsubscribe", "SUBSCRIBE", "ping", "trades", "BTC", "BTCUSDT", "btcusdt@aggTrade", "!ticker@arr",
     "@", "publicTrade.BTCUSDT", "orderbook.50.BTCUSDT", "kline.1.", "BTC-USDT-SWAP", "books", "SWAP", "l2Book",
     "candle", "1m"]
)  # fmt: skip
keys = st.sampled_from(
    ["op", "args", "method", "params", "id", "req_id", "channel", "instId", "instType", "type", "coin", "interval",
     "subscription"]
)  # fmt: skip
values = st.recursive(
    words | st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


class Line:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


def connection(server: VenueServer) -> tuple[Connection, Line]:
    line: Any = Line()
    one = Connection(None, line, server.ledger.opened(0, PATHS[server.venue]))  # type: ignore[arg-type]
    server.connections[one] = None
    return one, line


@pytest.mark.parametrize("venue", PATHS)
@given(messages=st.lists(values | st.text(max_size=8).map(lambda text: "{" + text), min_size=1, max_size=9))
@settings(max_examples=80, deadline=None)
def test_any_message_is_answered_or_passed_over(venue: str, messages: list[Any]) -> None:
    async def run() -> None:
        server = SERVERS[venue](WORLD)
        one, _ = connection(server)
        for message in messages:
            text = message if isinstance(message, str) else orjson.dumps(message).decode()
            server.receive(one, text)
        server.emit([])
        assert set(server.subscribers) == set(one.subscriptions)

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_tell_their_length(size: int) -> None:
    frame = text_frame(b"x" * size)
    head = {True: 2, size > 125: 4, size > 65_535: 10}[True]
    assert frame[0] == 0x81
    assert len(frame) == head + size
    if head > 2:
        assert int.from_bytes(frame[2:head], "big") == size


def test_a_client_that_does_not_read_is_cut_off() -> None:
    server = SERVERS["bybit"](WORLD)
    one, line = connection(server)
    one.send("stream", text_frame(b"x"))
    line.unsent = MAX_UNSENT_BYTES + 1
    assert one.flush()
    assert line.aborted
    assert one.closed_by == "slow client"
    one.send("stream", text_frame(b"y"))
    assert not one.flush(), "nothing is written to a dead line"


def test_sums_of_the_ledger_outlive_the_connections() -> None:
    ledger = SentLedger()
    for number in range(500):
        count = ledger.opened(number, "/ws")
        count.streams["trades"] = StreamCount()
        count.streams["trades"].add(2, number * 2, number * 2 + 1)
        ledger.closed(count, number, "client")
    told = ledger.as_json()
    assert told["streams"]["trades"] == {"messages": 500, "items": 1_000, "first_id": 0, "last_id": 999}
    assert len(told["connections"]) == 200
