"""Logging of every process: one line an event on standard error."""

from __future__ import annotations

import logging
import sys

#: Libraries that tell more than an operator wants at INFO.
_QUIET = ("aiokafka", "faust", "mode", "kafka", "asyncio", "httpx", "uvicorn.access")


def set_up_logging(level: str) -> None:
    """Log to standard error at ``level``; libraries only from WARNING on, unless the level is DEBUG."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "DEBUG" else logging.WARNING)
