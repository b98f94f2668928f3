"""All figures, one after another, into benchmarks/results.json. Named ones only: ``run.py replay_day latency``."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

import orjson

MODULES = (
    "fold",
    "clusters",
    "redis_memory",
    "replay_day",
    "dense_stream",
    "latency",
    "fake_venue",
    "live_feeds",
    "soak_live",
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    """Run the benchmarks that were asked for."""
    sys.path.insert(0, str(Path(__file__).parent))
    results: list[dict[str, Any]] = []
    for name in sys.argv[1:] or MODULES:
        started = time.monotonic()
        sys.stderr.write(f"bench: {name} …\n")
        results += importlib.import_module(name).main()
        sys.stderr.write(f"bench: {name} took {time.monotonic() - started:.0f} s\n")
        RESULTS.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    for line in results:
        sys.stdout.write(
            f"{line['name']:<44} {line['value']:>14,.3f} {line['unit']:<10} {line['target']:<12} {line['note']}\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
