"""Which stack runs in a folder: one at most, known to other commands, and cleared away if it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from liqheat_shared.local.children import signal_group
from liqheat_shared.local.folder import local_dir
from liqheat_shared.local.ports import wait_until

_LOCK_NAME = "up.lock"
_STATE_NAME = "up.json"


class AlreadyRunningError(RuntimeError):
    """Another ``liqheat up`` holds the folder."""


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """A started process. Its start time tells it from a later one with the same id."""

    name: str
    pid: int
    started: str

    @property
    def lives(self) -> bool:
        """Whether this very process still runs."""
        return self.started != "" and start_time(self.pid) == self.started


@dataclass(frozen=True, slots=True)
class RunningStack:
    """What ``liqheat up`` runs in a folder."""

    pid: int
    kafka_bootstrap_servers: str
    redis_url: str
    api_port: int
    partitions: int
    children: list[ChildRecord] = field(default_factory=list)


class StackFolder:
    """The lock and the record of a running stack. Made by :func:`hold_folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _STATE_NAME
        self._stack: RunningStack | None = None

    def leftovers(self) -> list[ChildRecord]:
        """Processes of a stack that was killed and that still run."""
        stack = _read_state(self._path)
        return [child for child in stack.children if child.lives] if stack else []

    def clear_leftovers(self) -> list[ChildRecord]:
        """Kill the leftovers; returns them."""
        found = self.leftovers()
        for child in found:
            signal_group(child.pid, signal.SIGKILL)
        wait_until(lambda: not any(child.lives for child in found), timeout_seconds=3)
        return found

    def record(self, stack: RunningStack) -> None:
        """Remember what runs from now on."""
        self._stack = stack
        # Replaced as a whole: a reader never sees half of it.
        unfinished = self._path.with_suffix(".json.new")
        unfinished.write_text(json.dumps(asdict(stack), indent=1))
        unfinished.replace(self._path)

    def record_children(self, children: Sequence[tuple[str, int]]) -> None:
        """Remember the processes that run now, by name and id."""
        if self._stack is not None:
            records = [ChildRecord(name, pid, start_time(pid) or "") for name, pid in children]
            self.record(replace(self._stack, children=records))

    def forget(self) -> None:
        """Everything has ended in order."""
        self._path.unlink(missing_ok=True)


@contextmanager
def hold_folder(folder: Path) -> Iterator[StackFolder]:
    """Own the folder as the only stack. The kernel frees it however this process ends.

    Raises
    ------
    AlreadyRunningError
        Another process owns it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK_NAME).open("a+") as file:
        # More than one try: whoever asks what runs holds the lock for an instant.
        if not wait_until(lambda: _locked(file), timeout_seconds=0.5):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise AlreadyRunningError(f"liqheat is up already in {folder} (process {owner}); end that first")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield StackFolder(folder)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def running_stack(folder: Path) -> RunningStack | None:
    """What runs in the folder now, for commands that want to talk to it; None if nothing does."""
    with contextlib.suppress(OSError), (folder / _LOCK_NAME).open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_state(folder / _STATE_NAME)
    return None


def client_defaults() -> dict[str, str | int]:
    """Settings with which a command reaches the stack that runs in this folder, where the environment is silent.

    Only what the environment leaves open: whoever names a cluster means that one.
    """
    stack = running_stack(local_dir())
    if stack is None:
        return {}
    found: dict[str, str | int] = {
        "kafka_bootstrap_servers": stack.kafka_bootstrap_servers,
        "redis_url": stack.redis_url,
        "partitions": stack.partitions,
    }
    return {name: value for name, value in found.items() if f"LIQHEAT_{name.upper()}" not in os.environ}


def start_time(pid: int) -> str | None:
    """When a process started, in the words of the system; None if there is no such process.

    A zombie counts as gone.
    """
    if sys.platform == "linux":
        try:
            # After the name, which may hold anything but ends with the last bracket: state is field 1, start 20.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    return done.stdout.strip() or None


def _read_state(path: Path) -> RunningStack | None:
    try:
        fields = json.loads(path.read_text())
        children = [ChildRecord(**child) for child in fields.pop("children")]
        return RunningStack(**fields, children=children)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # none, or of another version
