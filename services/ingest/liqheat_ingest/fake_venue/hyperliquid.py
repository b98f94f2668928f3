"""Hyperliquid: its socket and its weights."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError
from liqheat_ingest.fake_venue.connection import Connection
from liqheat_ingest.fake_venue.hyperliquid_fields import HyperliquidFields, trade_id
from liqheat_ingest.fake_venue.hyperliquid_rest import INTERVALS_MS, HyperliquidRest
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeTrade
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, World

WEIGHT_A_MINUTE = 1_200
SUBSCRIPTIONS = 1_000
IDLE_CUT_S = 60.0
#: Trades that a new subscriber is told first.
FIRST_TRADES = 10
CONTEXT_EVERY_MS, BOOK_EVERY_MS, MIDS_EVERY_MS = 1_000, 500, 1_000
_OF_COIN = ("trades", "l2Book", "bbo", "activeAssetCtx", "candle")


class HyperliquidServer(VenueServer):
    """The fake Hyperliquid. Streams are named ``type:coin``, candles ``candle:coin:interval``."""

    venue = "hyperliquid"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._fields = HyperliquidFields(self)
        self._rest = HyperliquidRest(self, self._fields)
        self._weights = WeightWindow(WEIGHT_A_MINUTE, 60.0)

    def add_routes(self, app: web.Application) -> None:
        self._rest.add_routes(app)
        self.socket(app, "/ws")

    # Limits ----------------------------------------------------------------------------------------------------------

    def overload(self, status: int, retry_after_s: int) -> VenueError:
        return VenueError(status, None, {"Retry-After": str(retry_after_s)})

    def spend(self, now_s: float, weight: int, _path: str) -> VenueError | None:
        if self._weights.spend(now_s, weight):
            return None
        return self.overload(429, int(self._weights.seconds_left(now_s)) + 1)

    def flush(self, now_s: float) -> None:
        """A connection to which nothing was sent for a minute is cut."""
        super().flush(now_s)
        for connection in list(self.connections):
            if now_s - connection.last_sent_s > IDLE_CUT_S:
                connection.close_soon("idle", 1000, b"Inactive")

    # Messages of a client --------------------------------------------------------------------------------------------

    def welcome(self, connection: Connection, _request: web.Request) -> None:
        connection.reply(b"Websocket connection established.")

    def receive(self, connection: Connection, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        method = message.get("method") if isinstance(message, dict) else None
        if method == "ping":
            connection.reply(b'{"channel":"pong"}')
            return
        subscription = message.get("subscription") if isinstance(message, dict) else None
        if method not in ("subscribe", "unsubscribe") or not isinstance(subscription, dict):
            self._error(connection, f"Error parsing JSON into valid websocket request: {text}")
            return
        stream = self._stream(subscription)
        told = orjson.dumps(subscription).decode()
        if stream is None:
            self._error(connection, f"Invalid subscription {told}")
        elif method == "subscribe":
            self._subscribe(connection, stream, subscription, told)
        elif self.unsubscribe(connection, stream):
            self._acknowledge(connection, "unsubscribe", subscription)
        else:
            self._error(connection, f"Already unsubscribed: {told}")

    def _stream(self, subscription: dict[str, Any]) -> str | None:
        kind, coin = subscription.get("type"), str(subscription.get("coin", ""))
        if kind == "allMids":
            return "allMids"
        if kind not in _OF_COIN or self.world.find("hyperliquid", coin) is None:
            return None
        if kind == "candle":
            interval = subscription.get("interval")
            return f"candle:{coin}:{interval}" if interval in INTERVALS_MS else None
        return f"{kind}:{coin}"

    def _subscribe(self, connection: Connection, stream: str, subscription: dict[str, Any], told: str) -> None:
        if stream in connection.subscriptions:
            self._error(connection, f"Already subscribed: {told}")
            return
        if sum(len(one.subscriptions) for one in self.connections) >= SUBSCRIPTIONS:
            self._error(connection, f"Cannot track more than {SUBSCRIPTIONS} total subscriptions: {told}")
            return
        self.subscribe(connection, stream)
        self._acknowledge(connection, "subscribe", subscription)
        self._first(connection, stream, subscription)

    def _first(self, connection: Connection, stream: str, subscription: dict[str, Any]) -> None:
        """The last trades, or the state as it is; trades that are told twice are counted apart."""
        kind = subscription["type"]
        one = self.world.find("hyperliquid", str(subscription.get("coin", "")))
        if one is None:
            return
        if kind == "trades" and one.trades:
            rows = [self._fields.trade(one, trade) for trade in list(one.trades)[-FIRST_TRADES:]]
            connection.send_now(f"first:{stream}", _message("trades", rows))
        elif kind == "l2Book":
            connection.send_now(stream, _message(kind, self._fields.book(one)))
        elif kind == "activeAssetCtx":
            connection.send_now(stream, _message(kind, self._context(one)))
        connection.flush()

    def _acknowledge(self, connection: Connection, method: str, subscription: dict[str, Any]) -> None:
        connection.reply(_message("subscriptionResponse", {"method": method, "subscription": subscription}))

    def _error(self, connection: Connection, text: str) -> None:
        connection.reply(_message("error", text))

    # Slots -----------------------------------------------------------------------------------------------------------

    def emit(self, slots: list[SlotOf]) -> None:
        for slot in slots:
            stream = f"trades:{slot.instrument.symbol}"
            if slot.trades and stream in self.subscribers:
                self._trades(slot.instrument, stream, slot.trades)
        now_ms = self.world.now_ms
        stale = self.books_are_stale()
        for one in self.listed():
            self._state(one, now_ms, stale)
        if now_ms % MIDS_EVERY_MS == 0 and "allMids" in self.subscribers:
            mids = {one.symbol: self._fields.middle_text(one) for one in self.listed()}
            self.publish("allMids", _message("allMids", {"mids": mids}))
        if now_ms % 1_000 == 0:
            self._candles(now_ms)

    def _trades(self, one: FakeInstrument, stream: str, trades: list[FakeTrade]) -> None:
        """One message for the trades of a block: of the same millisecond."""
        first = 0
        for i in range(1, len(trades) + 1):
            if i == len(trades) or trades[i].time_ms != trades[first].time_ms:
                part = trades[first:i]
                message = _message("trades", [self._fields.trade(one, trade) for trade in part])
                self.publish(stream, message, len(part), trade_id(part[0].number), trade_id(part[-1].number))
                first = i

    def _state(self, one: FakeInstrument, now_ms: int, stale: bool) -> None:
        wanted, symbol = self.subscribers, one.symbol
        if now_ms % CONTEXT_EVERY_MS == 0 and f"activeAssetCtx:{symbol}" in wanted:
            self.publish(f"activeAssetCtx:{symbol}", _message("activeAssetCtx", self._context(one)))
        if stale:
            return
        has_book, has_best = f"l2Book:{symbol}" in wanted, f"bbo:{symbol}" in wanted
        if has_book or has_best:
            one.book.update(self._fields.middle(one))
        if has_book and now_ms % BOOK_EVERY_MS == 0:
            self.publish(f"l2Book:{symbol}", _message("l2Book", self._fields.book(one)))
        if has_best:
            self.publish(f"bbo:{symbol}", _message("bbo", self._fields.best(one)))

    def _context(self, one: FakeInstrument) -> dict[str, Any]:
        return {"coin": one.symbol, "ctx": self._fields.context(one)}

    def _candles(self, now_ms: int) -> None:
        for stream in [name for name in self.subscribers if name.startswith("candle:")]:
            _, symbol, interval = stream.split(":")
            one, length_ms = self.world.find("hyperliquid", symbol), INTERVALS_MS[interval]
            if one is None:
                continue
            start_ms = (now_ms - 1) // length_ms * length_ms
            times, rows = one.bars.candles(length_ms, start_ms, start_ms + 1)
            for at_ms, row in zip(times, rows.tolist(), strict=True):
                self.publish(stream, _message("candle", self._fields.candle(one, interval, length_ms, at_ms, row)))


def _message(channel: str, data: Any) -> bytes:
    return orjson.dumps({"channel": channel, "data": data})
