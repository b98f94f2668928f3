"""What ``liqheat up`` shows: its own sentences and its children's lines, and their log files."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

_LINE_CHARACTERS = 2000
_WAITING_LINES = 5000
_LOG_FILE_BYTES = 20 << 20
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


class Console:
    """Writes lines to a file descriptor from a thread of its own.

    Whoever reads our output may stop reading; the stack must go on and must still end when told. So nothing here
    blocks: children's lines are dropped while the reader is away, our own sentences wait.
    """

    def __init__(self, descriptor: int = 1, *, coloured: bool | None = None) -> None:
        self._descriptor = descriptor
        wants_colour = os.isatty(descriptor) and "NO_COLOR" not in os.environ
        self._coloured = wants_colour if coloured is None else coloured
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._dropped = 0
        threading.Thread(target=self._write_all, name="console", daemon=True).start()

    def say(self, sentence: str) -> None:
        """Show a sentence of ours; it is never dropped."""
        self._put(f"{sentence}\n", droppable=False)

    def child_line(self, name: str, number: int, line: str) -> None:
        """Show a line of a child. ``number`` chooses the colour."""
        prefix = f"{name:<10}| "
        if self._coloured:
            prefix = f"\x1b[{_COLOURS[number % len(_COLOURS)]}m{prefix}\x1b[0m"
        self._put(f"{prefix}{line}\n", droppable=True)

    def drain(self, timeout_seconds: float) -> None:
        """Wait until all is written, as long as somebody reads."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._lines and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)

    def _put(self, text: str, *, droppable: bool) -> None:
        with self._changed:
            if droppable and len(self._lines) >= _WAITING_LINES:
                self._dropped += 1
                return
            if self._dropped and len(self._lines) < _WAITING_LINES // 2:
                self._lines.append(f"({self._dropped} lines were not shown, see the log files)\n".encode())
                self._dropped = 0
            self._lines.append(text.encode("utf-8", "replace"))
            self._changed.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._lines:
                    self._changed.wait()
                line = self._lines[0]
            # Nobody reads any more: go on without showing.
            with contextlib.suppress(OSError):
                _write_whole(self._descriptor, line)
            with self._changed:
                self._lines.popleft()
                self._changed.notify_all()


def _write_whole(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class LogFile:
    """A child's log: appended to, and begun anew beside an old one when it has grown too large."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, line: str) -> None:
        """Append a line."""
        self._file.write(line.encode("utf-8", "replace") + b"\n")
        self._file.flush()
        if self._file.tell() > _LOG_FILE_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LineSplitter:
    """Cuts a stream of bytes into lines of bounded length.

    >>> lines = []
    >>> splitter = LineSplitter(lines.append)
    >>> splitter.feed(b"one\\ntw"); splitter.feed(b"o\\r\\nthree"); splitter.finish()
    >>> lines
    ['one', 'two', 'three']
    """

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._give(line)
        if len(self._rest) > _LINE_CHARACTERS:
            self._give(self._rest)
            self._rest = b""

    def finish(self) -> None:
        """The stream has ended: what is left is a line."""
        if self._rest:
            self._give(self._rest)
            self._rest = b""

    def _give(self, line: bytes) -> None:
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        self._take(text if len(text) <= _LINE_CHARACTERS else text[:_LINE_CHARACTERS] + "…")


def complain(sentence: str) -> None:
    """Say why a command can't do its work."""
    print(f"liqheat up: {sentence}", file=sys.stderr, flush=True)
