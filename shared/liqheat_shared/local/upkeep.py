"""The life of a stack: prepare, start, say that it is up, keep it up, end it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from liqheat_shared.local.children import signal_group
from liqheat_shared.local.console import Console
from liqheat_shared.local.http_probe import get
from liqheat_shared.local.make_parent import until_make_wants_to_end
from liqheat_shared.local.prepare import is_needed
from liqheat_shared.local.running import RunningStack, StackFolder
from liqheat_shared.local.stack import LOADED_LATE, StackPlan
from liqheat_shared.local.supervisor import Child, ChildSpec, Supervisor
from liqheat_shared.local.venue_probe import probe_venues

_POLL_SECONDS = 0.1
_BROKER_SECONDS = 90.0
#: How long to be silent about what is missing, and how often to say it then.
_PATIENCE_SECONDS = 20.0
_REMINDER_SECONDS = 15.0
#: The end is bounded by the supervisor's limits; this is for the case that something in here hangs.
_LAST_RESORT_SECONDS = 9.5


class Upkeep:
    """Runs a :class:`StackPlan` in the foreground.

    Parameters
    ----------
    keep : bool
        Go on from the data that is there instead of from nothing.
    started : float
        ``time.monotonic()`` when the command was given.
    """

    def __init__(self, plan: StackPlan, held: StackFolder, console: Console, *, keep: bool, started: float) -> None:
        self._plan = plan
        self._held = held
        self._console = console
        self._keep = keep
        self._started = started

    async def run(self) -> int:
        """Run until SIGINT or SIGTERM (exit code 0), or until a process can't be kept running (1)."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        supervisor = Supervisor(
            self._console, self._plan.log_dir, on_change=self._record_children, on_finish=self._say_finished
        )
        code = 0
        try:
            await _until(stop, supervisor.failure(), self._start(supervisor))
        except Exception as error:  # noqa: BLE001 - whatever it is, what was started must be ended
            self._console.say(f"liqheat up: {error or type(error).__name__}")
            code = 1
        self._console.say("stopping")
        last_resort = threading.Timer(_LAST_RESORT_SECONDS, _end_now, [supervisor.children, code])
        last_resort.daemon = True
        last_resort.start()
        await supervisor.stop()
        last_resort.cancel()
        self._plan.gate.unlink(missing_ok=True)
        self._held.forget()
        self._console.say(f"stopped; the logs are in {self._plan.log_dir}")
        self._console.drain(0.5)
        return code

    async def _start(self, supervisor: Supervisor) -> None:
        plan = self._plan
        plan.gate.unlink(missing_ok=True)
        if not self._keep:
            await asyncio.to_thread(shutil.rmtree, plan.folder / "kafka" / "data", ignore_errors=True)
        self._held.record(self._as_running())
        kafka = plan.kafka()
        deciding = asyncio.create_task(self._decide())
        try:
            if is_needed():
                await self._prepare(supervisor)
            await asyncio.to_thread(kafka.prepare)
            later = (*LOADED_LATE, "ingest")
            for spec in [*plan.server_specs(), *plan.service_specs()]:
                if spec.name not in later:
                    supervisor.add(spec)
            starting = asyncio.create_task(self._topics())
            self._plan = plan = await deciding
            if plan.fake_venues:
                supervisor.add(plan.fake_venue_spec())
            specs = {spec.name: spec for spec in plan.service_specs() if spec.name in later}
            supervisor.add(specs.pop("ingest"))
            await starting
        finally:
            deciding.cancel()
        for spec in specs.values():
            supervisor.add(spec)
        await self._until_readable()

    async def _decide(self) -> StackPlan:
        """What is shown: the venues if one can be reached, else fake venues. Only where nobody said."""
        plan, settings = self._plan, self._plan.settings
        if plan.source != "auto":
            return plan
        found = await probe_venues(settings.up_venue_hosts.split(","), settings.up_venue_timeout_s)
        if found.reached is not None:
            self._tell(f"{found.reached} answers: the map is live")
            return plan.decided("live")
        self._console.say(f"no venue can be reached from here ({found.sentence})")
        self._console.say("FAKE VENUES take their place: the page says SIMULATED, and nothing on it is real")
        return plan.decided("live", fake_venues=True)

    async def _prepare(self, supervisor: Supervisor) -> None:
        command = [sys.executable, "-m", "liqheat_shared.local.prepare"]
        child = supervisor.add(ChildSpec("prepare", command, dict(os.environ), finishes=True))
        await _wait_for(lambda: _done(child), 600, "the broker was not fetched")

    async def _topics(self) -> None:
        admin = await asyncio.to_thread(importlib.import_module, "liqheat_shared.kafka.topic_admin")
        topics = await asyncio.to_thread(importlib.import_module, "liqheat_shared.kafka.topics")
        kafka = self._plan.kafka()
        await _wait_for(lambda: asyncio.to_thread(kafka.is_ready), _BROKER_SECONDS, "the broker does not serve")
        self._tell("the broker serves")
        settings = self._plan.service_settings()
        reports, _ = await asyncio.gather(
            admin.apply_topics(settings, topics.laptop_topics(settings)), admin.wake_coordinators(settings)
        )
        drifted = [f"{report.name}: {sentence}" for report in reports for sentence in report.drift]
        for sentence in drifted:
            self._console.say(f"liqheat up: {sentence}")
        if any(report.breaks for report in reports):
            raise RuntimeError("the kept data has another partition count; start without --keep")
        self._plan.gate.touch()
        self._tell("the topics are there")

    async def _until_readable(self) -> None:
        port = self._plan.ports.api
        remind_at = time.monotonic() + _PATIENCE_SECONDS
        while (answer := await get(port, "/readyz")) is None or answer[0] != 200:
            if time.monotonic() > remind_at:
                self._console.say(f"waiting for a map: {_reason(answer)}")
                remind_at = time.monotonic() + _REMINDER_SECONDS
            await asyncio.sleep(_POLL_SECONDS)
        self._console.say(f"liqheat is up: http://127.0.0.1:{port}")
        phase = await _phase_shown(port)
        self._console.say(f"(after {self._elapsed():.1f} s; the map shows {phase} data. Ctrl-C ends everything.)")

    def _as_running(self) -> RunningStack:
        plan = self._plan
        servers, url = plan.kafka().bootstrap_servers, plan.redis().url
        return RunningStack(os.getpid(), servers, url, plan.ports.api, plan.settings.partitions)

    def _record_children(self, children: Sequence[Child]) -> None:
        self._held.record_children(
            [(child.spec.name, child.process.pid) for child in children if child.process and child.running]
        )

    def _say_finished(self, child: Child) -> None:
        if child.spec.name == "ingest":
            self._console.say("the source has come to its end; the map stays until Ctrl-C")

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

    def _tell(self, what: str) -> None:
        self._console.say(f"{self._elapsed():5.1f} s  {what}")


async def _until(stop: asyncio.Event, failure: Awaitable[None], start: Awaitable[None]) -> None:
    """Start, and return when told to stop; raises what the start or a child failed with."""
    ends: set[asyncio.Future[Any]] = {
        asyncio.ensure_future(stop.wait()),
        asyncio.ensure_future(until_make_wants_to_end()),
    }
    tasks = ends | {asyncio.ensure_future(failure), asyncio.ensure_future(start)}
    pending = set(tasks)
    try:
        while not any(end.done() for end in ends):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_for(condition: Callable[[], Awaitable[bool]], timeout_seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} after {timeout_seconds:.0f} s")
        await asyncio.sleep(_POLL_SECONDS)


async def _done(child: Child) -> bool:
    return child.finished


def _reason(answer: tuple[int, bytes] | None) -> str:
    if answer is None:
        return "the api does not answer"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(answer[1])["detail"])
    return answer[1].decode("utf-8", "replace")[:300]


async def _phase_shown(port: int) -> str:
    answer = await get(port, "/v1/coins")
    try:
        coins = json.loads(answer[1])["coins"] if answer else []
        return " and ".join(sorted({str(coin["phase"]) for coin in coins})) or "no"
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _end_now(children: Sequence[Child], code: int) -> None:
    for child in children:
        if child.process is not None:
            signal_group(child.process.pid, signal.SIGKILL)
    os._exit(code)
