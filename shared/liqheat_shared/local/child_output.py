"""The lines of a child on their way from its pipe to whoever takes them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from liqheat_shared.local.console import LineSplitter

_CHUNK_BYTES = 1 << 16


class ChildOutput:
    """Reads a pipe as data comes, without ever blocking the event loop.

    It goes on until :meth:`close`, also while the child is being ended: a child that can't write can't end.
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        self._splitter = LineSplitter(take)
        self._loop = asyncio.get_running_loop()
        self._reading, self.writing_end = os.pipe()
        os.set_blocking(self._reading, False)
        self._open = True
        self._loop.add_reader(self._reading, self._read)

    def started(self) -> None:
        """The child has its end now; ours is closed, so that its exit ends the stream."""
        os.close(self.writing_end)

    def close(self) -> None:
        """Take what is still in the pipe and close it. Whoever else holds the other end is not waited for."""
        while self._open and self._read():
            pass
        self._end()

    def _read(self) -> bool:
        try:
            data = os.read(self._reading, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._splitter.feed(data)
            return True
        self._end()
        return False

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._reading)
            os.close(self._reading)
            self._splitter.finish()
