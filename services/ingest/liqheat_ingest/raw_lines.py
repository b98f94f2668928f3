"""Lines of files that hold raw messages, in the forms that people have them. Pure.

A line is JSON of one of these forms:

- a **recording** of our own: ``{"venue", "channel", "receive_time_ms", "data"}``;
- a **capture**: ``{"t": "recv" | "http" | "connect" | "send" | "header", "conn", "ts", "url" | "addr", "data"}``, where
  a received message's address is the one its connection was opened with;
- **stamped**: ``{"ts": …, "data": …}``, with ``url``, ``addr`` or ``channel`` where they are known;
- **bare**: the venue's message itself.

``data`` may be JSON or a text of JSON. ``ts`` may be in seconds (with a fraction or not) or in milliseconds: a number
below 10^11 is seconds. A bare message is taken as received at the time it carries, or now where it carries none.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from liqheat_ingest.mappers import VENUES
from liqheat_ingest.mappers.fields import EARLIEST_MS, LATEST_MS, BadMessage, has, show
from liqheat_ingest.raw import REST, WEBSOCKET, RawMessage, rest_channel, websocket_channel

#: What only a venue's own message has at its top: Bybit's, too, have ``ts`` and ``data``.
_OF_A_VENUE = frozenset({"topic", "stream", "arg", "e", "type", "op", "retCode", "code", "result", "event"})
_NO_MESSAGE = frozenset({"header", "connect", "send", "close", "disconnect"})
#: Names that recorders give the venues.
_VENUES = {venue: venue for venue in VENUES} | {"binance_futures": "binance", "binanceusdm": "binance", "okex": "okx"}
_LARGEST_SECONDS = 100_000_000_000
MAX_CONNECTIONS = 10_000


class RawLines:
    """Reads lines one by one; it remembers the addresses of connections.

    Parameters
    ----------
    venue : str or None
        Whose messages they are; None: the lines say so.

    Examples
    --------
    >>> lines = RawLines("bybit")
    >>> raw = lines.read(b'{"ts": 1786310819.5, "data": "{\\\\"op\\\\": \\\\"pong\\\\"}"}', now_ms=1_800_000_000_000)
    >>> raw.receive_time_ms, raw.data
    (1786310819500, {'op': 'pong'})
    """

    def __init__(self, venue: str | None) -> None:
        self.venue = venue
        #: Whether lines were those of a capture, which may hold one connection after the other.
        self.is_capture = False
        self._channels: dict[str, str] = {}

    def read(self, line: bytes, now_ms: int) -> RawMessage | None:
        """The message of a line; None: the line holds none (a header, what was sent).

        Raises
        ------
        BadMessage
            The line can't be read; the text says why.
        """
        value = parse_json(line)
        if value.__class__ is not dict or not _is_wrapper(value):
            return self._bare(value, now_ms)
        self.is_capture = self.is_capture or "t" in value
        if has(value, "exchange") or value.get("t") == "header":
            self._take_header(value)
        if value.get("t") in _NO_MESSAGE:
            self._note_connection(value)
            return None
        data = value["data"]
        if data.__class__ is str:
            data = parse_json(data.encode("utf-8", "surrogatepass"))
        venue = _VENUES.get(value["venue"]) if value.get("venue").__class__ is str else self.venue
        if venue is None:
            raise BadMessage("broken-line", "the line does not say of which venue it is")
        return RawMessage(venue, self._channel(value), _time_ms(value), data)

    def _take_header(self, value: dict[str, Any]) -> None:
        name = value.get("exchange")
        if self.venue is None and name.__class__ is str:
            self.venue = _VENUES.get(name.lower())

    def _note_connection(self, value: dict[str, Any]) -> None:
        connection, address = value.get("conn"), value.get("addr")
        if connection.__class__ is str and address.__class__ is str and len(self._channels) < MAX_CONNECTIONS:
            self._channels[connection] = websocket_channel(address)

    def _channel(self, value: dict[str, Any]) -> str:
        channel = value.get("channel")
        if channel.__class__ is str:
            return channel if channel.startswith((WEBSOCKET, REST)) or not channel else ""
        if value.get("url").__class__ is str:
            return rest_channel(value["url"])
        if value.get("addr").__class__ is str:
            return websocket_channel(value["addr"])
        connection = value.get("conn")
        return self._channels.get(connection, "") if connection.__class__ is str else ""

    def _bare(self, value: Any, now_ms: int) -> RawMessage:
        if self.venue is None:
            raise BadMessage("broken-line", "the line does not say of which venue it is")
        told = told_time_ms(value)
        return RawMessage(self.venue, "", now_ms if told is None else min(told, now_ms), value)


def parse_json(text: bytes) -> Any:
    """JSON, and the NaN and Infinity that some writers put into it: the mapper names the field that has them.

    Raises BadMessage for anything else.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        fault = str(error)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("not-json", fault) from None


def told_time_ms(data: Any) -> int | None:
    """The time that a venue's message carries itself: when it was sent, else when its first entry happened.

    >>> told_time_ms({"e": "aggTrade", "E": 1626992741575, "T": 1626992741421}), told_time_ms({"op": "pong"})
    (1626992741575, None)
    """
    for part in _parts(data):
        for name in ("E", "ts", "time", "serverTime", "timestamp", "T"):
            value = part.get(name)
            if value.__class__ is str and value.isdigit() and len(value) == 13:
                value = int(value)
            if value.__class__ is int and EARLIEST_MS <= value < LATEST_MS:
                return int(value)
    return None


def _parts(data: Any) -> list[dict[str, Any]]:
    """The objects of a message in which its time may stand, outermost first."""
    found: list[dict[str, Any]] = []
    level = [data]
    for _ in range(4):
        following: list[Any] = []
        for value in level:
            if value.__class__ is list and value:
                value = value[0]
            if value.__class__ is dict:
                found.append(value)
                following += [value.get("data"), value.get("details")]
        level = following
    return found


def _is_wrapper(value: dict[str, Any]) -> bool:
    if value.get("t") == "header" and "exchange" in value:
        return True
    stamped = "ts" in value or "receive_time_ms" in value
    return stamped and ("data" in value or value.get("t") in _NO_MESSAGE) and not value.keys() & _OF_A_VENUE


def _time_ms(value: dict[str, Any]) -> int:
    told = value["receive_time_ms"] if "receive_time_ms" in value else value["ts"]
    if told.__class__ is str:
        try:
            told = float(told)
        except ValueError:
            raise BadMessage("broken-line", f"ts is no number: {show(told)}") from None
    if told.__class__ is not int and told.__class__ is not float:
        raise BadMessage("broken-line", f"ts is no number: {show(told)}")
    if not 0 < told < LATEST_MS:  # also false for NaN
        raise BadMessage("broken-line", f"ts is neither seconds nor milliseconds: {show(told)}")
    result = round(told * 1000) if told < _LARGEST_SECONDS else round(told)
    if result < EARLIEST_MS:
        raise BadMessage("broken-line", f"ts is neither seconds nor milliseconds: {show(told)}")
    return result


def write_line(raw: RawMessage) -> bytes:
    """The line of a recording, with its end. Raises TypeError for data that is no JSON."""
    return orjson.dumps(
        {
            "venue": raw.venue,
            "channel": raw.channel,
            "receive_time_ms": raw.receive_time_ms,
            "data": raw.data,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
