"""Answers over HTTP: bodies, errors in a venue's own words, and what a query asks for."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

#: Where a handler finds the body of a request.
BODY = web.RequestKey("body", bytes)


class VenueError(Exception):
    """An answer that reports an error in the venue's own words."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body!r}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def json_response(body: Any, status: int, headers: dict[str, str]) -> web.Response:
    """An answer in JSON; bytes are taken as they are."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return web.Response(body=data, status=status, content_type="application/json", headers=headers)


def positive_int(request: web.Request, name: str, default: int, largest: int) -> int:
    """A number of the query, cut to what the venue allows."""
    text = request.query.get(name)
    if text is None or not text.isdigit():
        return default
    return max(1, min(int(text), largest))


def time_of(request: web.Request, name: str) -> int | None:
    """A time in milliseconds of the query, None where there is none."""
    text = request.query.get(name)
    return int(text) if text is not None and text.isdigit() else None
