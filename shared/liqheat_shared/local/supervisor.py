"""Keeps child processes running: starts, watches, starts again, and ends them all within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from liqheat_shared.local.child_output import ChildOutput
from liqheat_shared.local.children import signal_group, start_child
from liqheat_shared.local.console import Console, LogFile

_POLL_SECONDS = 0.05
_LAST_LINES = 30
#: How services end when their settings or arguments are wrong: starting again would not help.
REFUSED_EXIT_CODE = 2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running.

    Attributes
    ----------
    environment : mapping
        The whole environment of the child.
    finishes : bool
        Exit code 0 is the end of its work and not a death.
    quiet : bool
        Its lines go to the log file only.
    before_start : callable or None
        Awaited before every start, e.g. until the broker serves.
    is_server : bool
        Ended after all others, because they need it to end in order.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    finishes: bool = False
    quiet: bool = False
    before_start: Callable[[], Awaitable[None]] | None = None
    is_server: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """When to start again, when to give up, how long to wait for an end. Seconds."""

    deaths: int = 5
    deaths_within: float = 60.0
    first_pause: float = 0.5
    longest_pause: float = 8.0
    services_stop: float = 4.0
    stop: float = 8.0


class Child:
    """One supervised process: its spec and what became of it."""

    def __init__(self, spec: ChildSpec, number: int, log: LogFile) -> None:
        self.spec = spec
        self.number = number
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.output: ChildOutput | None = None
        self.starts = 0
        self.finished = False
        self.deaths: deque[float] = deque()
        self.last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None


class GaveUp(Exception):  # noqa: N818 - the verdict of the supervisor, not a fault in it
    """A child died too often, or refused to start. The message has its last lines."""


@dataclass
class Supervisor:
    """Runs children until told to stop.

    Children die with this process (on Linux the kernel sees to it), so it must run in the main thread.

    Parameters
    ----------
    log_dir : Path
        Gets a file for each child.
    on_change : callable
        Called with all children after each start, so that what was left by a crash can be cleared later.
    """

    console: Console
    log_dir: Path
    limits: Limits = field(default_factory=Limits)
    on_change: Callable[[Sequence[Child]], None] = lambda _: None
    on_finish: Callable[[Child], None] = lambda _: None

    def __post_init__(self) -> None:
        self.children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, spec: ChildSpec) -> Child:
        """Keep a process running from now on."""
        child = Child(spec, len(self.children), LogFile(self.log_dir / f"{spec.name}.log"))
        self.children.append(child)
        task = asyncio.create_task(self._keep(child), name=f"keep {spec.name}")
        task.add_done_callback(self._kept)
        self._tasks.append(task)
        return child

    async def failure(self) -> None:
        """Wait until a child is given up.

        Raises
        ------
        GaveUp
            Always, then.
        """
        await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """End all: services first, then the servers that they need to end in order. Never longer than the limits.

        A server has what time the services left: the broker ends in 0.5 s, in several if the machine is busy.
        """
        started = time.monotonic()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end([child for child in self.children if not child.spec.is_server], self.limits.services_stop)
        left = self.limits.stop - (time.monotonic() - started)
        await self._end([child for child in self.children if child.spec.is_server], max(0.5, left))
        for child in self.children:
            child.log.close()
        self._failure.cancel()

    async def _keep(self, child: Child) -> None:
        while True:
            if child.spec.before_start is not None:
                await child.spec.before_start()
            code = await self._run_once(child)
            if code == 0 and child.spec.finishes:
                child.finished = True
                self.on_finish(child)
                return
            pause = self._pause_after_death(child, code)
            self.console.say(f"{child.spec.name} ended with code {code}; it is started again in {pause:.1f} s")
            await asyncio.sleep(pause)

    def _pause_after_death(self, child: Child, code: int) -> float:
        now = time.monotonic()
        child.deaths.append(now)
        while now - child.deaths[0] > self.limits.deaths_within:
            child.deaths.popleft()
        refused = code == REFUSED_EXIT_CODE
        if refused or len(child.deaths) >= self.limits.deaths:
            why = "refused to start" if refused else f"ended {len(child.deaths)} times"
            lines = "\n".join(f"    {line}" for line in child.last_lines)
            raise GaveUp(f"{child.spec.name} {why} (exit code {code}). Its last lines:\n{lines}")
        return float(min(self.limits.longest_pause, self.limits.first_pause * 2 ** (len(child.deaths) - 1)))

    async def _run_once(self, child: Child) -> int:
        process = self._start(child)
        while (code := process.poll()) is None:  # noqa: ASYNC110 - an exit code comes from polling alone
            await asyncio.sleep(_POLL_SECONDS)
        _clear(child)
        return code

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        child.output = ChildOutput(lambda line: self._take_line(child, line))
        try:
            child.process = start_child(
                child.spec.command, output=child.output.writing_end, environment=child.spec.environment
            )
        except OSError as error:
            raise GaveUp(f"{child.spec.name} can't be started: {error}") from error
        finally:
            child.output.started()
        child.starts += 1
        self.on_change(self.children)
        return child.process

    def _take_line(self, child: Child, line: str) -> None:
        child.last_lines.append(line)
        child.log.write(line)
        if not child.spec.quiet:
            self.console.child_line(child.spec.name, child.number, line)

    def _kept(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _end(self, children: Sequence[Child], timeout_seconds: float) -> None:
        for child in children:
            if child.process is not None and child.running:
                signal_group(child.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout_seconds
        while any(child.running for child in children) and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        for child in children:
            if child.running:
                self.console.say(f"{child.spec.name} did not end in {timeout_seconds:.1f} s and is killed")
            _clear(child)


def _clear(child: Child) -> None:
    """Kill what is left of the child's process group and take its last lines."""
    if child.process is not None:
        signal_group(child.process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(1)
    if child.output is not None:
        child.output.close()
