"""ccxt.pro's exchanges, made to hand raw messages over and to report what REST answered.

Subclasses are made here and not written by venue: what is overridden is in the base class of all exchanges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from liqheat_ingest.sources.live.socket_client import SocketClient, Tap


class RestObserver(Protocol):
    """Hears every REST answer before ccxt judges it."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers (names in lower case)."""


def make_exchange(
    exchange_id: str, tap_of: Callable[[str], Tap], observer: RestObserver, endpoint: str | None, timeout_ms: int
) -> Any:
    """An exchange of ccxt.pro without keys.

    Parameters
    ----------
    exchange_id : str
        ccxt's name of it, e.g. ``binanceusdm``.
    tap_of : callable
        Where the messages of a WebSocket address go. Two connections to one address differ in the fragment, which is
        never sent.
    endpoint : str or None
        ``http://host:port`` to use instead of the venue's own hosts, for REST and WebSocket; paths stay.
    timeout_ms : int
        Of a REST call.
    """
    import ccxt.pro

    base: Any = getattr(ccxt.pro, exchange_id)

    class LiveExchange(base):  # type: ignore[misc]
        """The exchange with the raw messages taken out."""

        clients: dict[str, Any]

        def client(self, url: str) -> Any:
            known = self.clients.get(url)
            if known is None:
                known = self.clients[url] = _with_tap(super().client(url), tap_of(url))
            return known

        def on_close(self, client: Any, error: Any) -> None:
            # ccxt forgets whatever client has this address; by now it may be the next one.
            if self.clients.get(client.url) is client:
                super().on_close(client, error)

        def ws_dial_delay(self, url: str) -> float:  # noqa: ARG002 - ccxt's signature
            return 0.0  # the connection waits itself, with jitter; two waits would add up

        def on_rest_response(
            self, code: int, reason: str, url: str, method: str, response_headers: Any, response_body: Any, *rest: Any
        ) -> Any:
            observer.answered(code, {str(name).lower(): str(value) for name, value in response_headers.items()})
            return super().on_rest_response(code, reason, url, method, response_headers, response_body, *rest)

    exchange = LiveExchange({"enableRateLimit": False, "timeout": timeout_ms, "newUpdates": True})
    exchange.clients = {}
    if endpoint is not None:
        exchange.urls["api"] = redirected(exchange.urls["api"], endpoint)
    return exchange


def _with_tap(ordinary: Any, tap: Tap) -> SocketClient:
    """The client that ccxt made, as one of ours: the same callbacks and options."""
    options = {
        name: getattr(ordinary, name)
        for name in ("keepAlive", "maxPingPongMisses", "ping", "log", "verbose", "throttle", "asyncio_loop", "options")
    }
    client = SocketClient(
        tap,
        ordinary.url,
        ordinary.on_message_callback,
        ordinary.on_error_callback,
        ordinary.on_close_callback,
        ordinary.on_connected_callback,
        options,
    )
    # ccxt pings on, and gives no connection up for a pong that is late. Behind a backlog the pong waits with everything
    # else: that would throw away all that was sent and not read yet. Silence is judged by whoever hears every frame.
    client.maxPingPongMisses = inf
    client.proxy = ordinary.proxy
    client.decompressBinary = False
    return client


def redirected(urls: Any, endpoint: str) -> Any:
    """The same addresses on another host: scheme and host are replaced, paths stay.

    >>> redirected({"ws": "wss://fstream.binance.com/ws", "rest": "https://{hostname}"}, "http://127.0.0.1:9000")
    {'ws': 'ws://127.0.0.1:9000/ws', 'rest': 'http://127.0.0.1:9000'}
    """
    if isinstance(urls, Mapping):
        return {name: redirected(value, endpoint) for name, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    target, parts = urlsplit(endpoint), urlsplit(urls.replace("{hostname}", "hostname"))
    secure = target.scheme in ("https", "wss")
    scheme = ("wss" if secure else "ws") if parts.scheme in ("ws", "wss") else ("https" if secure else "http")
    return urlunsplit((scheme, target.netloc, target.path.rstrip("/") + parts.path, parts.query, parts.fragment))


class ExchangePort:
    """What a connection does with an exchange of ccxt.

    Parameters
    ----------
    exchange : ccxt.pro exchange
        Made by :func:`make_exchange`.
    """

    def __init__(self, exchange: Any) -> None:
        self.exchange = exchange
        self._request_id = 0

    def next_request_id(self) -> int:
        """A number for a subscription request, unique at the venue's connections."""
        self._request_id += 1
        return self._request_id

    def watch(self, url: str, name: str) -> asyncio.Future[Any]:
        """Begin to dial; the future ends, with an exception, when the connection does."""
        return _kept(self.exchange.watch_multiple(url, [name]))

    async def connected(self, url: str, closed: asyncio.Future[Any]) -> None:
        """Return when the connection stands. Raises what it failed with."""
        standing = self.exchange.clients[url].connected
        await asyncio.wait([standing, closed], return_when=asyncio.FIRST_COMPLETED)
        if closed.done():
            closed.result()

    async def subscribe(self, url: str, name: str, message: Any, topics: Sequence[str], number: int) -> None:
        """Send a subscription request for topics, through ccxt, which keeps them in mind."""
        client = self.exchange.clients[url]
        for topic in topics:
            client.subscriptions.pop(topic, None)
        _kept(self.exchange.watch_multiple(url, [name], message, list(topics), {"id": number}))
        await asyncio.sleep(0)

    async def send(self, url: str, message: Any) -> None:
        """Send any other message."""
        await self.exchange.clients[url].send(message)

    async def ask_for_life(self, url: str) -> None:
        """Ping in the venue's way; an answer counts as a frame."""
        client = self.exchange.clients.get(url)
        if client is None or client.closed():
            return
        if client.ping:
            await client.send(client.ping(client))
        else:
            await client.connection.ping()

    def retry_after_s(self, url: str) -> float:
        """How long the venue asked to wait before the next dial; 0: it did not."""
        state = (getattr(self.exchange, "ws_dial_backoff", None) or {}).pop(url, None)
        client = self.exchange.clients.get(url)
        asked = getattr(client, "last_retry_after", None) if state is not None else None
        return min(600.0, float(asked)) if asked else 0.0

    async def drop(self, url: str) -> None:
        """End the connection, if it did not."""
        client = self.exchange.clients.pop(url, None)
        if client is not None:
            await client.close()

    async def close(self) -> None:
        """End everything."""
        await self.exchange.close()


def _kept(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """The same future; nobody has to look at how it ends."""
    future.add_done_callback(lambda done: None if done.cancelled() else done.exception())
    return future
