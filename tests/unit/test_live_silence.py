"""When a connection is given up: for silence that was listened to, never for a pong that waits behind a backlog."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from aiohttp import web

from liqheat_ingest.sources.live.backoff import Backoff
from liqheat_ingest.sources.live.connection import Connection
from liqheat_ingest.sources.live.exchanges import ExchangePort, make_exchange
from liqheat_ingest.sources.live.feed_watch import FeedWatch
from liqheat_ingest.sources.live.patience import Patience
from liqheat_ingest.sources.live.rate_budget import RateBudget, RateLimit
from liqheat_ingest.sources.live.venues import feed_of

KEEP_ALIVE_MS = 50
FRAME = '{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[]}'


class Counting:
    """A tap that counts."""

    def __init__(self):
        self.taken = 0

    def heard(self):
        pass

    def is_data(self, _):
        return True

    def take(self, _):
        self.taken += 1

    def unreadable(self, data):
        raise AssertionError(data)

    def is_full(self):
        return False


async def _says_much_and_no_pong(request):
    socket = web.WebSocketResponse(autoping=False)
    await socket.prepare(request)
    for _ in range(2_000):  # it never reads, so it does not see the end either
        if request.transport is None or request.transport.is_closing():
            break
        await socket.send_str(FRAME)
        await asyncio.sleep(0.01)
    return socket


def test_a_connection_whose_pong_waits_behind_a_backlog_is_kept():
    async def run():
        app = web.Application()
        app.router.add_get("/ws/v5/public", _says_much_and_no_pong)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
        tap = Counting()
        exchange = make_exchange("okx", lambda _: tap, SimpleNamespace(answered=lambda *_: None), endpoint, 5_000)
        exchange.streaming = {**exchange.streaming, "keepAlive": KEEP_ALIVE_MS}
        port = ExchangePort(exchange)
        url = feed_of("okx").url(exchange, "public", 0)
        try:
            closed = port.watch(url, "all")
            await asyncio.wait_for(port.connected(url, closed), 20)
            deadline_s = time.monotonic() + 20 * KEEP_ALIVE_MS / 1000
            while time.monotonic() < deadline_s and not closed.done():
                await asyncio.sleep(0.02)
            assert not closed.done(), closed.exception()
            seen = tap.taken
            assert seen > 0
            async with asyncio.timeout(20):
                while tap.taken == seen:
                    await asyncio.sleep(0.01)
            closed.cancel()
        finally:
            await port.close()
            await runner.cleanup()

    asyncio.run(run())


class Clock:
    """Moved by hand."""

    def __init__(self):
        self.ms = 1_795_600_000_000

    def __call__(self):
        return self.ms


def connection_with(clock, pings):
    async def ask_for_life(url):
        pings.append((clock.ms, url))

    outlet = SimpleNamespace(is_full=lambda: False)
    intake = SimpleNamespace(outlet=outlet, watch=FeedWatch({}))
    port = SimpleNamespace(exchange=make_exchange("okx", None, None, None, 1_000), ask_for_life=ask_for_life)
    connection = Connection(
        feed_of("okx"),
        port,
        intake,
        "public",
        0,
        [],
        connects=RateBudget(RateLimit(10, 1_000, burst_ms=100)),
        backoff=Backoff(0.1, 1.0, lambda: 0.5),
        now_ms=clock,
        say=lambda _: None,
        on_up=lambda _: None,
        on_down=lambda *_: None,
        patience=Patience(ask=5.0, dead=15.0, look=0.5),
    )
    connection._begin_to_listen()
    return connection


@pytest.mark.parametrize("stopped_s", [20, 3_600])
def test_a_process_that_was_stopped_does_not_give_up_what_it_could_not_hear(stopped_s):
    clock, pings = Clock(), []
    connection = connection_with(clock, pings)
    connection.heard()
    for milliseconds in (500, stopped_s * 1000, 500):
        clock.ms += milliseconds
        assert asyncio.run(connection._look()) is None
    assert pings == []


def test_real_silence_is_asked_about_and_then_given_up():
    clock, pings = Clock(), []
    connection = connection_with(clock, pings)
    connection.heard()
    began_ms, reason = clock.ms, None
    while reason is None and clock.ms < began_ms + 60_000:
        clock.ms += 500
        reason = asyncio.run(connection._look())
    assert reason is not None
    assert reason.startswith("silent: no frame for")
    assert 15_000 <= clock.ms - began_ms <= 16_500
    assert [at_ms - began_ms for at_ms, _ in pings] == [6_000]
