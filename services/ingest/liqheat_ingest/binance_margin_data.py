"""Binance's margin tiers, shipped as data: ``data/binance_margin_tiers.json``."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from liqheat_ingest.margin_tables import MarginTable, tiers


@cache
def binance_tables() -> dict[tuple[str, str], tuple[MarginTable, ...]]:
    """Tables by coin and quote, the oldest first; one without a date holds for all times before the next.

    The deductions of the file are what its sources print; they are computed here and compared by a test.
    """
    found: dict[tuple[str, str], list[MarginTable]] = {}
    for entry in shipped()["tables"]:
        steps = [(cap, rate, leverage) for cap, rate, leverage, _ in entry["tiers"]]
        # Nobody may hold more than the last cap; the map needs a rule for what it estimates there all the same.
        steps[-1] = (None, *steps[-1][1:])
        table = MarginTable(tiers(*steps), _milliseconds(entry["known_from"]), _source(entry))
        found.setdefault((entry["coin"], entry["quote"]), []).append(table)
    return {key: tuple(sorted(tables, key=lambda table: table.valid_from_ms)) for key, tables in found.items()}


def shipped() -> dict[str, Any]:
    """The file as it is."""
    content = files("liqheat_ingest").joinpath("data/binance_margin_tiers.json").read_bytes()
    result: dict[str, Any] = orjson.loads(content)
    return result


def _source(entry: dict[str, Any]) -> str:
    return f"{entry['source']}; unverified: {entry['unverified']}"[:300]


def _milliseconds(day: str | None) -> int:
    return 0 if day is None else round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
