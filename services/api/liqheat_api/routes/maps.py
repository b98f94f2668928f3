"""The map now: coins, grids, clusters, magnets, liquidations."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from liqheat_api import models
from liqheat_api.encoding import JSON, respond
from liqheat_api.services import Shared
from liqheat_shared import clock
from liqheat_shared.contracts.base import AGGREGATED

PROBLEMS: dict[int | str, dict[str, object]] = {
    404: {"model": models.Problem, "description": "No such coin; the answer names those there are."},
    422: {"model": models.Problem, "description": "A parameter is bad; the answer names what is allowed."},
    503: {"model": models.Problem, "description": "Redis does not answer, or nothing is there yet."},
}

CoinName = Annotated[str, Path(description="Coin of `/v1/coins`.", examples=["BTC"], max_length=40)]
ScopeName = Annotated[
    str, Query(alias="scope", description="`aggregated`, or a venue by name.", examples=["aggregated"], max_length=60)
]

router = APIRouter(prefix="/v1", tags=["map"], responses=PROBLEMS)


@router.get("/coins", response_model=models.Coins, summary="Coins that there is a map of")
async def coins(request: Request, shared: Shared) -> Response:
    """Coins that there is a map of, largest open interest first."""
    entries = sorted(
        (await shared.view.coins()).values(), key=lambda entry: (-(entry["open_interest_usd"] or 0), entry["coin"])
    )
    body = orjson.dumps({"coins": entries, "server_time_ms": clock.now_ms()})
    return await respond(request, body, cache_control="no-store")


@router.get("/grids/{coin}", response_model=models.Grid, summary="The estimated map now")
async def grid(request: Request, shared: Shared, coin: CoinName, scope: ScopeName = AGGREGATED) -> Response:
    """The estimated map of a scope now."""
    return await respond(request, await shared.view.require_grid(coin, scope))


@router.get("/clusters/{coin}", response_model=models.Clusters, summary="Dense zones of estimated liquidations")
async def clusters(request: Request, shared: Shared, coin: CoinName, scope: ScopeName = AGGREGATED) -> Response:
    """Living clusters, nearest first."""
    view = shared.view
    body = await view.scoped(view.keys.clusters(coin), coin, scope)
    if body is None:
        body = orjson.dumps({"coin": coin, "scope": scope, "event_time_ms": None, "phase": None, "clusters": []})
    return await respond(request, body)


@router.get("/magnets/{coin}", response_model=models.Magnets, summary="Clusters as targets")
async def magnets(request: Request, shared: Shared, coin: CoinName, scope: ScopeName = AGGREGATED) -> Response:
    """Clusters as targets, strongest first."""
    view = shared.view
    return await respond(request, await view.scoped(view.keys.magnets(coin), coin, scope) or b'{"magnets":[]}')


@router.get("/liquidations/{coin}", response_model=models.Liquidations, summary="Liquidations that venues reported")
async def liquidations(request: Request, shared: Shared, coin: CoinName) -> Response:
    """The last liquidations and their totals."""
    body = await shared.view.value(shared.view.keys.liquidations(coin))
    if body is None:
        await shared.view.coin(coin)
        body = orjson.dumps({"coin": coin, "event_time_ms": None, "phase": None, "totals": [], "liquidations": []})
    return await respond(request, body, JSON)
