"""The supervisor of the local stack, on small commands that die, hang, talk and refuse to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from liqheat_shared.local.console import Console
from liqheat_shared.local.ports import wait_until
from liqheat_shared.local.running import AlreadyRunningError, RunningStack, hold_folder, running_stack, start_time
from liqheat_shared.local.supervisor import Child, ChildSpec, GaveUp, Limits, Supervisor

QUICK = Limits(first_pause=0.05, longest_pause=0.2, services_stop=0.6, stop=1.2)


def python(name: str, code: str, **options: object) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-c", code], dict(os.environ), **options)  # type: ignore[arg-type]


def supervise(tmp_path: Path, body: Callable[[Supervisor], Awaitable[None]], limits: Limits = QUICK) -> str:
    """Run the body with a supervisor, stop it, and return what the console showed."""
    reading, writing = os.pipe()

    async def main() -> None:
        supervisor = Supervisor(Console(writing, coloured=False), tmp_path / "logs", limits)
        try:
            await body(supervisor)
        finally:
            await supervisor.stop()
            supervisor.console.drain(1)

    try:
        asyncio.run(main())
    finally:
        os.close(writing)
    with os.fdopen(reading, errors="replace") as shown:
        return shown.read()


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    return start_time(pid) is not None


def test_a_child_that_dies_is_started_again_and_its_lines_are_shown(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("talker", "print('hello'); raise SystemExit(3)"))
        await until(lambda: child.starts >= 2)

    shown = supervise(tmp_path, body)
    assert "talker    | hello\n" in shown
    assert "talker ended with code 3; it is started again in 0.1 s" in shown
    assert (tmp_path / "logs" / "talker.log").read_text().startswith("hello\n")


def test_a_child_that_keeps_dying_is_given_up_with_its_last_lines(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("doomed", "print('out of luck'); raise SystemExit(7)"))
        with pytest.raises(GaveUp, match=r"doomed ended 5 times \(exit code 7\)(.|\n)*out of luck"):
            await asyncio.wait_for(supervisor.failure(), 60)
        assert child.starts == 5

    supervise(tmp_path, body)


def test_deaths_long_ago_do_not_count(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("now-and-then", "raise SystemExit(1)"))
        await until(lambda: child.starts >= 7)
        assert len(child.deaths) < 5

    supervise(tmp_path, body, Limits(deaths_within=0.2, first_pause=0.05, longest_pause=0.06, services_stop=0.5))


def test_bad_settings_are_not_tried_again(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("refuser", "print('bad setting: X'); raise SystemExit(2)"))
        with pytest.raises(GaveUp, match=r"refuser refused to start(.|\n)*bad setting: X"):
            await asyncio.wait_for(supervisor.failure(), 60)
        assert child.starts == 1

    supervise(tmp_path, body)


def test_a_command_that_does_not_exist_is_a_failure_with_its_name(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        supervisor.add(ChildSpec("ghost", ["/nowhere/ghost"], dict(os.environ)))
        with pytest.raises(GaveUp, match="ghost can't be started"):
            await asyncio.wait_for(supervisor.failure(), 60)

    supervise(tmp_path, body)


def test_a_source_that_has_finished_is_not_started_again(tmp_path: Path) -> None:
    finished: list[str] = []

    async def body(supervisor: Supervisor) -> None:
        supervisor.on_finish = lambda child: finished.append(child.spec.name)
        child = supervisor.add(python("replay", "print('done')", finishes=True))
        await until(lambda: child.finished)
        await asyncio.sleep(0.3)
        assert child.starts == 1

    supervise(tmp_path, body)
    assert finished == ["replay"]


def test_a_child_waits_for_what_it_needs_before_every_start(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        there = asyncio.Event()

        async def needed() -> None:
            await there.wait()

        child = supervisor.add(python("dependent", "raise SystemExit(1)", before_start=needed))
        await asyncio.sleep(0.3)
        assert child.starts == 0
        there.set()
        await until(lambda: child.starts >= 1)

    supervise(tmp_path, body)


STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("inner", inner.pid, flush=True)
time.sleep(60)
"""


def test_one_that_ignores_sigterm_is_killed_with_all_it_started(tmp_path: Path) -> None:
    inner: list[int] = []

    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("stubborn", STUBBORN))
        await until(lambda: bool(child.last_lines))
        inner.append(int(child.last_lines[0].split()[1]))
        assert lives(inner[0])
        started = time.monotonic()
        await supervisor.stop()
        assert time.monotonic() - started < 10
        assert not child.running

    assert "stubborn did not end in 0.6 s and is killed" in supervise(tmp_path, body)
    assert wait_until(lambda: not lives(inner[0]), 20), "what it had started lives on"


def test_a_stopped_process_is_ended_too(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("frozen", "import time; print('up', flush=True); time.sleep(60)"))
        await until(lambda: bool(child.last_lines))
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGSTOP)
        await supervisor.stop()
        assert not child.running

    supervise(tmp_path, body)


def test_servers_end_after_the_services_that_need_them(tmp_path: Path) -> None:
    note = "import signal, sys, time\ndef end(*_):\n    print('end', time.monotonic(), flush=True)\n    sys.exit(0)\n"
    slow = f"{note}signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), end()))\nprint('up', flush=True)\n"
    fast = f"{note}signal.signal(signal.SIGTERM, end)\nprint('up', flush=True)\n"
    times: dict[str, float] = {}

    async def body(supervisor: Supervisor) -> None:
        server = supervisor.add(python("server", fast + "time.sleep(60)", is_server=True))
        service = supervisor.add(python("service", slow + "time.sleep(60)"))
        await until(lambda: bool(server.last_lines) and bool(service.last_lines))
        await supervisor.stop()
        times.update({child.spec.name: float(child.last_lines[-1].split()[1]) for child in (server, service)})

    supervise(tmp_path, body)
    assert times["service"] < times["server"]


def test_it_stops_while_children_wait_to_be_started_again(tmp_path: Path) -> None:
    async def body(supervisor: Supervisor) -> None:
        child = supervisor.add(python("dead", "raise SystemExit(1)"))
        await until(lambda: bool(child.deaths))
        started = time.monotonic()
        await supervisor.stop()
        assert time.monotonic() - started < 10

    supervise(tmp_path, body, Limits(first_pause=30, longest_pause=30))


def test_a_reader_that_went_away_stops_nobody(tmp_path: Path) -> None:
    """Nobody reads the console's pipe: a child that talks without end must still run and be ended."""

    async def body(supervisor: Supervisor) -> None:
        chatter = "import sys\nfor n in range(10**9): print('x' * 200, n)"
        child = supervisor.add(python("chatter", chatter))
        log = tmp_path / "logs" / "chatter.log"
        await until(lambda: log.stat().st_size > 3_000_000)
        started = time.monotonic()
        await asyncio.wait_for(supervisor.stop(), 30)
        assert time.monotonic() - started < 3
        assert not child.running

    reading, writing = os.pipe()

    async def main() -> None:
        await body(Supervisor(Console(writing, coloured=False), tmp_path / "logs", QUICK))

    asyncio.run(main())
    os.close(reading)


KILLED_SUPERVISOR = """
import asyncio, os, sys, pathlib
from liqheat_shared.local.console import Console
from liqheat_shared.local.supervisor import ChildSpec, Supervisor
async def main():
    supervisor = Supervisor(Console(), pathlib.Path(sys.argv[1]))
    supervisor.add(ChildSpec("sleeper", [sys.executable, "-c",
        "import os, time; print(os.getpid(), flush=True); time.sleep(60)"], dict(os.environ)))
    await supervisor.failure()
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_children_of_a_killed_supervisor_die(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline().split("|")[1])
    assert lives(pid)
    parent.kill()
    parent.wait(10)
    assert wait_until(lambda: not lives(pid), 30), "the child lives on"


# ---- the folder


def stack(pid: int = 1) -> RunningStack:
    return RunningStack(pid, "127.0.0.1:1", "redis://127.0.0.1:2/0", 3, 4)


def test_a_second_stack_in_a_folder_is_refused_by_the_first_ones_id(tmp_path: Path) -> None:
    with hold_folder(tmp_path) as held:
        held.record(stack())
        found = running_stack(tmp_path)
        assert found is not None
        assert found.kafka_bootstrap_servers == "127.0.0.1:1"
        with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()}"), hold_folder(tmp_path):
            pytest.fail("two stacks hold one folder")
    assert running_stack(tmp_path) is None, "nobody holds the folder, so nothing runs"


def test_a_lock_file_of_a_killed_stack_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("999999")
    (tmp_path / "up.json").write_text('{"half')
    with hold_folder(tmp_path) as held:
        assert held.leftovers() == []


def test_leftovers_are_killed_but_never_a_stranger_with_the_same_id(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    left, stranger = (subprocess.Popen(sleeper, start_new_session=True) for _ in range(2))
    try:
        with hold_folder(tmp_path) as held:
            held.record(stack())
            held.record_children([("left", left.pid), ("stranger", stranger.pid)])
        state = json.loads((tmp_path / "up.json").read_text())
        state["children"][1]["started"] = "1"  # another process had the id when the record was made
        (tmp_path / "up.json").write_text(json.dumps(state))
        with hold_folder(tmp_path) as held:
            assert [child.name for child in held.clear_leftovers()] == ["left"]
        assert left.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (left, stranger):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(5)


def test_records_name_every_child_that_runs(tmp_path: Path) -> None:
    recorded: list[list[str]] = []

    async def body(supervisor: Supervisor) -> None:
        def note(children: list[Child]) -> None:
            recorded.append([child.spec.name for child in children if child.running])

        supervisor.on_change = note  # type: ignore[assignment]
        supervisor.add(python("one", "import time; time.sleep(60)"))
        supervisor.add(python("two", "import time; time.sleep(60)"))
        await until(lambda: len(recorded) == 2)

    supervise(tmp_path, body)
    assert recorded[-1] == ["one", "two"]
