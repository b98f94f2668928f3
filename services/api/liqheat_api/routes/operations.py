"""Status, probes, metrics."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from liqheat_api import models
from liqheat_api.encoding import respond
from liqheat_api.problems import ProblemError
from liqheat_api.routes.maps import PROBLEMS
from liqheat_api.services import Services, Shared
from liqheat_shared import clock

router = APIRouter(tags=["operations"])


@router.get("/v1/status", response_model=models.Status, responses=PROBLEMS, summary="How fresh everything is")
async def status(request: Request, shared: Shared) -> Response:
    """How fresh everything is, and what it rests on."""
    view = shared.view
    entries = await view.coins()
    raw = await cast("Awaitable[dict[bytes, bytes]]", view.redis.hgetall(view.keys.provenance))
    provenance = {coin: orjson.loads(raw.get(coin.encode(), b"{}")) for coin in entries}
    coins = [_coin_status(shared, entries[coin], provenance[coin]) for coin in sorted(entries)]
    states = {coin["state"] for coin in coins}
    body = {
        "state": "empty" if not coins else "stale" if "stale" in states else "ok",
        "server_time_ms": clock.now_ms(),
        "projector": _projector_status(await view.value(view.keys.projector_status)),
        "coins": coins,
    }
    return await respond(request, orjson.dumps(body), cache_control="no-store")


def _coin_status(shared: Services, entry: dict[str, Any], provenance: dict[str, Any]) -> dict[str, Any]:
    shared.freshness.saw(entry)
    return {
        "coin": entry["coin"],
        "state": shared.freshness.state(entry["coin"]),
        "phase": entry["phase"],
        "age_ms": shared.freshness.age_ms(entry["coin"]),
        "event_time_ms": entry["event_time_ms"],
        "valid_until_ms": entry["valid_until_ms"],
        "incomplete": provenance.get("incomplete", True),
        "history_lost": provenance.get("history_lost", False),
        "members": provenance.get("members", []),
    }


def _projector_status(raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        return {"state": "silent", "lag_messages": None, "invalid_messages": None, "age_ms": None}
    told = orjson.loads(raw)
    return {
        "state": "reading-history" if told["reading_history"] else "running",
        "lag_messages": told["lag_messages"],
        "invalid_messages": told["invalid_messages"],
        "age_ms": max(0, clock.now_ms() - told["time_ms"]),
    }


@router.get("/healthz", summary="Whether the process works, or should be restarted")
async def healthz(shared: Shared) -> Response:
    """503 with the reason where nothing but a restart would help."""
    if shared.hub.failure is not None:
        raise ProblemError(503, f"Restart this process: {shared.hub.failure}.")
    return Response("ok\n", media_type="text/plain")


@router.get(
    "/readyz",
    summary="Whether there is a map to show",
    responses={503: {"model": models.Problem, "description": "The reason."}},
)
async def readyz(shared: Shared) -> Response:
    """503 with the reason until there is a map to show."""
    if not await shared.view.redis.hlen(shared.view.keys.coins):
        raise ProblemError(503, "There is no map of any coin yet: the projector has written none.")
    if shared.hub.problem is not None:
        raise ProblemError(503, f"The event stream is not ready: {shared.hub.problem}.")
    return Response("ok\n", media_type="text/plain")


@router.get("/metrics", summary="Prometheus metrics")
async def metrics(shared: Shared) -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(shared.metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
