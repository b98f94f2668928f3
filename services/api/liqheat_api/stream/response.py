"""An event stream as a response: the mailbox of one client, written as it drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from liqheat_api.freshness import Freshness
from liqheat_api.stream.hub import Hub
from liqheat_api.stream.mailbox import Mailbox
from liqheat_shared.cancellation import end_tasks

STATUS_SECONDS = 2.0
HEARTBEAT_SECONDS = 10.0
RETRY_MS = 2000
STOP_SECONDS = 2.0

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]


def event_bytes(name: str, data: bytes, event_id: str) -> bytes:
    """One event as it is sent. ``data`` has no line breaks.

    >>> event_bytes("status", b"{}", "7-0")
    b'id: 7-0\\nevent: status\\ndata: {}\\n\\n'
    """
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), name.encode(), data)


class StreamResponse(Response):
    """ASGI application that sends one client its events until either side ends.

    Parameters
    ----------
    place : str
        Id of the last fact that the client has.
    send_timeout_seconds : float
        A client that takes nothing for so long is disconnected.
    """

    def __init__(
        self,
        hub: Hub,
        box: Mailbox,
        place: str,
        send_timeout_seconds: float,
        now: Callable[[], float] = lambda: asyncio.get_running_loop().time(),
    ) -> None:
        super().__init__()
        self.hub, self.box, self.place = hub, box, place
        self.freshness: Freshness = hub.freshness
        self.send_timeout_seconds = send_timeout_seconds
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send until the client is gone or the process ends."""
        gone = asyncio.create_task(_disconnected(receive))
        events = asyncio.create_task(self._send_events(send))
        try:
            await asyncio.wait({gone, events}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.hub.leave(self.box)
            await end_tasks([gone, events], STOP_SECONDS)

    async def _send_events(self, send: Send) -> None:
        await self._send(send, {"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._body(send, b"retry: %d\n\n" % RETRY_MS + self._status())
        status_at, heartbeat_at = self._now() + STATUS_SECONDS, self._now() + HEARTBEAT_SECONDS
        while not self.box.closed:
            events = await self.box.take(max(0.001, status_at - self._now()))
            parts = []
            for event in events:
                self.place = event.event_id or self.place
                parts.append(event_bytes(event.name, event.data, self.place))
            if self._now() >= status_at:
                parts.append(self._status())
                status_at = self._now() + STATUS_SECONDS
            if self._now() >= heartbeat_at:
                parts.append(b": heartbeat\n\n")
                heartbeat_at = self._now() + HEARTBEAT_SECONDS
            if parts:
                await self._body(send, b"".join(parts))
        await self._send(send, {"type": "http.response.body", "body": b"", "more_body": False})

    def _status(self) -> bytes:
        age_ms = self.freshness.age_ms(self.box.coin)
        state = {"state": self.freshness.state(self.box.coin), "age_ms": age_ms}
        return event_bytes("status", orjson.dumps(state), self.place)

    async def _body(self, send: Send, data: bytes) -> None:
        await self._send(send, {"type": "http.response.body", "body": data, "more_body": True})

    async def _send(self, send: Send, message: Any) -> None:
        async with asyncio.timeout(self.send_timeout_seconds):  # wait_for may lose a cancellation
            await send(message)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
