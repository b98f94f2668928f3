"""``liqheat projector``, ``liqheat api`` and ``liqheat redis``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from liqheat_shared.command import Command


class Projector(Command):
    """Keep the view in Redis that the api reads: Kafka to Redis."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--metrics-port", type=int, help="0: any free port (LIQHEAT_METRICS_PORT)")

    def run(self, options: Namespace) -> int:
        from liqheat_api.process import run_loop, start_logging
        from liqheat_api.projector.app import serve
        from liqheat_api.settings import ProjectorSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(ProjectorSettings, metrics_port=options.metrics_port)
        start_logging(settings.log_level)
        run_loop(serve(settings))
        return 0


class Api(Command):
    """Serve the map: REST, event stream and the page, from Redis alone."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", help="address to bind (LIQHEAT_API_HOST; default 127.0.0.1)")
        parser.add_argument("--port", type=int, help="0: any free port (LIQHEAT_API_PORT; default 8080)")

    def run(self, options: Namespace) -> int:
        from liqheat_api.process import run_loop, start_logging
        from liqheat_api.server import serve
        from liqheat_api.settings import ApiSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(ApiSettings, api_host=options.host, api_port=options.port)
        start_logging(settings.log_level)
        run_loop(serve(settings))
        return 0


class Redis(Command):
    """Refill the view in Redis from Kafka, or say what it holds."""

    def arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("rebuild", help="delete everything under the prefix and refill it from Kafka")
        actions.add_parser("info", help="memory by coin")

    def run(self, options: Namespace) -> int:
        from liqheat_api.process import run_loop, start_logging
        from liqheat_api.projector.rebuild import run_action
        from liqheat_api.settings import ProjectorSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(ProjectorSettings)
        start_logging(settings.log_level)
        return run_loop(run_action(options.action, settings))
