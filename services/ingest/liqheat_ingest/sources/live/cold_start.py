"""Before a market is live: its history, coin by coin, the largest first, all venues of a coin together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple

from liqheat_ingest.readings import Fact, Market, Trade
from liqheat_ingest.sources.live.history import DAY_MS, HOUR_MS, merged, spans
from liqheat_ingest.sources.live.options import LiveOptions
from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venues.feed import Listed

#: Markets of a venue whose history is fetched at a time, in the order of the coins.
MARKETS_AT_ONCE = 6


class Wanted(NamedTuple):
    """A market whose history is wanted, from a time on."""

    run: VenueRun
    listed: Listed
    from_ms: int


class ColdStart:
    """Fetches histories and releases the markets.

    Parameters
    ----------
    known_until_ms : mapping
        By market, the event time up to which the log holds it already: only the hole since then is fetched.
    earlier : callable
        Candles of a market before a time, from files; empty where there are none.
    """

    def __init__(
        self,
        options: LiveOptions,
        known_until_ms: Mapping[Market, int],
        now_ms: Callable[[], int],
        say: Callable[[str], None],
        earlier: Callable[[Listed, int, int], list[Fact]],
    ) -> None:
        self._options = options
        self._known_until_ms = known_until_ms
        self._now_ms = now_ms
        self._say = say
        self._earlier = earlier
        self._tasks: set[asyncio.Future[Any]] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._skipped: set[Market] = set()
        #: Markets whose history is not in.
        self.waiting: set[Market] = set()
        self.candles = 0

    async def run(self, runs: Sequence[VenueRun]) -> None:
        """Fetch the history of every chosen market of every venue."""
        coins: dict[str, list[Wanted]] = {}
        for run in runs:
            for listed in run.markets:
                if listed.market in self._skipped:
                    continue
                self.waiting.add(listed.market)
                coins.setdefault(listed.market.coin, []).append(Wanted(run, listed, self._from_ms(listed.market)))
        await asyncio.gather(*(self._start(self._coin(coin, wanted)) for coin, wanted in coins.items()))

    def skip(self, market: Market) -> None:
        """Leave a market to those who fill short gaps."""
        self._skipped.add(market)

    async def fill(self, run: VenueRun, listed: Listed, from_ms: int) -> None:
        """Fill a hole of one market with candles. Raises RestFailed. The caller releases the market."""
        facts = await self._history(Wanted(run, listed, from_ms))
        self._publish(listed.market.coin, {listed.market: facts}, from_ms, [Wanted(run, listed, from_ms)])

    def add(self, run: VenueRun, listed: Sequence[Listed]) -> None:
        """Fetch the history of markets that were listed while running."""
        for entry in listed:
            self.waiting.add(entry.market)
            self._start(self._coin(entry.market.coin, [Wanted(run, entry, self._from_ms(entry.market))]))

    async def close(self) -> None:
        """Give up what is under way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _from_ms(self, market: Market) -> int:
        now_ms = self._now_ms()
        first_ms = now_ms - round(self._options.fine_hours * HOUR_MS) - round(self._options.coarse_days * DAY_MS)
        return max(first_ms, min(now_ms, self._known_until_ms.get(market, 0)))

    async def _coin(self, coin: str, wanted: list[Wanted]) -> None:
        """The history of a coin's markets together; whoever is late comes alone."""
        tasks = {self._start(self._history(entry)): entry for entry in wanted}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done, late = await asyncio.wait(tasks, timeout=self._options.backfill_patience_s)
        self._take(coin, [(tasks[task], task) for task in tasks if task in done])
        while late:
            done, late = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
            self._take(coin, [(tasks[task], task) for task in done])

    def _take(self, coin: str, done: list[tuple[Wanted, asyncio.Future[list[Fact]]]]) -> None:
        """Publish histories that are in, and let their markets go."""
        entries = [entry for entry, _ in done]
        histories = {entry.listed.market: self._result(entry, task) for entry, task in done}
        if entries:
            self._publish(coin, histories, min(entry.from_ms for entry in entries), entries)
        for entry in entries:
            self._release(entry, histories[entry.listed.market])

    async def _history(self, wanted: Wanted) -> list[Fact]:
        run, listed, from_ms = wanted
        slots = self._slots.setdefault(run.venue, asyncio.Semaphore(MARKETS_AT_ONCE))
        async with slots:
            now_ms = self._now_ms()
            fine_ms = round(self._options.fine_hours * HOUR_MS)
            if not run.feed.tells_open_interest_history(listed):
                # Without open interest, candles place nothing: a day of them tells how volume was spread.
                from_ms = max(from_ms, now_ms - fine_ms)
            facts = await run.history(listed, spans(from_ms, now_ms, now_ms - fine_ms))
            first_ms = facts[0].fields["open_time_ms"] if facts else now_ms
            before = await asyncio.to_thread(self._earlier, listed, from_ms, first_ms)
            return before + facts

    def _result(self, entry: Wanted, task: asyncio.Future[list[Fact]]) -> list[Fact]:
        try:
            return task.result()
        except RestFailed as error:
            self._say(f"no history of {entry.listed.market.venue} {entry.listed.market.symbol}: {error}")
            return []

    def _publish(self, coin: str, histories: dict[Market, list[Fact]], from_ms: int, entries: list[Wanted]) -> None:
        now_ms = self._now_ms()
        venues = "-".join(sorted({entry.run.venue for entry in entries}))
        facts = merged(histories, f"{coin}-{venues}-{now_ms}", from_ms, now_ms, now_ms)
        if facts:
            entries[0].run.intake.add(facts)
            self.candles += sum(map(len, histories.values()))

    def _release(self, entry: Wanted, facts: list[Fact]) -> None:
        market = entry.listed.market
        end_ms = facts[-1].event_time_ms if facts else 0

        def is_news(item: Trade | Fact) -> bool:
            return item.event_time_ms >= end_ms

        entry.run.intake.release(market, self._now_ms(), keep=is_news)
        self.waiting.discard(market)
