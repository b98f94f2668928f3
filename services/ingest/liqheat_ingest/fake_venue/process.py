"""The running process: a loopback port for each venue and one for the control, and the story's slots in time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.binance import BinanceServer
from liqheat_ingest.fake_venue.bybit import BybitServer
from liqheat_ingest.fake_venue.control import Control
from liqheat_ingest.fake_venue.hyperliquid import HyperliquidServer
from liqheat_ingest.fake_venue.listings import VENUES
from liqheat_ingest.fake_venue.okx import OkxServer
from liqheat_ingest.fake_venue.story_clock import StoryClock
from liqheat_ingest.fake_venue.trade_file import TradeFile
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SLOT_MS, World
from liqheat_shared.clock import now_ms

HOST = "127.0.0.1"
SERVERS: Mapping[str, type[VenueServer]] = {
    "binance": BinanceServer,
    "bybit": BybitServer,
    "okx": OkxServer,
    "hyperliquid": HyperliquidServer,
}
#: Slots that are told at once where the story is behind, before requests get their turn.
SLOTS_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class FakeVenueOptions:
    """How to run.

    Attributes
    ----------
    venues : tuple of str
        Which.
    ports : mapping of str to int
        By venue, and ``control``; 0 or absent: a free one.
    start_ms : int or None
        Time of the story at the beginning, a whole minute; None: now, caught up from the last whole minute.
    trades_file : Path or None
        Every trade since the sockets opened is written there.
    """

    venues: tuple[str, ...] = VENUES
    ports: Mapping[str, int] | None = None
    seed: int = 7
    coins: int = 20
    history_days: float = 7.0
    speed: float = 1.0
    start_ms: int | None = None
    prints_scale: float = 1.0
    positions_per_side: int = 1_000
    faults: tuple[dict[str, Any], ...] = ()
    trades_file: Path | None = None


class FakeVenueProcess:
    """All servers in one event loop.

    Parameters
    ----------
    options : FakeVenueOptions
        How to run.

    Examples
    --------
    ``async with FakeVenueProcess(options) as fake: fake.addresses["bybit"]`` serves until the block ends.
    """

    def __init__(self, options: FakeVenueOptions) -> None:
        self.options = options
        start_ms = options.start_ms
        real_ms = now_ms()
        self.world = World(
            seed=options.seed,
            coins=options.coins,
            start_ms=real_ms - real_ms % 60_000 if start_ms is None else start_ms,
            history_minutes=max(1, round(options.history_days * 1_440)),
            venues=options.venues,
            positions_per_side=options.positions_per_side,
            prints_scale=options.prints_scale,
        )
        self.servers = {venue: SERVERS[venue](self.world) for venue in options.venues}
        self.control = Control(self.world, self.servers, self._status)
        self.addresses: dict[str, str] = {}
        self._runners: list[web.AppRunner] = []
        self._story: asyncio.Task[None] | None = None
        self._clock: StoryClock | None = None
        self._behind_ms = 0
        self._trades = TradeFile(options.trades_file) if options.trades_file is not None else None

    async def __aenter__(self) -> FakeVenueProcess:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self.options.start_ms is None:
            await self._catch_up()
        self._clock = StoryClock(self.world.now_ms, loop.time(), self.options.speed)
        ports = self.options.ports or {}
        for venue, server in self.servers.items():
            self.addresses[venue] = await self._listen(server.application(), ports.get(venue, 0))
        self.addresses["control"] = await self._listen(self.control.application(), ports.get("control", 0))
        for message in self.options.faults:
            self.control.act(message)
        self._story = loop.create_task(self._tell())

    async def _stop(self) -> None:
        if self._story is not None:
            self._story.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._story
        for server in self.servers.values():
            server.disconnect_all("clean")
        for runner in self._runners:
            await runner.cleanup()
        if self._trades is not None:
            self._trades.close()

    async def wait(self) -> None:
        """Until the story fails, which is a bug."""
        if self._story is not None:
            await self._story

    async def _catch_up(self) -> None:
        """From the last whole minute to now, untold."""
        while self.world.now_ms + SLOT_MS <= now_ms():
            for _ in range(SLOTS_AT_ONCE):
                if self.world.now_ms + SLOT_MS <= now_ms():
                    self.world.advance(self.world.now_ms + SLOT_MS)
            await asyncio.sleep(0)

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, HOST, port)
        await site.start()
        return f"http://{HOST}:{runner.addresses[0][1]}"

    async def _tell(self) -> None:
        """Slot after slot, each when its time has come; how far it falls behind is in the status."""
        assert self._clock is not None
        loop, clock = asyncio.get_running_loop(), self._clock
        while True:
            due = clock.at(loop.time()) - self.world.now_ms
            self._behind_ms = max(0, due - SLOT_MS)
            for _ in range(min(SLOTS_AT_ONCE, due // SLOT_MS)):
                self._slot(loop.time())
            next_ms = self.world.now_ms + SLOT_MS
            await asyncio.sleep(max(0.0, (next_ms - clock.at(loop.time())) / 1_000.0 / clock.speed))

    def _slot(self, now_s: float) -> None:
        from_ms = self.world.now_ms
        happened = self.world.advance(from_ms + SLOT_MS)
        for burst in self.control.bursts:
            happened[burst.server.venue] += burst.advance(from_ms, from_ms + SLOT_MS)
        self.control.bursts = [burst for burst in self.control.bursts if not burst.is_over]
        if self._trades is not None:
            self._trades.add(slot for slots in happened.values() for slot in slots)
        for venue, server in self.servers.items():
            server.run_slot(happened[venue], now_s)
            server.flush(now_s)

    def _status(self) -> dict[str, Any]:
        return {
            "now_ms": self.world.now_ms,
            "speed": self.options.speed,
            "behind_ms": self._behind_ms,
            "addresses": self.addresses,
        }


async def serve(options: FakeVenueOptions, ready: Callable[[dict[str, str]], None]) -> None:
    """Run until SIGINT or SIGTERM; ``ready`` gets the addresses when all of them answer."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with FakeVenueProcess(options) as fake:
        ready(fake.addresses)
        story, stopped = asyncio.create_task(fake.wait()), asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({story, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if story in done:
            stopped.cancel()
            story.result()
        story.cancel()
