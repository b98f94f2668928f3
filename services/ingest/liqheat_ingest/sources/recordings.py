"""Recordings of raw messages as files of a replay, mapped by the same mappers as live messages.

What is replayed are the feeds. Answers about history (candles, past open interest) are passed over: they tell what the
feeds told already, and a market that has both would count its flow twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zstandard

from liqheat_ingest.instrument_table import Wanted
from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.mappers.mapper import VenueMapper
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.raw_lines import RawLines
from liqheat_ingest.readings import BrokenLine, Fact, Mapped, Market, SourceError
from liqheat_ingest.recording import read_lines

SUFFIXES = (".jsonl", ".jsonl.zst")
#: Lines that are looked at to see whether a file is a recording.
PROBE_LINES = 50
#: Messages of several connections are written in any order; further back than this, a time is wrong.
DISORDER_MS = 10_000
#: Lines in a row that can't be read: the file is no recording.
MAX_BROKEN_RUN = 1_000
#: Lines of a capture that are held to put them in order.
MAX_CAPTURE_BYTES = 512 << 20


Outcome = tuple[int, bytes, RawMessage | BadMessage]


class Mappers:
    """The mappers of a replay: one a venue, so that what one file tells of instruments holds for the next."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._mappers: dict[str, VenueMapper] = {}

    def of(self, venue: str) -> VenueMapper:
        """The mapper of a venue."""
        if venue not in self._mappers:
            self._mappers[venue] = mapper_of(venue, self._wanted)
        return self._mappers[venue]

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a market. Raises KeyError."""
        return self._mappers[market.venue].instruments.describe(market)


@dataclass(slots=True)
class RecordingFile:
    """A recognised recording and how far it was read; looks like a ``DataFile`` to the replay."""

    path: Path
    mappers: Mappers
    format: Literal["recording"] = "recording"
    market: Market | None = None
    first_us: int = 0
    size_bytes: int = 0
    read_bytes: int = 0
    broken_lines: int = 0
    rows: int = 0
    is_capture: bool = False


def is_recording_name(path: Path) -> bool:
    """Whether the name is that of a file of raw messages."""
    return path.name.endswith(SUFFIXES)


def recognise_recording(path: Path, mappers: Mappers) -> RecordingFile:
    """Find the first message of a file. Raises SourceError where its first lines hold none."""
    lines = RawLines(None)
    fault = "it is empty"
    try:
        for number, line, _ in read_lines(path):
            if number > PROBE_LINES:
                break
            try:
                raw = lines.read(line, 0)
            except BadMessage as error:
                fault = str(error)
                continue
            if raw is not None:
                file = RecordingFile(path, mappers, first_us=raw.receive_time_ms * 1000)
                file.size_bytes = path.stat().st_size
                file.is_capture = lines.is_capture
                return file
            fault = "its first lines hold no message"
    except (OSError, zstandard.ZstdError) as error:
        fault = f"can't be read: {error}"
    raise SourceError(f"{path}: not a recording of raw messages: {fault}")


def read_recording(file: RecordingFile) -> Iterator[tuple[int, Any]]:
    """All items as (receive time in µs, item), never going back in time. Raises SourceError for no recording."""
    clock_ms = file.first_us // 1000
    broken_run = 0
    for number, line, outcome in _outcomes(file):
        if isinstance(outcome, BadMessage):
            file.broken_lines += 1
            broken_run += 1
            yield clock_ms * 1000, _broken(file, clock_ms, number, line, outcome)
            if broken_run >= MAX_BROKEN_RUN:
                raise SourceError(f"{file.path}: {broken_run} lines in a row can't be read: {outcome}")
            continue
        broken_run = 0
        if outcome.receive_time_ms < clock_ms - DISORDER_MS:
            fault = BadMessage("out-of-order", "its time is far behind the lines before")
            file.broken_lines += 1
            yield clock_ms * 1000, _broken(file, clock_ms, number, line, fault)
            continue
        clock_ms = max(clock_ms, outcome.receive_time_ms)
        file.rows += 1
        for item in file.mappers.of(outcome.venue).map(outcome):
            if not is_history(item):
                yield clock_ms * 1000, item


def is_history(item: Mapped) -> bool:
    """Whether an item tells of the past, as an answer about candles does, and not of a feed."""
    return isinstance(item, Fact) and item.stream is None and item.type in ("candle", "ticker")


def _outcomes(file: RecordingFile) -> Iterator[Outcome]:
    """Number of a line, the line, and its message or what is wrong with it; in order of receive time."""
    if not file.is_capture:
        return _lines(file)
    held: list[Outcome] = []
    size = 0
    for outcome in _lines(file):
        size += len(outcome[1])
        if size > MAX_CAPTURE_BYTES:
            raise SourceError(f"{file.path}: a capture of more than {MAX_CAPTURE_BYTES} bytes can't be put in order")
        held.append(outcome)
    # One connection may come after the other. A line that can't be read stays with the line before it.
    times: list[int] = []
    for _, _, found in held:
        known = times[-1] if times else 0
        times.append(found.receive_time_ms if isinstance(found, RawMessage) else known)
    return (held[index] for index in sorted(range(len(held)), key=times.__getitem__))


def _lines(file: RecordingFile) -> Iterator[Outcome]:
    lines = RawLines(None)
    number = 0
    try:
        for number, line, read_bytes in read_lines(file.path):
            file.read_bytes = read_bytes
            if not line.strip():
                continue
            try:
                raw = lines.read(line, file.first_us // 1000)
            except BadMessage as fault:
                yield number, line, fault
                continue
            if raw is not None:
                yield number, line, raw
    except (OSError, zstandard.ZstdError) as error:
        yield number + 1, b"", BadMessage("broken-line", f"the file is damaged from here on: {error}")
    file.read_bytes = file.size_bytes


def _broken(file: RecordingFile, clock_ms: int, number: int, line: bytes, fault: BadMessage) -> BrokenLine:
    return BrokenLine(clock_ms, None, file.path.name, number, fault.reason, str(fault), line.strip())
