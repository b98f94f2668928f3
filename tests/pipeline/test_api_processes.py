"""``liqheat projector``, ``api`` and ``redis`` as processes, from a message in Kafka to an event at a client."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import view_samples as samples
from liqheat_shared.cli import run
from liqheat_shared.local.ports import free_port

pytestmark = [pytest.mark.broker, pytest.mark.redis]
LIQHEAT = str(Path(sys.executable).with_name("liqheat"))


@pytest.fixture
def environment(kafka_broker: str, redis_server: str, topic_prefix: str) -> Iterator[dict[str, str]]:
    asyncio.run(samples.make_topics(kafka_broker, topic_prefix))
    yield os.environ | {
        "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": kafka_broker,
        "LIQHEAT_REDIS_URL": redis_server,
        "LIQHEAT_TOPIC_PREFIX": topic_prefix,
        "LIQHEAT_GROUP_PREFIX": topic_prefix,
        "LIQHEAT_REDIS_KEY_PREFIX": topic_prefix + ":",
        "LIQHEAT_PARTITIONS": "2",
    }
    asyncio.run(samples.delete_topics(kafka_broker, topic_prefix))


def answer(url: str, status: int = 200, timeout_seconds: float = 90) -> httpx.Response:
    """The first answer with this status."""
    deadline = time.monotonic() + timeout_seconds
    last = "nothing"
    while time.monotonic() < deadline:
        try:
            response = httpx.get(url, timeout=5)
            if response.status_code == status:
                return response
            last = f"{response.status_code}: {response.text[:200]}"
        except httpx.HTTPError as error:
            last = repr(error)
        time.sleep(0.1)
    raise AssertionError(f"{url}: {last}")


def ended(process: subprocess.Popen[str]) -> str:
    """Ask a process to end; what it said."""
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
def test_from_kafka_to_a_client(environment: dict[str, str], kafka_broker: str, topic_prefix: str) -> None:
    port, metrics_port = free_port(), free_port()
    commands = {
        "projector": [LIQHEAT, "projector", "--metrics-port", str(metrics_port)],
        "api": [LIQHEAT, "api", "--port", str(port)],
    }
    running = {
        name: subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        for name, command in commands.items()
    }
    try:
        assert "no map of any coin" in answer(f"http://127.0.0.1:{port}/readyz", 503).json()["detail"]
        answer(f"http://127.0.0.1:{metrics_port}/readyz")
        history = [samples.grid(1), samples.cluster_set(1), *(samples.column(n, n + 1, "1m") for n in range(5))]
        asyncio.run(samples.send(kafka_broker, topic_prefix, history))
        answer(f"http://127.0.0.1:{port}/readyz")
        with httpx.stream("GET", f"http://127.0.0.1:{port}/v1/stream?coin=BTC", timeout=60) as stream:
            lines = stream.iter_lines()
            wait_for(lines, "event: grid")
            asyncio.run(samples.send(kafka_broker, topic_prefix, [samples.grid(2), samples.cluster_event(2, 1)]))
            wait_for(lines, "event: cluster-event")
        grid = answer(f"http://127.0.0.1:{port}/v1/grids/BTC").json()
        assert grid["mark_price"] == samples.grid_value(2)["mark_price"]
        assert answer(f"http://127.0.0.1:{port}/v1/heatmap/BTC?timeframe=1m").json()["columns"] == 5
        metrics = answer(f"http://127.0.0.1:{metrics_port}/metrics").text
        assert re.search(r'liqheat_projector_messages_total\{topic="liquidation-grids-v1"\} 2.0', metrics)
        info = subprocess.run([LIQHEAT, "redis", "info"], env=environment, capture_output=True, text=True, timeout=60)
        assert re.search(r"BTC +\d+ keys", info.stdout), info
        rebuilt = subprocess.run(
            [LIQHEAT, "redis", "rebuild"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert "rebuilt; 0 messages could not be projected" in rebuilt.stdout, rebuilt
        assert answer(f"http://127.0.0.1:{port}/v1/grids/BTC").json() == grid
        said = {name: ended(process) for name, process in running.items()}
        assert "Traceback" not in "".join(said.values()), said
    finally:
        for process in running.values():
            process.kill()
            process.communicate()


def wait_for(lines: Iterator[str], wanted: str) -> None:
    for line in lines:
        if line == wanted:
            return
    raise AssertionError(f"the stream ended without {wanted}")


@pytest.mark.parametrize(
    ("command", "variables", "said"),
    [
        (["api"], {"LIQHEAT_API_PROT": "8080"}, "LIQHEAT_API_PROT: no such setting"),
        (["api", "--port", "99999"], {}, "LIQHEAT_API_PORT: "),
        (["projector"], {"LIQHEAT_PROJECTOR_BATCH_MESSAGES": "many"}, "LIQHEAT_PROJECTOR_BATCH_MESSAGES: "),
        (["redis", "info"], {"LIQHEAT_REDIS_KEY_PREFIX": "*"}, "LIQHEAT_REDIS_KEY_PREFIX: "),
    ],
)
def test_bad_settings_are_refused_by_name(
    command: list[str],
    variables: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as refused:
        run(command)
    assert refused.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("action", ["info", "rebuild"])
def test_redis_commands_without_redis_say_so(
    action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIQHEAT_REDIS_URL", f"redis://user:sesame@127.0.0.1:{free_port()}/0")
    assert run(["redis", action]) == 1
    said = capsys.readouterr().err
    assert f"liqheat redis {action}: ConnectionError" in said
    assert "sesame" not in said
