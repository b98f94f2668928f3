"""Market-data files: finding them, recognising their format by the header, reading their rows.

A file is looked at before anything is published, so one that is no market data is refused with a sentence. A line
that can't be read is yielded as a :class:`BrokenLine` with its number, and the rest is read.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from liqheat_ingest.instruments import InstrumentSpec, find_instrument
from liqheat_ingest.mappers import binance_vision, exchange_archives, tardis
from liqheat_ingest.mappers.rows import BadRow, MapRow, OutOfOrder, UnknownMarket
from liqheat_ingest.readings import BrokenLine, Market, SourceError

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

#: Recorders write rows of one moment in any order; further back than this, a time is wrong.
DISORDER_US = 10_000_000
#: A file of which this many lines in a row can't be read is not what its header says.
MAX_BROKEN_RUN = 1_000
MAX_LINE_BYTES = 1 << 20
#: Markets in one file; more names than there are perpetuals mean a damaged column.
MAX_MARKETS = 10_000
_PROBE_LINES = 1_000
_SUFFIXES = (".csv", ".csv.gz", ".jsonl", ".jsonl.zst")
_VISION_NAME = re.compile(r"([A-Z0-9]+(?:_PERP)?)-")
_TARDIS_NAME = re.compile(r"_(\d{4}-\d{2}-\d{2})_([A-Za-z0-9_-]+)\.csv")


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


Wanted = Callable[[Market], bool]
Specs = dict[Market, InstrumentSpec]


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


def recognise(path: Path, wanted: Wanted, specs: Specs) -> DataFile:
    """Find out which format a file has, by its header row.

    Parameters
    ----------
    path : Path
        The file.
    wanted : callable
        Whether a market is to be read; rows of others are passed over.
    specs : dict
        Filled with the instruments that the file's rows turn out to be about.

    Raises
    ------
    SourceError
        It is no format that ingest reads, or it can't be opened.
    """
    try:
        lines, raw = open_lines(path)
        with raw, lines:
            header = lines.readline(4096).removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
            second = lines.readline(4096).rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: can't be read: {error}") from error
    file = _from_header(path, header, second, wanted, specs)
    file.size_bytes = path.stat().st_size
    return file


def _from_header(path: Path, header: bytes, second: bytes, wanted: Wanted, specs: Specs) -> DataFile:
    resolve = _resolver(wanted, specs)
    market = _named_market(path, second)
    if header == tardis.TRADES_HEADER:
        # Tardis gives liquidations the very same header; the name is all that tells them apart.
        if "liquidation" in path.name:
            return DataFile(path, "tardis-liquidations", True, tardis.liquidations(resolve), market)
        return DataFile(path, "tardis-trades", True, tardis.trades(resolve), market)
    if header == tardis.TICKER_HEADER:
        return DataFile(path, "tardis-ticker", True, tardis.derivative_ticker(resolve), market)
    if header.startswith(exchange_archives.BYBIT_HEADER):
        return DataFile(path, "bybit-trades", True, exchange_archives.bybit_trades(resolve), None)
    if header in exchange_archives.OKX_HEADERS:
        return DataFile(path, "okx-trades", True, exchange_archives.okx_trades(resolve), None)
    if header == binance_vision.METRICS_HEADER:
        columns = second.split(b",")
        symbol = columns[1] if len(columns) > 1 else b""
        spec = _vision_instrument(path, symbol.decode("ascii", "replace"), specs)
        return DataFile(path, "metrics", True, binance_vision.metrics(spec, symbol), spec.market)
    has_header = header in binance_vision.KLINES_HEADERS
    if has_header or _is_kline(header):
        spec = _vision_instrument(path, _symbol_of_name(path), specs)
        return DataFile(path, "klines", has_header, binance_vision.klines(spec), spec.market)
    if header == binance_vision.FUNDING_HEADER:
        spec = _vision_instrument(path, _symbol_of_name(path), specs)
        return DataFile(path, "funding-rate", True, binance_vision.funding_rate(spec), spec.market)
    shown = header[:80].decode("utf-8", "backslashreplace")
    raise SourceError(
        f"{path}: not a format that can be replayed: its first line is {shown!r}. Known are Tardis CSV (trades, "
        "derivative_ticker, liquidations), Binance Vision CSV (metrics, klines, fundingRate), trades of Bybit and OKX"
    )


def _named_market(path: Path, first_row: bytes) -> Market | None:
    """The market that a Tardis file's name and first row agree on; a name such as PERPETUALS stands for many."""
    named = tardis_name(path)
    columns = first_row.split(b",")
    if named is None or len(columns) < 2 or columns[1] != named[1].encode():
        return None
    spec = find_instrument(columns[0].decode("utf-8", "replace"), named[1])
    return spec.market if spec is not None else None


def _is_kline(line: bytes) -> bool:
    columns = line.split(b",")
    if len(columns) != 12 or not columns[0].isdigit() or not columns[6].isdigit():
        return False
    return all(column.replace(b".", b"", 1).isdigit() for column in columns[1:5])


def _symbol_of_name(path: Path) -> str:
    match = _VISION_NAME.match(path.name)
    return match[1] if match else ""


def _vision_instrument(path: Path, symbol: str, specs: Specs) -> InstrumentSpec:
    spec = find_instrument("binance", symbol)
    if spec is None:
        raise SourceError(f"{path}: can't tell which perpetual it is about (found {symbol!r})")
    specs[spec.market] = spec
    return spec


def _resolver(wanted: Wanted, specs: Specs) -> Callable[[bytes, bytes], InstrumentSpec | None]:
    known: dict[tuple[bytes, bytes], InstrumentSpec | None] = {}

    def resolve(exchange: bytes, symbol: bytes) -> InstrumentSpec | None:
        try:
            return known[exchange, symbol]
        except KeyError:
            pass
        names = exchange.decode("utf-8", "replace")[:40], symbol.decode("utf-8", "replace")[:40]
        spec = find_instrument(*names)
        if spec is None:
            raise UnknownMarket(f"no perpetual with known units: {names[0]} {names[1]}")
        found = spec if wanted(spec.market) else None
        if len(known) < MAX_MARKETS:
            known[exchange, symbol] = found
            specs[spec.market] = spec
        return found

    return resolve


def tardis_name(path: Path) -> tuple[str, str] | None:
    """Day and symbol in a Tardis file name, None where the name does not have that form.

    >>> tardis_name(Path("hyperliquid_trades_2026-06-12_BTC.csv.gz"))
    ('2026-06-12', 'BTC')
    """
    match = _TARDIS_NAME.search(path.name)
    return (match[1], match[2]) if match else None


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
