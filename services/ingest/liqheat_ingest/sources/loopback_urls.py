"""Point an exchange client at a server on this machine instead of the venue."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

_SCHEMES = {"https": "http", "http": "http", "wss": "ws", "ws": "ws"}


class HasUrls(Protocol):
    """A ccxt exchange, as far as its addresses go."""

    urls: dict[str, Any]


def loopback_urls(urls: Any, address: str) -> Any:
    """The same addresses, however nested, with scheme and host of a loopback server; paths stay.

    Parameters
    ----------
    urls : str, dict or list
        As in ``exchange.urls["api"]``, templates such as ``{hostname}`` included.
    address : str
        ``http://127.0.0.1:PORT``.

    Raises
    ------
    ValueError
        Where the address is not on this machine, or something in ``urls`` is no address.

    Examples
    --------
    >>> loopback_urls({"ws": {"public": "wss://stream.{hostname}/v5/public/linear"}}, "http://127.0.0.1:7402")
    {'ws': {'public': 'ws://127.0.0.1:7402/v5/public/linear'}}
    >>> loopback_urls("https://fapi.binance.com/fapi/v1", "http://127.0.0.1:7401")
    'http://127.0.0.1:7401/fapi/v1'
    """
    host = _loopback_host(address)
    if isinstance(urls, dict):
        return {key: loopback_urls(value, address) for key, value in urls.items()}
    if isinstance(urls, list):
        return [loopback_urls(value, address) for value in urls]
    parts = urlsplit(urls) if isinstance(urls, str) else None
    if parts is None or parts.scheme not in _SCHEMES or not parts.netloc:
        raise ValueError(f"not the address of a venue: {urls!r}")
    return urlunsplit((_SCHEMES[parts.scheme], host, parts.path, parts.query, parts.fragment))


def point_at_loopback(exchange: HasUrls, address: str) -> None:
    """Let an exchange client talk to a loopback server only: every address under ``urls["api"]`` is replaced.

    Raises
    ------
    ValueError
        Where the address is not on this machine; the client is left as it was.
    """
    exchange.urls["api"] = loopback_urls(exchange.urls["api"], address)


def _loopback_host(address: str) -> str:
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if parts.scheme != "http" or not is_loopback or parts.port is None or parts.path not in ("", "/"):
        raise ValueError(f"a loopback server is given as http://127.0.0.1:PORT, not {address!r}")
    return parts.netloc
