"""OKX v5: public sockets of swaps, limits by path, and the cut of idle connections."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError
from liqheat_ingest.fake_venue.connection import Connection
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.okx_channels import OkxChannels
from liqheat_ingest.fake_venue.okx_fields import OkxFields
from liqheat_ingest.fake_venue.okx_rest import OkxRest
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, World

IDLE_CUT_S = 30.0
CONNECTS_A_SECOND = 3
REQUESTS_IN_2_S = 20
_MORE_REQUESTS = {"market/candles": 40, "market/books": 40, "market/trades": 100}
_FEWER_REQUESTS = {"position-tiers": 10, "open-interest-history": 10}


class OkxServer(VenueServer):
    """The fake OKX. Streams are named ``channel:instId``, or ``channel:instType``."""

    venue = "okx"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        fields = OkxFields(self)
        self._rest = OkxRest(self, fields)
        self._channels = OkxChannels(self, fields)
        self._windows: dict[str, WeightWindow] = {}
        self._connects = WeightWindow(CONNECTS_A_SECOND, 1.0)

    def add_routes(self, app: web.Application) -> None:
        self._rest.add_routes(app)
        self.socket(app, "/ws/v5/public")
        self.socket(app, "/ws/v5/business")

    # Limits ----------------------------------------------------------------------------------------------------------

    def overload(self, status: int, retry_after_s: int) -> VenueError:
        body = {"code": "50011", "data": [], "msg": "Too Many Requests"}
        return VenueError(status, body, {"Retry-After": str(retry_after_s)})

    def spend(self, now_s: float, weight: int, path: str) -> VenueError | None:
        """Every path has a window of its own."""
        window = self._windows.get(path)
        if window is None:
            window = self._windows[path] = WeightWindow(_requests_in_2_s(path), 2.0)
        return None if window.spend(now_s, weight) else self.overload(429, 2)

    def refuses_socket(self, now_s: float) -> int | None:
        return None if self._connects.spend(now_s, 1) else 429

    def flush(self, now_s: float) -> None:
        """Connections on which nothing was said for 30 seconds are cut."""
        super().flush(now_s)
        for connection in list(self.connections):
            if now_s - max(connection.last_received_s, connection.last_sent_s) > IDLE_CUT_S:
                connection.close_soon("idle", 4004, b"No data received in 30s")

    # Messages of a client --------------------------------------------------------------------------------------------

    def welcome(self, connection: Connection, request: web.Request) -> None:
        """OKX says nothing first."""

    def receive(self, connection: Connection, text: str) -> None:
        if text == "ping":
            connection.reply(b"pong")
            return
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            message = None
        args = message.get("args") if isinstance(message, dict) else None
        op = message.get("op") if isinstance(message, dict) else None
        if op not in ("subscribe", "unsubscribe") or not isinstance(args, list):
            self._error(connection, "60012", f"Illegal request: {text}")
            return
        for arg in args:
            name = self._channels.stream(arg) if isinstance(arg, dict) else None
            if name is None:
                told = ",".join(f"{key}:{value}" for key, value in arg.items()) if isinstance(arg, dict) else str(arg)
                text = f"Wrong URL or {told} doesn't exist. Please use the correct URL, channel and parameters "
                self._error(connection, "60018", text + "referring to API document.")
            elif op == "subscribe":
                self._subscribe(connection, name, arg)
            else:
                self.unsubscribe(connection, name)
                connection.reply(orjson.dumps({"event": op, "arg": arg, "connId": _id(connection)}))

    def _subscribe(self, connection: Connection, name: str, arg: dict[str, Any]) -> None:
        self.subscribe(connection, name)
        connection.reply(orjson.dumps({"event": "subscribe", "arg": arg, "connId": _id(connection)}))
        first = self._channels.first(arg)
        if first is not None:
            connection.send_now(name, first)
            connection.flush()

    def _error(self, connection: Connection, code: str, message: str) -> None:
        error = {"event": "error", "code": code, "msg": message, "connId": _id(connection)}
        connection.reply(orjson.dumps(error))

    # Slots -----------------------------------------------------------------------------------------------------------

    def emit(self, slots: list[SlotOf]) -> None:
        self._channels.emit(slots)

    def listing_changed(self, one: FakeInstrument) -> None:
        """Told on ``instruments``."""
        self._channels.instruments([one])


def _id(connection: Connection) -> str:
    return f"{connection.count.number:08x}"


def _requests_in_2_s(path: str) -> int:
    for parts in (_MORE_REQUESTS, _FEWER_REQUESTS):
        for end, limit in parts.items():
            if path.endswith(end):
                return limit
    return REQUESTS_IN_2_S
