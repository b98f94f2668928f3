"""Server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from liqheat_api.routes.maps import PROBLEMS, ScopeName
from liqheat_api.services import Shared
from liqheat_api.stream.response import StreamResponse
from liqheat_shared.contracts.base import AGGREGATED

router = APIRouter(prefix="/v1", tags=["stream"], responses=PROBLEMS)


@router.get(
    "/stream",
    response_class=Response,
    summary="Everything new about one coin and scope, as server-sent events",
    description="Events: `grid` (as `/v1/grids`), `clusters` (as `/v1/clusters`), `magnets` (as `/v1/magnets`), "
    "`column` ({coin, scope, timeframe, open_time_ms}: fetch it), `cluster-event` (a message of "
    "liquidation-clusters-v1), `accuracy` (a message of map-accuracy-v1), `status` ({state, age_ms}, every 2 s) and "
    "`resync` (something was missed: fetch everything again). First come the values there are. "
    "`Last-Event-ID` brings the facts that were missed.",
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    shared: Shared,
    coin: Annotated[str, Query(description="Coin of `/v1/coins`.", examples=["BTC"], max_length=40)],
    scope: ScopeName = AGGREGATED,
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamResponse:
    """Everything new about one coin and scope."""
    box, place = await shared.hub.open(coin, scope, last_event_id or None)
    return StreamResponse(shared.hub, box, place, shared.settings.api_stream_send_timeout_ms / 1000)
