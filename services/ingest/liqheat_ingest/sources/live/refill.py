"""What a reconnection has lost: recent trades by REST where the gap is short, candles where it is long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from liqheat_ingest.batcher import MAX_BATCH_TRADES
from liqheat_ingest.readings import Fact, Market, Trade
from liqheat_ingest.sources.live.feed_watch import Stream
from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venues.feed import Listed

#: A gap longer than this is filled with candles: trades of that time are too many, or the venue has forgotten them.
LONGEST_BY_TRADES_MS = 120_000
#: Refills at a time for each venue.
AT_ONCE = 4
#: Why trades stay missing.
NOTHING_BEFORE = "no trade before it to go on from"
NO_HISTORY = "the venue tells no past trades"
NOT_SO_FAR = "the venue's past trades reach no further back"
BY_CANDLES = "longer than two minutes: candles tell it"
CUT_SHORT = "the refill was cut short"


class Lost(NamedTuple):
    """A market whose trades were interrupted, and where they stopped."""

    since_ms: int
    last_trade_ms: int | None
    last_id: str | None


class Filled(NamedTuple):
    """What became of a refill.

    Attributes
    ----------
    missing : int or None
        Trades that stay missing; None where that can't be known.
    reason : str
        Why some do, or may; empty: none do.
    is_done : bool
        Whether the venue answered. Where it did not, what is lost next is fetched together with this.
    """

    missing: int | None
    reason: str
    is_done: bool


class Refill:
    """Fills the trades that a venue's lost connection left out.

    From the loss on the market's events are held back, so that what is refilled comes before what follows it. A
    connection that is lost again meanwhile makes the interruption longer: what was lost then is fetched, too, before
    the market is released.

    Parameters
    ----------
    fill_by_candles : callable
        Fetches the candles of a market from a time on and releases it.
    """

    def __init__(
        self,
        run: VenueRun,
        now_ms: Callable[[], int],
        within_s: float,
        fill_by_candles: Callable[[VenueRun, Listed, int], Any],
    ) -> None:
        self._run = run
        self._now_ms = now_ms
        self._within_s = within_s
        self._fill_by_candles = fill_by_candles
        self._lost: dict[Market, Lost] = {}
        #: Markets whose refill is under way; the event: its trades flow.
        self._flowing: dict[Market, asyncio.Event] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.refilled_trades = 0

    def down(self, streams: Iterable[Stream], from_ms: int) -> None:
        """Streams were lost: hold their markets back, and remember where they stopped."""
        numbers, intake = self._run.intake.numbers, self._run.intake
        for stream in streams:
            market = stream.market
            if stream.name != "trades" or market in self._lost:
                continue
            if market in self._flowing:
                self._flowing[market].clear()
            elif intake.is_held(market):
                continue  # its history is being fetched, up to when it flows
            self._lost[market] = Lost(from_ms, numbers.last_ms(market), numbers.last_id(market))
            intake.hold(market)

    def left_off(self, market: Market, since_ms: int) -> None:
        """An earlier owner published the market up to a time: fill from there, as after a loss."""
        numbers = self._run.intake.numbers
        self._lost[market] = Lost(since_ms, numbers.last_ms(market), numbers.last_id(market))

    def up(self, streams: Sequence[Stream]) -> None:
        """Streams flow again: announce those that need no refill, and begin to refill the others."""
        now_ms, intake = self._now_ms(), self._run.intake
        listed = {entry.market: entry for entry in self._run.markets}
        ready = [stream for stream in streams if stream.name != "trades" or not self._waits(stream.market)]
        intake.add(intake.watch.resumed(ready, now_ms))
        for stream in streams:
            market = stream.market
            if stream.name != "trades" or not self._waits(market):
                continue
            if market in self._flowing:
                self._flowing[market].set()
                continue
            lost, entry = self._lost.pop(market), listed.get(market)
            if entry is None or lost.last_trade_ms is None:
                self._end(stream, Filled(None, NOTHING_BEFORE, is_done=True))
                continue
            self._flowing[market] = asyncio.Event()
            self._flowing[market].set()
            self._start(self._refill(entry, stream, lost))

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _waits(self, market: Market) -> bool:
        return market in self._lost or market in self._flowing

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refill(self, listed: Listed, stream: Stream, lost: Lost) -> None:
        """Until everything up to a connection that stands is fetched, or can't be."""
        market = listed.market
        filled = Filled(None, CUT_SHORT, is_done=False)
        try:
            unknown: Filled | None = None
            while True:
                filled = await self._once(listed, lost)
                if filled.is_done and filled.missing is None:
                    unknown = filled
                if market not in self._lost:
                    break
                again = self._lost[market]
                await self._flowing[market].wait()
                del self._lost[market]
                lost = again if filled.is_done else lost
            if unknown is not None:
                filled = filled._replace(missing=None, reason=unknown.reason)
        except asyncio.CancelledError:
            # We end. The next owner fetches the trades from the last one in the log on: those that are held back must
            # not get there first, unless nobody will tell them again.
            if self._run.feed.recent_trades(listed, None, lost.since_ms) is None:
                self._end(stream, Filled(None, CUT_SHORT, is_done=False))
            raise
        except BaseException:
            self._end(stream, filled)
            raise
        else:
            self._end(stream, filled)
        finally:
            self._flowing.pop(market, None)

    async def _once(self, listed: Listed, lost: Lost) -> Filled:
        try:
            async with asyncio.timeout(self._within_s), self._slots:
                since_ms = lost.last_trade_ms or lost.since_ms
                if self._now_ms() - lost.since_ms > LONGEST_BY_TRADES_MS:
                    await self._fill_by_candles(self._run, listed, since_ms)
                    return Filled(None, BY_CANDLES, is_done=True)
                return await self._by_trades(listed, lost, since_ms)
        except TimeoutError:
            return Filled(self._still_missing(listed.market), f"no answer within {self._within_s:.0f} s", is_done=False)
        except RestFailed as error:
            return Filled(self._still_missing(listed.market), str(error), is_done=False)

    async def _by_trades(self, listed: Listed, lost: Lost, since_ms: int) -> Filled:
        """Publish the trades of the gap."""
        market, intake = listed.market, self._run.intake

        def asking() -> None:
            if market in self._lost and self._flowing[market].is_set():
                del self._lost[market]  # lost again and back before we ask: the answer tells of both

        told = await self._run.trades_since(listed, lost.last_id, since_ms, asking)
        if told is None:
            return Filled(None, NO_HISTORY, is_done=True)
        told = sorted((trade for trade in told if trade.market == market), key=lambda trade: trade.event_time_ms)
        counts = self._run.feed.counts_trades
        # By its number a trade is known for ever; ids elsewhere are forgotten, so what is older than the gap stays out.
        news = [trade for trade in told if (counts or trade.event_time_ms >= since_ms) and intake.numbers.admit(trade)]
        intake.numbers.take_holes()
        intake.add(refilled_batches(news, self._now_ms()))
        self.refilled_trades += len(news)
        if counts:
            missing = self._still_missing(market)
            return Filled(missing, NOT_SO_FAR if missing else "", is_done=True)
        reaches = bool(told) and told[0].event_time_ms <= since_ms
        return Filled(0 if reaches else None, "" if reaches else NOT_SO_FAR, is_done=True)

    def _still_missing(self, market: Market) -> int | None:
        return self._run.intake.numbers.still_missing(market) if self._run.feed.counts_trades else None

    def _end(self, stream: Stream, filled: Filled) -> None:
        intake, now_ms = self._run.intake, self._now_ms()
        missing = filled.missing
        if self._run.feed.counts_trades and missing is not None:
            missing = intake.numbers.still_missing(stream.market)  # with what was lost since the venue answered
        intake.numbers.close_holes(stream.market)
        intake.missed_trades += missing or 0
        intake.add(intake.watch.resumed([stream], now_ms, "" if missing == 0 else filled.reason, missing))
        intake.release(stream.market, now_ms)


def refilled_batches(trades: Sequence[Trade], now_ms: int) -> list[Fact]:
    """Trades of one market that came by REST, as ``trades`` events that are marked as refilled.

    Examples
    --------
    >>> market = Market("BTC", "binance", "BTC/USDT:USDT")
    >>> [fact] = refilled_batches([Trade(9, market, 5, 64_000.0, 1.0, "b", "7")], now_ms=9)
    >>> fact.type, fact.fields["refilled"], fact.fields["trade_id"]
    ('trades', True, ['7'])
    """
    facts = []
    for at in range(0, len(trades), MAX_BATCH_TRADES):
        batch = trades[at : at + MAX_BATCH_TRADES]
        event_ms = max(trade.event_time_ms for trade in batch)
        ids = [trade.trade_id for trade in batch]
        fields: dict[str, Any] = {
            "time_offset_ms": [trade.event_time_ms - event_ms for trade in batch],
            "price": [trade.price for trade in batch],
            "quantity_base": [trade.quantity_base for trade in batch],
            "aggressor_side": "".join(trade.aggressor for trade in batch),
            "trade_id": None if None in ids else ids,
            "refilled": True,
        }
        facts.append(Fact(now_ms, batch[0].market, event_ms, "trades", fields, None))
    return facts
