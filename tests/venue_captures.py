"""The captures of real messages in ``shared/data``, which a user's checkout does not have."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from liqheat_ingest.raw import RawMessage
from liqheat_ingest.raw_lines import RawLines

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "raw-messages"
FILES = {"binance": "BINANCE_FUTURES", "bybit": "BYBIT", "okx": "OKX"}


def existing(name: str) -> Path:
    """A file of the captures, or the test is skipped."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"real messages are not here: {path.name} (see CONTRIBUTING.md)")
    return path


def capture_lines(venue: str) -> list[bytes]:
    """The lines of a capture, as they are in the file."""
    compressed = existing(f"{FILES[venue]}.jsonl.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(compressed)) as reader:
        return reader.read().splitlines()


def capture(venue: str) -> list[RawMessage]:
    """All messages that were received, in their order."""
    lines = RawLines(venue)
    return [raw for line in capture_lines(venue) if (raw := lines.read(line, 0)) is not None]


def force_orders() -> list[dict[str, Any]]:
    """Binance's 456 liquidation orders of 2024-08-17 as the messages that they were."""
    with gzip.open(existing("binance_forceOrder_2024-08-17.csv.gz"), "rt") as file:
        return [_force_order(row) for row in csv.reader(file)]


def bybit_liquidations() -> list[dict[str, Any]]:
    """Bybit's 30 liquidations of 2026-10-10 as entries of ``allLiquidation``."""
    with existing("bybit_liq_2026-10-10.excerpt.csv").open() as file:
        return [orjson.loads(row["raw_json"]) for row in csv.DictReader(file)]


def _force_order(row: list[str]) -> dict[str, Any]:
    base, side, kind, in_force, quantity, price, average, status, last_filled, filled, at_ms, _usd = row
    symbol = base if base.endswith("USDC") else f"{base}USDT"
    order = {"s": symbol, "S": side, "o": kind, "f": in_force, "q": quantity, "p": price, "ap": average, "X": status}
    return {
        "e": "forceOrder",
        "E": int(at_ms) + 5,
        "o": order | {"l": last_filled, "z": filled, "T": int(at_ms)},
    }
