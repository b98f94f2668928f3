"""What a fake venue does wrong on demand. All off at first."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from math import inf
from typing import Any, Literal

import orjson


@dataclass(slots=True)
class Faults:
    """Switches of one venue. Times are seconds of the server's monotonic clock; ``inf``: until it is taken back.

    Attributes
    ----------
    disconnect_every_s : float
        Cut every connection this often; 0: never.
    disconnect_kind : str
        ``clean`` closes with a handshake, ``reset`` cuts the line.
    stall_until_s : float
        Sockets stay open and nothing is sent, no pong either.
    stale_books_until_s : float
        Books are no longer updated; all else goes on.
    rest_outage_until_s : float
        Every request is answered 503.
    refuse_until_s : float
        New WebSocket connections are refused with 503 (a venue that restarts).
    throttle_until_s : float
        Every request is answered ``throttle_status`` with ``Retry-After``.
    clock_skew_ms : int
        Added to every time that the venue tells.
    future_messages : int
        Before so many messages a copy of an unknown, later format is sent.
    """

    disconnect_every_s: float = 0.0
    disconnect_kind: Literal["clean", "reset"] = "clean"
    stall_until_s: float = 0.0
    stale_books_until_s: float = 0.0
    rest_outage_until_s: float = 0.0
    refuse_until_s: float = 0.0
    throttle_until_s: float = 0.0
    throttle_status: int = 429
    throttle_retry_after_s: int = 1
    clock_skew_ms: int = 0
    future_messages: int = 0
    next_disconnect_s: float = field(default=inf)

    def as_json(self, now_s: float) -> dict[str, Any]:
        """Plain values; times as seconds that remain, -1 for ever."""
        values: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name == "next_disconnect_s":
                continue
            if one.name.endswith("_until_s"):
                left = value - now_s
                values[one.name.replace("_until_s", "_left_s")] = -1 if value == inf else max(0.0, round(left, 3))
            else:
                values[one.name] = value
        return values


def until(now_s: float, seconds: float | None) -> float:
    """The end of a fault that lasts so long; None: until it is taken back."""
    return inf if seconds is None else now_s + seconds


def future_format(payload: bytes) -> bytes:
    """The same message as a later version of the venue might send it: nested deeper, with a number as an object."""
    message = orjson.loads(payload)
    changed = {"formatVersion": 99, **message} if isinstance(message, dict) else {"formatVersion": 99}
    for key in ("data", "p", "q"):
        if key in changed:
            changed[key] = {"v": 99, "value": changed[key]}
    return orjson.dumps(changed)
