"""The live source while connections are cut every two seconds and venues, broker and the process itself are restarted.

A day with a disconnect every minute has 1,440 of them; this has as many as fit into its minutes, on purpose without any
quiet between them. ``python soak_live.py SECONDS`` runs longer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_stack import result

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main(seconds: float = 240.0) -> list[dict[str, Any]]:
    """Every figure is counted from the log."""
    from live_soak import Plan, soak, summary

    plan = Plan(
        seconds, disconnect_every_s=2, venue_restart_every_s=29, broker_restart_every_s=41, ingest_restart_every_s=67
    )
    with tempfile.TemporaryDirectory(prefix="liqheat-soak-") as folder:
        verdict = soak(Path(folder), plan)
    said = summary(verdict)
    sys.stderr.write(said + "\n")
    acts = verdict.acts
    note = (
        f"{acts['disconnect']} disconnects, {acts['venue']} venue, {acts['broker']} broker, {acts['ingest']} process "
        f"restarts in {seconds:.0f} s, {verdict.trades:,} trades"
    )
    return [
        result("soak_gaps_undetected", len(verdict.undetected), "gaps", "0", note),
        result(
            "soak_gaps_announced",
            len(verdict.collected.holes()),
            "gaps",
            "",
            "trades that stayed missing",
        ),
        result("soak_trades_twice", verdict.repeated, "trades", "0"),
        result("soak_messages_lost", len(verdict.sequence_holes), "messages", "0", "by their numbers in the log"),
    ]


if __name__ == "__main__":
    for line in main(float(sys.argv[1])):
        print(line)
