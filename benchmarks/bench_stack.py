"""A whole stack for a benchmark: broker, Redis, topics and the services as processes, on free ports."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from subprocess import Popen
from typing import Any, Self

from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics
from liqheat_shared.local.children import start_child, stop_child
from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.ports import free_port
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.settings import ServiceSettings

LIQHEAT = Path(sys.executable).with_name("liqheat")
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def result(name: str, value: float, unit: str, target: str, note: str = "") -> dict[str, Any]:
    """One line of benchmarks/results.json."""
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target, "note": note}


class BenchStack:
    """Broker and Redis at once; services when they are asked for."""

    def __init__(self, partitions: int = 4) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="liqheat-bench-")
        self.path = Path(self._folder.name)
        self.kafka = KafkaServer(self.path / "kafka")
        self.redis = RedisServer(self.path)
        self.partitions = partitions
        self._children: dict[str, Popen[bytes]] = {}
        self.ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.kafka.start()
        self.redis.start()
        settings = ServiceSettings(kafka_bootstrap_servers=self.kafka.bootstrap_servers, partitions=self.partitions)
        asyncio.run(apply_topics(settings, laptop_topics(settings)))
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            stop_child(child, 10)
        self.redis.stop()
        self.kafka.stop()
        self._folder.cleanup()

    def environment(self, **more: str) -> dict[str, str]:
        """Settings that lead a service to this stack."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_")},
            "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "LIQHEAT_REDIS_URL": self.redis.url,
            "LIQHEAT_PARTITIONS": str(self.partitions),
            **more,
        }

    def start(self, name: str, *arguments: str, wait: bool = True, **more: str) -> Popen[bytes]:
        """A service; with ``wait`` its readiness is awaited."""
        self.ports[name] = free_port()
        environment = self.environment(LIQHEAT_METRICS_PORT=str(self.ports[name]), **more)
        with (self.path / f"{name}.log").open("wb") as log:
            child = start_child([LIQHEAT, name, *arguments], output=log, environment=environment)
        self._children[name] = child
        if wait:
            self.wait_for(f"http://127.0.0.1:{self.ports[name]}/readyz", name)
        return child

    def stop(self, name: str) -> None:
        stop_child(self._children.pop(name), 10)

    def wait_for(self, url: str, name: str, timeout_seconds: float = 60.0) -> None:
        """Until a probe answers 200."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._children[name].poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{name} did not get ready:\n{(self.path / f'{name}.log').read_text()[-2000:]}")

    def metrics(self, name: str) -> dict[str, float]:
        """Samples of a service by name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[name]}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}

    def cpu_seconds(self, name: str) -> float:
        """User and system time of a service so far."""
        return cpu_seconds(self._children[name].pid)

    def all_cpu_seconds(self) -> dict[str, float]:
        """User and system time of every process of the stack so far, broker and Redis too."""
        pids = {name: child.pid for name, child in self._children.items()}
        pids |= {"kafka": self.kafka.pid, "redis": self.redis.pid}
        return {name: round(cpu_seconds(pid), 1) for name, pid in pids.items()}

    def memory_bytes(self, name: str) -> int:
        """Resident memory of a service now."""
        pages = int(Path(f"/proc/{self._children[name].pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
