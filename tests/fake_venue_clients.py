"""Plain clients of the fake venues for tests: they subscribe, keep every message, and ask the control endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from liqheat_ingest.fake_venue.process import FakeVenueOptions, FakeVenueProcess

PATIENCE_S = 60.0


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[FakeVenueProcess]:
    """Fake venues in this loop: six coins and a day of history unless told otherwise."""
    chosen = {"coins": 6, "history_days": 1.0, "positions_per_side": 200} | options
    async with FakeVenueProcess(FakeVenueOptions(**chosen)) as fake:
        yield fake


class PlainSocket:
    """A WebSocket that keeps what it hears, and how it ended."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.messages: list[Any] = []
        self.ended: str | None = None
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                text = message.data
                self.messages.append(orjson.loads(text) if text[:1] in "{[" else text)
        self.ended = "clean" if self.socket.close_code not in (None, 1006) else "reset"

    async def send(self, message: Any) -> None:
        await self.socket.send_str(message if isinstance(message, str) else orjson.dumps(message).decode())

    async def heard(self, wanted: Callable[[Any], bool], count: int = 1) -> list[Any]:
        """Messages of a kind, when so many have come."""
        found: list[Any] = []

        def enough() -> bool:
            found[:] = [message for message in self.messages if wanted(message)]
            return len(found) >= count

        await until(enough, lambda: f"only {len(found)} of {count}; the last: {self.messages[-3:]}")
        return found

    async def close(self) -> None:
        await self.socket.close()
        self._reading.cancel()


@asynccontextmanager
async def connected(address: str, path: str, *messages: Any) -> AsyncIterator[PlainSocket]:
    """A socket that has sent these messages."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address + path) as raw:
        socket = PlainSocket(raw)
        for message in messages:
            await socket.send(message)
        yield socket
        await socket.close()


async def until(condition: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    """Wait for a condition, however loaded the machine is."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, explain()
        await asyncio.sleep(0.02)


async def control(fake: FakeVenueProcess, message: Any = None) -> Any:
    """The control endpoint's answer."""
    address = f"{fake.addresses['control']}/control"
    async with aiohttp.ClientSession() as session:
        if message is None:
            async with session.get(address) as answer:
                return await answer.json()
        async with session.post(address, data=orjson.dumps(message)) as answer:
            body = await answer.json()
            assert answer.status == 200, body
            return body["done"]


async def get(address: str, path: str, **query: Any) -> tuple[int, Any, Any]:
    """Status, body and headers of a request."""
    async with aiohttp.ClientSession() as session, session.get(address + path, params=query) as answer:
        return answer.status, orjson.loads(await answer.read()), answer.headers


async def info(address: str, **question: Any) -> Any:
    """Hyperliquid's answer."""
    body = orjson.dumps(question)
    async with aiohttp.ClientSession() as session, session.post(f"{address}/info", data=body) as answer:
        return orjson.loads(await answer.read())
