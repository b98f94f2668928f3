"""``liqheat up`` as a process: real broker and Redis, small stand-ins for the services."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liqheat_shared.local.folder import jars_dir
from liqheat_shared.local.ports import free_port, is_free, wait_until
from liqheat_shared.local.prepare import prepare
from liqheat_shared.local.redis_server import answers_ping
from liqheat_shared.local.running import start_time

pytestmark = [pytest.mark.broker, pytest.mark.redis, pytest.mark.slow]

#: Runs the command line with services that are small programs; the api is ready once ingest has left a mark.
PROGRAM = '''
import sys
from liqheat_shared.local.stack import StackPlan
from liqheat_shared.local.supervisor import ChildSpec
from liqheat_shared.cli import run

API = """
import http.server, json, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = pathlib.Path(sys.argv[1]).exists()
        body = json.dumps({"coins": [{"coin": "BTC", "phase": "simulated"}]}).encode() if ready else b"no map yet"
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["LIQHEAT_API_PORT"])), Handler).serve_forever()
"""
INGEST = """
import os, pathlib, sys, time
while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)
print("source", sys.argv[3:], "broker", os.environ["LIQHEAT_KAFKA_BOOTSTRAP_SERVERS"], flush=True)
pathlib.Path(sys.argv[2]).touch()
if "replay" not in sys.argv[4]: time.sleep(600)
"""
ESTIMATOR = """
import signal, sys, time
if "hang" in sys.argv[1:]: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("estimating", flush=True)
time.sleep(600)
"""

def specs(plan):
    mark = str(plan.folder / "map")
    (plan.folder / "map").unlink(missing_ok=True)
    python = [sys.executable, "-c"]
    return [
        ChildSpec("api", [*python, API, mark], plan.environment("api")),
        ChildSpec("estimator", [*python, ESTIMATOR, "hang" if plan.speed == "13" else "end"],
                  plan.environment("estimator")),
        ChildSpec("ingest", [*python, INGEST, str(plan.gate), mark, "--source", plan.source],
                  plan.environment("ingest"), finishes=True),
    ]

FAKE = "import os, time; print('endpoints', os.environ['LIQHEAT_INGEST_LIVE_ENDPOINTS'], flush=True); time.sleep(600)"

def fake(plan):
    return ChildSpec("fake-venue", [sys.executable, "-c", FAKE], plan.environment("ingest"))

StackPlan.service_specs = specs
StackPlan.fake_venue_spec = fake
raise SystemExit(run(["up", *sys.argv[1:]]))
'''


class UpProcess:
    """A ``liqheat up`` in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.shown = folder.with_name(f"{folder.name}-{time.monotonic_ns()}.txt")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")}
        with self.shown.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *options],
                stdout=file,
                stderr=subprocess.STDOUT,
                # No venue can be reached, whatever this machine can reach.
                env=environment
                | {"LIQHEAT_UP_LOCAL_DIR": str(folder), "LIQHEAT_UP_VENUE_HOSTS": f"127.0.0.1:{free_port()}"},
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.shown.read_text()

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "up.json").read_text()))

    def pids(self) -> dict[str, int]:
        return {child["name"]: child["pid"] for child in self.state["children"]}

    def wait_for(self, sentence: str, seconds: float = 60) -> None:
        found = wait_until(lambda: sentence in self.text or self.process.poll() is not None, seconds)
        assert found, f"no {sentence!r} in {seconds} s:\n{self.text}"
        assert sentence in self.text, f"it ended before {sentence!r}:\n{self.text}"

    def end(self, number: signal.Signals = signal.SIGINT) -> float:
        """Send the signal to the whole group, as a terminal does; seconds until it had ended."""
        started = time.monotonic()
        os.killpg(self.process.pid, number)
        assert self.process.wait(60) == 0, self.text
        return time.monotonic() - started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare()
    local = tmp_path / "local"
    local.mkdir()
    (local / "jars").symlink_to(jars_dir())
    return local


@pytest.fixture
def started() -> Iterator[list[UpProcess]]:
    processes: list[UpProcess] = []
    yield processes
    for up in processes:
        with contextlib.suppress(ProcessLookupError):
            up.process.kill()
        up.process.wait(10)


def nothing_lives(pids: dict[str, int]) -> bool:
    return all(start_time(pid) is None for pid in pids.values())


def test_it_comes_up_and_ends_with_nothing_left(folder: Path, started: list[UpProcess]) -> None:
    port = free_port()
    up = UpProcess(folder, "--port", str(port))
    started.append(up)
    up.wait_for(f"liqheat is up: http://127.0.0.1:{port}\n")
    up.wait_for("the map shows simulated data")
    state, pids = up.state, up.pids()
    assert pids.keys() == {"redis", "kafka", "api", "estimator", "ingest", "fake-venue"}
    assert f"broker {state['kafka_bootstrap_servers']}" in up.text
    assert "no venue can be reached from here (127.0.0.1:" in up.text
    assert "FAKE VENUES take their place: the page says SIMULATED" in up.text
    assert "ingest    | source ['--source', 'live']" in up.text
    log = folder / "logs" / "fake-venue.log"
    assert wait_until(lambda: "endpoints binance=http://127.0.0.1:" in log.read_text(), 60)
    assert "estimating" in (folder / "logs" / "estimator.log").read_text()
    redis_port = int(state["redis_url"].rpartition(":")[2].partition("/")[0])
    assert answers_ping("127.0.0.1", redis_port)

    again = UpProcess(folder)
    started.append(again)
    assert again.process.wait(60) == 2
    assert f"liqheat is up already in {folder} (process {up.process.pid})" in again.text

    listed = subprocess.run(
        [sys.executable, "-m", "liqheat_shared.local.held_start", os.devnull, "json", "topics", "list"],
        env=os.environ | {"LIQHEAT_UP_LOCAL_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.count("4 partitions, 1 replicas") == 19, "commands find the running stack by themselves"

    assert up.end() < 10
    assert nothing_lives(pids)
    assert not (folder / "up.json").exists()
    assert "Traceback" not in up.text
    assert is_free(redis_port)


def test_a_finished_replay_leaves_the_map_up_and_a_dead_service_comes_back(
    folder: Path, started: list[UpProcess]
) -> None:
    """And a source that was asked for is not replaced by another."""
    tape = folder / "tape.csv"
    tape.touch()
    up = UpProcess(folder, "--source", f"replay:{tape}", "--speed", "max")
    started.append(up)
    up.wait_for("the source has come to its end; the map stays until Ctrl-C")
    up.wait_for("liqheat is up: ")
    before = up.pids()["estimator"]
    os.kill(before, signal.SIGKILL)
    up.wait_for("estimator ended with code -9; it is started again in 0.5 s")
    assert wait_until(lambda: up.pids().get("estimator", before) != before, 60)
    kafka = up.pids()["kafka"]
    os.kill(kafka, signal.SIGKILL)
    assert wait_until(lambda: up.pids().get("kafka", kafka) != kafka, 60)
    pids = up.pids()
    assert "ingest" not in pids
    assert "fake-venue" not in pids
    assert "FAKE VENUES" not in up.text
    assert up.end(signal.SIGTERM) < 10
    assert nothing_lives(pids)


def test_a_service_that_hangs_is_killed_in_time(folder: Path, started: list[UpProcess]) -> None:
    up = UpProcess(folder, "--speed", "13")
    started.append(up)
    up.wait_for("liqheat is up: ")
    pids = up.pids()
    os.kill(pids["kafka"], signal.SIGSTOP)  # the broker hangs as well
    assert up.end() < 10
    assert nothing_lives(pids)
    assert "estimator did not end in 4.0 s and is killed" in up.text


@pytest.mark.parametrize("delay_seconds", [0.0, 0.4, 1.5])
def test_a_signal_during_the_start_ends_it(folder: Path, started: list[UpProcess], delay_seconds: float) -> None:
    up = UpProcess(folder)
    started.append(up)
    assert wait_until(lambda: (folder / "up.lock").exists(), 60)
    time.sleep(delay_seconds)
    pids = up.pids() if (folder / "up.json").exists() else {}
    assert up.end(signal.SIGTERM) < 10
    assert nothing_lives(pids)
    assert not (folder / "up.json").exists()
    assert "Traceback" not in up.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what signals a process catches")
def test_an_interrupt_that_make_keeps_to_itself_ends_it_too(folder: Path) -> None:
    makefile, program = folder / "Makefile", folder / "program.py"
    program.write_text(PROGRAM)
    makefile.write_text(f"up:\n\t@exec {sys.executable} {program}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")}
    with (folder / "shown.txt").open("wb") as file:
        make = subprocess.Popen(
            ["make", "-f", str(makefile), "up"],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment | {"LIQHEAT_UP_LOCAL_DIR": str(folder)},
            start_new_session=True,
            # Whoever started the tests in the background had them ignore interrupts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        shown = folder / "shown.txt"
        assert wait_until(lambda: "liqheat is up: " in shown.read_text(), 60), shown.read_text()
        pids = {child["name"]: child["pid"] for child in json.loads((folder / "up.json").read_text())["children"]}
        make.send_signal(signal.SIGINT)
        make.wait(10)
        assert nothing_lives(pids)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(make.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_killed_one_leaves_no_process_and_the_next_one_starts(folder: Path, started: list[UpProcess]) -> None:
    up = UpProcess(folder)
    started.append(up)
    up.wait_for("liqheat is up: ")
    pids = up.pids()
    up.process.kill()
    up.process.wait(10)
    assert wait_until(lambda: nothing_lives(pids), 30), "children outlive a killed supervisor"
    assert (folder / "up.json").exists()
    again = UpProcess(folder, "--keep")
    started.append(again)
    again.wait_for("liqheat is up: ")
    assert again.end() < 10


def test_a_port_that_was_asked_for_and_is_taken_is_refused_by_number(folder: Path, started: list[UpProcess]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = UpProcess(folder, "--port", str(port))
        started.append(up)
        assert up.process.wait(60) == 2
    assert f"port {port} is taken" in up.text
    assert "Traceback" not in up.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--source", "replay:/no/such/tape"], "there is no file or folder '/no/such/tape' to replay"),
        (["--source", "wishes"], "'wishes' is no source"),
        (["--speed", "0"], "'0' is no speed"),
        (["--port", "70000"], "'70000' is no port"),
    ],
)
def test_bad_options_are_refused_by_name(
    folder: Path, started: list[UpProcess], options: list[str], sentence: str
) -> None:
    up = UpProcess(folder, *options)
    started.append(up)
    assert up.process.wait(60) == 2
    assert sentence in up.text
