"""The local broker and Redis: they serve, survive a kill, and never outlive their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.ports import wait_until
from liqheat_shared.local.redis_server import RedisServer, answers_ping


async def _create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 2, 1)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def _produce(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        await asyncio.wait_for(producer.send_and_wait(topic, value, key=b"BTC"), 30)


async def _consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-group", auto_offset_reset="earliest"
    ) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(count)]


@pytest.mark.broker
def test_broker_delivers_to_a_group(kafka_broker: str, topic_prefix: str) -> None:
    async def main() -> list[bytes]:
        topic = f"{topic_prefix}t"
        await _create(kafka_broker, topic)
        await _produce(kafka_broker, topic, b"hello")
        return await _consume(kafka_broker, topic, 1)

    assert asyncio.run(main()) == [b"hello"]


@pytest.mark.broker
@pytest.mark.slow
def test_a_killed_broker_comes_back_on_its_port_with_its_messages(tmp_path: Path) -> None:
    with KafkaServer(tmp_path / "kafka") as broker:
        asyncio.run(_create(broker.bootstrap_servers, "t"))
        asyncio.run(_produce(broker.bootstrap_servers, "t", b"before"))
        broker.send_signal(signal.SIGKILL)
        assert not broker.is_ready()
        broker.start()
        asyncio.run(_produce(broker.bootstrap_servers, "t", b"after"))
        assert asyncio.run(_consume(broker.bootstrap_servers, "t", 2)) == [b"before", b"after"]
    assert not broker.is_ready()


@pytest.mark.redis
def test_a_stopped_redis_comes_back_empty_on_its_port(tmp_path: Path) -> None:
    redis = pytest.importorskip("redis")
    with RedisServer(tmp_path) as server:
        redis.Redis.from_url(server.url).set("k", b"v")
        server.stop()
        assert not server.is_ready()
        server.start()
        assert redis.Redis.from_url(server.url).get("k") is None


@pytest.mark.redis
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_server_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib\n"
        "from liqheat_shared.local.redis_server import RedisServer\n"
        "server = RedisServer(pathlib.Path(sys.argv[1])).start()\n"
        "print(server.port, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    assert answers_ping("127.0.0.1", port)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(10)
    started = time.monotonic()
    assert wait_until(lambda: not answers_ping("127.0.0.1", port), 5), "Redis still answers"
    assert time.monotonic() - started < 5
