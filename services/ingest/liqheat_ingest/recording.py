"""Writing raw messages to files, and reading them back.

A recording is a folder of ``raw-<UTC time>.jsonl.zst`` files: a message a line (``raw_lines.py``), in the order in
which they were received. A file is a row of whole zstd frames, so whoever reads it while it grows, or after a crash,
loses at most the last second. Files rotate by size and time, and the oldest go when all together are too large.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from liqheat_ingest.raw import RawMessage
from liqheat_ingest.raw_lines import write_line

SUFFIX = ".jsonl.zst"
PREFIX = "raw-"
#: Lines that wait for the compressor at most.
MAX_BUFFER_BYTES = 4 << 20
LEVEL = 3
#: A line of an answer about all instruments of a venue has a few megabytes.
MAX_LINE_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 18
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class RecordingFailed(RuntimeError):  # noqa: N818 - reads as the sentence it is
    """The recording can't go on; the text says why."""


class RecordingWriter:
    """Appends messages to rotating files. Not thread-safe: one writer, one folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    max_file_bytes : int
        Compressed; a file that has as many is ended.
    max_file_ms : int
        By receive time; a file that spans as much is ended.
    max_total_bytes : int
        All recordings of the folder together; the oldest are deleted. It holds the newest file at least.

    Raises
    ------
    RecordingFailed
        The folder can't be written.
    """

    def __init__(
        self,
        folder: Path,
        max_file_bytes: int = 256 << 20,
        max_file_ms: int = 3_600_000,
        max_total_bytes: int = 20 << 30,
    ) -> None:
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._max_file_ms = max_file_ms
        self._max_total_bytes = max_total_bytes
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._opened_ms = 0
        self._buffer: list[bytes] = []
        self._buffered = 0
        self.messages = 0
        self.bytes_written = 0
        self.deleted_files = 0
        #: Why the recording can't go on; ``take`` is silent then, ``flush`` raises.
        self.failure: RecordingFailed | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingFailed(f"{folder}: {error.strerror}") from error

    def take(self, raw: RawMessage) -> None:
        """Take a message. Quick, and never raises: a fault is kept in ``failure`` until the next ``flush``."""
        if self.failure is not None:
            return
        line = write_line(raw)
        self._buffer.append(line)
        self._buffered += len(line)
        self.messages += 1
        if self._opened_ms == 0:
            self._opened_ms = raw.receive_time_ms
        if self._buffered >= MAX_BUFFER_BYTES or raw.receive_time_ms - self._opened_ms >= self._max_file_ms:
            try:
                self._write_out(raw.receive_time_ms)
            except RecordingFailed as failure:
                self.failure = failure

    def flush(self, now_ms: int) -> None:
        """Write what waits as a frame of its own; call it about once a second. Raises RecordingFailed."""
        if self.failure is not None:
            raise self.failure
        self._write_out(now_ms)

    def close(self) -> None:
        """Write the rest and end the file. Raises RecordingFailed."""
        self.flush(self._opened_ms)
        self._end_file()

    def _write_out(self, now_ms: int) -> None:
        if self._buffer:
            frame = self._compressor.compress(b"".join(self._buffer))
            self._buffer.clear()
            self._buffered = 0
            try:
                file = self._file or self._open()
                file.write(frame)
                file.flush()
            except OSError as error:
                raise RecordingFailed(f"{self._path or self._folder}: {error.strerror}") from error
            self.bytes_written += len(frame)
        if self._file is not None and (
            self._file.tell() >= self._max_file_bytes or now_ms - self._opened_ms >= self._max_file_ms
        ):
            self._end_file()

    def _open(self) -> BinaryIO:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._opened_ms / 1000))
        name = f"{PREFIX}{stamp}{self._opened_ms % 1000:03}"
        for number in range(1000):
            path = self._folder / f"{name}{f'-{number:03}' if number else ''}{SUFFIX}"
            try:
                self._file = path.open("xb")
            except FileExistsError:
                continue
            self._path = path
            self._make_room()
            return self._file
        raise RecordingFailed(f"{self._folder}: a thousand files begin at one moment")

    def _make_room(self) -> None:
        """Delete the oldest recordings; their names sort by time."""
        files = sorted(self._folder.glob(f"{PREFIX}*{SUFFIX}"))
        total = sum(path.stat().st_size for path in files)
        for path in files:
            if total <= self._max_total_bytes or path == self._path:
                return
            total -= path.stat().st_size
            path.unlink()
            self.deleted_files += 1

    def _end_file(self) -> None:
        file, path = self._file, self._path
        self._file, self._path, self._opened_ms = None, None, 0
        if file is not None:
            try:
                file.close()
            except OSError as error:
                raise RecordingFailed(f"{path}: {error.strerror}") from error


def read_lines(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Number of each line, the line, and the bytes of the file that were read; zstd, or plain JSON lines.

    Raises
    ------
    OSError
        The file can't be read.
    zstandard.ZstdError
        It is damaged from here on: all lines before were yielded.
    """
    with path.open("rb") as raw:
        compressed = raw.peek(4)[:4] == _ZSTD_MAGIC
        chunks = _decompressed(raw) if compressed else iter(lambda: raw.read(_CHUNK_BYTES), b"")
        number, rest = 0, b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                number += 1
                yield number, line, raw.tell()
            if len(rest) > MAX_LINE_BYTES:
                raise OSError(0, f"line {number + 1} has more than {MAX_LINE_BYTES} bytes")
        if rest:
            yield number + 1, rest, raw.tell()


def _decompressed(raw: BinaryIO) -> Iterator[bytes]:
    """The content of a row of frames. Raises ZstdError where one is damaged, or ends before its end."""
    decompressor = zstandard.ZstdDecompressor()
    frame: Any = None
    while chunk := raw.read(_CHUNK_BYTES):
        while chunk:
            frame = frame or decompressor.decompressobj()
            yield frame.decompress(chunk)
            chunk = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise zstandard.ZstdError("the last frame is cut off")
