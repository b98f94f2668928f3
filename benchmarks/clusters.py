"""Speed of the clusterer's core on maps like those of a BTC day: ``python benchmarks/clusters.py``.

Prints a JSON list of {name, value, unit, target, note}, in processor time. Two scopes, about 700 bins each, a dozen
clusters a side, the mark wandering a bin every few seconds, so that clusters are approached, touched and swept.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.zones import find_zones
from synthetic_grids import START_MS, GridSettings, Hump, MapBuilder, build_grid, encode_grid

GRIDS = 3_000
BINS = 700
FIRST_BIN = 10_700
MARK_BIN = 11_050.5
RUNS = 4


def messages() -> list[bytes]:
    """A wandering mark over maps that grow, shrink and are swept."""
    chance = random.Random(7)
    maps = {name: MapBuilder(MARK_BIN, FIRST_BIN, 2e9, [0] * BINS, [0] * BINS) for name in ("aggregated", "binance")}
    centres = [(chance.randint(10_720, 11_380), 10 ** chance.uniform(6.5, 7.8)) for _ in range(30)]
    for scope in maps.values():
        for place in range(BINS):
            scope.long_usd[place] = scope.short_usd[place] = chance.randint(0, 60_000)
        for centre, mass_usd in centres:
            scope.add(Hump(centre, mass_usd, chance.uniform(2, 6), "long" if centre < MARK_BIN else "short"))
    mark, encoded = MARK_BIN, []
    for number in range(1, GRIDS + 1):
        mark += chance.gauss(0, 0.08)
        for scope in maps.values():
            if number % 30 == 0:
                side = chance.choice(("long", "short"))
                distance = chance.randint(5, 200) * (-1 if side == "long" else 1)
                centre = min(max(int(mark) + distance, FIRST_BIN + 20), FIRST_BIN + BINS - 20)
                scope.add(Hump(centre, 3e6, 4.0, side))
            scope.move_mark(mark)
        grid = build_grid(START_MS + number * 1_000, number, maps, GridSettings(phase="replay"))
        encoded.append(encode_grid(grid))
    return encoded


def microseconds(samples: list[float]) -> float:
    """Mean, in microseconds."""
    return round(sum(samples) / len(samples) * 1e6, 1)


def timed_fold(fold: ClustererFold, encoded: list[bytes]) -> tuple[list[float], list[float], list[float], int]:
    """Seconds a grid in the JSON parse alone, in decode with its own parse, and in fold; number of outputs."""
    state = fold.new("BTC")
    parsing, decoding, folding, outputs = [], [], [], 0
    for message in encoded:
        start = time.thread_time()
        orjson.loads(message)
        parsed = time.thread_time()
        event = fold.decode(message, "BTC", 0)
        decoded = time.thread_time()
        outputs += len(fold.fold(state, event))
        folded = time.thread_time()
        parsing.append(parsed - start)
        decoding.append(decoded - parsed)
        folding.append(folded - decoded)
    return parsing, decoding, folding, outputs


def best_of_runs(fold: ClustererFold, encoded: list[bytes]) -> tuple[list[float], list[float], list[float], int]:
    """Parse, checks and fold of each grid, the fastest of some runs: what it costs on an idle core."""
    runs = [timed_fold(fold, encoded) for _ in range(RUNS)]
    columns = [[min(values) for values in zip(*(run[part] for run in runs), strict=True)] for part in range(3)]
    checks = [decoding - parsing for parsing, decoding in zip(columns[0], columns[1], strict=True)]
    return columns[0], checks, columns[2], runs[0][3]


def zone_seconds(fold: ClustererFold, message: bytes) -> float:
    """Seconds of one search for zones, both sides of a scope, best of some."""
    scope = fold.decode(message, "BTC", 0).scopes["aggregated"]
    seconds = []
    for _ in range(300):
        start = time.thread_time()
        find_zones(scope.first_bin, scope.long_usd, scope.short_usd, int(MARK_BIN), 2.0, fold.parameters)
        seconds.append(time.thread_time() - start)
    return min(seconds)


def state_figures(fold: ClustererFold, encoded: list[bytes]) -> list[dict[str, object]]:
    """Cost and size of a checkpoint of one coin."""
    state = fold.new("BTC")
    for message in encoded:
        fold.fold(state, fold.decode(message, "BTC", 0))
    start = time.thread_time()
    body = fold.dump(state)
    dumped = time.thread_time()
    fold.load(body, "BTC")
    loaded = time.thread_time()
    return [
        row("clusterer state dump", round((dumped - start) * 1e3, 2), "ms", 20, f"{len(body)} bytes, 2 scopes"),
        row("clusterer state load", round((loaded - dumped) * 1e3, 2), "ms", None, ""),
    ]


def measure() -> list[dict[str, object]]:
    """All figures."""
    encoded = messages()
    fold = ClustererFold()
    parsing, decoding, folding, outputs = best_of_runs(fold, encoded)
    start = time.thread_time()
    timed_fold(fold, encoded)
    wall_s = time.thread_time() - start - sum(parsing)
    interval = fold.parameters.detection_interval_ms // 1_000
    places = range(1, len(encoded))
    searching = [folding[place] for place in places if (place + 1) % interval == 0]
    light = [folding[place] + decoding[place] for place in places if (place + 1) % interval]
    note = f"2 scopes x {BINS} bins, {len(encoded[-1])} bytes, best of {RUNS} runs"
    return [
        row("clusterer JSON parse", microseconds(parsing), "us/grid", None, note),
        row("clusterer grid without search", microseconds(light), "us/grid", 60, "checks, lifecycle, no JSON parse"),
        row("clusterer checks of a grid", microseconds(decoding), "us/grid", None, note),
        row("clusterer search in a scope", microseconds(searching) / 2, "us/scope", 400, "identity, outputs included"),
        row("clusterer zones in a scope", microseconds([zone_seconds(fold, encoded[-1])]), "us/scope", None, ""),
        row("clusterer grids", round(len(encoded) / wall_s), "grids/s", 1_900, f"one run, {outputs} outputs"),
        *state_figures(fold, encoded),
    ]


def row(name: str, value: float, unit: str, target: float | None, note: str) -> dict[str, object]:
    """One figure."""
    wanted = "" if target is None else f"{'>=' if unit.endswith('/s') else '<='} {target:g}"
    return {"name": name.replace(" ", "_"), "value": value, "unit": unit, "target": wanted, "note": note}


def main() -> list[dict[str, object]]:
    """The figures, for ``run.py``."""
    return measure()


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
