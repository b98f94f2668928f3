"""Child processes that never outlive their parent and end when they are told to."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
# Loaded here and not in the forked child, where only async-signal-safe calls are.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def dies_with_parent() -> Callable[[], None] | None:
    """``preexec_fn`` that has the kernel kill the child when the thread that started it is gone (Linux only).

    Elsewhere None: there the next start clears what a killed one left behind. The kernel watches the *thread*: start
    long-lived children from the main thread.
    """
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the tie was made
            os._exit(1)

    return tie


def start_child(
    command: Sequence[str | Path], *, output: IO[bytes] | int, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in its own process group, tied to this one, with both outputs in ``output``."""
    return subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if environment is None else dict(environment),
        start_new_session=True,
        preexec_fn=dies_with_parent(),  # noqa: PLW1509 - it only makes one system call
    )


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that a child leads; one that has gone already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def stop_child(process: subprocess.Popen[bytes], timeout_seconds: float) -> int:
    """End a child with SIGTERM, and with SIGKILL after the timeout. Returns its exit code."""
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            signal_group(process.pid, signal.SIGKILL)
    return process.wait(10)
