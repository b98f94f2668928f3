"""The estimated map against true ones, in simulated markets: every position is known. `run.py true_maps`, ten minutes.

Every seed is another market: path, traders, mix of leverage.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from truth.market_story import Setting
from truth.runs import Look, row, run
from truth.scores import WIDTHS

SEEDS = (1, 2, 3)
SETTINGS: dict[str, dict[str, Any]] = {
    "complete": {},
    "throttled": {"feed": "throttled"},
    "with holes": {"gaps_per_day": 6.0},
}


def main(seeds: tuple[int, ...] = SEEDS, settings: tuple[str, ...] = tuple(SETTINGS)) -> list[dict[str, Any]]:
    """One line a figure; a table on stderr."""
    lines: list[dict[str, Any]] = []
    for name in settings:
        rows, looks = [], list[Look]()
        for seed in seeds:
            found = run(Setting(seed=seed, **SETTINGS[name]))
            looks += found
            rows.append(row(f"{name}, seed {seed}", found))
        rows.append(row(f"{name}, all", looks))
        for one in rows:
            sys.stderr.write(_text(one) + "\n")
        lines += _lines(name, rows)
    return lines


def _text(one: dict[str, Any]) -> str:
    cells = [
        f"{width / 10:g} %: {one[f'both_{width}']:.2f} (worst {one[f'worst_{width}']:.2f}, longs "
        f"{one[f'longs_{width}']:.2f}, shorts {one[f'shorts_{width}']:.2f}, mirrored {one[f'mirrored_{width}']:.2f}, "
        f"ceiling {one[f'ceiling_{width}']:.2f})"
        for width in WIDTHS
    ]
    mass = f"mass {one['mass']:.2f} [{one['least_mass']:.2f}, {one['most_mass']:.2f}]"
    return f"{one['name']:<22} {'  '.join(cells)}  {mass}"


def _lines(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    target = ">= 0.7" if name == "throttled" else ">= 0.8"
    whole, seeds = rows[-1], rows[:-1]
    lines = []
    for width in WIDTHS:
        worst = min(float(one[f"both_{width}"]) for one in seeds)
        mirrored, ceiling = whole[f"mirrored_{width}"], whole[f"ceiling_{width}"]
        note = f"worst seed {worst:.3f}, mirrored {mirrored:.2f}, ceiling {ceiling:.2f}"
        label = f"true map, {name}: rank correlation, {width / 10:g} % bins"
        lines.append({"name": label, "value": whole[f"both_{width}"], "unit": "", "target": target, "note": note})
    worst_mass = float(np.exp(max(abs(np.log([whole["least_mass"], whole["most_mass"]])))))
    lines.append(
        {
            "name": f"true map, {name}: mass, estimated / true",
            "value": whole["mass"],
            "unit": "",
            "target": "1 / 1.5 .. 1.5",
            "note": f"worst look by a factor of {worst_mass:.2f}",
        }
    )
    return lines
