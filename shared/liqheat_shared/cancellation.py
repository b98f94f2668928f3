"""Ending tasks for certain.

``asyncio.wait_for`` of Python 3.11 loses a cancellation that arrives in the turn of the loop in which what it waits for
is done: it returns the result, and the task goes on as if nobody had asked it to end. redis-py sends every command
through it. A task that loops over such calls has to be asked again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)

#: Time for a task to end before it is cancelled again.
_ASK_AGAIN_SECONDS = 0.25


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], within_seconds: float) -> bool:
    """Cancel tasks until they have ended, however they end; their results and errors are dropped.

    Parameters
    ----------
    tasks : iterable of asyncio.Task
        None of them may need longer than a quarter of a second to tidy up: it would be cancelled again while it does.
    within_seconds : float
        After so long the rest is left behind, with a line in the log that names it.

    Returns
    -------
    bool
        Whether all have ended.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_seconds
    every = list(tasks)
    pending = {task for task in every if not task.done()}
    while pending and loop.time() < deadline:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=min(_ASK_AGAIN_SECONDS, max(0.0, deadline - loop.time())))
    for task in every:
        if task.done() and not task.cancelled():
            task.exception()  # asked for, so that nobody is told it was never asked for
    if pending:
        names = ", ".join(sorted(task.get_name() for task in pending))
        log.error("tasks did not end within %g s and are left behind: %s", within_seconds, names)
    return not pending
