"""Binance's margin tiers, shipped as data: ``data/binance_margin_tiers.json``, which tells where they come from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from liqheat_ingest.instruments import coin_of_base
from liqheat_ingest.margin_tables import MarginTable, tiers


@cache
def tables_of(coin: str, quote: str) -> tuple[MarginTable, ...]:
    """Tables of a market, the oldest first; one without a date holds for all times before the next.

    Examples
    --------
    >>> [table.tiers[0].max_leverage for table in tables_of("BTC", "USDT")][-1]
    150
    >>> tables_of("NOSUCHCOIN", "USDT")
    ()
    """
    numbers = _numbers().get((coin, quote), [])
    return tuple(_table(snapshot, number) for snapshot, number in numbers)


@cache
def shipped() -> dict[str, Any]:
    """The file as it is."""
    content = files("liqheat_ingest").joinpath("data/binance_margin_tiers.json").read_bytes()
    result: dict[str, Any] = orjson.loads(content)
    return result


@cache
def _numbers() -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Snapshot and table by coin and quote."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, snapshot in enumerate(shipped()["snapshots"]):
        markets = [
            (*market.split("/"), int(number))
            for number, names in snapshot["markets_by_table"].items()
            for market in names.split()
        ]
        bases = frozenset(base for base, _, _ in markets)
        for base, quote, number in markets:
            coin, _ = coin_of_base(base, bases)
            found.setdefault((coin, quote), []).append((index, number))
    return found


def _table(snapshot_index: int, number: int) -> MarginTable:
    snapshot = shipped()["snapshots"][snapshot_index]
    steps = [(cap, rate, leverage) for cap, rate, leverage in shipped()["tables"][number]]
    # Nobody may hold more than the last cap; the map needs a rule for what it estimates there all the same.
    steps[-1] = (None, *steps[-1][1:])
    source = f"{snapshot['source']}; unverified: {snapshot['unverified']}"[:300]
    return MarginTable(tiers(*steps), _milliseconds(snapshot["known_from"]), source)


def _milliseconds(day: str | None) -> int:
    return 0 if day is None else round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
