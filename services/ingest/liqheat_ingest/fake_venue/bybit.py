"""Bybit v5: sockets of linear and inverse perpetuals, and the limits of both kinds of access."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.bybit_fields import BybitFields, tick_direction
from liqheat_ingest.fake_venue.bybit_rest import BybitRest
from liqheat_ingest.fake_venue.connection import Connection
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, MINUTE_MS, OPEN, VOLUME
from liqheat_ingest.fake_venue.order_book import BookChange
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.venue_server import VenueError, VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, World

BOOK_DEPTHS = ("1", "50", "200", "1000")
LIQUIDATIONS_EVERY_MS = 500
PREFIXES = {"linear": "linear:", "inverse": "inverse:"}


class BybitServer(VenueServer):
    """The fake Bybit. Streams are named ``linear:topic`` and ``inverse:topic``."""

    venue = "bybit"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._fields = BybitFields(self)
        self._rest = BybitRest(self, self._fields)
        self._window = WeightWindow(600, 5.0)
        self._last_tickers: dict[str, dict[str, str]] = {}
        self._closed: dict[str, list[FakeLiquidation]] = {}

    def add_routes(self, app: web.Application) -> None:
        self._rest.add_routes(app)
        for category in PREFIXES:
            self.socket(app, f"/v5/public/{category}")

    def overload(self, status: int, retry_after_s: int) -> VenueError:
        if status == 403:
            return VenueError(403, {"msg": "403, access too frequent"})
        body = {"retCode": 10006, "retMsg": "Too many visits. Exceeded the API Rate Limit.", "result": {}}
        headers = {"X-Bapi-Limit-Reset-Timestamp": str(self.now_ms + 1000 * retry_after_s)}
        return VenueError(status, body, {**headers, "Retry-After": str(retry_after_s)})

    def spend(self, now_s: float, weight: int, _path: str) -> VenueError | None:
        return None if self._window.spend(now_s, weight) else self.overload(403, 600)

    def welcome(self, connection: Connection, request: web.Request) -> None:
        """Bybit says nothing first."""

    # Messages of a client --------------------------------------------------------------------------------------------

    def receive(self, connection: Connection, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            connection.reply(orjson.dumps(self._status(connection, False, "error:invalid json", "", "")))
            return
        op, request_id = message.get("op"), str(message.get("req_id", ""))
        topics = message.get("args") or []
        if op == "ping":
            reply = self._status(connection, True, "pong", request_id, "ping")
        elif op == "subscribe":
            self._subscribe(connection, topics, request_id)
            return
        elif op == "unsubscribe":
            for topic in topics:
                self.unsubscribe(connection, self._prefix(connection) + str(topic))
            reply = self._status(connection, True, "", request_id, "unsubscribe")
        else:
            reply = self._status(connection, False, "error:invalid op", request_id, str(op or ""))
        connection.reply(orjson.dumps(reply))

    def _subscribe(self, connection: Connection, topics: list[Any], request_id: str) -> None:
        """All or none: one bad topic spoils the request, as with Bybit."""
        bad = [str(topic) for topic in topics if self._instrument(connection, str(topic)) is None]
        if bad or not topics:
            text = f"error:handler not found,topic:{bad[0]}" if bad else "error:args empty"
            connection.reply(orjson.dumps(self._status(connection, False, text, request_id, "subscribe")))
            return
        prefix = self._prefix(connection)
        for topic in topics:
            self.subscribe(connection, prefix + str(topic))
        connection.reply(orjson.dumps(self._status(connection, True, "", request_id, "subscribe")))
        for topic in topics:
            self._snapshot(connection, str(topic))
        connection.flush()

    def _status(self, connection: Connection, success: bool, text: str, request_id: str, op: str) -> dict[str, Any]:
        return {
            "success": success,
            "ret_msg": text,
            "conn_id": f"fake-{connection.count.number:08d}",
            "req_id": request_id,
            "op": op,
        }

    def _prefix(self, connection: Connection) -> str:
        return PREFIXES[connection.count.path.rsplit("/", 1)[-1]]

    def _instrument(self, connection: Connection, topic: str) -> FakeInstrument | None:
        kind, _, rest = topic.partition(".")
        symbol = rest
        if kind == "orderbook":
            depth, _, symbol = rest.partition(".")
            if depth not in BOOK_DEPTHS:
                return None
        elif kind == "kline":
            interval, _, symbol = rest.partition(".")
            if interval != "1":
                return None
        elif kind not in ("publicTrade", "tickers", "allLiquidation"):
            return None
        found = self.world.find("bybit", symbol)
        inverse = self._prefix(connection) == PREFIXES["inverse"]
        return found if found is not None and found.listing.is_inverse == inverse else None

    def _snapshot(self, connection: Connection, topic: str) -> None:
        """Tickers and books begin with the whole."""
        one = self._instrument(connection, topic)
        if one is None:
            return
        stream = self._prefix(connection) + topic
        if topic.startswith("tickers."):
            fields = self._last_tickers.setdefault(one.symbol, self._fields.ticker(one))
            connection.send_now(stream, self._ticker_message(topic, "snapshot", fields))
        elif topic.startswith("orderbook."):
            depth = int(topic.split(".")[1])
            bids, asks = one.book.levels(self._fields.middle(one), depth)
            connection.send_now(stream, self._book_message(one, topic, "snapshot", bids, asks))

    # Slots -----------------------------------------------------------------------------------------------------------

    def emit(self, slots: list[SlotOf]) -> None:
        for slot in slots:
            one, prefix = slot.instrument, _prefix_of(slot.instrument)
            topic = f"publicTrade.{one.symbol}"
            if slot.trades and prefix + topic in self.subscribers:
                self._trades(one, prefix + topic, topic, slot.trades)
            if slot.liquidations:
                self._closed.setdefault(one.symbol, []).extend(slot.liquidations)
        if self.world.now_ms % LIQUIDATIONS_EVERY_MS == 0:
            self._liquidations()
        stale = self.books_are_stale()
        for one in self.listed():
            prefix = _prefix_of(one)
            self._book(one, prefix, stale)
            self._ticker(one, prefix)
            if self.world.now_ms % 1_000 == 0:
                self._kline(one, prefix)

    def _trades(self, one: FakeInstrument, stream: str, topic: str, trades: list[FakeTrade]) -> None:
        """One message for each taker's order: the prints of one side and millisecond."""
        first = 0
        for i in range(1, len(trades) + 1):
            if i == len(trades) or (trades[i].time_ms, trades[i].side) != (trades[first].time_ms, trades[first].side):
                self.publish_trades(one, stream, topic, trades[first:i])
                first = i

    def publish_trades(self, one: FakeInstrument, stream: str, topic: str, trades: list[FakeTrade]) -> None:
        """Trades in one message."""
        rows, ids, before = [], [], one.last_ticks
        for trade in trades:
            ids.append(self._fields.trade_id(one, trade.number))
            rows.append(
                f'{{"T":{self.told(trade.time_ms)},"s":"{one.symbol}","S":"{"Buy" if trade.side > 0 else "Sell"}",'
                f'"v":"{one.quantity_text(trade.lots)}","p":"{one.price_text(trade.price_ticks)}",'
                f'"L":"{tick_direction(before, trade.price_ticks)}","i":"{ids[-1]}","BT":false,"RPI":false,'
                f'"seq":{self._fields.sequence(trade.number)}}}'
            )
            before = trade.price_ticks
        payload = f'{{"topic":"{topic}","type":"snapshot","ts":{self.now_ms},"data":[{",".join(rows)}]}}'
        self.publish(stream, payload.encode(), len(trades), ids[0], ids[-1])

    def _liquidations(self) -> None:
        """Every 500 ms, all of them; the side is that of the POSITION."""
        for symbol, closed in self._closed.items():
            one = self.world.by_venue["bybit"][symbol]
            topic = f"allLiquidation.{symbol}"
            rows = [
                {
                    "T": self.told(liquidation.time_ms),
                    "s": symbol,
                    "S": "Buy" if liquidation.side > 0 else "Sell",
                    "v": one.quantity_text(liquidation.lots),
                    "p": one.price_text(liquidation.bankruptcy_ticks),
                }
                for liquidation in closed
            ]
            message = {"topic": topic, "type": "snapshot", "ts": self.now_ms, "data": rows}
            self.publish(_prefix_of(one) + topic, orjson.dumps(message), len(rows))
        self._closed.clear()

    def _ticker(self, one: FakeInstrument, prefix: str) -> None:
        topic = f"tickers.{one.symbol}"
        if prefix + topic not in self.subscribers:
            self._last_tickers.pop(one.symbol, None)
            return
        fields = self._fields.ticker(one)
        before = self._last_tickers.get(one.symbol, {})
        self._last_tickers[one.symbol] = fields
        changed = {key: value for key, value in fields.items() if before.get(key) != value}
        if changed:
            message = self._ticker_message(topic, "delta", {"symbol": one.symbol, **changed})
            self.publish(prefix + topic, message)

    def _ticker_message(self, topic: str, kind: str, fields: dict[str, str]) -> bytes:
        message = {
            "topic": topic,
            "type": kind,
            "data": fields,
            "cs": self._fields.sequence(0),
            "ts": self.now_ms,
        }
        return orjson.dumps(message)

    def _book(self, one: FakeInstrument, prefix: str, stale: bool) -> None:
        wanted = [d for d in BOOK_DEPTHS if f"{prefix}orderbook.{d}.{one.symbol}" in self.subscribers]
        if not wanted or stale:
            return
        change = one.book.update(self._fields.middle(one))
        if not change.bids and not change.asks:
            return
        for depth in wanted:
            topic = f"orderbook.{depth}.{one.symbol}"
            if depth == "1":
                bids, asks = one.book.levels(self._fields.middle(one), 1)
                message = self._book_message(one, topic, "snapshot", bids, asks)
            else:
                message = self._book_message(one, topic, "delta", *_sides(change))
            self.publish(prefix + topic, message)

    def _book_message(
        self, one: FakeInstrument, topic: str, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
    ) -> bytes:
        data = {
            "s": one.symbol,
            "b": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in bids],
            "a": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in asks],
            "u": one.book.updates,
            "seq": self._fields.sequence(one.book.number),
        }
        now_ms = self.now_ms
        return orjson.dumps({"topic": topic, "type": kind, "ts": now_ms, "data": data, "cts": now_ms - 1})

    def _kline(self, one: FakeInstrument, prefix: str) -> None:
        topic = f"kline.1.{one.symbol}"
        if prefix + topic not in self.subscribers:
            return
        now_ms = self.world.now_ms
        start_ms = now_ms - now_ms % MINUTE_MS
        _, rows = one.bars.candles(MINUTE_MS, start_ms, start_ms + 1)
        if not len(rows):
            return
        row = rows[-1]
        told_ms = self.told(start_ms)
        candle = {
            "start": told_ms,
            "end": told_ms + MINUTE_MS - 1,
            "interval": "1",
            "open": one.price_text(int(row[OPEN])),
            "close": one.price_text(int(row[CLOSE])),
            "high": one.price_text(int(row[HIGH])),
            "low": one.price_text(int(row[LOW])),
            "volume": one.quantity_text(row[VOLUME]),
            "turnover": self._fields.turnover_text(one, row[VOLUME], row[VOLUME] * row[CLOSE]),
            "confirm": False,
            "timestamp": self.now_ms,
        }
        message = {"topic": topic, "data": [candle], "ts": self.now_ms, "type": "snapshot"}
        self.publish(prefix + topic, orjson.dumps(message))


def _prefix_of(one: FakeInstrument) -> str:
    return PREFIXES["inverse" if one.listing.is_inverse else "linear"]


def _sides(change: BookChange) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return list(change.bids.items()), list(change.asks.items())
