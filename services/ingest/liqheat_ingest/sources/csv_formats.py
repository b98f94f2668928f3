"""Which format a market-data file has, told by its header: looked at before anything is published.

A file that is no market data is refused with a sentence.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path

from liqheat_ingest.instruments import InstrumentSpec, find_instrument
from liqheat_ingest.mappers import binance_vision, exchange_archives, tardis
from liqheat_ingest.mappers.rows import UnknownMarket
from liqheat_ingest.readings import Market, SourceError
from liqheat_ingest.sources.csv_files import DataFile, open_lines

#: Markets in one file; more names than there are perpetuals mean a damaged column.
MAX_MARKETS = 10_000
_VISION_NAME = re.compile(r"([A-Z0-9]+(?:_PERP)?)-")
_TARDIS_NAME = re.compile(r"_(\d{4}-\d{2}-\d{2})_([A-Za-z0-9_-]+)\.csv")

Wanted = Callable[[Market], bool]
Specs = dict[Market, InstrumentSpec]


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
