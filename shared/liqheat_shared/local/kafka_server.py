"""A real Apache Kafka on this machine: one KRaft node on a JRE that came as a wheel. Loopback only."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from liqheat_shared.local.broker_image import format_data_dir, java_command
from liqheat_shared.local.children import signal_group, start_child, stop_child
from liqheat_shared.local.folder import jars_dir
from liqheat_shared.local.jars import ensure_jars, jar_paths
from liqheat_shared.local.ports import LOOPBACK, free_ports, wait_until

READY_SECONDS = 60.0
STOP_SECONDS = 15.0

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # A broker that was killed is let in again when its old session has run out: 4 s instead of 9. Not less: on a busy
    # machine it misses heartbeats, and without a session its partitions have no leader.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "auto.create.topics.enable": "false",
    "message.max.bytes": "16777216",
    "replica.fetch.max.bytes": "16777216",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.segment.bytes": "8388608",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.segment.bytes": "8388608",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.retention.hours": "24",
    "log.retention.bytes": "268435456",
    "log.segment.bytes": "67108864",
    # The disk is bounded only as often as the broker looks.
    "log.initial.task.delay.ms": "5000",
    "log.retention.check.interval.ms": "10000",
    "log.segment.delete.delay.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.cleaner.backoff.ms": "5000",
}


class KafkaServer:
    """One broker with its own data folder.

    Parameters
    ----------
    data_dir : Path
        Log segments and the node's identity; kept between starts.
    port, controller_port : int or None
        None: any free port, the same for the whole life of the object, so that clients find a restarted broker.
    log_path : Path or None
        None: ``kafka.log`` beside the data folder. Appended to.
    properties : mapping
        Broker properties that win over those here.
    java_options : sequence of str
        Options of the virtual machine besides those it needs.

    Examples
    --------
    >>> with KafkaServer(Path("/tmp/example/kafka")) as broker:  # doctest: +SKIP
    ...     print(broker.bootstrap_servers)
    127.0.0.1:40123
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        controller_port: int | None = None,
        *,
        log_path: Path | None = None,
        properties: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        spare = free_ports(2)
        self.data_dir = data_dir
        self.port = spare[0] if port is None else port
        self.controller_port = spare[1] if controller_port is None else controller_port
        self.log_path = log_path or data_dir.with_name(f"{data_dir.name}.log")
        self.properties_path = data_dir.with_name(f"{data_dir.name}.properties")
        self._properties = dict(properties or {})
        self._java_options = tuple(java_options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        if self._process is None:
            raise RuntimeError("the broker was never started")
        return self._process.pid

    def prepare(self) -> None:
        """Fetch the jars if need be, write the properties, give an empty data folder its identity."""
        jars = ensure_jars(jars_dir())
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self.properties_path.write_text(self._rendered())
        if not (self.data_dir / "meta.properties").exists():
            format_data_dir(self.data_dir, jars, self._rendered())

    def command(self) -> list[str]:
        """Command line of the broker; call :meth:`prepare` before it is run."""
        return [*java_command(jar_paths(jars_dir()), self._java_options), "kafka.Kafka", str(self.properties_path)]

    def start(self, timeout_seconds: float = READY_SECONDS) -> Self:
        """Start the broker and wait until it serves. It may be started again after it has ended.

        Raises
        ------
        RuntimeError
            It ended, or did not serve in time; the last lines of its log are in the message.
        """
        self.prepare()
        with self.log_path.open("ab") as log:
            self._process = start_child(self.command(), output=log)
        ready = wait_until(lambda: self.is_ready() or self._process_ended(), timeout_seconds)
        if not ready or self._process_ended():
            self.stop()
            raise RuntimeError(f"the broker did not start on {self.bootstrap_servers}:\n{self._last_log_lines()}")
        return self

    def is_ready(self) -> bool:
        """Whether a client that connects now gets an answer with a living broker in it."""
        return serves_metadata(LOOPBACK, self.port)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """End it in order, by force after the timeout."""
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

    def _rendered(self) -> str:
        client, controller = f"PLAINTEXT://{self.bootstrap_servers}", f"CONTROLLER://{LOOPBACK}:{self.controller_port}"
        own = {
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": f"{client},{controller}",
            "advertised.listeners": client,
            "log.dirs": str(self.data_dir),
        }
        return "".join(f"{name}={value}\n" for name, value in (_PROPERTIES | own | self._properties).items())

    def _last_log_lines(self) -> str:
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        return "\n".join(lines[-15:])


def serves_metadata(host: str, port: int, timeout_seconds: float = 1.0) -> bool:
    """Ask for the cluster's brokers in Kafka's own protocol (Metadata, version 1); True if there is one."""
    body = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.recv(12, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(answer) == 12 and int(struct.unpack(">iii", answer)[2]) > 0
