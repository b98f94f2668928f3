"""The history of the map."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from liqheat_api import models
from liqheat_api.columns import heatmap as heatmaps
from liqheat_api.columns.chunk import BadChunkError
from liqheat_api.columns.retention import CHUNK_COLUMNS, chunk_index
from liqheat_api.encoding import BINARY, JSON, entity_tag, matches, not_modified, respond
from liqheat_api.problems import ProblemError, bad_parameter
from liqheat_api.routes.maps import PROBLEMS, CoinName, ScopeName
from liqheat_api.services import Shared
from liqheat_api.view import View
from liqheat_shared.contracts.base import AGGREGATED
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, Timeframe

DEFAULT_COLUMNS = 300
END_OF_TIME_MS = 10_000_000_000_000

TimeframeName = Annotated[str, Query(description=f"One of {', '.join(TIMEFRAME_MS)}.", max_length=20)]
FromMs = Annotated[
    int | None,
    Query(alias="from", ge=0, lt=END_OF_TIME_MS, description="First open time, ms. Without it: the last 300 columns."),
]
ToMs = Annotated[int | None, Query(alias="to", ge=0, lt=END_OF_TIME_MS, description="Open times before this, ms.")]

router = APIRouter(prefix="/v1", tags=["map"], responses=PROBLEMS)


@router.get(
    "/heatmap/{coin}",
    response_model=models.Heatmap,
    summary="Closed columns of the heatmap",
    description="JSON, or with `Accept: application/octet-stream` or `format=binary`: 4 bytes little-endian length of "
    "the header, the header as JSON (all fields but the levels), then bins x columns bytes of long levels, all columns "
    "of the lowest bin first, then the same of short levels.",
    responses={200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def heatmap(
    request: Request,
    shared: Shared,
    coin: CoinName,
    scope: ScopeName = AGGREGATED,
    timeframe: TimeframeName = "4h",
    from_ms: FromMs = None,
    to_ms: ToMs = None,
    answer_format: Annotated[Literal["json", "binary"] | None, Query(alias="format")] = None,
) -> Response:
    """Closed columns of the heatmap."""
    if timeframe not in TIMEFRAME_MS:
        raise bad_parameter("timeframe", timeframe, TIMEFRAME_MS)
    last = _check_range(timeframe, from_ms, to_ms, shared.settings.api_heatmap_max_columns)
    wanted = Wanted(from_ms or 0, END_OF_TIME_MS if to_ms is None else to_ms, last)
    found = await _chunks(shared.view, shared.view.keys.columns(coin, scope, timeframe), timeframe, wanted)
    if not found:
        await shared.view.check_scope(coin, scope)
    binary = answer_format == "binary" or (answer_format is None and BINARY in request.headers.get("accept", ""))
    media_type = BINARY if binary else JSON
    stored = (found[index] for index in sorted(found))
    tag = entity_tag(coin, scope, timeframe, media_type, "{}-{}-{}".format(*wanted), *stored)
    if matches(request, tag):
        return not_modified(tag, "no-cache")
    body = await asyncio.to_thread(_encoded, (coin, scope, timeframe), found, wanted, binary=binary)
    return await respond(request, body, media_type, tag=tag)


class Wanted(NamedTuple):
    """Open times from ``from_ms``, before ``to_ms``, and no more than the ``last`` of them."""

    from_ms: int
    to_ms: int
    last: int


def _check_range(timeframe: Timeframe, from_ms: int | None, to_ms: int | None, max_columns: int) -> int:
    """How many columns at most."""
    if from_ms is None:
        return min(DEFAULT_COLUMNS, max_columns)
    if to_ms is not None:
        if to_ms <= from_ms:
            raise ProblemError(422, f"to ({to_ms}) is not after from ({from_ms}).", parameter="to")
        columns = -(-(to_ms - from_ms) // TIMEFRAME_MS[timeframe])
        if columns > max_columns:
            detail = f"from {from_ms} to {to_ms} are {columns} columns of {timeframe}; at most {max_columns} at once."
            raise ProblemError(422, detail, parameter="from", max_columns=max_columns)
    return max_columns


async def _chunks(view: View, key: str, timeframe: Timeframe, wanted: Wanted) -> dict[int, bytes]:
    """The newest chunks of the range, enough for the last columns that are wanted."""
    low, high = chunk_index(timeframe, wanted.from_ms), chunk_index(timeframe, wanted.to_ms - 1)
    indexes = [index for index in await view.chunk_indexes(key) if low <= index <= high]
    # One more than full chunks would need: the newest is being filled.
    return await view.chunks(key, indexes[-(-(-wanted.last // CHUNK_COLUMNS) + 1) :])


def _encoded(names: tuple[str, str, Timeframe], found: dict[int, bytes], wanted: Wanted, *, binary: bool) -> bytes:
    try:
        result = heatmaps.assemble(names[2], found, *wanted)
    except BadChunkError as error:
        detail = f"The stored columns cannot be read: {error}. `liqheat redis rebuild` refills them."
        raise ProblemError(503, detail) from error
    head = heatmaps.header(result, *names)
    return heatmaps.as_binary(result, head) if binary else heatmaps.as_json(result, head)
