"""What the processes of this service share: the event loop and the log."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Coroutine
from importlib import metadata
from typing import Any, TypeVar

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end, on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def start_logging(level: str) -> None:
    """Log to standard error. Kafka's client is quiet: it tells every rebalance in ten lines."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("aiokafka", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)


def version() -> str:
    """Version of the installed distribution."""
    try:
        return metadata.version("liqheat")
    except metadata.PackageNotFoundError:
        return "unknown"
