"""From lines of raw messages to lines of contracts: what ``liqheat normalize`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.dead_letters import dead_letter
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.raw_lines import RawLines
from liqheat_ingest.readings import Mapped, Problem
from liqheat_shared.contracts.market_events import MARKET_EVENT

#: An answer about all instruments of a venue has a few megabytes.
MAX_LINE_BYTES = 64 << 20


class Normalized(NamedTuple):
    """One line of output: an event, or the dead letter of what could not be used."""

    is_event: bool
    line: bytes


class Normalizer:
    """Maps lines of one venue. Each line stands for itself: its trades wait for no other line's, nothing is added but
    the ``instrument`` event before a market's first.

    Parameters
    ----------
    venue : str
        One of ``liqheat_ingest.mappers.VENUES``. Raises ValueError for others.
    """

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._lines = RawLines(venue)
        self._mapper = mapper_of(venue, repeat_unknown=True)
        self._batcher = Batcher("replay", 1, lambda _: 1000, self._describe, independent=True)

    def lines(self, lines: Iterable[bytes], now_ms: int) -> Iterator[Normalized]:
        """All output, in the order of the lines; empty lines have none."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield from self.line(line, number, now_ms)

    def line(self, line: bytes, number: int, now_ms: int) -> Iterator[Normalized]:
        """Output of one line. ``number`` goes into its dead letters."""
        for item in self._map(line, now_ms):
            if isinstance(item, Problem):
                yield from self._events()
                yield _rejected(item, number)
            else:
                self._batcher.push(item)
        yield from self._events()

    def _map(self, line: bytes, now_ms: int) -> list[Mapped]:
        if len(line) > MAX_LINE_BYTES:
            fault = BadMessage("oversized", f"a line of more than {MAX_LINE_BYTES} bytes")
            return [self._problem(line, fault, now_ms)]
        try:
            raw = self._lines.read(line, now_ms)
        except BadMessage as fault:
            return [self._problem(line, fault, now_ms)]
        return [] if raw is None else self._mapper.map(raw)

    def _problem(self, line: bytes, fault: BadMessage, now_ms: int) -> Problem:
        return Problem(now_ms, None, self._venue, "unknown", fault.reason, str(fault), line.strip())

    def _events(self) -> Iterator[Normalized]:
        self._batcher.finish()
        for message in self._batcher.take():
            try:
                MARKET_EVENT.validate_json(message.value)
            except ValidationError as error:  # a fault of ours; it must not look like an event
                detail = f"the mapped event breaks the contract: {error.errors()[0]['msg']}"
                time_ms = max(0, message.due_ms)
                problem = Problem(time_ms, None, self._venue, message.type, "invalid-field", detail, message.value)
                yield Normalized(False, dead_letter(problem).value)
            else:
                yield Normalized(True, message.value)

    def _describe(self, market: Any) -> dict[str, Any]:
        return instrument_fields(self._mapper.instruments.describe(market))


def _rejected(problem: Problem, number: int) -> Normalized:
    value = orjson.loads(dead_letter(problem).value)
    value["source_line"] = number
    value["event_id"] = f"{value['event_id']}-{number}"
    return Normalized(False, orjson.dumps(value))
