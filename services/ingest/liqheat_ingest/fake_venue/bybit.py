"""Bybit v5: sockets of linear and inverse perpetuals, and the limits of both kinds of access."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError
from liqheat_ingest.fake_venue.bybit_fields import BybitFields
from liqheat_ingest.fake_venue.bybit_rest import BybitRest
from liqheat_ingest.fake_venue.bybit_topics import BOOK_DEPTHS, PREFIXES, BybitTopics
from liqheat_ingest.fake_venue.connection import Connection
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.rate_limit import WeightWindow
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, World


class BybitServer(VenueServer):
    """The fake Bybit. Streams are named ``linear:topic`` and ``inverse:topic``."""

    venue = "bybit"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        fields = BybitFields(self)
        self._rest = BybitRest(self, fields)
        self._topics = BybitTopics(self, fields)
        self._window = WeightWindow(600, 5.0)

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
        asked = message.get("args")
        topics = asked if isinstance(asked, list) else []
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
            one = self._instrument(connection, str(topic))
            if one is not None:
                self._topics.snapshot(connection, one, str(topic))
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

    # Slots -----------------------------------------------------------------------------------------------------------

    def emit(self, slots: list[SlotOf]) -> None:
        self._topics.emit(slots)
