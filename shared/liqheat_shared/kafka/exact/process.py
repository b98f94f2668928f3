"""Starts a stage as a process: event loop, logging, metrics, worker."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import uvloop

from liqheat_shared.folding import Fold
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.worker import StageWorker
from liqheat_shared.logs import set_up_logging
from liqheat_shared.metrics import Metrics
from liqheat_shared.settings import ServiceSettings

log = logging.getLogger("liqheat.stage")


def run_stage(fold: Fold[Any, Any], settings: ServiceSettings, options: StageOptions) -> int:
    """Run a stage until it is told to stop; its exit code."""
    set_up_logging(settings.log_level)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the loop that Faust makes for its consumer's thread
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(fold, settings, options))


async def _run(fold: Fold[Any, Any], settings: ServiceSettings, options: StageOptions) -> int:
    metrics = Metrics(options.stage)
    worker = StageWorker(fold, settings, options, metrics)
    port = metrics.serve(
        settings.metrics_host, settings.metrics_port, alive=worker.reporter.alive, ready=worker.reporter.ready
    )
    log.info("%s: metrics and probes on %s:%d", options.stage, settings.metrics_host, port)
    return await worker.run()
