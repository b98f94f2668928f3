"""A message exactly as a venue sent it: what live sockets, recordings, ``normalize`` and the fake venues share.

The chain is: a source makes :class:`RawMessage` s; ``mappers.mapper_of(venue).map(raw)`` turns each into the items that
the batcher takes. Nothing between the socket and the mapper looks into ``data``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

#: Prefixes of ``RawMessage.channel``.
WEBSOCKET, REST = "ws:", "rest:"


class RawMessage(NamedTuple):
    """One message of a venue.

    Attributes
    ----------
    venue : str
        ``binance``, ``bybit``, ``okx`` or ``hyperliquid``.
    channel : str
        Where it came from, without the host (a fake venue has another): ``ws:`` and the path of the WebSocket's
        address, or ``rest:`` and path and query of the request. Build it with :func:`websocket_channel` and
        :func:`rest_channel`. An answer often does not repeat what was asked for (symbol, interval, category), so
        the query belongs to it; the topic of a WebSocket message is in its data. An empty channel means unknown: the
        message is judged by its data alone.
    receive_time_ms : int
        Our time.
    data : Any
        The parsed JSON.
    """

    venue: str
    channel: str
    receive_time_ms: int
    data: Any


def websocket_channel(url: str) -> str:
    """The channel of a WebSocket by its address. Query parts are dropped: topics are named in the messages.

    >>> websocket_channel("wss://stream.bybit.com/v5/public/linear")
    'ws:/v5/public/linear'
    """
    return WEBSOCKET + urlsplit(url).path


def rest_channel(path: str, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> str:
    """The channel of a REST request: its path, or whole address, and what was asked for.

    Parameters
    ----------
    path : str
        A path such as ``/fapi/v1/openInterest``, or an address; a query in it is kept.
    parameters : mapping
        Query or JSON body; nested objects (Hyperliquid's ``req``) are laid flat.

    Examples
    --------
    >>> rest_channel("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "5m"})
    'rest:/fapi/v1/klines?symbol=BTCUSDT&interval=5m'
    >>> rest_channel("/info", {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "5m"}})
    'rest:/info?type=candleSnapshot&coin=BTC&interval=5m'
    """
    parts = urlsplit(path)
    query = "&".join(text for text in (parts.query.strip("&"), urlencode(list(_flat(parameters)))) if text)
    return f"{REST}{parts.path}?{query}" if query else REST + parts.path


def _flat(parameters: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
    for name, value in pairs:
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value
