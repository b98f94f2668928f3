"""Market-data files: finding them and reading their rows. What a file holds is told by ``csv_formats``.

A line that can't be read is yielded as a :class:`BrokenLine` with its number, and the rest is read.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from liqheat_ingest.mappers.rows import BadRow, MapRow, OutOfOrder, UnknownMarket
from liqheat_ingest.readings import BrokenLine, Market, SourceError

#: Recorders write rows of one moment in any order; further back than this, a time is wrong.
DISORDER_US = 10_000_000
#: A file of which this many lines in a row can't be read is not what its header says.
MAX_BROKEN_RUN = 1_000
MAX_LINE_BYTES = 1 << 20
_PROBE_LINES = 1_000
_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.zst")

FileFormat = Literal[
    "tardis-trades",
    "tardis-liquidations",
    "tardis-ticker",
    "metrics",
    "klines",
    "funding-rate",
    "bybit-trades",
    "okx-trades",
]


@dataclass(slots=True)
class DataFile:
    """A recognised file and how far it was read.

    Attributes
    ----------
    market : Market or None
        The one market it is about; None where each row names its own.
    first_us : int
        Receive time of its first readable row.
    """

    path: Path
    format: FileFormat
    has_header: bool
    map_row: MapRow
    market: Market | None
    first_us: int = 0
    size_bytes: int = 0
    read_bytes: int = 0
    broken_lines: int = 0
    rows: int = 0


def find_files(path: Path) -> list[Path]:
    """The file itself, or all ``.csv``, ``.csv.gz``, ``.jsonl`` and ``.jsonl.zst`` below a folder, sorted by name.

    Raises
    ------
    SourceError
        There is no such path, or the folder has none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{path}: no such file or folder")
    found = sorted(p for p in path.rglob("*") if p.name.endswith(_SUFFIXES) and p.is_file())
    if not found:
        raise SourceError(f"{path}: the folder has no .csv, .csv.gz, .jsonl or .jsonl.zst file")
    return found


def open_lines(path: Path) -> tuple[io.BufferedIOBase, io.BufferedReader]:
    """The file's lines as bytes, and the file on disk below them (for progress)."""
    raw = path.open("rb")
    head = raw.peek(2)[:2]
    if head == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 17), raw
    return raw, raw


def probe(file: DataFile) -> str | None:
    """Note when the file's rows begin. Returns None, or why no row of its first thousand lines can be used.

    The earlier of the first two rows counts, so that a wrong time in the first row does not hide the others.
    """
    times: list[int] = []
    left_out, fault = False, "it has no rows"
    try:
        for _, (_, row) in zip(range(_PROBE_LINES), _rows(file), strict=False):
            try:
                mapped = file.map_row(row)
            except BadRow as error:
                fault = f"no line can be read: {error}" if not left_out else fault
                continue
            left_out = left_out or mapped is None
            if mapped is not None:
                times.append(mapped[0])
                if len(times) == 2:
                    break
    except _DamagedFile as error:
        fault = str(error)
    file.read_bytes = 0
    if times:
        file.first_us = min(times)
        return None
    return "" if left_out else fault


def read(file: DataFile) -> Iterator[tuple[int, Any]]:
    """All rows of a file as (receive time in µs, item), never going back in time.

    A row whose time is far ahead of the rows after it, or far behind those before it, is broken; the check looks one
    row ahead, so one wrong time costs one row. Rows of unknown markets are reported once a market.

    Raises
    ------
    SourceError
        A thousand lines in a row can't be read.
    """
    clock_us = file.first_us
    held: tuple[int, Any, int, list[bytes]] | None = None
    for number, row, outcome in _outcomes(file):
        if outcome.__class__ is not tuple:
            yield clock_us, _broken(file, clock_us, number, row, outcome)
            continue
        received_us, item = outcome
        if held is not None:
            if received_us >= held[0] - DISORDER_US:
                clock_us = max(clock_us, held[0])
                yield clock_us, held[1]
            elif received_us < clock_us - DISORDER_US:
                yield (
                    clock_us,
                    _broken(file, clock_us, number, row, OutOfOrder("its time is far behind the lines before")),
                )
                continue
            else:
                fault = OutOfOrder("its time is far ahead of the lines after")
                yield clock_us, _broken(file, clock_us, held[2], held[3], fault)
        held = (received_us, item, number, row)
    if held is not None:
        yield max(clock_us, held[0]), held[1]


def _outcomes(file: DataFile) -> Iterator[tuple[int, list[bytes], Any]]:
    """Line number, columns, and either the mapped row or the fault that it has."""
    map_row, broken_run = file.map_row, 0
    unknown: set[str] = set()
    try:
        for number, row in _rows(file):
            try:
                mapped = map_row(row)
            except UnknownMarket as fault:
                if str(fault) not in unknown and len(unknown) < 1_000:
                    unknown.add(str(fault))
                    yield number, row, fault
            except BadRow as fault:
                broken_run += 1
                yield number, row, fault
                if broken_run >= MAX_BROKEN_RUN:
                    raise SourceError(f"{file.path}: {broken_run} lines in a row can't be read: {fault}") from None
            else:
                broken_run = 0
                if mapped is not None:
                    file.rows += 1
                    yield number, row, mapped
    except _DamagedFile as error:
        yield error.line_number, [], BadRow(str(error))


class _DamagedFile(Exception):  # noqa: N818 - named for what it says of the file
    """The compressed stream ends or breaks; ``line_number`` is the line that could not be read."""

    def __init__(self, line_number: int, cause: Exception) -> None:
        super().__init__(f"the file is damaged from here on: {cause}")
        self.line_number = line_number


def _rows(file: DataFile) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and columns of each row. Raises _DamagedFile where a gzip stream breaks."""
    lines, raw = open_lines(file.path)
    number = 0
    with raw, lines:
        try:
            for line in iter(lambda: lines.readline(MAX_LINE_BYTES), b""):
                number += 1
                if number & 1023 == 0:
                    file.read_bytes = raw.tell()
                text = line.rstrip(b"\r\n")
                if text and not (number == 1 and file.has_header):
                    yield number, text.split(b",")
        except (EOFError, zlib.error, OSError) as error:
            raise _DamagedFile(number + 1, error) from error
        finally:
            file.read_bytes = file.size_bytes


def _broken(file: DataFile, clock_us: int, number: int, row: list[bytes], fault: BadRow) -> BrokenLine:
    file.broken_lines += 1
    raw = b",".join(row)
    return BrokenLine(clock_us // 1000, file.market, file.path.name, number, fault.reason, str(fault), raw)
