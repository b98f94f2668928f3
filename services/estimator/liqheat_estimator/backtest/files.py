"""Columns out of CSV files: Binance Vision ``metrics``, ``klines``, ``fundingRate``, liquidation sums, positions.

A line that can't be read is named, counted and left out; a file of another form is refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

MAX_NAMED = 20
#: Times above this are microseconds, as spot files have had since 2025.
LATEST_MS = 10_000_000_000_000


class FileRefused(Exception):  # noqa: N818 - it says what the file is, not what went wrong
    """The file has another form than the option says."""


@dataclass(slots=True)
class BrokenLines:
    """Lines that could not be read: how many, and the first of them by name."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, path: Path, line: int, why: object) -> None:
        """Count a line."""
        self.count += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(f"{path.name}:{line}: {why}")


class Metric(NamedTuple):
    """Open interest of one side in the coin and the price it was valued at, known at ``time_ms``."""

    time_ms: int
    open_interest_base: float
    price: float


class Kline(NamedTuple):
    """A candle, known at ``end_ms``."""

    open_ms: int
    end_ms: int
    open: float
    high: float
    low: float
    close: float


class Funding(NamedTuple):
    """A funding rate, known at ``time_ms``."""

    time_ms: int
    rate: float


class LiquidatedHour(NamedTuple):
    """USD that venues reported as liquidated in the hour from ``open_ms``, known at its end."""

    open_ms: int
    long_usd: float
    short_usd: float


class PositionRow(NamedTuple):
    """A position of an account at the time of a snapshot."""

    time_ms: int
    account: str
    side: str
    quantity_base: float
    liquidation_price: float | None


Row = tuple[Any, ...]


def _lines(path: Path) -> Iterator[list[str]]:
    """Rows of a CSV file, plain, gzipped or the only member of a zip."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise FileRefused(f"{path.name}: a zip with {len(names)} members, not one CSV file")
            with archive.open(names[0]) as member, io.TextIOWrapper(member, encoding="utf-8", newline="") as text:
                yield from csv.reader(text)
    elif path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            yield from csv.reader(text)
    else:
        with path.open(encoding="utf-8", newline="") as text:
            yield from csv.reader(text)


def _read(
    paths: Iterable[Path], columns: Sequence[str], parse: Callable[..., Row], broken: BrokenLines, *, header: bool
) -> list[Any]:
    """Parsed rows of files in order of time, the last of equal times counting."""
    rows: dict[Any, Row] = {}
    for path in paths:
        places: list[int] | None = None if header else list(range(len(columns)))
        for number, line in enumerate(_lines(path), start=1):
            if number == 1 and line and not line[0][:1].isdigit():
                places = _places(path, line, columns)
                continue
            if places is None:
                raise FileRefused(f"{path.name}: a first line with the columns {', '.join(columns)} is expected")
            try:
                row = parse(*(line[place] for place in places))
            except (ValueError, IndexError, OverflowError) as fault:
                broken.add(path, number, fault)
                continue
            rows[row[:3] if parse is _position else row[0]] = row
    return [rows[key] for key in sorted(rows)]


def _places(path: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    names = [name.strip() for name in header]
    missing = [name for name in columns if name not in names]
    if missing:
        raise FileRefused(f"{path.name}: no column {', '.join(missing)}; found {', '.join(names)[:200]}")
    return [names.index(name) for name in columns]


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a positive number")
    return value


def _amount(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is not an amount")
    return value


def _time_ms(text: str) -> int:
    value = int(text)
    return value // 1000 if value >= LATEST_MS else value


def read_metrics(paths: Iterable[Path], broken: BrokenLines) -> list[Metric]:
    """Rows of ``metrics`` files, by time."""

    def parse(time: str, interest: str, value: str) -> Metric:
        moment = datetime.strptime(time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        base = _positive(interest)
        return Metric(int(moment.timestamp()) * 1000, base, _positive(value) / base)

    columns = ("create_time", "sum_open_interest", "sum_open_interest_value")
    return _read(paths, columns, parse, broken, header=True)


def read_klines(paths: Iterable[Path], broken: BrokenLines) -> list[Kline]:
    """Rows of ``klines`` files, with or without a first line that names the columns."""

    def parse(open_time: str, first: str, high: str, low: str, close: str, _: str, close_time: str) -> Kline:
        open_ms, end_ms = _time_ms(open_time), _time_ms(close_time) + 1
        prices = [_positive(text) for text in (first, high, low, close)]
        if not prices[2] <= min(prices) or max(prices) > prices[1] or end_ms <= open_ms:
            raise ValueError("a candle needs low <= open, close <= high and a close after its open")
        return Kline(open_ms, end_ms, *prices)

    columns = ("open_time", "open", "high", "low", "close", "volume", "close_time")
    return _read(paths, columns, parse, broken, header=False)


def read_funding(paths: Iterable[Path], broken: BrokenLines) -> list[Funding]:
    """Rows of ``fundingRate`` files."""

    def parse(time: str, rate: str) -> Funding:
        value = float(rate)
        if not math.isfinite(value):
            raise ValueError(f"{rate!r} is not a rate")
        return Funding(_time_ms(time), value)

    return _read(paths, ("calc_time", "last_funding_rate"), parse, broken, header=True)


def read_liquidations(paths: Iterable[Path], broken: BrokenLines) -> list[LiquidatedHour]:
    """Hourly sums with the columns ``open_time_ms``, ``liquidated_long_usd``, ``liquidated_short_usd``."""

    def parse(time: str, longs: str, shorts: str) -> LiquidatedHour:
        return LiquidatedHour(_time_ms(time), _amount(longs), _amount(shorts))

    columns = ("open_time_ms", "liquidated_long_usd", "liquidated_short_usd")
    return _read(paths, columns, parse, broken, header=True)


def _position(time: str, account: str, side: str, size: str, price: str, coin: str) -> Row:
    if side not in ("long", "short"):
        raise ValueError(f"side {side!r} is neither long nor short")
    liquidation = _positive(price) if price else None
    return (_time_ms(time), account, coin, side, _amount(size), liquidation)


def read_positions(paths: Iterable[Path], coin: str, broken: BrokenLines) -> list[PositionRow]:
    """Snapshots of positions of one coin: columns ``time_ms, address, side, size, liquidation_price, coin``."""
    columns = ("time_ms", "address", "side", "size", "liquidation_price", "coin")
    rows = _read(paths, columns, _position, broken, header=True)
    return [PositionRow(row[0], row[1], row[3], row[4], row[5]) for row in rows if row[2] == coin]
