"""Replay: several files of several markets as one run of items in order of receive time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from liqheat_ingest.instruments import LIQUIDATION_FEEDS, InstrumentSpec, shipped_margin
from liqheat_ingest.mappers.binance_vision import CandleJoiner, utc_ms
from liqheat_ingest.readings import Item, Market, SourceError
from liqheat_ingest.sources.csv_files import DataFile, find_files, probe, read
from liqheat_ingest.sources.csv_formats import Specs, recognise, tardis_name
from liqheat_ingest.sources.recordings import (
    Mappers,
    RecordingFile,
    is_recording_name,
    read_recording,
    recognise_recording,
)
from liqheat_shared.contracts.base import Phase
from liqheat_shared.contracts.market_events import LiquidationFeedKind

DAY_US = 86_400_000_000


TapeFile = DataFile | RecordingFile


@dataclass(slots=True)
class ReplaySource:
    """The chosen files, all of them recognised.

    Attributes
    ----------
    refused : list of str
        A sentence for each file of a folder that is no market data.
    days : frozenset of int
        Days since 1970 (UTC, by receive time) to read; empty: all.
    """

    files: list[TapeFile]
    specs: Specs
    mappers: Mappers
    refused: list[str] = field(default_factory=list)
    days: frozenset[int] = frozenset()
    phase: Phase = "replay"

    def items(self) -> Iterator[Item]:
        """All items in order of receive time; of equal times, in the order of the file names and lines."""
        merged: Iterator[Any] = merge(self.files, _read)
        if self.days:
            days = self.days
            merged = (pair for pair in merged if pair[0] // DAY_US in days)
        items = (pair[1] for pair in merged)
        if not any(file.format in ("metrics", "klines") for file in self.files):
            return items
        with_metrics = frozenset(file.market for file in self.files if file.format == "metrics" and file.market)
        return CandleJoiner(with_metrics).join(items)

    def share_done(self) -> float | None:
        """Bytes read of all bytes."""
        return sum(file.read_bytes for file in self.files) / max(1, sum(file.size_bytes for file in self.files))

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a market that an item was of, with the margin tiers of the tape's time."""
        spec = self.specs.get(market)
        if spec is None:
            spec = self.mappers.describe(market)
        spec = replace(spec, liquidation_feed=self._liquidation_feed(market))
        if spec.margin is not None:
            return spec
        first_ms = min(file.first_us for file in self.files) // 1000
        return replace(spec, margin=shipped_margin(spec, first_ms))

    def _liquidation_feed(self, market: Market) -> LiquidationFeedKind:
        """As of the venue where the tape carries liquidations of the market, else ``none``; recordings carry all."""
        carried = market not in self.specs or any(
            file.format == "tardis-liquidations" and file.market in (None, market) for file in self.files
        )
        return LIQUIDATION_FEEDS.get(market.venue, "unknown") if carried else "none"

    @property
    def broken_lines(self) -> int:
        """Lines that could not be read so far."""
        return sum(file.broken_lines for file in self.files)


def open_replay(paths: Sequence[Path], coins: Sequence[str] = (), days: Sequence[int] = ()) -> ReplaySource:
    """Look at all files and keep those that can be replayed; nothing is published yet.

    Parameters
    ----------
    paths : sequence of Path
        Files or folders. A file that is named must be market data; one found in a folder may be something else.
    coins : sequence of str
        Only these; empty: all.
    days : sequence of int
        Only these days since 1970, by receive time; empty: all.

    Raises
    ------
    SourceError
        A path does not exist, a named file is no market data, or nothing is left to replay.
    """
    chosen = frozenset(coins)

    def wanted(market: Market) -> bool:
        return not chosen or market.coin in chosen

    files: list[TapeFile] = []
    specs: Specs = {}
    mappers = Mappers(wanted)
    refused: list[str] = []
    for path in paths:
        for found in find_files(path):
            try:
                if is_recording_name(found):
                    files.append(recognise_recording(found, mappers))
                    continue
                file = recognise(found, wanted, specs)
            except SourceError as error:
                if path.is_file():
                    raise
                refused.append(str(error))
                continue
            if not _may_have(file, chosen, days):
                continue
            fault = probe(file)
            if fault is None:
                files.append(file)
            elif fault:
                refused.append(f"{found}: {fault}")
    if not files:
        raise SourceError(_nothing_left(paths, coins, refused))
    if days:
        last = max(days)
        files = [file for file in files if file.first_us // DAY_US <= last]
        if not files:
            raise SourceError(f"{_names(paths)}: no row is of the chosen days")
    return ReplaySource(files, specs, mappers, refused, frozenset(days))


def merge(
    files: list[TapeFile], read_file: Callable[[TapeFile], Iterator[tuple[int, Any]]]
) -> Iterator[tuple[int, Any]]:
    """Merge files by receive time, stable: of equal times the file earlier in the list comes first.

    A file is opened when the merged time reaches its first row, so a folder of years holds few files open. While one
    file is ahead of all others its rows pass without touching the heap.
    """
    waiting = sorted(range(len(files)), key=lambda i: (files[i].first_us, i), reverse=True)
    heap: list[tuple[int, int, Any, Iterator[tuple[int, Any]]]] = []

    def admit(until_us: int) -> None:
        while waiting and files[waiting[-1]].first_us <= until_us:
            order = waiting.pop()
            rows = read_file(files[order])
            first = next(rows, None)
            if first is not None:
                heapq.heappush(heap, (first[0], order, first, rows))

    while heap or waiting:
        admit(heap[0][0] if heap else files[waiting[-1]].first_us)
        if not heap:
            continue
        _, order, pair, rows = heapq.heappop(heap)
        limit = heap[0][:2] if heap else (1 << 62, 0)
        if waiting:
            limit = min(limit, (files[waiting[-1]].first_us, -1))
        yield pair
        for pair in rows:
            if (pair[0], order) > limit:
                heapq.heappush(heap, (pair[0], order, pair, rows))
                break
            yield pair


def _read(file: TapeFile) -> Iterator[tuple[int, Any]]:
    return read_recording(file) if isinstance(file, RecordingFile) else read(file)


def _may_have(file: DataFile, coins: frozenset[str], days: Sequence[int]) -> bool:
    """Whether a file can hold a chosen coin and day, told from its name without reading it."""
    if coins and file.market is not None and file.market.coin not in coins:
        return False
    named = tardis_name(file.path)
    return named is None or not days or utc_ms(f"{named[0]} 00:00:00".encode()) * 1000 // DAY_US in days


def _nothing_left(paths: Sequence[Path], coins: Sequence[str], refused: list[str]) -> str:
    if refused:
        return refused[0] if len(refused) == 1 else f"{refused[0]} (and {len(refused) - 1} other files are none either)"
    if coins:
        return f"{_names(paths)}: no row of {', '.join(coins)}"
    return f"{_names(paths)}: no row can be read"


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)
