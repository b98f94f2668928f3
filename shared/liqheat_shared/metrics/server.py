"""A small HTTP server for probes and Prometheus, in a thread of its own, so that a busy loop still answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

Check = Callable[[], str | None]


class HealthServer:
    """``/metrics``, ``/healthz`` (restart me when it fails) and ``/readyz`` (send me work when it succeeds)."""

    def __init__(self, registry: CollectorRegistry, alive: Check, ready: Check) -> None:
        self.registry = registry
        self.checks = {"/healthz": alive, "/readyz": ready}

    def start(self, host: str, port: int) -> int:
        """Serve in a daemon thread; returns the port, chosen by the system where 0 was asked for."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:  # the name is http.server's
                status, body, kind = outer.answer(self.path.split("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
                pass

        server = ThreadingHTTPServer((host, port), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        return int(server.server_address[1])

    def answer(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and content type for a path."""
        if path == "/metrics":
            return 200, generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4
        if path not in self.checks:
            return 404, b"not found\n", "text/plain"
        problem = self.checks[path]()
        if problem is None:
            return 200, b"ok\n", "text/plain"
        return 503, problem.encode() + b"\n", "text/plain"
