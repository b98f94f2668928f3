"""ccxt's WebSocket client, with two changes: the raw message is taken out before ccxt parses it, and a full intake
makes the socket wait.

ccxt still dials, subscribes, acknowledges and pings. What it would do with market data (parse it, cache it, resolve
futures) is what loses messages: a future holds one result, and a burst of twenty is nineteen too many.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import orjson
from aiohttp import WSMsgType
from ccxt.async_support.base.ws.client import Client
from ccxt.base.errors import NetworkError

#: After so many messages in a row the event loop turns, whatever is waiting in the socket.
MESSAGES_A_TURN = 64
#: What venues say that is no JSON.
WORDS = ("pong", "ping")
#: Said once, and nothing to map.
GREETINGS = ("Websocket connection established.",)
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR)


class Tap(Protocol):
    """Where the messages of one connection go."""

    def heard(self) -> None:
        """A frame came, of whatever kind: the connection lives."""

    def is_data(self, message: Any) -> bool:
        """Whether it is market data; everything else (acknowledgements, pongs, errors) is for ccxt."""

    def take(self, message: Any) -> None:
        """Take a message of market data. Must not raise."""

    def unreadable(self, data: str | bytes) -> None:
        """Take a frame that is no JSON and none of the words."""

    def is_full(self) -> bool:
        """Whether nothing more should be read for now."""

    async def room(self) -> None:
        """Return when more can be taken."""


class SocketClient(Client):  # type: ignore[misc]
    """A connection of ccxt whose data goes to a tap, in the order of the socket."""

    def __init__(self, tap: Tap, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tap = tap
        self._receiving: asyncio.Task[None] | None = None

    def receive_loop(self) -> None:
        """Begin to read; ccxt calls this once a connection stands."""
        self._receiving = self.asyncio_loop.create_task(self._receive())

    async def _receive(self) -> None:
        """Read to the end of the connection. A full intake stops the reading and so, through TCP, the venue."""
        tap, count = self._tap, 0
        try:
            while not self.closed():
                if tap.is_full():
                    await tap.room()
                message = await self.connection.receive()
                tap.heard()
                self.handle_message(message)
                if message.type in _ENDS:
                    break
                count += 1
                if count % MESSAGES_A_TURN == 0:
                    await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the watcher has to hear that this connection ended
            self.on_error(NetworkError(f"{type(error).__name__}: {error}"))
            return
        if not self.error and message.type is not WSMsgType.CLOSE:  # of a close frame ccxt knows already
            self.on_close(1006)

    def handle_text_or_binary_message(self, data: str | bytes) -> None:
        """Hand data to the tap, the rest to ccxt."""
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
            if text in WORDS:
                self.on_message_callback(self, text)
            elif text not in GREETINGS:
                self._tap.unreadable(data)
            return
        if self._tap.is_data(message):
            self._tap.take(message)
        else:
            self.on_message_callback(self, message)

    async def aiohttp_close(self) -> None:
        """Close, and stop reading."""
        await super().aiohttp_close()
        receiving = self._receiving
        if receiving is not None and receiving is not asyncio.current_task():
            receiving.cancel()
