"""The api: the app, and the process that serves it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI, Response

from liqheat_api import problems
from liqheat_api.accuracy.gauges import AccuracyGauges
from liqheat_api.docs_page import STYLE, docs_html
from liqheat_api.freshness import Freshness
from liqheat_api.middleware import Gate
from liqheat_api.page import STATIC, page_router
from liqheat_api.process import version
from liqheat_api.routes import accuracy, heatmap, maps, operations, stream
from liqheat_api.services import Services
from liqheat_api.settings import ApiSettings
from liqheat_api.stream.hub import Hub
from liqheat_api.view import View
from liqheat_shared import clock
from liqheat_shared.metrics import Metrics

log = logging.getLogger(__name__)

DESCRIPTION = "Where leveraged positions are estimated to be liquidated. Everything here is an estimate, read-only."
STOP_SECONDS = 4


def build_services(settings: ApiSettings) -> Services:
    """The parts of the api; nothing is connected yet."""
    metrics = Metrics("api")
    view = View(settings)
    freshness = Freshness(clock.now_ms)
    hub = Hub(
        view,
        freshness,
        max_clients=settings.api_stream_max_clients,
        facts_kept=settings.api_stream_queue_events,
        clients=metrics.gauge("liqheat_api_stream_clients"),
        dropped=metrics.counter("liqheat_api_stream_dropped_total"),
        grid_age=metrics.gauge("liqheat_api_grid_age_seconds"),
        accuracy=AccuracyGauges(view, metrics),
    )
    return Services(settings, metrics, view, freshness, hub)


def build_app(services: Services, static: Path = STATIC) -> FastAPI:
    """The ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.hub.start()
        yield
        await services.hub.stop()
        await services.view.close()

    app = FastAPI(
        title="liqheat", version=version(), description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.services = services
    problems.install(app)
    for router in (maps.router, heatmap.router, accuracy.router, stream.router, operations.router):
        app.include_router(router)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_html(app.openapi()), media_type="text/html; charset=utf-8")

    @app.get("/docs.css", include_in_schema=False)
    async def docs_style() -> Response:
        return Response(STYLE, media_type="text/css; charset=utf-8", headers={"Cache-Control": "max-age=3600"})

    app.include_router(page_router(static))
    app.add_middleware(Gate, metrics=services.metrics)
    services.metrics.gauge("liqheat_build_info").labels(version()).set(1)
    return app


class Server(uvicorn.Server):
    """Ends open event streams first: they would hold up the end for ever."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """SIGINT or SIGTERM; the second one does not wait for answers under way.

        uvicorn's own handler raises the signal again at the end, so that a clean end would look like a kill.
        """
        self._hub.close_clients()
        self.force_exit = self.should_exit
        self.should_exit = True


def build_server(app: FastAPI, services: Services) -> Server:
    """The server of an app, on the host and port of the settings; port 0: one that is free."""
    config = uvicorn.Config(
        app,
        host=services.settings.api_host,
        port=services.settings.api_port,
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return Server(config, services.hub)


async def serve(settings: ApiSettings) -> None:
    """Serve until SIGINT or SIGTERM."""
    services = build_services(settings)
    log.info("api: http://%s:%d", settings.api_host, settings.api_port)
    await build_server(build_app(services), services).serve()
