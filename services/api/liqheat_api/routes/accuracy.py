"""The record of the map."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from liqheat_api import models
from liqheat_api.accuracy.answer import HORIZON_MS, no_record
from liqheat_api.encoding import respond
from liqheat_api.problems import bad_parameter
from liqheat_api.routes.maps import PROBLEMS, CoinName, ScopeName
from liqheat_api.services import Shared
from liqheat_shared.contracts.base import AGGREGATED

HorizonName = Annotated[str, Query(description=f"One of {', '.join(HORIZON_MS)}.", max_length=20)]

router = APIRouter(prefix="/v1", tags=["map"], responses=PROBLEMS)


@router.get("/accuracy/{coin}", response_model=models.Accuracy, summary="What was forecast and what came true")
async def accuracy(
    request: Request, shared: Shared, coin: CoinName, scope: ScopeName = AGGREGATED, horizon: HorizonName = "1h"
) -> Response:
    """The latest record of a horizon, how the map and its baselines have scored so far, and the last seven days."""
    if horizon not in HORIZON_MS:
        raise bad_parameter("horizon", horizon, HORIZON_MS)
    view = shared.view
    body = await view.value_of(view.keys.accuracy(coin, scope), horizon)
    if body is None:
        await view.check_scope(coin, scope)
        body = no_record(coin, scope, horizon)
    return await respond(request, body)
