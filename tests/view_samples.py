"""Messages of the topics that the projector reads, and topics on a real broker to put them in."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from liqheat_api.page import STATIC
from liqheat_api.projector.app import ProjectorApp, column_projections, live_projections
from liqheat_api.projector.messages import read_message
from liqheat_api.projector.projection import Batch
from liqheat_api.projector.store import Store
from liqheat_api.server import Server, build_app, build_server, build_services
from liqheat_api.services import Services
from liqheat_api.settings import ApiSettings, ProjectorSettings
from liqheat_shared.contracts.heatmap_columns import LEVEL_FLOOR_USD, LEVEL_RATIO, TIMEFRAME_MS, Timeframe
from liqheat_shared.contracts.topics import (
    CLUSTER_SETS,
    LIQUIDATION_CLUSTERS,
    LIQUIDATION_GRIDS,
    LIQUIDATION_MAGNETS,
    MAP_ACCURACY,
    REALISED_LIQUIDATIONS,
    heatmap_columns_topic,
)
from liqheat_shared.metrics import Metrics
from liqheat_shared.redis_keys import RedisKeys

START_MS = 1_750_032_000_000
PROJECTED = [
    LIQUIDATION_GRIDS,
    LIQUIDATION_CLUSTERS,
    CLUSTER_SETS,
    LIQUIDATION_MAGNETS,
    REALISED_LIQUIDATIONS,
    MAP_ACCURACY,
    *(heatmap_columns_topic(timeframe) for timeframe in TIMEFRAME_MS),
]


class Sample(NamedTuple):
    """A message before it is sent."""

    topic: str
    key: str
    value: bytes
    partition: int = 0


def coordinates(kind: str, offset: int, sequence: int, coin: str, **more: Any) -> dict[str, Any]:
    """The head of every output, in the shell's order."""
    return {
        "event_id": f"1-0-{offset}-{kind}-0",
        "kind": kind,
        "log_epoch": more.pop("log_epoch", 1),
        "source_partition": 0,
        "source_offset": offset,
        "sequence": sequence,
        "schema_version": 1,
        "coin": coin,
        "phase": more.pop("phase", "simulated"),
        "event_time_ms": more.pop("event_time_ms", START_MS + 1000 * offset),
        "valid_until_ms": more.pop("valid_until_ms", START_MS + 1000 * offset + 5000),
    } | more


def provenance(**more: Any) -> dict[str, Any]:
    return {
        "members": [
            {
                "venue": "binance",
                "symbol": "BTC/USDT:USDT",
                "state": "live",
                "open_interest_usd": 2e9,
                "stream_age_ms": {"trades": 120, "ticker": None},
                "mark_price_kind": "reported",
                "coverage_share": 0.9,
                "interrupted_streams": [],
                "liquidation_feed": {
                    "kind": "throttled",
                    "connected_since_ms": START_MS - 86_400_000,
                    "unbroken_since_ms": START_MS - 3_600_000,
                    "heard_share_24h": 0.97,
                    "heard_share_since_connected": 0.97,
                },
                "shown_liquidation_usd_share": 0.4,
                "deleveraging": None,
            }
        ],
        "estimated_share": 1.0,
        "measured_share": 0.0,
        "reported_share": None,
        "coverage_share": 0.9,
        "model_version": "test-1",
        "history_lost": False,
        "incomplete": False,
        "rejected_events": 0,
    } | more


def grid_value(
    offset: int, coin: str = "BTC", scopes: Iterable[str] = ("aggregated", "binance"), bins: int = 40, **more: Any
) -> dict[str, Any]:
    """Content of a grid whose masses tell its offset."""
    mark_price = more.pop("mark_price", 64_000.5 + offset)
    parts = {
        scope: {
            "first_bin": 11_040 + place,
            "long_usd": [1000 * offset + i if i < bins // 2 else 0 for i in range(bins)],
            "short_usd": [0 if i <= bins // 2 else 7 * offset + i for i in range(bins)],
            "consumed_long_usd": 12.5 * offset,
            "consumed_short_usd": 3.0,
            "open_interest_usd": 2e9 / (1 + place),
            "mark_price": mark_price + place,
        }
        for place, scope in enumerate(scopes)
    }
    return (
        coordinates(
            "grid",
            offset,
            offset,
            coin,
            cadence_ms=1000,
            bin_width=0.001,
            mark_price=mark_price,
            index_price=None,
            candle={"open": 1.0, "high": 2.0, "low": 1.0, "close": 2.0, "volume_usd": 5.0, "taker_buy_usd": 2.0},
            cumulative_volume_delta_usd=-17.25,
            sigma_1h=0.006,
            average_true_range_1h=410.0,
            liquidated_long_usd=0.0,
            liquidated_short_usd=9.0,
            scopes=parts,
            leverage_classes=None,
            provenance=provenance(),
            release_quarantine=[],
        )
        | more
    )


def grid(offset: int, coin: str = "BTC", partition: int = 0, **more: Any) -> Sample:
    return Sample(LIQUIDATION_GRIDS, coin, orjson.dumps(grid_value(offset, coin, **more)), partition)


def cluster(number: int = 1) -> dict[str, Any]:
    return {
        "cluster_id": f"BTC-aggregated-long-1-0-{number}-0",
        "parents": [],
        "side": "long",
        "lower_price": 61_000.0,
        "upper_price": 61_300.0,
        "peak_price": 61_100.0,
        "lower_bin": 11_018,
        "upper_bin": 11_022,
        "mass_usd": 1e7 * number,
        "peak_mass_usd": 2e7 * number,
        "open_interest_share": 0.01,
        "formed_time_ms": START_MS,
        "timeframe": "4h",
        "reliable": True,
        "distance_fraction": -0.04,
        "distance_atr": -3.5,
        "distance_sigma": None,
        "consumed_fraction": 0.0,
        "touched_time_ms": None,
        "touches": [{"horizon_ms": 3_600_000, "probability": 0.2, "base_rate": 0.15, "base_rate_samples": 40}],
    }


def cluster_set(offset: int, coin: str = "BTC", scope: str = "aggregated", count: int = 2) -> Sample:
    value = coordinates(
        "set",
        offset,
        offset,
        coin,
        scope=scope,
        mark_price=64_000.0,
        clusters=[cluster(number + 1) for number in range(count)],
        events_until_sequence=offset,
    )
    return Sample(CLUSTER_SETS, f"{coin}|{scope}", orjson.dumps(value))


def cluster_event(offset: int, sequence: int, coin: str = "BTC", scope: str = "aggregated") -> Sample:
    value = coordinates(
        "formed", offset, sequence, coin, scope=scope, mark_price=64_000.0, cluster=cluster(sequence), reason=None
    )
    return Sample(LIQUIDATION_CLUSTERS, coin, orjson.dumps(value))


def magnets(offset: int, coin: str = "BTC", scope: str = "aggregated") -> Sample:
    magnet = {
        "cluster_id": "BTC-aggregated-long-1-0-1-0",
        "side": "long",
        "near_price": 61_300.0,
        "peak_price": 61_100.0,
        "mass_usd": 1e7,
        "distance_fraction": -0.04,
        "score": 0.4,
        "depth_to_near_edge_usd": None,
        "touches": cluster()["touches"],
    }
    value = coordinates("magnets", offset, offset, coin, scope=scope, mark_price=64_000.0, magnets=[magnet], bias=-0.5)
    return Sample(LIQUIDATION_MAGNETS, coin, orjson.dumps(value))


def liquidation(offset: int, sequence: int, coin: str = "BTC") -> Sample:
    value = coordinates(
        "liquidation",
        offset,
        sequence,
        coin,
        venue="binance",
        symbol="BTC/USDT:USDT",
        liquidated_side="long",
        price=64_000.0 - sequence,
        price_kind="bankruptcy",
        mark_price=None,
        quantity_base=0.5,
        notional_usd=32_000.0,
        feed_completeness="throttled",
        estimated_usd_at_price=None,
        totals=[{"window_ms": 3_600_000, "long_usd": 32_000.0 * sequence, "short_usd": 0.0, "count": sequence}],
    )
    return Sample(REALISED_LIQUIDATIONS, coin, orjson.dumps(value))


def accuracy_value(hour: int, coin: str = "BTC", horizon_ms: int = 3_600_000, **more: Any) -> dict[str, Any]:
    """Content of the record of the forecast frozen ``hour`` hours after the start; its dollars tell its hour."""
    frozen_time_ms = START_MS + hour * 3_600_000
    place = more.pop("place", 2 * hour + 1)
    ended_ms = frozen_time_ms + horizon_ms
    forecasts = {"map": 1000.4 * hour, "uniform": 2.0 * hour, "unswept": 500.0 * hour}
    early = hour < 3
    return (
        coordinates(
            "accuracy",
            place,
            place,
            coin,
            event_time_ms=ended_ms,
            valid_until_ms=ended_ms + 3_600_000,
            scope=more.pop("scope", "aggregated"),
            frozen_time_ms=frozen_time_ms,
            horizon_ms=horizon_ms,
            lowest_price=63_000.5,
            highest_price=64_000.5 + hour,
            sides=[
                {
                    "side": side,
                    "observed_usd": observed,
                    "estimated_liquidated_usd": None,
                    "forecasts": [{"method": method, "forecast_usd": usd} for method, usd in forecasts.items()],
                }
                for side, observed in (("long", 900.6 * hour), ("short", 0.0))
            ],
            gain_over_best_baseline=None if early else 0.11,
            model_version="layered-flow-2",
            complete=hour % 5 != 4,
            reporting_venues=["binance", "bybit"],
            scored_records=2 * hour,
            running=[
                {"method": method, "r_squared": None if early else r_squared, "observed_over_forecast": 0.9}
                for method, r_squared in (("map", 0.69), ("uniform", 0.3), ("unswept", 0.58))
            ],
            gain_low=None if early else 0.08,
            gain_high=None if early else 0.14,
            calibration=[{"from_usd": 0.0, "to_usd": None, "records": hour, "forecast_usd": 10.0, "observed_usd": 9.0}],
            alarm=hour % 7 == 6,
            reported_share=0.06,
        )
        | more
    )


def accuracy(hour: int, coin: str = "BTC", partition: int = 0, **more: Any) -> Sample:
    return Sample(MAP_ACCURACY, coin, orjson.dumps(accuracy_value(hour, coin, **more)), partition)


def column_value(
    number: int, sequence: int, coin: str = "BTC", scope: str = "aggregated", timeframe: Timeframe = "4h", **more: Any
) -> dict[str, Any]:
    """Content of the column ``number`` columns after the start; its levels tell its number."""
    open_time_ms = START_MS + number * TIMEFRAME_MS[timeframe]
    bins = 30
    return (
        coordinates(
            "column",
            1000 + sequence,
            sequence,
            coin,
            scope=scope,
            timeframe=timeframe,
            open_time_ms=open_time_ms,
            close_time_ms=open_time_ms + TIMEFRAME_MS[timeframe],
            bin_width=0.001,
            first_bin=11_040 + number % 5,
            level_floor_usd=LEVEL_FLOOR_USD,
            level_ratio=LEVEL_RATIO,
            long_levels=base64.b64encode(bytes((number + i) % 200 + 1 for i in range(bins))).decode(),
            short_levels=base64.b64encode(bytes((3 * number + i) % 256 for i in range(bins))).decode(),
            candle={
                "open": 64_000.1 + number,
                "high": 64_100.0 + number,
                "low": 63_900.0,
                "close": 64_050.0,
                "volume_usd": 1e6,
                "taker_buy_usd": 4e5,
                "cumulative_volume_delta_usd": -1234.5,
                "open_interest_usd": 2e9,
                "liquidated_long_usd": 0.0,
                "liquidated_short_usd": 10.0,
                "consumed_long_usd": 5.0,
                "consumed_short_usd": 0.0,
            }
            if number % 7
            else None,
            incomplete=number % 11 == 3,
        )
        | more
    )


def column(number: int, sequence: int, timeframe: Timeframe = "4h", coin: str = "BTC", **more: Any) -> Sample:
    value = column_value(number, sequence, coin, timeframe=timeframe, **more)
    return Sample(heatmap_columns_topic(timeframe), coin, orjson.dumps(value))


async def make_topics(bootstrap_servers: str, prefix: str, partitions: int = 2) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(prefix + name, partitions, 1) for name in PROJECTED])
    finally:
        await admin.close()


async def delete_topics(bootstrap_servers: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([prefix + name for name in PROJECTED])
    finally:
        await admin.close()


async def send(bootstrap_servers: str, prefix: str, samples: Iterable[Sample]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, compression_type="zstd") as producer:
        sent = [
            await producer.send(
                prefix + sample.topic, sample.value, key=sample.key.encode(), partition=sample.partition
            )
            for sample in samples
        ]
        await asyncio.wait_for(asyncio.gather(*sent), 30)


def projector_settings(bootstrap_servers: str, redis_url: str, prefix: str, **more: Any) -> ProjectorSettings:
    values = {
        "kafka_bootstrap_servers": bootstrap_servers,
        "redis_url": redis_url,
        "topic_prefix": prefix,
        "group_prefix": prefix,
        "redis_key_prefix": prefix + ":",
        "partitions": 2,
        "projector_check_interval_ms": 200,
        "projector_redis_timeout_ms": 1000,
        "projector_backoff_max_ms": 200,
    }
    return ProjectorSettings(**(values | more))


@asynccontextmanager
async def running_projector(settings: ProjectorSettings) -> AsyncIterator[ProjectorApp]:
    """A projector in this process, until the block ends."""
    app = ProjectorApp(settings, Metrics("projector"))
    task = asyncio.create_task(app.run())
    try:
        yield app
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def positioned(app: ProjectorApp) -> None:
    """Wait until every partition is followed: what comes from then on is news."""

    async def all_followed() -> bool:
        return bool(app.consumers) and all(
            len(consumer.places.states) == 2 * len(consumer.projections) for consumer in app.consumers
        )

    await until(all_followed)


async def until(condition: Any, timeout_seconds: float = 60.0) -> None:
    """Wait for an async condition to hold."""
    async with asyncio.timeout(timeout_seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def all_values(redis: Redis, prefix: str) -> dict[str, Any]:
    """Everything under the prefix that depends on the topics alone, in a form to compare."""
    keys = RedisKeys(prefix + ":")
    found: dict[str, Any] = {}
    async for raw in redis.scan_iter(match=f"{prefix}:*", count=500):
        name = raw.decode()
        if name in keys.transient:
            continue
        kind = (await redis.type(raw)).decode()
        found[name] = await (redis.hgetall(raw) if kind == "hash" else redis.get(raw))
    return found


async def project(settings: ProjectorSettings, messages: Iterable[Sample], *, publish: bool = True) -> int:
    """Write messages as the projector does, without Kafka between; returns how many were stale."""
    store = Store(settings)
    kept = settings.projector_events_kept
    by_topic = {
        item.topic: item for item in [*live_projections(store.keys, kept), *column_projections(store.keys, kept)]
    }
    stale = 0
    try:
        for number, (topic, key, value, partition) in enumerate(messages):
            message = read_message(topic, partition, number, key.encode(), value)
            projection = by_topic[topic]
            slot = projection.slot(message)
            fences = await store.fences([slot])
            refused: list[str] = []
            batch = Batch({slot: [message]}, fences, store, lambda _, why: refused.append(why), publish)  # noqa: B023
            writes = await projection.project(batch)
            assert not refused, refused
            assert await store.apply(f"{topic}/test", None, number, fences, writes) == "ok"
            stale += writes.stale
    finally:
        await store.close()
    return stale


class ServedApi(NamedTuple):
    """A running api and a client of it."""

    client: httpx.AsyncClient
    services: Services
    server: Server


@asynccontextmanager
async def running_api(redis_url: str, prefix: str, static: Path = STATIC, **more: Any) -> AsyncIterator[ServedApi]:
    """An api on a free port of this machine, until the block ends."""
    values = {"redis_url": redis_url, "redis_key_prefix": prefix + ":", "api_redis_timeout_ms": 500, "api_port": 0}
    services = build_services(ApiSettings(**(values | more)))
    server = build_server(build_app(services, static), services)
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(60):
            while not server.started:
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield ServedApi(client, services, server)
    finally:
        services.hub.close_clients()
        server.should_exit = True
        await asyncio.wait_for(task, 30)
