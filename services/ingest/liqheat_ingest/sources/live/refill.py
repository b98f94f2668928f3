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


class Lost(NamedTuple):
    """A market whose trades were interrupted, and where they stopped."""

    since_ms: int
    last_trade_ms: int | None
    last_id: str | None


class Refill:
    """Fills the trades that a venue's lost connection left out.

    From the loss on the market's events are held back, so that what is refilled comes before what follows it.

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
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.refilled_trades = 0

    def down(self, streams: Iterable[Stream], from_ms: int) -> None:
        """Streams were lost: hold their markets back, and remember where they stopped."""
        numbers, intake = self._run.intake.numbers, self._run.intake
        for stream in streams:
            if stream.name == "trades" and stream.market not in self._lost and not intake.is_held(stream.market):
                self._lost[stream.market] = Lost(
                    from_ms, numbers.last_ms(stream.market), numbers.last_id(stream.market)
                )
                intake.hold(stream.market)

    def left_off(self, market: Market, since_ms: int) -> None:
        """An earlier owner published the market up to a time: fill from there, as after a loss."""
        numbers = self._run.intake.numbers
        self._lost[market] = Lost(since_ms, numbers.last_ms(market), numbers.last_id(market))

    def up(self, streams: Sequence[Stream]) -> None:
        """Streams flow again: announce those that need no refill, and begin to refill the others."""
        now_ms, intake = self._now_ms(), self._run.intake
        listed = {entry.market: entry for entry in self._run.markets}
        ready = [stream for stream in streams if stream.name != "trades" or stream.market not in self._lost]
        intake.add(intake.watch.resumed(ready, now_ms))
        for stream in streams:
            entry = listed.get(stream.market)
            if stream.name != "trades" or stream.market not in self._lost:
                continue
            lost = self._lost.pop(stream.market)
            if entry is None or lost.last_trade_ms is None:
                self._end(stream, None)  # there is nothing to go on from
                continue
            self._start(self._refill(entry, stream, lost))

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refill(self, listed: Listed, stream: Stream, lost: Lost) -> None:
        missing: int | None = None
        try:
            async with asyncio.timeout(self._within_s), self._slots:
                if self._now_ms() - lost.since_ms > LONGEST_BY_TRADES_MS:
                    await self._fill_by_candles(self._run, listed, lost.last_trade_ms or lost.since_ms)
                else:
                    missing = await self._by_trades(listed, lost)
        except (TimeoutError, RestFailed):
            missing = self._still_missing(listed.market)
        finally:
            self._end(stream, missing)

    async def _by_trades(self, listed: Listed, lost: Lost) -> int | None:
        """Publish the trades of the gap; how many stay missing, None where that can't be known."""
        intake = self._run.intake
        since_ms = lost.last_trade_ms or lost.since_ms
        told = sorted(
            await self._run.trades_since(listed, lost.last_id, since_ms), key=lambda trade: trade.event_time_ms
        )
        news = [
            trade
            for trade in told
            if trade.market == listed.market and trade.event_time_ms >= since_ms and intake.numbers.admit(trade)
        ]
        intake.numbers.take_holes()
        intake.add(refilled_batches(news, self._now_ms()))
        self.refilled_trades += len(news)
        if self._run.feed.counts_trades:
            return self._still_missing(listed.market)
        return 0 if told and told[0].event_time_ms <= since_ms else None

    def _still_missing(self, market: Market) -> int | None:
        return self._run.intake.numbers.still_missing(market) if self._run.feed.counts_trades else None

    def _end(self, stream: Stream, missing: int | None) -> None:
        intake, now_ms = self._run.intake, self._now_ms()
        intake.numbers.close_holes(stream.market)
        intake.missed_trades += missing or 0
        intake.add(intake.watch.resumed([stream], now_ms, "", missing))
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
