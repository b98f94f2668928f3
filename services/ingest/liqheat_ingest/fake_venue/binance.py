"""Binance USDⓈ-M futures: sockets of the split layout (``/public`` and ``/market``), weights and bans."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError
from liqheat_ingest.fake_venue.binance_events import BinanceEvents
from liqheat_ingest.fake_venue.binance_fields import BinanceFields
from liqheat_ingest.fake_venue.binance_rest import BinanceRest
from liqheat_ingest.fake_venue.connection import Connection, text_frame
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, World

WEIGHT_A_MINUTE = 2_400
DATA_REQUESTS_IN_5_MINUTES = 1_000
BAN_S = 120
STREAMS_A_CONNECTION = 1_024
MESSAGES_A_SECOND = 10
_PUBLIC = ("depth", "rpiDepth", "bookTicker", "trade")


class BinanceServer(VenueServer):
    """The fake Binance. Streams have their own names, such as ``btcusdt@aggTrade``."""

    venue = "binance"
    heartbeat_s = 180.0

    def __init__(self, world: World) -> None:
        super().__init__(world)
        fields = BinanceFields(self)
        self._rest = BinanceRest(self, fields)
        self._events = BinanceEvents(self, fields)
        self._weights = WeightWindow(WEIGHT_A_MINUTE, 60.0)
        self._data = WeightWindow(DATA_REQUESTS_IN_5_MINUTES, 300.0)
        self._banned_until_s = 0.0

    def add_routes(self, app: web.Application) -> None:
        self._rest.add_routes(app)
        for category in ("public", "market"):
            self.socket(app, f"/{category}/ws")
            self.socket(app, f"/{category}/ws/{{streams:.*}}")
            self.socket(app, f"/{category}/stream")

    # Limits ----------------------------------------------------------------------------------------------------------

    def headers(self) -> dict[str, str]:
        return {"X-MBX-USED-WEIGHT-1M": str(self._weights.used)}

    def overload(self, status: int, retry_after_s: int) -> VenueError:
        if status == 418:
            until_ms = self.now_ms + 1_000 * retry_after_s
            text = f"Way too many requests; IP(127.0.0.1) banned until {until_ms}. Please use the websocket for live "
            text += "updates to avoid bans."
        else:
            text = f"Too many requests; current limit of IP(127.0.0.1) is {WEIGHT_A_MINUTE} requests per minute. "
            text += "Please use the websocket for live updates to avoid polling the API."
        return VenueError(status, {"code": -1003, "msg": text}, {"Retry-After": str(retry_after_s)})

    def spend(self, now_s: float, weight: int, path: str) -> VenueError | None:
        """Who goes on at twice the limit in spite of 429 is banned."""
        if now_s < self._banned_until_s:
            return self.overload(418, int(self._banned_until_s - now_s) + 1)
        window = self._data if path.startswith("/futures/data/") else self._weights
        if window.spend(now_s, 1 if window is self._data else weight):
            return None
        if window.used > 2 * window.limit:
            self._banned_until_s = now_s + BAN_S
            return self.overload(418, BAN_S)
        return self.overload(429, int(window.seconds_left(now_s)) + 1)

    # Messages of a client --------------------------------------------------------------------------------------------

    def welcome(self, connection: Connection, request: web.Request) -> None:
        names = request.match_info.get("streams", "").split("/")
        names += request.query.get("streams", "").split("/")
        for name in names:
            if self._is_served(connection, name):
                self.subscribe(connection, name)

    def receive(self, connection: Connection, text: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if not connection.allows(now_s, MESSAGES_A_SECOND):
            connection.close_soon("too many messages", 1008, b"Too many requests")
            return
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            connection.reply(_error(3, "Invalid JSON: expected value at line 1 column 1", None))
            return
        method, params, request_id = message.get("method"), message.get("params"), message.get("id")
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            if not isinstance(params, list) or not all(isinstance(name, str) for name in params):
                connection.reply(_error(2, "Invalid request: params must be a list of stream names", request_id))
            elif method == "SUBSCRIBE":
                self._subscribe(connection, params, request_id)
            else:
                for name in params:
                    self.unsubscribe(connection, name)
                connection.reply(_result(None, request_id))
        elif method == "LIST_SUBSCRIPTIONS":
            connection.reply(_result(list(connection.subscriptions), request_id))
        else:
            connection.reply(_error(2, f"Invalid request: unknown variant `{method}`", request_id))

    def _subscribe(self, connection: Connection, names: list[str], request_id: Any) -> None:
        """Names of no stream are acknowledged like the others; nothing ever comes of them."""
        if len(connection.subscriptions) + len(names) > STREAMS_A_CONNECTION:
            connection.reply(_error(2, "Invalid request: too many streams", request_id))
            return
        for name in names:
            if self._is_served(connection, name):
                self.subscribe(connection, name)
        connection.reply(_result(None, request_id))

    def _is_served(self, connection: Connection, name: str) -> bool:
        """Whether this kind of connection carries the stream: books and raw trades are on ``/public``."""
        if not self._events.is_stream(name):
            return False
        kind = name.lstrip("!").split("@")[0] if name.startswith("!") else name.split("@")[1]
        is_public = kind.rstrip("0123456789") in _PUBLIC
        return connection.count.path.startswith("/public/") == is_public

    def listing_changed(self, one: FakeInstrument) -> None:
        """Told on ``!contractInfo``."""
        self._events.contract_info(one)

    # Slots -----------------------------------------------------------------------------------------------------------

    def emit(self, slots: list[SlotOf]) -> None:
        self._events.emit(slots)

    def publish(
        self,
        stream: str,
        payload: bytes,
        items: int = 1,
        first_id: str | int | None = None,
        last_id: str | int | None = None,
    ) -> None:
        """Combined sockets wrap every event with the name of its stream."""
        found = self.subscribers.get(stream)
        if not found:
            return
        combined = [connection for connection in found if connection.count.path.endswith("/stream")]
        if combined:
            frame = text_frame(b'{"stream":"' + stream.encode() + b'","data":' + payload + b"}")
            for connection in combined:
                connection.send(stream, frame, items, first_id, last_id)
        if len(combined) < len(found):
            super().publish(stream, payload, items, first_id, last_id)


def _result(result: Any, request_id: Any) -> bytes:
    return orjson.dumps({"result": result, "id": request_id})


def _error(code: int, message: str, request_id: Any) -> bytes:
    return orjson.dumps({"error": {"code": code, "msg": message}, "id": request_id})
