"""When auto-deleveraging is suspected: ``python benchmarks/run.py deleveraging``, two minutes.

1. How often open interest and price of seven real perpetuals meet the two conditions that need neither volume nor
   liquidations, which that data lacks: an upper bound of false alarms. Left out where the data is absent.
2. Simulated crashes with and without it.
"""

from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from liqheat_estimator.core.deleveraging import FALL_SHARE, MOVE_BINS
from truth.crash import run_crash

ROOT = Path(__file__).resolve().parent.parent
HISTORY = ROOT.parent / "shared/data/binance-history"
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
        lines.append(_line(name, len(met), "", f"of {len(falls):,}; {when}"))
    return lines


def main() -> list[dict[str, Any]]:
    """One line a figure."""
    lines = real_alarms()
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
            lines.append(_line(name, found.estimated_share, "", note))
    return lines


def _line(name: str, value: float, target: str, note: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "", "target": target, "note": note}
