"""The live source: venues, coins and everything that keeps them flowing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.instruments import InstrumentSpec, instrument_fields
from liqheat_ingest.log_position import LogTail
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Market, SourceError
from liqheat_ingest.sources.live.account_polling import AccountPolling
from liqheat_ingest.sources.live.backoff import Backoff
from liqheat_ingest.sources.live.cold_start import ColdStart
from liqheat_ingest.sources.live.feed_watch import Stream
from liqheat_ingest.sources.live.history import closing_bracket
from liqheat_ingest.sources.live.options import LiveOptions
from liqheat_ingest.sources.live.outlet import Outlet
from liqheat_ingest.sources.live.polling import Polling
from liqheat_ingest.sources.live.refill import LONGEST_BY_TRADES_MS, Refill
from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.selection import changes, markets_of
from liqheat_ingest.sources.live.venue_connections import Hooks
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venue_upkeep import keep_books, keep_tiers, measure_clock
from liqheat_ingest.sources.live.venues.feed import Listed
from liqheat_ingest.sources.vision_history import candles_of_folder
from liqheat_shared.clock import now_ms
from liqheat_shared.contracts.base import Phase

#: A venue that did not answer is tried again after so long at most.
RETRY_VENUE_S = 15.0


class LiveSource:
    """Four venues through ccxt.pro.

    Parameters
    ----------
    ingest_epoch : int
        Above that of every message in the log.
    tail : LogTail
        How far the log knows each market, and its last trades.
    window_ms : callable
        Batch window of a coin.
    """

    def __init__(
        self,
        options: LiveOptions,
        ingest_epoch: int,
        tail: LogTail,
        window_ms: Callable[[str], int],
        say: Callable[[str], None],
    ) -> None:
        self.options = options
        self.phase: Phase = "simulated" if options.endpoints else "live"
        self._say = say
        batcher = Batcher(self.phase, ingest_epoch, window_ms, lambda market: instrument_fields(self.describe(market)))
        self.outlet = Outlet(batcher, options.most_waiting_messages)
        hooks = Hooks(now_ms, random.SystemRandom().random, say, self._up, self._down)
        self.runs = {
            venue: VenueRun(venue, self.outlet, options, hooks, options.endpoints.get(venue))
            for venue in options.venues
        }
        self._tail = tail
        self._said_silent: set[str] = set()
        self.ingest_epoch = ingest_epoch
        self.cold_start = ColdStart(options, tail.known_until_ms, now_ms, say, self._earlier)
        self.refills = {
            venue: Refill(run, now_ms, options.refill_within_s, self.cold_start.fill)
            for venue, run in self.runs.items()
        }
        self.pollings = {venue: Polling(run, now_ms, time.monotonic) for venue, run in self.runs.items()}
        self.accounts = {
            venue: AccountPolling(run, now_ms, options.accounts)
            for venue, run in self.runs.items()
            if venue == "hyperliquid" and options.accounts
        }
        for (market, account), fields in tail.positions.items():
            if market.venue in self.accounts:
                self.accounts[market.venue].table.resume(account, market, fields, now_ms())
        self._coins: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: dict[str, str] = {}

    # ---- what a Source has

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a market."""
        return self.runs[market.venue].intake.mapper.instruments.describe(market)

    def items(self) -> Iterator[Any]:
        """Nothing: live items are pushed into the outlet, not pulled."""
        return iter(())

    def share_done(self) -> float | None:
        """It has no end."""
        return None

    def listen(self, listener: Callable[[RawMessage], None]) -> None:
        """Let somebody hear every raw message, a recorder for example. It must be quick and must not raise."""
        for run in self.runs.values():
            run.intake.listeners.append(listener)

    # ---- its life

    async def start(self) -> None:
        """Wait for a venue to answer, choose the coins, begin everything.

        Raises
        ------
        SourceError
            None of the chosen coins is listed.
        """
        pauses = Backoff(0.5, RETRY_VENUE_S, random.SystemRandom().random)
        while True:
            await asyncio.gather(*(self._learn(run) for run in self.runs.values()))
            answering = [run for venue, run in self.runs.items() if venue not in self.failures]
            if answering:
                break
            self._say("no venue can be reached; trying again")
            await asyncio.sleep(pauses.next_s())
        sizes = await self._sizes(answering)
        listed = {entry.market.coin for run in answering for entry in run.listed()}
        self._coins = self.options.choice.choose(sizes, listed)
        missing = [coin for coin in self.options.choice.coins if coin not in listed]
        if missing:
            self._say(f"no venue lists {', '.join(missing)}")
        if not self._coins and self.options.choice.shards == 1:
            raise SourceError("none of the chosen coins is listed at a venue that answers")
        for run in answering:
            self._begin(run)
        self._spawn(self._cold(answering))
        for venue in self.failures:
            self._spawn(self._come_later(self.runs[venue]))
        self._spawn(self._refresh())

    async def close(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(refill.close() for refill in self.refills.values()))
        await self.cold_start.close()
        await asyncio.gather(*(run.close() for run in self.runs.values()), return_exceptions=True)

    def failure(self) -> BaseException | None:
        """What ended a part of the source that should not end; None: all is well."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                return error
        return None

    # ---- steps

    async def _learn(self, run: VenueRun) -> None:
        self.failures.pop(run.venue, None)
        try:
            await run.load_instruments()
            if not run.listed():
                raise RestFailed(f"{run.venue} lists no perpetual that is understood")
        except RestFailed as error:
            self.failures[run.venue] = str(error)
            if run.venue not in self._said_silent:
                self._said_silent.add(run.venue)
                self._say(f"{run.venue} does not answer and is tried again: {error}")

    async def _sizes(self, runs: Sequence[VenueRun]) -> dict[str, float]:
        if self.options.choice.coins:
            return {}
        sizes: dict[str, float] = {}
        for found in await asyncio.gather(*(run.sizes_usd() for run in runs), return_exceptions=True):
            if isinstance(found, RestFailed):
                self._say(f"coins are ordered without one venue: {found}")
            elif isinstance(found, BaseException):
                raise found
            else:
                for coin, usd in found.items():
                    sizes[coin] = sizes.get(coin, 0.0) + usd
        return sizes

    def _begin(self, run: VenueRun) -> None:
        """Hold the markets back, then connect: nothing falls between the history and the first live event."""
        run.choose(markets_of(self._coins, run.listed()))
        for listed in run.markets:
            run.intake.hold(listed.market)
        if not run.markets:
            self._say(f"{run.venue} lists none of the chosen coins")
            return
        self._go_on(run)
        run.await_liquidations(run.markets)
        run.connect()
        self._poll(run)
        self._spawn(self.pollings[run.venue].run())
        self._spawn(measure_clock(run))
        self._spawn(keep_books(run))
        self._spawn(keep_tiers(run, lambda: run.markets, self._say))
        if run.venue in self.accounts:
            self._spawn(self.accounts[run.venue].run())

    def _go_on(self, run: VenueRun) -> None:
        """Go on where an earlier owner left off: the time since is a gap, filled like one if it is short."""
        at_ms = now_ms()
        for listed in run.markets:
            market = listed.market
            since_ms = self._tail.known_until_ms.get(market)
            if since_ms is None:
                continue
            last = self._tail.last_trades.get(market)
            if last is not None:
                run.intake.numbers.resume(market, list(last.ids), last.last_ms)
            streams = [s for topic in run.feed.topics([listed], run.with_book()) for s in topic.streams]
            run.intake.watch.began(streams)
            run.intake.add(run.intake.watch.lost(streams, since_ms, at_ms, "restart: nobody listened"))
            if market in self._tail.unfinished:
                # Its history is fetched again from there; an open bracket would keep the market out of the map.
                run.intake.add([closing_bracket(market, at_ms)])
            elif at_ms - since_ms <= LONGEST_BY_TRADES_MS:
                self.refills[run.venue].left_off(market, since_ms)
                self.cold_start.skip(market)

    def _poll(self, run: VenueRun) -> None:
        majors = self.options.major_coins
        self.pollings[run.venue].set(run.feed.polls(run.markets, lambda coin: coin in majors, run.with_book()))

    async def _cold(self, runs: Sequence[VenueRun]) -> None:
        started = time.monotonic()
        await self.cold_start.run(runs)
        markets = sum(len(run.markets) for run in runs)
        took = time.monotonic() - started
        self._say(f"the history of {markets} markets is in: {self.cold_start.candles} candles in {took:.1f} s")

    async def _come_later(self, run: VenueRun) -> None:
        """A venue that did not answer at the start joins when it does."""
        pauses = Backoff(1.0, RETRY_VENUE_S, random.SystemRandom().random)
        while run.venue in self.failures:
            await asyncio.sleep(pauses.next_s())
            try:
                await run.load_instruments()
            except RestFailed as error:
                self.failures[run.venue] = str(error)
                continue
            if run.listed():
                del self.failures[run.venue]
        self._say(f"{run.venue} answers now")
        self._begin(run)
        await self.cold_start.run([run])

    async def _refresh(self) -> None:
        """Instruments again and again: what is listed and delisted while we run."""
        while True:
            await asyncio.sleep(self.options.refresh_instruments_s)
            for run in self.runs.values():
                if run.venue in self.failures:
                    continue
                try:
                    await run.load_instruments()
                except RestFailed as error:
                    self._say(f"instruments were not refreshed: {error}")
                    continue
                self.follow_listings(run)

    def follow_listings(self, run: VenueRun) -> None:
        """Take up new markets of the chosen coins, and leave those that can't be traded any more."""
        listed = run.listed()
        if self.options.choice.coins:
            # A coin that was asked for by name and is listed only now.
            self._coins = self.options.choice.choose({}, {*self._coins, *(entry.market.coin for entry in listed)})
        markets = markets_of(self._coins, listed)
        added, removed = changes(run.markets, markets)
        if not added and not removed:
            return
        run.choose(markets)
        for entry in added:
            run.intake.hold(entry.market)
        run.follow(added, removed)
        self._poll(run)
        self.cold_start.add(run, added)
        self._say(
            f"{run.venue}: listed {', '.join(e.symbol for e in added) or 'nothing'}, "
            f"delisted {', '.join(e.symbol for e in removed) or 'nothing'}"
        )

    def _up(self, venue: str, streams: list[Stream]) -> None:
        self.refills[venue].up(streams)

    def _down(self, venue: str, streams: list[Stream], from_ms: int) -> None:
        if not self.runs[venue].stopping:
            self.refills[venue].down(streams, from_ms)

    def _earlier(self, listed: Listed, from_ms: int, to_ms: int) -> list[Any]:
        folder = self.options.vision_folder
        if folder is None or listed.market.venue != "binance":
            return []
        return candles_of_folder(folder, listed.market, from_ms, to_ms)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            self._tasks.discard(task)
