"""One WebSocket of a client: frames are made once for all subscribers and written in one piece a slot."""

from __future__ import annotations

import asyncio

from aiohttp import web

from liqheat_ingest.fake_venue.sent_ledger import ConnectionCount, StreamCount

#: A client that lets so much pile up is cut off, as venues do.
MAX_UNSENT_BYTES = 64 * 1024 * 1024
_TEXT_AND_FINAL = 0x81


def text_frame(payload: bytes) -> bytes:
    """A text message as a WebSocket server sends it: whole, unmasked, not compressed.

    >>> text_frame(b"pong")
    b'\\x81\\x04pong'
    """
    size = len(payload)
    if size < 126:
        return bytes((_TEXT_AND_FINAL, size)) + payload
    if size < 65_536:
        return bytes((_TEXT_AND_FINAL, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_AND_FINAL, 127)) + size.to_bytes(8, "big") + payload


class Connection:
    """An open socket, what it has subscribed to and what waits to be written.

    Parameters
    ----------
    socket : WebSocketResponse
        Prepared.
    transport : asyncio.Transport
        Under it. Frames go here directly: one write a slot instead of one a message.
    count : ConnectionCount
        Where sent messages are counted.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, count: ConnectionCount) -> None:
        self.socket = socket
        self.count = count
        self.subscriptions: dict[str, None] = {}
        self.closed_by: str | None = None
        self.last_received_s = 0.0
        self.last_sent_s = 0.0
        self._transport = transport
        self._waiting: list[bytes] = []
        self._second, self._received = -1, 0
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything can still be sent."""
        return self.closed_by is None and not self._transport.is_closing()

    def send(
        self,
        stream: str,
        frame: bytes,
        items: int = 1,
        first_id: str | int | None = None,
        last_id: str | int | None = None,
    ) -> None:
        """Queue a frame for the end of the slot, and count it."""
        self._waiting.append(frame)
        count = self.count.streams.get(stream)
        if count is None:
            count = self.count.streams[stream] = StreamCount()
        count.add(items, first_id, last_id)

    def allows(self, now_s: float, messages_a_second: int) -> bool:
        """Count a message of the client; whether it keeps to the limit."""
        if int(now_s) != self._second:
            self._second, self._received = int(now_s), 0
        self._received += 1
        return self._received <= messages_a_second

    def send_now(self, stream: str, payload: bytes) -> None:
        """Queue a message for this connection alone, such as a snapshot, and count it."""
        self.send(stream, text_frame(payload))

    def reply(self, payload: bytes) -> None:
        """Send an acknowledgement or an error now, after all that waits."""
        self._waiting.append(text_frame(payload))
        self.flush()

    def flush(self) -> bool:
        """Hand all that waits to the socket; whether there was anything."""
        if not self._waiting:
            return False
        waiting, self._waiting = self._waiting, []
        if not self.is_open:
            return False
        self._transport.write(b"".join(waiting))
        if self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort("slow client")
        return True

    def abort(self, by: str) -> None:
        """Reset the connection without a closing handshake."""
        self.closed_by = self.closed_by or by
        self._transport.abort()

    def close_soon(self, by: str, code: int = 1000, reason: bytes = b"") -> None:
        """Close with a handshake, after all that waits; a client that doesn't answer within a second is reset."""
        self.flush()
        if self.closed_by is None:
            self.closed_by = by
            self._closing = asyncio.get_running_loop().create_task(self._close(code, reason))

    async def _close(self, code: int, reason: bytes) -> None:
        try:
            await asyncio.wait_for(self.socket.close(code=code, message=reason), 1.0)
        except (TimeoutError, ConnectionError):
            self._transport.abort()
