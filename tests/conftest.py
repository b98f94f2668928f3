"""Real servers for the tests: started once for a run, on free ports, with their own data."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import hypothesis  # noqa: F401 - its plugin imports it at the very end, where CPython 3.11 may fail to compile it
import pytest

from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.prepare import prepare
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.settings import ServiceSettings


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka that all tests share: keep apart with ``topic_prefix``.

    A test that kills or stops its broker starts its own ``KafkaServer(tmp_path / "kafka")``.
    """
    prepare()
    with KafkaServer(tmp_path_factory.mktemp("broker") / "kafka") as broker:
        yield broker.bootstrap_servers


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Valkey that all tests share: keep apart with a key prefix."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> str:
    """A prefix for topics, groups and keys that no other test has."""
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[:30].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def broker_settings(kafka_broker: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    """Settings of the shared broker with two partitions a topic; commands find them in the environment, too."""
    for name, value in {
        "LIQHEAT_KAFKA_BOOTSTRAP_SERVERS": kafka_broker,
        "LIQHEAT_TOPIC_PREFIX": topic_prefix,
        "LIQHEAT_PARTITIONS": "2",
    }.items():
        monkeypatch.setenv(name, value)
    return ServiceSettings()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests go last: Playwright's synchronous API leaves an event loop running in the main thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
