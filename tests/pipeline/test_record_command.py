"""``liqheat record`` on fake venues: every raw message of all four, which a replay maps without a fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard

from liqheat_ingest.raw_lines import RawLines
from liqheat_ingest.readings import BrokenLine, Problem, Trade
from liqheat_ingest.recording import read_lines
from liqheat_ingest.sources.replay import open_replay
from live_runs import VENUES, fake_venues

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from liqheat_shared.cli import main; main()", "record"]


def venues_with_trades(folder: Path) -> set[str]:
    """What is readable while the file grows."""
    found = set()
    for path in sorted(folder.glob("*.zst")):
        lines = RawLines(None)
        try:
            for _, line, _ in read_lines(path):
                message = lines.read(line, 0)
                if message is not None and message.channel.startswith("ws:") and b"rade" in line:
                    found.add(message.venue)
        except zstandard.ZstdError:
            continue  # the frame that is being written
    return found


def test_what_is_recorded_is_replayed(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    with fake_venues("--coins", "2", "--history-days", "0.2", "--prints-scale", "4") as fakes:
        endpoints = ",".join(f"{venue}={address}" for venue, address in fakes.endpoints.items())
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")}
        environment["LIQHEAT_INGEST_BACKFILL_DAYS"] = "0"
        process = subprocess.Popen(
            [*COMMAND, "--out", str(folder), "--endpoints", endpoints, "--coins", "top:2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        deadline = time.monotonic() + 240
        while venues_with_trades(folder) != set(VENUES) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    summary = json.loads(out)
    items = list(open_replay([folder]).items())
    assert not [item for item in items if isinstance(item, BrokenLine | Problem)]
    assert {item.market.venue for item in items if isinstance(item, Trade)} == set(VENUES)
    assert summary["messages"] == sum(1 for path in folder.iterdir() for _ in read_lines(path))
    assert summary["bytes_written"] == sum(path.stat().st_size for path in folder.iterdir())


def test_a_folder_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = subprocess.run(
        [*COMMAND, "--out", str(tmp_path / "file"), "--venue", "bybit"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "File exists" in done.stderr
