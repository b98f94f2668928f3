"""``make`` keeps an interrupt to itself if it comes to make alone: it then waits for its recipe for ever.

A terminal interrupts the whole group and all is well; a script that interrupts the process it started does not. So
whoever is started by make looks whether make is on its way out.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

_POLL_SECONDS = 0.25
_NAMES = ("make", "gmake")


async def until_make_wants_to_end() -> None:
    """Return when the make that started this process was interrupted or is gone; without one, never."""
    parent = os.getppid()
    if not _is_make(parent) or not _catches_interrupts(parent):
        await asyncio.Event().wait()
    # Once interrupted, make takes its handler away and waits.
    while os.getppid() == parent and _catches_interrupts(parent):  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_POLL_SECONDS)


def _is_make(pid: int) -> bool:
    return _status(pid).get("Name") in _NAMES


def _catches_interrupts(pid: int) -> bool:
    return bool(int(_status(pid).get("SigCgt", "0"), 16) >> (signal.SIGINT - 1) & 1)


def _status(pid: int) -> dict[str, str]:
    """What Linux says of a process; elsewhere nothing."""
    if sys.platform != "linux":
        return {}
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
