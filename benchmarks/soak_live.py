"""The live source while connections, venues, the broker and the process itself die again and again.

``python soak_live.py --day`` plays 24 simulated hours in 29 minutes: a simulated minute is 1.2 s, each with a
disconnect. ``python soak_live.py --seconds 240`` plays as much of the same at the same pace; so does ``run.py``.
Everything is judged by the trades that the fake venues made, one by one.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_stack import result

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main(seconds: float = 240.0) -> list[dict[str, Any]]:
    """Every figure is counted from the log and from what the fake venues say they traded."""
    from live_soak import soak, summary
    from soak_plan import DAY

    share = seconds / DAY.seconds
    part = replace(
        DAY,
        seconds=seconds,
        disconnects=round(DAY.disconnects * share),
        venue_restarts=max(1, round(DAY.venue_restarts * share)),
        broker_restarts=max(1, round(DAY.broker_restarts * share)),
        ingest_restarts=max(1, round(DAY.ingest_restarts * share)),
        stalls=max(1, round(DAY.stalls * share)),
        refusals=max(1, round(DAY.refusals * share)),
        outages_s=(),
    )
    plan = DAY if share == 1.0 else part
    with tempfile.TemporaryDirectory(prefix="liqheat-soak-") as folder:
        soaked = soak(Path(folder), plan, lambda line: print(line, file=sys.stderr, flush=True))
    sys.stderr.write(summary(soaked) + "\n")
    verdict, acts = soaked.verdict, soaked.acts
    note = (
        f"{acts['disconnect']} disconnects, {acts['restart']} venue, {acts['broker']} broker, {acts['ingest']} process "
        f"restarts in {seconds:.0f} s, {verdict.happened:,} trades"
    )
    open_gaps = "; ".join(
        f"{venue}: {counts['gaps']} ({reason})"
        for venue, reasons in verdict.open_gaps().items()
        for reason, counts in reasons.items()
    )
    return [
        result("soak_gaps_undetected", len(verdict.undetected), "gaps", "0", note),
        result("soak_trades_uncounted", sum(verdict.uncounted.values()), "trades", "0", "missing more than was said"),
        result("soak_gaps_open", len(verdict.gaps), "gaps", "", open_gaps),
        result("soak_trades_missing", sum(gap.trades for gap in verdict.gaps), "trades", "", "all announced"),
        result("soak_trades_twice", verdict.repeated, "trades", "0"),
        result("soak_trades_invented", verdict.invented, "trades", "0"),
        result("soak_messages_lost", len(verdict.log.sequence_holes()), "messages", "0", "by their numbers in the log"),
    ]


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--day", action="store_true", help="24 simulated hours")
    chosen.add_argument("--seconds", type=float, default=240.0, help="a part of them (default 240)")
    options = parser.parse_args()
    from soak_plan import DAY

    for line in main(DAY.seconds if options.day else options.seconds):
        print(line)
