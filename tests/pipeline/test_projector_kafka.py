"""The projector between a real Kafka and a real Redis."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from redis.asyncio import Redis

import view_samples as samples
from liqheat_api.projector.rebuild import memory_by_coin, rebuild
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.redis_keys import RedisKeys
from view_samples import Sample, all_values, positioned, running_projector, send, until

pytestmark = [pytest.mark.broker, pytest.mark.redis]


class World(NamedTuple):
    """Topics and keys of one test."""

    broker: str
    prefix: str
    settings: ProjectorSettings
    keys: RedisKeys

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        client = Redis.from_url(self.settings.redis_url.get_secret_value(), protocol=2)
        try:
            yield client
        finally:
            await client.aclose()

    async def send(self, *messages: Sample) -> None:
        await send(self.broker, self.prefix, messages)


@pytest.fixture
def world(kafka_broker: str, redis_server: str, topic_prefix: str) -> Iterator[World]:
    asyncio.run(samples.make_topics(kafka_broker, topic_prefix))
    settings = samples.projector_settings(kafka_broker, redis_server, topic_prefix)
    yield World(kafka_broker, topic_prefix, settings, RedisKeys(settings.redis_key_prefix))
    asyncio.run(samples.delete_topics(kafka_broker, topic_prefix))


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 180))


def history() -> list[Sample]:
    """Some of everything, of two coins on two partitions."""
    found: list[Sample] = []
    for offset in range(1, 30):
        found.append(samples.grid(offset))
        found.append(samples.grid(offset, "ETH", partition=1))
        found.append(samples.cluster_set(offset, scope=("aggregated", "binance")[offset % 2]))
        found.append(samples.magnets(offset, scope=("aggregated", "binance")[offset % 2]))
        found.append(samples.cluster_event(offset, offset))
        found.append(samples.liquidation(offset, offset))
    for hour in range(180):
        found.append(samples.accuracy(hour))
        found.append(samples.accuracy(hour, horizon_ms=4 * 3_600_000, place=2 * hour + 2))
    for number in range(300):
        found.append(samples.column(number, 2 * number + 1, "1m"))
        found.append(samples.column(number, 2 * number + 2, "1m", scope="binance"))
        found.append(samples.column(number, number + 1, "4h"))
    return found


async def caught_up(redis: Redis, world: World) -> None:
    """Wait until the last message of every topic of :func:`history` is in Redis."""

    async def all_there() -> bool:
        fences = await redis.hgetall(world.keys.fences)
        wanted = {b"grid|BTC": b"1-29-29", b"grid|ETH": b"1-29-29", b"clusters|BTC|binance": b"1-29-29"}
        wanted |= {b"magnets|BTC|binance": b"1-29-29", b"liquidations|BTC": b"1-29-29"}
        wanted |= {b"columns|1m|BTC": b"1-1600-600", b"columns|4h|BTC": b"1-1300-300"}
        wanted |= {b"cluster-events|BTC": b"1-29-29", b"accuracy|BTC": b"1-360-360"}
        return all(fences.get(name) == value for name, value in wanted.items())

    await until(all_there)


def test_rebuild_gives_the_bytes_of_continuous_projection(world: World) -> None:
    async def main() -> None:
        messages = history()
        async with world.redis() as redis:
            async with running_projector(world.settings):
                for start in range(0, len(messages), 37):
                    await world.send(*messages[start : start + 37])
                await caught_up(redis, world)
                continuous = await all_values(redis, world.prefix)
            lines: list[str] = []
            assert await rebuild(world.settings, lines.append) == 0
            rebuilt = await all_values(redis, world.prefix)
            assert rebuilt == continuous
            assert len(rebuilt[world.keys.columns("BTC", "aggregated", "1m")]) >= 3
            record = rebuilt[world.keys.accuracy("BTC", "aggregated")]
            assert set(record) == {b"1h", b"4h"}
            frozen = orjson.loads(record[b"4h"])["history"]["frozen_time_ms"]
            # Seven days, up to the newest.
            assert [(time_ms - samples.START_MS) // 3_600_000 for time_ms in frozen] == list(range(12, 180))
            memory = await memory_by_coin(world.settings)
            assert memory["BTC"][1] > memory["ETH"][1] > 0

    run(main())


def test_duplicates_and_older_messages_change_nothing(world: World) -> None:
    async def main() -> None:
        messages = [message for message in history() if message.key != "ETH"]
        async with world.redis() as redis, running_projector(world.settings) as app:
            await world.send(*messages, samples.grid(29, "ETH", partition=1))
            await caught_up(redis, world)
            before = await all_values(redis, world.prefix)
            facts = await redis.xlen(world.keys.events)
            await world.send(*random.Random(7).sample(messages, 200), samples.grid(40, "ETH", partition=1))
            await until(lambda: _equals(redis.hget(world.keys.fences, "grid|ETH"), b"1-40-40"))
            await until(lambda: _is_true(all(not consumer.lag() for consumer in app.consumers)))
            after = await all_values(redis, world.prefix)
            eth = {
                world.keys.grids("ETH"),
                world.keys.coins,
                world.keys.fences,
                world.keys.positions,
                world.keys.provenance,
            }
            assert {name: value for name, value in after.items() if name not in eth} == {
                name: value for name, value in before.items() if name not in eth
            }
            assert after[world.keys.coins][b"BTC"] == before[world.keys.coins][b"BTC"]
            assert await redis.xlen(world.keys.events) == facts
            # How many are left to be refused depends on how many of a kind were gathered into one write.
            assert app.metrics.counter("liqheat_projector_stale_writes_total")._value.get() > 0

    run(main())


async def _equals(value: Any, wanted: Any) -> bool:
    return (await value) == wanted


async def _is_true(value: bool) -> bool:
    return value


def test_poison_is_counted_logged_once_and_skipped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    bad_scope = samples.grid_value(6)
    bad_scope["scopes"]["aggregated"]["short_usd"] = [1]
    poison = [
        Sample("liquidation-grids-v1", "BTC", b"{no json"),
        Sample("liquidation-grids-v1", "BTC", b""),
        Sample("liquidation-grids-v1", "", samples.grid(3).value),
        Sample("liquidation-grids-v1", "BTC", orjson.dumps(bad_scope)),
        Sample("liquidation-grids-v1", "DOGE", samples.grid(9).value),
        Sample("cluster-sets-v1", "BTC|aggregated", b'{"log_epoch":1,"source_offset":4,"sequence":4}'),
        Sample("liquidation-clusters-v1", "BTC", orjson.dumps(samples.coordinates("formed", 1, 1, "BTC"))),
        samples.column(1, 2, "1h", long_levels="AAAA"),
        samples.column(2, 3, "1h", first_bin=10**9),
        samples.column(3, 4, "1h", open_time_ms=samples.START_MS + 1),
        samples.column(4, 5, "1h", level_ratio=2.0),
        samples.column(5, 6, "1h", long_levels="%%%"),
        samples.accuracy(1, horizon_ms=7_200_000),
        samples.accuracy(2, sides=[{"side": "up", "observed_usd": 1.0, "forecasts": []}]),
    ]

    async def main() -> None:
        async with world.redis() as redis, running_projector(world.settings) as app:
            await positioned(app)
            await world.send(samples.grid(5), samples.column(0, 1, "1h"), *poison, samples.column(6, 7, "1h"))
            await world.send(samples.accuracy(3))
            await until(lambda: _equals(redis.hget(world.keys.fences, "columns|1h|BTC"), b"1-1007-7"))
            await until(lambda: _equals(redis.hget(world.keys.fences, "grid|BTC"), b"1-5-5"))
            await until(lambda: _is_true(app.counters.invalid == len(poison)))
            await until(lambda: _equals(redis.hkeys(world.keys.accuracy("BTC", "aggregated")), [b"1h"]))
            assert await redis.hkeys(world.keys.coins) == [b"BTC"]
            facts = [fields for _, fields in await redis.xrange(world.keys.events)]
            assert [fact[b"scope"] for fact in facts if fact[b"kind"] == b"accuracy"] == [b""]

    with caplog.at_level("WARNING"):
        run(main())
    refused = [record.message for record in caplog.records if "not projected" in record.message]
    assert len(refused) == len(poison)
    assert any("liquidation-grids-v1/0 offset 1: no JSON" in line for line in refused)
    assert any("long_usd has 40 bins, short_usd 1" in line for line in refused)
    assert any("first_bin: 1000000000 is no price" in line for line in refused)


def test_columns_beyond_the_retention_go(world: World) -> None:
    async def main() -> None:
        async with world.redis() as redis, running_projector(world.settings):
            # 26 hours of minutes are kept in full chunks; 40 hours come.
            numbers = range(40 * 60)
            await world.send(*(samples.column(number, number + 1, "1m") for number in numbers))
            await until(lambda: _equals(redis.hget(world.keys.fences, "columns|1m|BTC"), b"1-3400-2400"))
            indexes = sorted(int(name) for name in await redis.hkeys(world.keys.columns("BTC", "aggregated", "1m")))
            newest = (samples.START_MS + numbers[-1] * 60_000) // (128 * 60_000)
            assert indexes == list(range(newest - 13, newest + 1))

    run(main())


def _own_redis(world: World, server: RedisServer) -> ProjectorSettings:
    return samples.projector_settings(world.broker, server.url, world.prefix)


@pytest.mark.parametrize("how", ["flush", "restart"])
def test_an_emptied_redis_is_refilled(world: World, tmp_path: Path, how: str) -> None:
    async def main(server: RedisServer) -> None:
        settings = _own_redis(world, server)
        client: Callable[[], Redis] = lambda: Redis.from_url(server.url, protocol=2)  # noqa: E731
        async with running_projector(settings) as app:
            await world.send(*history())
            async with client() as redis:
                await caught_up(redis, world)
                before = await all_values(redis, world.prefix)
                if how == "flush":
                    await redis.flushall()
            if how == "restart":
                await asyncio.to_thread(server.stop)
                # Written while nobody takes it: it must not be lost.
                await world.send(samples.liquidation(28, 1))
                await until(lambda: _is_true("does not answer" in (app.ready() or "")))
                await asyncio.to_thread(server.start)
            async with client() as redis:
                await caught_up(redis, world)
                await until(lambda: _is_true(app.ready() is None))
                await until(lambda: _is_true(not any(consumer.reads_history() for consumer in app.consumers)))
                after = await all_values(redis, world.prefix)
                # The refill is no news, but for one request to fetch everything again.
                kinds = {fields[b"kind"] for _, fields in await redis.xrange(world.keys.events)}
                assert kinds == {b"resync"}
        positions = world.keys.positions
        after.pop(positions), before.pop(positions)
        assert after == before

    with RedisServer(tmp_path) as server:
        run(main(server))


def test_redis_away_at_the_start(world: World, tmp_path: Path) -> None:
    async def main(server: RedisServer) -> None:
        async with running_projector(_own_redis(world, server)) as app:
            await world.send(samples.grid(1))
            await until(lambda: _is_true("does not answer" in (app.ready() or "")))
            await asyncio.to_thread(server.start)
            async with Redis.from_url(server.url, protocol=2) as redis:
                await until(lambda: _equals(redis.hkeys(world.keys.coins), [b"BTC"]))

    server = RedisServer(tmp_path)
    try:
        run(main(server))
    finally:
        server.stop()


def test_a_restart_goes_on_where_it_was(world: World) -> None:
    async def main() -> None:
        async with world.redis() as redis:
            async with running_projector(world.settings) as app:
                await positioned(app)
                await world.send(samples.cluster_event(1, 1), samples.grid(1))
                await until(lambda: _equals(redis.xlen(world.keys.events), 1))
                await until(lambda: _equals(redis.hkeys(world.keys.coins), [b"BTC"]))
            await world.send(samples.cluster_event(2, 2))
            async with running_projector(world.settings) as app:
                await until(lambda: _equals(redis.xlen(world.keys.events), 2))
                # What was written is not read again.
                assert (
                    app.metrics.counter("liqheat_projector_messages_total")
                    .labels("liquidation-clusters-v1")
                    ._value.get()
                    == 1
                )
                assert app.metrics.counter("liqheat_projector_stale_writes_total")._value.get() == 0

    run(main())


def test_two_projectors_share_and_agree(world: World) -> None:
    async def main() -> None:
        messages = history()
        async with world.redis() as redis:
            async with running_projector(world.settings):
                await world.send(*messages[: len(messages) // 2])
                async with running_projector(world.settings):
                    await world.send(*messages[len(messages) // 2 :])
                    await caught_up(redis, world)
            shared = await all_values(redis, world.prefix)
            await rebuild(world.settings, lambda _: None)
            assert await all_values(redis, world.prefix) == shared

    run(main())


def test_a_rebuild_beside_a_running_projector(world: World) -> None:
    async def main() -> None:
        async with world.redis() as redis, running_projector(world.settings) as app:
            await world.send(*history())
            await caught_up(redis, world)
            before = await all_values(redis, world.prefix)
            await rebuild(world.settings, lambda _: None)
            await until(lambda: _is_true(not any(consumer.reads_history() for consumer in app.consumers)))
            await caught_up(redis, world)
            assert await all_values(redis, world.prefix) == before

    run(main())


def test_a_topic_made_anew_is_read_from_its_start(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with world.redis() as redis:
            # What an earlier, longer topic of the same name left behind.
            position = f"{world.prefix}liquidation-grids-v1/0"
            await redis.hset(world.keys.positions, position, 1000)
            await redis.hset(world.keys.fences, "grid|BTC", "1-500-500")
            await world.send(samples.grid(1), samples.grid(2, log_epoch=2), samples.grid(3, "ETH"))
            async with running_projector(world.settings):
                await until(lambda: _equals(redis.hget(world.keys.fences, "grid|BTC"), b"2-2-2"))
                await until(lambda: _equals(redis.hget(world.keys.positions, position), b"3"))

    with caplog.at_level("WARNING"):
        run(main())
    assert any("the topic was recreated" in record.message for record in caplog.records)
