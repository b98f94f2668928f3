"""What throttled feeds show of the liquidated USD: ``python benchmarks/run.py feed_throttling``, five minutes.

1. The shares that ship (``shown_shares.json``), from sizes of real forced orders in ``shared/data/raw-messages``;
   left out where that folder is absent.
2. The learned share against the true one: simulated coins with a throttled venue and a complete one of another size.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bench_stack import result
from liqheat_estimator.core.learning.shown_share import CLASSES, SECONDS_FROM, class_of, shipped_shares
from truth.market_story import Setting
from truth.runs import run_throttled

ROOT = Path(__file__).resolve().parent.parent
ORDERS = ROOT.parent / "shared/data/raw-messages/binance_forceOrder_2024-08-17.csv.gz"
#: Orders that a symbol needs for its sizes to count.
ENOUGH = 10
#: Average orders a second, from one in 100 s to twelve in one, and minutes drawn at each.
RATES = np.exp(np.linspace(np.log(1e-2), np.log(12), 60))
MINUTES = 600
#: (seed, size of the complete venue over the throttled one's)
MARKETS = ((1, 0.4), (2, 0.4), (3, 0.4), (1, 1.5), (2, 1.5))


def relative_sizes() -> np.ndarray:
    """USD of real orders over the geometric mean of their symbol's."""
    sizes = defaultdict(list)
    with gzip.open(ORDERS, "rt") as lines:
        for row in csv.reader(lines):
            sizes[row[0]].append(float(row[-1]))
    return np.concatenate([np.array(v) / np.exp(np.log(v).mean()) for v in sizes.values() if len(v) >= ENOUGH])


def shares(sizes: np.ndarray) -> list[float]:
    """Largest of each second over all, by class: seconds hold a geometric number of orders, as in bursts."""
    random = np.random.default_rng(1)
    shown, true = np.zeros(CLASSES), np.zeros(CLASSES)
    for rate in RATES:
        for _ in range(MINUTES):
            counts = random.poisson(rate * random.exponential(1.0, 60))
            seconds, usd = np.repeat(np.arange(60), counts), random.choice(sizes, counts.sum())
            if len(usd):
                largest = np.zeros(60)
                np.maximum.at(largest, seconds, usd)
                place = class_of(int((counts > 0).sum()))
                shown[place] += largest.sum()
                true[place] += usd.sum()
    return [float(share) for share in (shown / true).round(3)]


def main() -> list[dict[str, Any]]:
    """One line a figure."""
    lines = []
    if ORDERS.exists():
        for first, computed, shipped in zip(SECONDS_FROM, shares(relative_sizes()), shipped_shares(), strict=True):
            note = f"shipped {shipped}"
            lines.append(result(f"shown share, real sizes, from {first} occupied seconds", computed, "", "", note))
    errors = []
    for seed, size in MARKETS:
        found = run_throttled(Setting(seed=seed, feed="throttled", companion_share=size))
        assert found.estimated is not None
        errors.append(found.estimated / found.true - 1)
        note = f"true {found.true:.3f}; map's mass over true {found.mass:.2f}"
        name = f"shown share, seed {seed}, complete venue of {size} times the size"
        lines.append(result(name, found.estimated, "", "", note))
    worst = float(np.abs(errors).max())
    lines.append(result("shown share, worst relative error", worst, "", "<= 0.25", f"mean {np.mean(errors):+.3f}"))
    return lines
