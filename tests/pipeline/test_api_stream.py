"""The event stream: first values, news, resume, slow clients, Redis away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
import pytest
from redis.asyncio import Redis

import view_samples as samples
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.redis_keys import RedisKeys
from view_samples import ServedApi, project, running_api

pytestmark = pytest.mark.redis


class Event(NamedTuple):
    """One event as a client reads it."""

    name: str
    data: Any
    event_id: str


class Reader:
    """A client of the stream."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines
        self.comments: list[str] = []

    async def event(self) -> Event:
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    return Event(fields["event"], orjson.loads(fields["data"]), fields["id"])
                else:
                    fields.clear()
        raise EOFError("the stream ended")

    async def until(self, *names: str) -> Event:
        """The next event of one of these names."""
        while True:
            event = await self.event()
            if event.name in names:
                return event


@asynccontextmanager
async def reading(api: ServedApi, query: str = "coin=BTC", last_event_id: str | None = None) -> AsyncIterator[Reader]:
    headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
    async with api.client.stream("GET", f"/v1/stream?{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Reader(response.aiter_lines())


async def following(api: ServedApi) -> None:
    """Wait until the api follows Redis."""
    async with asyncio.timeout(60):
        while api.services.hub.problem is not None:
            await asyncio.sleep(0.02)


Check = Callable[[ServedApi, ProjectorSettings], Coroutine[Any, Any, None]]
Serve = Callable[..., None]


@pytest.fixture
def serve(redis_server: str, topic_prefix: str) -> Serve:
    """Run a test against an api over a map of BTC."""

    def run(check: Check, **more: Any) -> None:
        async def main() -> None:
            settings = samples.projector_settings("127.0.0.1:1", redis_server, topic_prefix)
            await project(settings, [samples.grid(1), samples.cluster_set(1)])
            async with running_api(redis_server, topic_prefix, **more) as api:
                await following(api)
                await check(api, settings)

        asyncio.run(asyncio.wait_for(main(), 120))

    return run


def test_first_what_there_is_then_what_is_new(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        async with reading(api) as client:
            first = [await client.event() for _ in range(3)]
            assert [event.name for event in first] == ["status", "grid", "clusters"]
            assert first[0].data["state"] == "ok"
            assert first[1].data == (await api.client.get("/v1/grids/BTC")).json()
            assert first[2].data == (await api.client.get("/v1/clusters/BTC")).json()
            await project(settings, [samples.grid(2)])
            assert (await client.until("grid")).data["mark_price"] == samples.grid_value(2)["mark_price"]
            await project(settings, [samples.cluster_set(3, count=5), samples.magnets(3)])
            assert len((await client.until("clusters")).data["clusters"]) == 5
            assert (await client.until("magnets")).data["bias"] == -0.5
            await project(settings, [samples.column(4, 1, "1h"), samples.cluster_event(4, 1)])
            column = await client.until("column")
            start_ms = samples.START_MS + 4 * 3_600_000
            assert column.data == {"coin": "BTC", "scope": "aggregated", "timeframe": "1h", "open_time_ms": start_ms}
            fact = await client.until("cluster-event")
            assert fact.data["event_id"] == "1-0-4-formed-0"
            assert fact.event_id > column.event_id
            assert (await client.until("status")).event_id == fact.event_id
            await project(settings, [samples.accuracy(3)])
            assert (await client.until("accuracy")).data == samples.accuracy_value(3)

    serve(check)


def test_only_the_scope_and_coin_that_was_asked_for(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        async with reading(api, "coin=BTC&scope=binance") as client:
            assert (await client.until("grid")).data["scope"] == "binance"
            await project(settings, [samples.grid(5, "ETH"), samples.cluster_event(5, 1, "ETH")])
            await project(settings, [samples.cluster_event(5, 1), samples.cluster_event(6, 2, scope="binance")])
            assert (await client.until("cluster-event", "grid")).data["event_id"] == "1-0-6-formed-0"
            # How good the map is concerns those who look at a part of it.
            await project(settings, [samples.accuracy(4, "ETH"), samples.accuracy(3)])
            assert (await client.until("accuracy")).data["coin"] == "BTC"

    serve(check)


def test_resume_brings_each_missed_fact_once(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        async with reading(api) as client:
            await client.until("grid")
            await project(settings, [samples.cluster_event(2, 1)])
            seen = await client.until("cluster-event")
        missed = [samples.cluster_event(offset, offset) for offset in range(3, 9)]
        await project(settings, [*missed, samples.cluster_event(9, 9, "ETH")])
        async with reading(api, last_event_id=seen.event_id) as client:
            await project(settings, [samples.cluster_event(10, 10)])
            events = [await client.until("cluster-event", "resync") for _ in range(7)]
            assert [event.data["source_offset"] for event in events] == [3, 4, 5, 6, 7, 8, 10]
        # A value that comes between does not move the place: nothing is missed after it.
        async with reading(api, last_event_id=events[2].event_id) as client:
            assert (await client.until("grid")).event_id == events[2].event_id
            assert (await client.until("cluster-event")).data["source_offset"] == 6

    serve(check)


@pytest.mark.parametrize("place", ["1-0", "99999999999999-0", "nonsense", "5-x"])
def test_a_place_that_is_gone_means_start_over(serve: Serve, place: str) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        await project(settings, [samples.cluster_event(2, 1)])
        async with reading(api, last_event_id=place) as client:
            names = [(await client.event()).name for _ in range(4)]
            assert names == ["status", "resync", "grid", "clusters"]
            await project(settings, [samples.cluster_event(3, 2)])
            assert (await client.until("cluster-event")).data["source_offset"] == 3

    serve(check)


def test_a_slow_client_loses_old_maps_and_is_told_of_lost_facts(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        box, _ = await api.services.hub.open("BTC", "aggregated", None)
        await box.take(1)
        await project(settings, [samples.grid(offset) for offset in range(2, 8)])
        await project(settings, [samples.cluster_event(offset, offset) for offset in (1, 2)])
        async with asyncio.timeout(60):
            while box.dropped < 3:
                await asyncio.sleep(0.02)
        events = await box.take(1)
        assert [event.name for event in events] == ["grid", "cluster-event", "cluster-event"]
        assert orjson.loads(events[0].data)["mark_price"] == samples.grid_value(7)["mark_price"]
        await project(settings, [samples.cluster_event(offset, offset) for offset in range(3, 9)])
        async with asyncio.timeout(60):
            while not box.needs_resync:
                await asyncio.sleep(0.02)
        assert (await box.take(1))[0].name == "resync"
        api.services.hub.leave(box)
        metrics = (await api.client.get("/metrics")).text
        assert "liqheat_api_stream_clients 0.0" in metrics
        assert "liqheat_api_stream_dropped_total 0.0" not in metrics

    serve(check, api_stream_queue_events=4)


def test_a_client_that_takes_nothing_is_disconnected(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        port = api.client.base_url.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /v1/stream?coin=BTC HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        grids = [samples.grid(offset, bins=60_000) for offset in range(2, 40)]
        async with asyncio.timeout(60):
            for grid in grids:
                await project(settings, [grid])
            while api.services.metrics.gauge("liqheat_api_stream_clients")._value.get():
                await asyncio.sleep(0.05)
        writer.close()

    serve(check, api_stream_send_timeout_ms=300)


def test_too_many_clients_are_refused(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        async with reading(api) as first, reading(api):
            await first.until("grid")
            refused = await api.client.get("/v1/stream?coin=BTC")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        async with asyncio.timeout(60):
            while api.services.metrics.gauge("liqheat_api_stream_clients")._value.get():
                await asyncio.sleep(0.02)
        async with reading(api) as again:
            await again.until("grid")

    serve(check, api_stream_max_clients=2)


def test_a_rebuild_is_one_request_to_fetch_again(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        keys = RedisKeys(settings.redis_key_prefix)
        async with reading(api) as client, Redis.from_url(settings.redis_url.get_secret_value()) as redis:
            await client.until("clusters")
            await project(settings, [samples.grid(5), samples.cluster_event(5, 1)], publish=False)
            await redis.xadd(keys.events, {"kind": "resync", "coin": "BTC", "scope": "", "data": "{}"})
            names = [(await client.until("resync", "grid", "clusters", "cluster-event")).name for _ in range(3)]
            assert names == ["resync", "grid", "clusters"]

    serve(check)


def test_redis_away_and_back(tmp_path: Path, topic_prefix: str) -> None:
    async def main(server: RedisServer) -> None:
        settings = samples.projector_settings("127.0.0.1:1", server.url, topic_prefix)
        await project(settings, [samples.grid(1, valid_until_ms=samples.START_MS + 2500)])
        async with running_api(server.url, topic_prefix) as api:
            await following(api)
            async with reading(api) as client:
                await client.until("grid")
                await asyncio.to_thread(server.stop)
                while (await client.until("status")).data["state"] != "stale":
                    pass
                await asyncio.to_thread(server.start)
                await project(settings, [samples.grid(2)])
                grid = await client.until("grid")
                assert grid.data["mark_price"] == samples.grid_value(2)["mark_price"]

    with RedisServer(tmp_path) as server:
        asyncio.run(asyncio.wait_for(main(server), 120))


def test_the_end_of_the_process_ends_streams(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        async with reading(api) as client:
            await client.until("grid")
            began = asyncio.get_running_loop().time()
            api.server.handle_exit(15, None)
            with pytest.raises((EOFError, httpx.RemoteProtocolError)):
                await client.until("never")
            assert asyncio.get_running_loop().time() - began < 10

    serve(check)


def test_a_reader_that_failed_asks_for_a_restart(serve: Serve) -> None:
    async def check(api: ServedApi, settings: ProjectorSettings) -> None:
        assert (await api.client.get("/healthz")).status_code == 200
        async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
            await redis.xadd(RedisKeys(settings.redis_key_prefix).notices, {"written by": "somebody else"})
        async with asyncio.timeout(60):
            while (answer := await api.client.get("/healthz")).status_code == 200:
                await asyncio.sleep(0.02)
        assert "Restart this process: following Redis failed: KeyError" in answer.json()["detail"]
        assert (await api.client.get("/readyz")).status_code == 503
        assert (await api.client.get("/v1/grids/BTC")).status_code == 200

    serve(check)
