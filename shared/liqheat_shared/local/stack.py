"""What runs on one machine, with which settings, in which order."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.ports import LOOPBACK, free_block, free_ports, is_free
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.local.settings import UpSettings
from liqheat_shared.local.supervisor import ChildSpec

#: Service -> the module that takes long to load.
SERVICES: dict[str, str] = {
    "estimator": "liqheat_estimator.app",
    "clusterer": "liqheat_clusterer.app",
    "projector": "liqheat_api.projector.app",
    "api": "liqheat_api.server",
    "ingest": "liqheat_ingest.start",
}
#: Loads what the live source needs, ccxt above all, while the broker starts.
LIVE_MODULE = "liqheat_ingest.live_run"
FAKE_VENUES = ("binance", "bybit", "okx", "hyperliquid")
#: Not needed for the first map and slow to load: it would take the processor from the broker's start.
LOADED_LATE = ("clusterer",)
USUAL_PORTS = {"kafka": 9092, "kafka controller": 9093, "redis": 6379, "api": 8080}


class PortTakenError(RuntimeError):
    """A port that was asked for by number is in use."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports of a stack. ``metrics``: by service."""

    kafka: int
    controller: int
    redis: int
    api: int
    metrics: Mapping[str, int]
    #: First of five in a row: the control of the fake venues, then one for each venue.
    fake_venue: int
    moved: tuple[str, ...] = ()


def choose_ports(api_port: int | None) -> Ports:
    """The usual ports where they are free, else any; ``moved`` has a sentence for each that is another.

    Parameters
    ----------
    api_port : int or None
        Asked for by number; None: 8080 if free.

    Raises
    ------
    PortTakenError
        The port that was asked for is in use.
    """
    if api_port is not None and not is_free(api_port):
        raise PortTakenError(f"port {api_port} is taken; end what listens there or choose another with --port")
    spare = free_ports(len(USUAL_PORTS) + len(SERVICES))
    wanted = USUAL_PORTS | ({} if api_port is None else {"api": api_port})
    chosen, moved = {}, []
    for name, port in wanted.items():
        chosen[name] = port if is_free(port) else spare.pop()
        if chosen[name] != port:
            moved.append(f"port {port} is taken: {name} listens on {chosen[name]}")
    metrics = {service: spare.pop() for service in SERVICES}
    return Ports(
        chosen["kafka"],
        chosen["kafka controller"],
        chosen["redis"],
        chosen["api"],
        metrics,
        free_block(1 + len(FAKE_VENUES)),
        tuple(moved),
    )


@dataclass(frozen=True, slots=True)
class StackPlan:
    """Everything that ``liqheat up`` starts.

    Parameters
    ----------
    source : str
        What ingest publishes, or ``auto``: to be decided by :meth:`decided`.
    fake_venues : bool
        The live source speaks to fake venues on this machine.
    """

    settings: UpSettings
    folder: Path
    ports: Ports
    source: str
    speed: str
    fake_venues: bool = False

    @property
    def gate(self) -> Path:
        """File that appears when the topics are there."""
        return self.folder / "topics-are-there"

    @property
    def log_dir(self) -> Path:
        """Folder of the log files."""
        return self.folder / "logs"

    def decided(self, source: str, *, fake_venues: bool = False) -> StackPlan:
        """The plan with its source."""
        return replace(self, source=source, fake_venues=fake_venues)

    def kafka(self) -> KafkaServer:
        """The broker."""
        return KafkaServer(self.folder / "kafka" / "data", self.ports.kafka, self.ports.controller)

    def redis(self) -> RedisServer:
        """The Redis-compatible server."""
        return RedisServer(self.folder / "redis", self.ports.redis)

    def service_settings(self) -> UpSettings:
        """Settings of a client of this stack, whatever cluster the environment speaks of."""
        return self.settings.model_copy(
            update={
                "kafka_bootstrap_servers": self.kafka().bootstrap_servers,
                "kafka_security_protocol": "PLAINTEXT",
                "kafka_sasl_username": None,
                "kafka_sasl_password": None,
            }
        )

    def environment(self, service: str) -> dict[str, str]:
        """The whole environment of a service."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIQHEAT_KAFKA_")}
        own = {
            "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{self.ports.kafka}",
            "LIQHEAT_REDIS_URL": f"redis://{LOOPBACK}:{self.ports.redis}/0",
            "LIQHEAT_PARTITIONS": str(self.settings.partitions),
            "LIQHEAT_LOG_LEVEL": self.settings.log_level,
            "LIQHEAT_METRICS_HOST": LOOPBACK,
            "LIQHEAT_METRICS_PORT": str(self.ports.metrics[service]),
            "PYTHONUNBUFFERED": "1",
        }
        if service == "api":
            own |= {"LIQHEAT_API_PORT": str(self.ports.api), "LIQHEAT_API_HOST": LOOPBACK}
        if service in ("estimator", "clusterer"):
            # Static membership: a worker that died has its partitions back as soon as it is started again.
            own[f"LIQHEAT_{service.upper()}_INSTANCE_ID"] = "one-machine"
        if service == "ingest" and self.fake_venues:
            addresses = (f"http://{LOOPBACK}:{self.ports.fake_venue + 1 + i}" for i in range(len(FAKE_VENUES)))
            endpoints = (f"{venue}={address}" for venue, address in zip(FAKE_VENUES, addresses, strict=True))
            own["LIQHEAT_INGEST_LIVE_ENDPOINTS"] = ",".join(endpoints)
            own["LIQHEAT_INGEST_LIVE_VENUES"] = ",".join(FAKE_VENUES)
        # Compiled modules are kept whatever the shell says: the second start is seconds faster.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        # A thread pool a process for small matrices costs memory and, on few cores, time.
        frugal = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        return frugal | inherited | own

    def server_specs(self) -> list[ChildSpec]:
        """Broker and Redis; the broker has to be prepared before."""
        redis, kafka = self.redis(), self.kafka()
        redis.work_dir.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        return [
            ChildSpec("redis", redis.command(), environment, quiet=True, is_server=True),
            ChildSpec("kafka", kafka.command(), environment, quiet=True, is_server=True),
        ]

    def service_specs(self) -> list[ChildSpec]:
        """Our own processes. Only the api serves without topics: it reads Redis alone."""
        options = {"ingest": ["--source", self.source, "--speed", self.speed]}
        modules = SERVICES | ({"ingest": LIVE_MODULE} if self.source == "live" else {})
        return [
            ChildSpec(
                name,
                [
                    sys.executable,
                    "-m",
                    "liqheat_shared.local.held_start",
                    os.devnull if name == "api" else str(self.gate),
                    module,
                    name,
                    *options.get(name, []),
                ],
                self.environment(name),
                # A replay ends; the map it made stays.
                finishes=name == "ingest",
            )
            for name, module in modules.items()
        ]

    def fake_venue_spec(self) -> ChildSpec:
        """The fake venues, on ports that ingest is told."""
        command = [sys.executable, "-m", "liqheat_shared.local.held_start", os.devnull, "liqheat_ingest.commands"]
        options = ["fake-venue", "--port", str(self.ports.fake_venue)]
        return ChildSpec("fake-venue", [*command, *options], self.environment("ingest"), quiet=True)
