"""The page: files that Vite built, read from disk as they are asked for."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response

from liqheat_api.encoding import respond
from liqheat_api.problems import ProblemError

STATIC = Path(__file__).parent / "static"
INDEX = "index.html"
#: Names of assets carry a hash of their content, so that they never change.
FOR_EVER = "public, max-age=31536000, immutable"
_ASSET = re.compile(r"assets/[\w.-]+-[\w-]{8,}\.\w+")
_NAME = re.compile(r"(?:[\w-][\w.-]*/){0,3}[\w-][\w.-]*")
NOT_BUILT = "The page is not built: `make web` builds it. The data are at /v1/coins, and /docs lists the rest."


def page_router(static: Path = STATIC) -> APIRouter:
    """Routes of the page out of a folder."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        body = await asyncio.to_thread(_read, static, INDEX)
        if body is None:
            raise ProblemError(503, NOT_BUILT)
        return await respond(request, body, "text/html; charset=utf-8")

    @router.get("/{name:path}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        body = await asyncio.to_thread(_read, static, name)
        if body is None:
            raise ProblemError(404, f"There is nothing at /{name[:200]}. See /docs.")
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return await respond(
            request, body, media_type, cache_control=FOR_EVER if _ASSET.fullmatch(name) else "no-cache"
        )

    return router


def _read(static: Path, name: str) -> bytes | None:
    """Content of a file of the page; None where there is no such file in the folder."""
    if not _NAME.fullmatch(name):
        return None
    path = static / name
    return path.read_bytes() if path.is_file() and path.resolve().is_relative_to(static.resolve()) else None
