"""What a fake venue has sent, stream by stream and connection by connection: the proof that a client lost nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

CLOSED_CONNECTIONS = 200


@dataclass(slots=True)
class StreamCount:
    """Messages and the items in them (trades, liquidations); first and last item's id where it has one."""

    messages: int = 0
    items: int = 0
    first_id: str | int | None = None
    last_id: str | int | None = None

    def add(self, items: int, first_id: str | int | None, last_id: str | int | None) -> None:
        """Count one message."""
        self.messages += 1
        self.items += items
        if last_id is not None:
            if self.first_id is None:
                self.first_id = first_id
            self.last_id = last_id

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "messages": self.messages,
            "items": self.items,
            "first_id": self.first_id,
            "last_id": self.last_id,
        }


@dataclass(slots=True)
class ConnectionCount:
    """One connection from its beginning to its end."""

    number: int
    opened_at_ms: int
    path: str
    closed_at_ms: int | None = None
    closed_by: str | None = None
    streams: dict[str, StreamCount] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "number": self.number,
            "path": self.path,
            "opened_at_ms": self.opened_at_ms,
            "closed_at_ms": self.closed_at_ms,
            "closed_by": self.closed_by,
            "streams": {name: count.as_json() for name, count in sorted(self.streams.items())},
        }


class SentLedger:
    """Counts of one venue. A message is sent when it was handed to the socket of an open connection."""

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.connections_opened = 0
        self._open: dict[int, ConnectionCount] = {}
        self._closed: deque[ConnectionCount] = deque(maxlen=CLOSED_CONNECTIONS)
        self._past: dict[str, StreamCount] = {}

    def opened(self, at_ms: int, path: str) -> ConnectionCount:
        """A connection begins."""
        self.connections_opened += 1
        count = ConnectionCount(self.connections_opened, at_ms, path)
        self._open[count.number] = count
        return count

    def closed(self, connection: ConnectionCount, at_ms: int, by: str) -> None:
        """A connection has ended; its sums stay."""
        if self._open.pop(connection.number, None) is None:
            return
        connection.closed_at_ms, connection.closed_by = at_ms, by
        self._closed.append(connection)
        _add(self._past, connection)

    def request(self, outcome: str) -> None:
        """A REST request was answered."""
        self.requests[outcome] = self.requests.get(outcome, 0) + 1

    def as_json(self) -> dict[str, Any]:
        """Sums by stream of all connections, and the last connections one by one."""
        total = {name: StreamCount(x.messages, x.items, x.first_id, x.last_id) for name, x in self._past.items()}
        for connection in self._open.values():
            _add(total, connection)
        return {
            "streams": {name: count.as_json() for name, count in sorted(total.items())},
            "connections": [x.as_json() for x in (*self._closed, *self._open.values())],
            "connections_opened": self.connections_opened,
            "requests": dict(sorted(self.requests.items())),
        }


def _add(total: dict[str, StreamCount], connection: ConnectionCount) -> None:
    for name, count in connection.streams.items():
        sum_ = total.setdefault(name, StreamCount())
        sum_.messages += count.messages
        sum_.items += count.items
        if count.last_id is not None:
            if sum_.first_id is None:
                sum_.first_id = count.first_id
            sum_.last_id = count.last_id
