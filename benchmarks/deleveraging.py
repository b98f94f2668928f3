"""When auto-deleveraging is suspected: ``python benchmarks/run.py deleveraging``, two minutes.

1. How often open interest and price of seven real perpetuals meet the two conditions that need neither volume nor
   liquidations, which that data lacks: an upper bound of false alarms. Left out where the data is absent.
2. The watch itself on three days of five Hyperliquid perpetuals, minute by minute, as if there were always a little
   liquidated. The recorder lost trades, so its volume explains too little: an upper bound again.
3. Simulated crashes with and without it.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bench_stack import result
from liqheat_estimator.core.deleveraging import FALL_SHARE, MOVE_BINS, DeleveragingWatch
from truth.crash import run_crash

ROOT = Path(__file__).resolve().parent.parent
HISTORY = ROOT.parent / "shared/data/binance-history"
TAPE = ROOT.parent / "shared/data/hyperliquid-tape"
TAPE_COINS = ("BTC", "ETH", "SOL", "AVAX", "DOGE")
SEEDS = (1, 2, 3, 4)
#: What the market takes over of liquidations in ten seconds, as a share of the open interest; None: everything.
ABSORBED = (None, 0.002, 0.001, 0.0003)
DEPTH = 0.15


def real_alarms() -> list[dict[str, Any]]:
    """Ten-minute windows, from samples five minutes apart."""
    lines = []
    for path in sorted(HISTORY.glob("*-metrics-*")):
        with gzip.open(path, "rt") as text:
            rows = list(csv.DictReader(text))
        interest = np.array([float(row["sum_open_interest"]) for row in rows])
        prices = np.log(np.array([float(row["sum_open_interest_value"]) for row in rows]) / interest)
        falls, moves = 1 - interest[2:] / interest[:-2], np.abs(prices[2:] - prices[:-2])
        met = np.flatnonzero((falls >= FALL_SHARE) & (moves >= MOVE_BINS / 1_000))
        when = ", ".join(rows[place + 2]["create_time"] for place in met)
        name = f"deleveraging, windows of {path.name.split('-')[0]} that meet two of four conditions"
        lines.append(result(name, len(met), "", "", f"of {len(falls):,}; {when}"))
    return lines


def _column(paths: list[Path], *names: str) -> list[np.ndarray]:
    rows = []
    for path in paths:
        with gzip.open(path, "rt") as text:
            rows += [[float(row[name]) for name in names] for row in csv.DictReader(text) if row[names[-1]]]
    return list(np.array(rows).T)


def tape_alarms() -> list[dict[str, Any]]:
    """Reports that the watch suspects, by coin."""
    lines = []
    for coin in TAPE_COINS:
        tickers = sorted(TAPE.glob(f"hyperliquid_derivative_ticker_*_{coin}.csv.gz"))
        if not tickers:
            continue
        times, interests, marks = _column(tickers, "timestamp", "open_interest", "mark_price")
        traded_at, traded = _column(sorted(TAPE.glob(f"hyperliquid_trades_*_{coin}.csv.gz")), "timestamp", "amount")
        sums = np.concatenate([[0.0], np.cumsum(traded)])[np.searchsorted(traded_at, times)]
        volumes = np.diff(sums, prepend=sums[0])
        watch = DeleveragingWatch()
        places = np.log(marks) * 1_000
        found = [
            watch.unexplained(int(at) // 1_000, float(place), float(interest), 1e-9, float(volume))
            for at, place, interest, volume in zip(times, places, interests, volumes, strict=True)
        ]
        name = f"deleveraging, reports of {coin} on Hyperliquid that look like it"
        lines.append(result(name, sum(one > 0 for one in found), "", "0", f"of {len(found):,}"))
    return lines


def main() -> list[dict[str, Any]]:
    """One line a figure."""
    lines = real_alarms() + tape_alarms()
    for seed in SEEDS:
        for absorbed in ABSORBED:
            found = run_crash(seed, absorbed, DEPTH)
            minutes = found.suspected_after_minutes
            told = "never suspected" if minutes is None else f"suspected after {minutes:.1f} minutes"
            note = (
                f"true {found.true_share:.3f}, {told}, open interest fell {found.open_interest_fall:.3f}, before it "
                f"{'SUSPECTED' if found.suspected_before else 'not suspected'}, shorts' distance {found.distance:.3f}"
            )
            name = f"deleveraged share, seed {seed}, absorbs {absorbed or 'all'}"
            lines.append(result(name, found.estimated_share, "", "", note))
    return lines
