"""Every endpoint of the api, over HTTP, on a real Redis."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from redis.asyncio import Redis

import view_samples as samples
from liqheat_api import models
from liqheat_api.server import build_app, build_services
from liqheat_api.settings import ApiSettings
from liqheat_shared import clock
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, HeatmapColumn
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.redis_keys import RedisKeys
from view_samples import ServedApi, project, running_api

pytestmark = pytest.mark.redis

Serve = Callable[..., None]
Check = Callable[[ServedApi], Coroutine[Any, Any, None]]


@pytest.fixture
def serve(redis_server: str, topic_prefix: str) -> Serve:
    """Run a test against an api over these messages."""

    def run(
        messages: list[samples.Sample], check: Callable[[ServedApi], Coroutine[Any, Any, None]], **more: Any
    ) -> None:
        async def main() -> None:
            await project(samples.projector_settings("127.0.0.1:1", redis_server, topic_prefix), messages)
            async with running_api(redis_server, topic_prefix, **more) as api:
                await check(api)

        asyncio.run(asyncio.wait_for(main(), 120))

    return run


def some_of_all() -> list[samples.Sample]:
    eth = samples.grid(2, "ETH", scopes=("aggregated",))
    return [
        *(samples.grid(1), samples.grid(7), eth, samples.cluster_set(7), samples.magnets(7)),
        *(samples.liquidation(3, 1), samples.liquidation(5, 2)),
        *(samples.column(number, number + 1, "4h") for number in range(310)),
    ]


async def get(api: ServedApi, path: str, status: int = 200, **headers: str) -> httpx.Response:
    response = await api.client.get(path, headers=headers)
    assert response.status_code == status, response.text
    return response


def test_maps_now(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        coins = models.Coins.model_validate((await get(api, "/v1/coins")).json())
        assert [entry.coin for entry in coins.coins] == ["BTC", "ETH"]
        assert coins.coins[0].scopes == ["aggregated", "binance"]
        sent = samples.grid_value(7)
        for scope in ("aggregated", "binance"):
            grid = (await get(api, f"/v1/grids/BTC?scope={scope}")).json()
            models.Grid.model_validate(grid)
            part = sent["scopes"][scope]
            assert {name: grid[name] for name in part} == part
            same = ("event_time_ms", "valid_until_ms", "phase", "cadence_ms", "candle", "sigma_1h", "provenance")
            assert {name: grid[name] for name in same} == {name: sent[name] for name in same}
        clusters = (await get(api, "/v1/clusters/BTC")).json()
        models.Clusters.model_validate(clusters)
        assert [cluster["mass_usd"] for cluster in clusters["clusters"]] == [1e7, 2e7]
        magnets = (await get(api, "/v1/magnets/BTC")).json()
        models.Magnets.model_validate(magnets)
        assert magnets["bias"] == -0.5
        assert "event_id" not in magnets
        assert (await get(api, "/v1/magnets/BTC?scope=binance")).json() == {"magnets": []}
        assert (await get(api, "/v1/clusters/ETH")).json()["clusters"] == []
        seen = models.Liquidations.model_validate((await get(api, "/v1/liquidations/BTC")).json())
        assert [item.price for item in seen.liquidations] == [63_998.0, 63_999.0]
        assert seen.totals[0].count == 2
        assert (await get(api, "/v1/liquidations/ETH")).json()["liquidations"] == []

    serve(some_of_all(), check)


def test_the_record_of_the_map(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        answer = (await get(api, "/v1/accuracy/BTC")).json()
        record, sent = models.Accuracy.model_validate(answer), samples.accuracy_value(4)
        assert (record.horizon, record.phase, record.detail) == ("1h", "simulated", None)
        assert record.event_time_ms == sent["event_time_ms"]
        for name in ("sides", "running", "calibration", "reported_share", "gain_low", "gain_high", "alarm"):
            assert answer["latest"][name] == sent[name]
        assert answer["latest"]["best_baseline"] == "unswept"
        history = record.history
        assert [(time_ms - samples.START_MS) // 3_600_000 for time_ms in history.frozen_time_ms] == [1, 2, 3, 4]
        assert history.complete == [True, True, True, False]
        assert history.long.observed_usd == [901, 1801, 2702, 3602]
        assert history.long.map_usd == [1000, 2001, 3001, 4002]
        # The first two hours were too few to say which baseline is best.
        assert history.best_baseline == [None, None, "unswept", "unswept"]
        assert history.long.baseline_usd == [None, None, 1500, 2000]
        assert history.short.observed_usd == [0, 0, 0, 0]

    serve([*some_of_all(), *(samples.accuracy(hour) for hour in range(1, 5))], check)


def test_a_record_that_is_not_there_yet_and_one_that_cannot_be(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        for path in ("/v1/accuracy/BTC?horizon=24h", "/v1/accuracy/ETH?horizon=24h", "/v1/accuracy/BTC?scope=binance"):
            answer = models.Accuracy.model_validate((await get(api, path)).json())
            assert (answer.latest, answer.history.frozen_time_ms, answer.phase) == (None, [], None)
            assert (answer.detail or "").startswith("No record yet")
        assert "There are: BTC, ETH" in (await get(api, "/v1/accuracy/DOGE", 404)).json()["detail"]
        assert (await get(api, "/v1/accuracy/BTC?horizon=2h", 422)).json()["allowed"] == ["1h", "4h", "24h"]
        await get(api, "/v1/accuracy/BTC?scope=nowhere", 422)

    serve([*some_of_all(), samples.accuracy(4)], check)


def test_the_record_as_metrics(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        async def told() -> bool:
            return "liqheat_api_accuracy_gain{" in (await get(api, "/metrics")).text

        await samples.until(told)
        lines = (await get(api, "/metrics")).text.splitlines()
        assert [line for line in lines if line.startswith("liqheat_api_accuracy_")] == [
            'liqheat_api_accuracy_gain{coin="BTC",horizon="1h",scope="aggregated"} 0.11',
            'liqheat_api_accuracy_alarm{coin="BTC",horizon="1h",scope="aggregated"} 1.0',
            # Too early for a gain: none rather than 0.
            'liqheat_api_accuracy_alarm{coin="BTC",horizon="4h",scope="aggregated"} 0.0',
        ]

    early = samples.accuracy(2, horizon_ms=4 * 3_600_000, place=20)
    serve([samples.grid(1), samples.accuracy(6), early], check)


def test_entity_tags_and_compression(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        maps = ("/v1/grids/BTC", "/v1/heatmap/BTC", "/v1/heatmap/BTC?format=binary", "/v1/clusters/BTC")
        for path in (*maps, "/v1/accuracy/BTC"):
            plain = await get(api, path, **{"Accept-Encoding": "identity"})
            assert "content-encoding" not in plain.headers
            async with api.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as zipped:
                raw = b"".join([part async for part in zipped.aiter_raw()])
            assert zipped.headers["content-encoding"] == "gzip"
            assert "Accept-Encoding" in zipped.headers["vary"]
            assert gzip.decompress(raw) == plain.content
            refused = await get(api, path, **{"Accept-Encoding": "gzip;q=0, identity"})
            assert "content-encoding" not in refused.headers
            tag = plain.headers["etag"]
            assert zipped.headers["etag"] == tag
            again = await get(api, path, 304, **{"If-None-Match": f'"x", {tag}'})
            assert again.content == b""
            assert again.headers["etag"] == tag
            await get(api, path, 200, **{"If-None-Match": '"other"'})
        assert (await get(api, "/v1/coins")).headers["cache-control"] == "no-store"

    serve([*some_of_all(), samples.accuracy(4)], check)


def _levels(number: int, name: str) -> dict[int, int]:
    """Absolute bin to level of a sample column, zeros left out."""
    column = HeatmapColumn.parse(samples.column_value(number, number + 1))
    levels = base64.b64decode(getattr(column, name))
    return {column.first_bin + i: level for i, level in enumerate(levels) if level}


def _header_and_planes(body: bytes) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    (length,) = struct.unpack_from("<I", body)
    header = orjson.loads(body[4 : 4 + length])
    cells = header["bins"] * header["columns"]
    assert len(body) == 4 + length + 2 * cells
    planes = np.frombuffer(body, np.uint8, 2 * cells, 4 + length).reshape(2, header["bins"], header["columns"])
    return header, planes[0], planes[1]


def test_the_heatmap_is_what_was_closed(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        binary = await get(api, "/v1/heatmap/BTC?timeframe=4h", Accept="application/octet-stream")
        assert binary.headers["content-type"] == "application/octet-stream"
        header, long_levels, short_levels = _header_and_planes(binary.content)
        span_ms = TIMEFRAME_MS["4h"]
        numbers = range(10, 310)
        assert header["open_time_ms"] == [samples.START_MS + number * span_ms for number in numbers]
        for place, number in enumerate(numbers):
            for name, plane in (("long_levels", long_levels), ("short_levels", short_levels)):
                found = {header["first_bin"] + i: int(v) for i, v in enumerate(plane[:, place]) if v}
                assert found == _levels(number, name)
            candle = samples.column_value(number, 1)["candle"]
            assert header["candles"]["open"][place] == (candle and candle["open"])
            assert header["candles"]["cvd"][place] == (candle and candle["cumulative_volume_delta_usd"])
            assert header["incomplete"][place] == (number % 11 == 3)
        same = (await get(api, "/v1/heatmap/BTC?format=json")).json()
        models.Heatmap.model_validate(same)
        assert base64.b64decode(same.pop("long_levels")) == long_levels.tobytes()
        assert base64.b64decode(same.pop("short_levels")) == short_levels.tobytes()
        assert same == header
        start, end = samples.START_MS + 100 * span_ms, samples.START_MS + 104 * span_ms
        part = (await get(api, f"/v1/heatmap/BTC?from={start}&to={end}")).json()
        assert part["open_time_ms"] == [start + i * span_ms for i in range(4)]
        later = (await get(api, f"/v1/heatmap/BTC?from={start}")).json()
        assert later["open_time_ms"] == [start + i * span_ms for i in range(210)]
        nothing = (await get(api, f"/v1/heatmap/BTC?from=0&to={span_ms}")).json()
        assert (nothing["bins"], nothing["columns"], nothing["open_time_ms"]) == (0, 0, [])
        other, *_ = _header_and_planes((await get(api, "/v1/heatmap/ETH?timeframe=1d&format=binary")).content)
        assert other["columns"] == 0

    serve(some_of_all(), check)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/v1/grids/XYZ", 404, "There is no map of 'XYZ'. There are: BTC, ETH."),
        ("/v1/heatmap/XYZ", 404, "There are: BTC, ETH."),
        ("/v1/liquidations/XYZ", 404, "There are: BTC, ETH."),
        ("/v1/stream?coin=XYZ", 404, "There are: BTC, ETH."),
        ("/v1/grids/BTC?scope=mtgox", 422, "scope 'mtgox' is not known here. Allowed: aggregated, binance."),
        ("/v1/clusters/BTC?scope=mtgox", 422, "Allowed: aggregated, binance."),
        (
            "/v1/heatmap/BTC?timeframe=2h",
            422,
            "timeframe '2h' is not known here. Allowed: 1m, 5m, 15m, 1h, 4h, 12h, 1d.",
        ),
        ("/v1/heatmap/BTC?from=5&to=5", 422, "to (5) is not after from (5)."),
        ("/v1/heatmap/BTC?timeframe=1m&from=0&to=9999999999999", 422, "at most 3000 at once."),
        ("/v1/heatmap/BTC?from=yesterday", 422, "from 'yesterday'"),
        ("/v1/heatmap/BTC?format=xml", 422, "format 'xml'"),
        ("/v1/stream", 422, "coin"),
        ("/v1/nothing", 404, "There is nothing at /v1/nothing. See /docs."),
        ("/../../etc/passwd", 404, "There is nothing at"),
        ("/%2e%2e/server.py", 404, "There is nothing at"),
    ],
)
def test_errors_name_the_fault(serve: Serve, path: str, status: int, sentence: str) -> None:
    async def check(api: ServedApi) -> None:
        response = await get(api, path, status)
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        models.Problem.model_validate(problem)
        assert problem["status"] == status
        assert sentence in problem["detail"]

    serve([samples.grid(1), samples.grid(1, "ETH")], check)


def test_no_map_yet(serve: Serve) -> None:
    async def check(api: ServedApi) -> None:
        assert (await get(api, "/v1/coins")).json()["coins"] == []
        assert "no map of any coin yet" in (await get(api, "/v1/grids/BTC", 404)).json()["detail"]
        assert "projector has written none" in (await get(api, "/readyz", 503)).json()["detail"]
        status = (await get(api, "/v1/status")).json()
        assert (status["state"], status["projector"]["state"]) == ("empty", "silent")
        await get(api, "/healthz")

    serve([], check)


def test_probes_status_and_metrics(serve: Serve) -> None:
    now_ms = clock.now_ms()
    fresh = {"phase": "live", "event_time_ms": now_ms, "valid_until_ms": now_ms + 60_000}
    old = {"phase": "live", "event_time_ms": now_ms - 90_000, "valid_until_ms": now_ms - 80_000}

    async def check(api: ServedApi) -> None:
        async with asyncio.timeout(60):
            while (await api.client.get("/readyz")).status_code != 200:
                await asyncio.sleep(0.02)
        status = models.Status.model_validate((await get(api, "/v1/status")).json())
        assert status.state == "stale"
        ages = {coin.coin: (coin.state, (coin.age_ms or 0) // 10_000) for coin in status.coins}
        assert ages == {"BTC": ("ok", 0), "ETH": ("stale", 9)}
        assert status.coins[0].members[0].venue == "binance"
        await get(api, "/v1/grids/nobody", 404)
        await get(api, "/v1/grids/BTC")
        text = (await get(api, "/metrics")).text
        assert re.search(r'liqheat_api_requests_total\{route="/v1/grids/\{coin\}",status="404"\} 1.0', text)
        assert re.search(r'liqheat_api_grid_age_seconds\{coin="ETH"\} 9\d\.', text)
        assert re.search(r'liqheat_api_request_seconds_count\{route="/v1/grids/\{coin\}"\} 2.0', text)

    serve([samples.grid(1, **fresh), samples.grid(1, "ETH", **old)], check)


def test_the_page_and_its_headers(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><script type=module src=assets/index-AbCd1234.js></script>")
    (tmp_path / "assets" / "index-AbCd1234.js").write_text("let x = 1;\n" * 200)
    (tmp_path.parent / "secret.txt").write_text("no")

    async def check(api: ServedApi) -> None:
        index = await get(api, "/")
        assert index.headers["cache-control"] == "no-cache"
        policy = index.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert index.headers["x-content-type-options"] == "nosniff"
        script = await get(api, "/assets/index-AbCd1234.js")
        assert "immutable" in script.headers["cache-control"]
        assert script.headers["content-type"].startswith("text/javascript")
        await get(api, "/assets/index-AbCd1234.js", 304, **{"If-None-Match": script.headers["etag"]})
        for path in ("/secret.txt", "/../secret.txt", "/assets/../../secret.txt", "/assets", "/assets/none.js"):
            await get(api, path, 404)
        docs = await get(api, "/docs")
        assert "/v1/heatmap/{coin}" in docs.text
        assert "http" not in docs.text.replace("https://json-schema", "")
        await get(api, "/docs.css")

    serve([], check, static=tmp_path)


def test_a_page_that_is_not_built_says_how_to_build_it(serve: Serve, tmp_path: Path) -> None:
    async def check(api: ServedApi) -> None:
        assert "make web" in (await get(api, "/", 503)).json()["detail"]

    serve([], check, static=tmp_path / "nothing")


def test_redis_away_is_503_and_comes_back(tmp_path: Path, topic_prefix: str) -> None:
    async def main(server: RedisServer) -> None:
        settings = samples.projector_settings("127.0.0.1:1", server.url, topic_prefix)
        await project(settings, [samples.grid(1)])
        async with running_api(server.url, topic_prefix) as api:
            await get(api, "/v1/grids/BTC")
            await asyncio.to_thread(server.stop)
            for path in ("/v1/coins", "/v1/grids/BTC", "/v1/heatmap/BTC", "/v1/stream?coin=BTC", "/readyz"):
                response = await get(api, path, 503)
                assert "Redis does not answer" in response.json()["detail"]
                assert response.headers["retry-after"]
            await get(api, "/healthz")
            await asyncio.to_thread(server.start)
            await project(settings, [samples.grid(2)])
            async with asyncio.timeout(60):
                while (response := await api.client.get("/v1/grids/BTC")).status_code == 503:
                    await asyncio.sleep(0.1)
            grid = response.json()
            assert grid["mark_price"] == samples.grid_value(2)["mark_price"]

    with RedisServer(tmp_path) as server:
        asyncio.run(asyncio.wait_for(main(server), 120))


def test_unreadable_columns_are_no_crash(serve: Serve, redis_server: str, topic_prefix: str) -> None:
    async def check(api: ServedApi) -> None:
        async with Redis.from_url(redis_server) as redis:
            key = RedisKeys(topic_prefix + ":").columns("BTC", "aggregated", "4h")
            index = (await redis.hkeys(key))[0]
            await redis.hset(key, index, b"LQC1 but no more")
        assert "redis rebuild" in (await get(api, "/v1/heatmap/BTC", 503)).json()["detail"]

    serve([samples.grid(1), samples.column(1, 1)], check)


def test_openapi_describes_every_endpoint() -> None:
    document = build_app(build_services(ApiSettings())).openapi()
    paths = {"/v1/coins", "/v1/grids/{coin}", "/v1/heatmap/{coin}", "/v1/clusters/{coin}", "/v1/magnets/{coin}"}
    paths |= {
        "/v1/stream",
        "/v1/liquidations/{coin}",
        "/v1/accuracy/{coin}",
        "/v1/status",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    assert set(document["paths"]) == paths
    for operations in document["paths"].values():
        assert operations["get"]["summary"]
    content = document["paths"]["/v1/heatmap/{coin}"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "application/octet-stream"}
    grid = document["components"]["schemas"]["Grid"]
    assert grid["properties"]["long_usd"]["examples"]
