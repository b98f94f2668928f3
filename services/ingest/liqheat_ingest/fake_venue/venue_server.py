"""What all fake venues have in common: requests with weights and faults, sockets with subscriptions."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from liqheat_ingest.fake_venue.answers import BODY, VenueError, json_response
from liqheat_ingest.fake_venue.connection import Connection, text_frame
from liqheat_ingest.fake_venue.faults import Faults, future_format
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.sent_ledger import SentLedger
from liqheat_ingest.fake_venue.world import SlotOf, World

Handler = Callable[[web.Request], Any]
Weight = int | Callable[[web.Request], int]
MAX_MESSAGE_BYTES = 1 << 20


class VenueServer(ABC):
    """One venue: its REST paths and its sockets.

    Parameters
    ----------
    world : World
        The markets.

    Notes
    -----
    Everything runs in one thread: a slot's messages are made once for all subscribers, then every connection is
    written to. ``stream`` is the name under which subscribers are found and messages are counted.
    """

    venue: str
    #: Seconds without a sign of life after which aiohttp pings, and cuts a client that doesn't answer; None: never.
    heartbeat_s: float | None = None

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = Faults()
        self.ledger = SentLedger()
        self.subscribers: dict[str, dict[Connection, None]] = {}
        self.connections: dict[Connection, None] = {}

    # What a venue adds -----------------------------------------------------------------------------------------------

    @abstractmethod
    def add_routes(self, app: web.Application) -> None:
        """Register REST paths with ``self.get`` and sockets with ``self.socket``."""

    @abstractmethod
    def receive(self, connection: Connection, text: str) -> None:
        """Answer a message of a client."""

    @abstractmethod
    def emit(self, slots: list[SlotOf]) -> None:
        """Publish what happened in the slot that ends at ``self.now_ms``."""

    @abstractmethod
    def overload(self, status: int, retry_after_s: int) -> VenueError:
        """What a client hears that asked too often."""

    @abstractmethod
    def spend(self, now_s: float, weight: int, path: str) -> VenueError | None:
        """Count a request against the limits; what a client hears that exceeded them."""

    @abstractmethod
    def welcome(self, connection: Connection, request: web.Request) -> None:
        """Greet a new socket; subscribe it to what its address asks for."""

    # Time ------------------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """Time as this venue tells it."""
        return self.world.now_ms + self.faults.clock_skew_ms

    def told(self, time_ms: int) -> int:
        """A time of the story as this venue tells it."""
        return time_ms + self.faults.clock_skew_ms

    # REST ------------------------------------------------------------------------------------------------------------

    def application(self) -> web.Application:
        """The server of this venue."""
        app = web.Application()
        self.add_routes(app)
        return app

    def get(self, app: web.Application, path: str, handler: Handler, weight: Weight = 1) -> None:
        """Register a GET request that is answered by a function."""
        app.router.add_get(path, self._answering(handler, weight))

    def post(self, app: web.Application, path: str, handler: Handler, weight: Weight = 1) -> None:
        """Register a POST request that is answered by a function; its body is in ``request[BODY]``."""
        app.router.add_post(path, self._answering(handler, weight))

    def _answering(self, handler: Handler, weight: Weight) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            request[BODY] = await request.read() if request.can_read_body else b""
            try:
                refused = self._refused(request, weight)
                if refused is not None:
                    raise refused
                response = json_response(handler(request), 200, self.headers())
            except VenueError as error:
                response = json_response(error.body, error.status, {**self.headers(), **error.headers})
            self.ledger.request(str(response.status))
            return response

        return answer

    def headers(self) -> dict[str, str]:
        """Of every answer."""
        return {}

    def _refused(self, request: web.Request, weight: Weight) -> VenueError | None:
        now_s, faults = asyncio.get_running_loop().time(), self.faults
        if now_s < faults.rest_outage_until_s:
            return VenueError(503, {"msg": "Service Unavailable"})
        if now_s < faults.throttle_until_s:
            return self.overload(faults.throttle_status, faults.throttle_retry_after_s)
        return self.spend(now_s, weight(request) if callable(weight) else weight, request.path)

    # Sockets ---------------------------------------------------------------------------------------------------------

    def socket(self, app: web.Application, path: str) -> None:
        """Register a WebSocket."""
        app.router.add_get(path, self._serve_socket)

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        status = 503 if loop.time() < self.faults.refuse_until_s else self.refuses_socket(loop.time())
        if status is not None:
            self.ledger.request("socket refused")
            return web.Response(status=status, text="refused", headers={"Retry-After": "1"})
        socket = web.WebSocketResponse(
            compress=False, autoping=False, heartbeat=self.heartbeat_s, max_msg_size=MAX_MESSAGE_BYTES
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = Connection(socket, transport, self.ledger.opened(self.now_ms, request.path))
        connection.last_received_s = connection.last_sent_s = loop.time()
        self.connections[connection] = None
        try:
            self.welcome(connection, request)
            async for message in socket:
                connection.last_received_s = loop.time()
                if self.is_stalled(loop.time()):
                    continue
                if message.type is WSMsgType.TEXT:
                    self.receive(connection, message.data)
                elif message.type is WSMsgType.PING:
                    await socket.pong(message.data)
        except ConnectionError:
            connection.closed_by = connection.closed_by or "client"
        finally:
            self._forget(connection)
        return socket

    def refuses_socket(self, now_s: float) -> int | None:
        """Status for a client that connects too often, None where it may."""
        del now_s
        return None

    def _forget(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        for stream in connection.subscriptions:
            found = self.subscribers.get(stream)
            if found is not None:
                found.pop(connection, None)
                if not found:
                    del self.subscribers[stream]
        self.ledger.closed(connection.count, self.now_ms, connection.closed_by or "client")

    def subscribe(self, connection: Connection, stream: str) -> None:
        """From now on this connection gets the stream."""
        connection.subscriptions[stream] = None
        self.subscribers.setdefault(stream, {})[connection] = None

    def unsubscribe(self, connection: Connection, stream: str) -> bool:
        """The connection no longer gets the stream; whether it did."""
        had = stream in connection.subscriptions
        connection.subscriptions.pop(stream, None)
        found = self.subscribers.get(stream)
        if found is not None:
            found.pop(connection, None)
            if not found:
                del self.subscribers[stream]
        return had

    def publish(
        self,
        stream: str,
        payload: bytes,
        items: int = 1,
        first_id: str | int | None = None,
        last_id: str | int | None = None,
    ) -> None:
        """Send a message to all subscribers of a stream at the end of the slot."""
        found = self.subscribers.get(stream)
        if not found:
            return
        frame = text_frame(payload)
        if self.faults.future_messages > 0:
            self.faults.future_messages -= 1
            strange = text_frame(future_format(payload))
            for connection in found:
                connection.send(f"future:{stream}", strange, 0)
        for connection in found:
            connection.send(stream, frame, items, first_id, last_id)

    def is_stalled(self, now_s: float) -> bool:
        """Whether the venue is silent although its sockets are open."""
        return now_s < self.faults.stall_until_s

    def books_are_stale(self) -> bool:
        """Whether books are no longer updated."""
        return asyncio.get_running_loop().time() < self.faults.stale_books_until_s

    def run_slot(self, slots: list[SlotOf], now_s: float) -> None:
        """Publish a slot, write to all connections, and cut those whose time has come."""
        if self.is_stalled(now_s):
            return
        self.emit(slots)

    def flush(self, now_s: float) -> None:
        """Write what waits; cut connections where a fault asks for it."""
        for connection in list(self.connections):
            if connection.flush():
                connection.last_sent_s = now_s
        faults = self.faults
        if faults.disconnect_every_s and now_s >= faults.next_disconnect_s:
            faults.next_disconnect_s = now_s + faults.disconnect_every_s
            self.disconnect_all(faults.disconnect_kind)

    def disconnect_all(self, kind: str) -> int:
        """Cut every connection, ``clean`` or ``reset``; how many there were."""
        connections = list(self.connections)
        for connection in connections:
            if kind == "reset":
                connection.abort("fault: reset")
            else:
                connection.close_soon("fault: clean close")
        return len(connections)

    def listing_changed(self, one: FakeInstrument) -> None:  # noqa: B027 - most venues don't announce it
        """A market was listed or delisted while running."""

    # Markets ---------------------------------------------------------------------------------------------------------

    def listed(self) -> list[FakeInstrument]:
        """Markets that this venue lists now."""
        return list(self.world.instruments(self.venue))
