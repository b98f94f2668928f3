"""Real positions of Hyperliquid accounts, as snapshots: reading, the layer of each, price paths, margin modes."""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
POSITIONS = DATA / "hyperliquid-positions" / "positions_2026-02-04_2026-02-12.csv.gz"
HISTORY = DATA / "binance-history"

HOUR_MS = 3_600_000
LAYERS = 12
#: Layer centres, geometric from 0.2 % to 38 %; the bounds lie between them on a log axis, the first one starts at 0.
CENTRES: Floats = np.geomspace(0.002, 0.38, LAYERS)
RATIO = float(CENTRES[1] / CENTRES[0])
UPPER_EDGES: Floats = CENTRES * np.sqrt(RATIO)
BEYOND, NONE = LAYERS, LAYERS + 1
NAMES = [f"{centre:.2%}".replace("%", " %") for centre in CENTRES] + ["beyond", "no price"]
#: Maximum leverages of the venue's tiers; the maintenance rate is half their inverse.
MAX_LEVERAGES = (3, 5, 10, 20, 25, 40)
KNOWN_MAX_LEVERAGE = {"BTC": 40, "ETH": 25, "SOL": 20}


class Seen(NamedTuple):
    """One row: a position in a snapshot. ``liquidation_price`` None: no price liquidates it."""

    time_ms: int
    account: str
    coin: str
    side: str
    size: float
    entry_price: float
    mark_price: float
    leverage: float
    notional_usd: float
    liquidation_price: float | None
    account_value_usd: float

    @property
    def sign(self) -> int:
        return 1 if self.side == "long" else -1

    @property
    def layer(self) -> int:
        if self.liquidation_price is None:
            return NONE
        distance = abs(np.log(self.liquidation_price / self.mark_price))
        return int(np.searchsorted(UPPER_EDGES, distance))


def read_positions() -> list[Seen]:
    """All rows, by time."""
    with gzip.open(POSITIONS, "rt") as lines:
        rows = [
            Seen(
                int(row["time_ms"]),
                row["address"],
                row["coin"],
                row["side"],
                float(row["size"]),
                float(row["entry_price"]),
                float(row["mark_price"]),
                float(row["leverage"]),
                float(row["position_value_usd"]),
                float(row["liquidation_price"]) if row["liquidation_price"] else None,
                float(row["account_value_usd"]),
            )
            for row in csv.DictReader(lines)
        ]
    return sorted(rows, key=lambda row: row.time_ms)


class PricePath:
    """Lowest and highest known price of a coin between two times."""

    def __init__(self, rows: list[Seen]) -> None:
        points: dict[str, list[tuple[int, int, float, float]]] = defaultdict(list)
        for row in rows:
            points[row.coin].append((row.time_ms, row.time_ms, row.mark_price, row.mark_price))
        for coin, point in _history():
            points[coin].append(point)
        self._paths = {coin: np.array(sorted(set(known))) for coin, known in points.items()}

    def reached(self, coin: str, sign: int, price: float | None, after_ms: int, until_ms: int) -> bool:
        if price is None:
            return False
        path = self._paths[coin]
        part = path[(path[:, 0] > after_ms) & (path[:, 1] <= until_ms)]  # candles only where they lie wholly inside
        if not len(part):
            return False
        return bool(part[:, 2].min() <= price) if sign == 1 else bool(part[:, 3].max() >= price)


def _history() -> Iterator[tuple[str, tuple[int, int, float, float]]]:
    for path in sorted(HISTORY.glob("*USDT-metrics-*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            for row in csv.DictReader(lines):
                if not "2026-02-04" <= row["create_time"][:10] <= "2026-02-12" or not float(row["sum_open_interest"]):
                    continue
                moment = datetime.fromisoformat(row["create_time"]).replace(tzinfo=UTC)
                price = float(row["sum_open_interest_value"]) / float(row["sum_open_interest"])
                yield path.name.split("USDT")[0], (*(int(moment.timestamp() * 1000),) * 2, price, price)
    for path in HISTORY.glob("BTCUSDT-1h-spot-*.csv.gz"):
        with gzip.open(path, "rt") as lines:
            for row in csv.DictReader(lines):
                start = int(row["open_time"])
                yield "BTC", (start, start + HOUR_MS - 1, float(row["low"]), float(row["high"]))


def margin_modes(rows: list[Seen]) -> list[str]:
    """Whether each row is ``cross``, ``isolated`` or ``unknown``: the data does not say, the prices do.

    All cross positions of an account imply the same margin available, ``s (P - LP) q (1 - m s)``. So a position is
    cross if another one of its account agrees with it to 0.1 %, or the account's equity less maintenance does to 5 %
    (equity can be stale). It is isolated if its price is the isolated one of its leverage to 2 %, or if others of the
    account agree and it differs from them by 15 %. One without a price is cross unless its leverage is 1.
    """
    rates = maintenance_rates(rows)
    accounts: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        accounts[row.time_ms, row.account].append(index)
    modes = ["unknown"] * len(rows)
    for members in accounts.values():
        equity = rows[members[0]].account_value_usd - sum(rows[i].notional_usd * rates[rows[i].coin] for i in members)
        implied = {i: _available(rows[i], rates[rows[i].coin]) for i in members if rows[i].liquidation_price}
        values = np.array(list(implied.values()))
        shared = [v for n, v in enumerate(values) if (np.abs(np.delete(values, n) / v - 1) < 1e-3).any()]
        for i in members:
            modes[i] = _mode(rows[i], rates[rows[i].coin], implied.get(i), shared, equity)
    return modes


def _available(row: Seen, rate: float) -> float:
    assert row.liquidation_price is not None
    return row.sign * (row.mark_price - row.liquidation_price) * row.size * (1 - rate * row.sign)


def _mode(row: Seen, rate: float, available: float | None, shared: list[float], equity: float) -> str:
    if available is None:
        return "cross" if row.leverage > 1 else "unknown"
    if available in shared or (equity > 0 and abs(available / equity - 1) < 0.05):
        return "cross"
    alone = row.entry_price * (1 - row.sign / row.leverage) / (1 - row.sign * rate)
    assert row.liquidation_price is not None
    if alone > 0 and abs(row.liquidation_price / alone - 1) < 0.02:
        return "isolated"
    return "isolated" if shared and all(abs(available / value - 1) > 0.15 for value in shared) else "unknown"


def maintenance_rates(rows: list[Seen], rounds: int = 2) -> dict[str, float]:
    """Maintenance rate of each coin: the one with which its cross positions agree best with those of known coins."""
    accounts: dict[tuple[int, str], list[Seen]] = defaultdict(list)
    for row in rows:
        if row.liquidation_price is not None:
            accounts[row.time_ms, row.account].append(row)
    known = {coin: 0.5 / leverage for coin, leverage in KNOWN_MAX_LEVERAGE.items()}
    rates = dict(known)
    for _ in range(rounds):
        votes: dict[str, Counter[float]] = defaultdict(Counter)
        for members in accounts.values():
            reference = np.array([_available(row, rates[row.coin]) for row in members if row.coin in rates])
            for row in members:
                if row.coin in known or not len(reference):
                    continue
                for leverage in MAX_LEVERAGES:
                    if (np.abs(_available(row, 0.5 / leverage) / reference - 1) < 3e-4).any():
                        votes[row.coin][0.5 / leverage] += 1
        rates = known | {coin: count.most_common(1)[0][0] for coin, count in votes.items()}
    return defaultdict(lambda: 0.05, rates)  # the venue's commonest maximum leverage is 10
