"""Whether a venue can be reached, and what the local stack makes of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from liqheat_shared.local.ports import free_block, free_port, is_free
from liqheat_shared.local.settings import UpSettings
from liqheat_shared.local.stack import StackPlan, choose_ports
from liqheat_shared.local.venue_probe import probe_venues


@asynccontextmanager
async def answering(status_line):
    async def serve(reader, writer):
        await reader.readline()
        if status_line is not None:
            writer.write(status_line + b"\r\n\r\n")
            await writer.drain()
            writer.close()
        else:
            await asyncio.sleep(30)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def probe(status_lines, timeout_seconds=5.0, closed=0):
    async def run():
        hosts, managers = [f"127.0.0.1:{free_port()}" for _ in range(closed)], []
        for line in status_lines:
            manager = answering(line)
            hosts.append(await manager.__aenter__())
            managers.append(manager)
        return hosts, await probe_venues(hosts, timeout_seconds)

    return asyncio.run(run())


def test_one_venue_that_answers_is_enough():
    hosts, found = probe([b"HTTP/1.1 451 Unavailable", b"HTTP/1.1 200 OK"], closed=1)
    assert found.reached == hosts[2]


@pytest.mark.parametrize("status", [403, 418, 451])
def test_a_venue_that_does_not_serve_this_place_is_not_reached(status):
    hosts, found = probe([f"HTTP/1.1 {status} No".encode()])
    assert found.reached is None
    assert found.problems == {hosts[0]: f"it answers {status}"}


def test_silence_ends_with_the_time():
    hosts, found = probe([None], timeout_seconds=0.2)
    assert (found.reached, found.sentence) == (None, f"{hosts[0]}: no answer in 0.2 s")


def test_nobody_there_is_known_at_once():
    _, found = probe([], closed=2, timeout_seconds=30.0)
    assert found.reached is None
    assert len(found.problems) == 2


def test_ingest_is_told_where_the_fake_venues_are_and_only_then():
    ports = choose_ports(None)
    plan = StackPlan(UpSettings(), Path("unused"), ports, "auto", "1")
    assert "LIQHEAT_INGEST_LIVE_ENDPOINTS" not in plan.decided("live").environment("ingest")
    fake = plan.decided("live", fake_venues=True)
    endpoints = fake.environment("ingest")["LIQHEAT_INGEST_LIVE_ENDPOINTS"]
    first = ports.fake_venue
    assert endpoints.startswith(f"binance=http://127.0.0.1:{first + 1},bybit=http://127.0.0.1:{first + 2},okx=")
    assert "LIQHEAT_INGEST_LIVE_ENDPOINTS" not in fake.environment("estimator")
    assert str(first) in fake.fake_venue_spec().command


def test_a_block_of_ports_is_free():
    first = free_block(5)
    assert all(is_free(port) for port in range(first, first + 5))
