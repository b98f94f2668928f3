"""From fills to equity to liquidation price to liquidated or not: every account of a venue's first two months.

Fees, funding and transfers that the ledger leaves out make the equity of some accounts wrong; they are not sorted out,
because nothing but the outcome tells them. So the bounds are on medians and shares of ALL accounts.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from liqheat_estimator.core.margin import Position, half_of_initial, liquidation_of, venue_rule

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid-genesis"
TIERS = half_of_initial((0.0, 50))  # every coin's maximum leverage at that time
RULE = venue_rule("hyperliquid", 0)
#: A fill of the same second as a liquidation is the liquidation's own.
ORDER = {"deposit": 0, "liquidation": 1, "fill": 2}


@dataclass
class Account:
    """Cash counts what was paid for positions; equity at a price is cash plus the positions' value there."""

    cash: float = 0.0
    positions: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def apply(self, kind: str, row: dict[str, str]) -> None:
        if kind == "deposit":
            self.cash += float(row["delta_usd"])
        elif kind == "fill":
            quantity = float(row["sz"]) * (1 if row["side"] == "Bid" else -1)
            self.cash -= quantity * float(row["px"])
            self.positions[row["coin"]] += quantity

    def only_position(self) -> tuple[str, float] | None:
        held = [(coin, quantity) for coin, quantity in self.positions.items() if abs(quantity) > 1e-9]
        return held[0] if len(held) == 1 else None


@dataclass
class Outcomes:
    way_to_mark: list[float] = field(default_factory=list)
    liquidations: int = 0
    alive: int = 0
    alive_though_crossed: int = 0


def read(name: str) -> list[dict[str, str]]:
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt") as lines:
        return list(csv.DictReader(lines))


def outcomes() -> Outcomes:
    sources = {"deposit": "non_mm_ledger_updates", "liquidation": "liquidations", "fill": "non_mm_trades"}
    accounts: dict[str, list[tuple[str, int, str, dict[str, str]]]] = defaultdict(list)
    traded: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for kind, name in sources.items():
        for row in read(name):
            accounts[row["user"]].append((row["time"], ORDER[kind], kind, row))
            if kind == "fill":
                traded[row["coin"]].append((row["time"], float(row["px"])))
    paths = {coin: tuple(map(np.array, zip(*sorted(fills), strict=True))) for coin, fills in traded.items()}
    result = Outcomes()
    for events in accounts.values():
        if not any(row.get("leverage_type") == "Isolated" for *_, row in events):
            follow(sorted(events, key=lambda event: event[:2]), paths, result)
    return result


def follow(
    events: list[tuple[str, int, str, dict[str, str]]], paths: dict[str, tuple[np.ndarray, ...]], result: Outcomes
) -> None:
    account = Account()
    for (now, _, kind, row), (then, _, following, next_row) in itertools.pairwise(events):
        account.apply(kind, row)
        only = account.only_position()
        if only is None or now == then:
            continue
        coin, quantity = only
        side, price = (1 if quantity > 0 else -1), paths[coin][1][0]
        equity = account.cash + quantity * price
        found = liquidation_of(Position.cross(side, abs(quantity), price, equity), TIERS, RULE).price
        if following == "liquidation":
            result.liquidations += 1
            mark = float(next_row["liquidated_ntl_pos"]) / abs(quantity)
            result.way_to_mark.append(math.inf if found is None else abs(math.log(mark / found)))
            continue
        times, prices = paths[coin]
        between = prices[np.searchsorted(times, now, "right") : np.searchsorted(times, then, "left")]
        result.alive += 1
        # Half a percent beyond: trades of others stand in for the mark.
        if len(between) and found is not None:
            crossed = between.min() <= found * 0.995 if side == 1 else between.max() >= found * 1.005
            result.alive_though_crossed += int(crossed)


def test_accounts_are_liquidated_where_their_fills_say() -> None:
    if not FOLDER.exists():
        pytest.skip("shared/data/hyperliquid-genesis is not here")
    found = outcomes()
    assert found.liquidations == 47  # of 62: one cross position at the time, no isolated one in the account's history
    # Measured: median 0.84 %, 22 within 0.4 % of the mark at which the venue liquidated, 35 within 5 %.
    ways = np.array(found.way_to_mark)
    assert np.median(ways) < 0.01
    assert (ways < 0.004).sum() >= 22
    assert (ways < 0.05).sum() >= 35
    # Measured: 58 of 19,421 stretches between an account's own events had crossed its price and lived on.
    assert found.alive > 19_000
    assert found.alive_though_crossed / found.alive < 0.005


def test_every_liquidated_account_was_below_its_maintenance() -> None:
    if not FOLDER.exists():
        pytest.skip("shared/data/hyperliquid-genesis is not here")
    rows = [row for row in read("liquidations") if row["leverage_type"] == "Cross"]
    shares = [float(row["liquidated_account_value"]) / float(row["liquidated_ntl_pos"]) for row in rows]
    assert len(shares) == 54
    assert max(shares) < 0.01  # half of 1/50, as the venue's rule has it
    assert max(shares) > 0.00999
