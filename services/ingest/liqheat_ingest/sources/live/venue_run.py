"""One venue, live: its exchange, its instruments, its connections and its polls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Market, Trade
from liqheat_ingest.sources.live.clock_skew import ClockSkew
from liqheat_ingest.sources.live.connection import Connection
from liqheat_ingest.sources.live.exchanges import ExchangePort, make_exchange
from liqheat_ingest.sources.live.feed_watch import LIQUIDATIONS, FeedWatch, Stream
from liqheat_ingest.sources.live.history import Span, join
from liqheat_ingest.sources.live.options import LiveOptions
from liqheat_ingest.sources.live.outlet import Outlet
from liqheat_ingest.sources.live.rate_budget import Urgency
from liqheat_ingest.sources.live.rest import Rest, RestFailed
from liqheat_ingest.sources.live.trade_numbers import TradeNumbers
from liqheat_ingest.sources.live.venue_connections import Hooks, VenueConnections
from liqheat_ingest.sources.live.venue_intake import VenueIntake
from liqheat_ingest.sources.live.venues import feed_of
from liqheat_ingest.sources.live.venues.feed import Listed, Request

MOST_PAGES = 40
#: The clock is asked before a history is; a history does not wait longer for it.
CLOCK_WITHIN_S = 2.0
#: Of past trades, to refill one gap of one market.
MOST_TRADE_PAGES = 10
#: Reason of the interruption that a liquidation stream begins with.
NOT_CONNECTED_YET = "not connected yet"


class VenueRun:
    """A venue from its exchange to the outlet.

    Parameters
    ----------
    endpoint : str or None
        Another host instead of the venue's own.
    """

    def __init__(self, venue: str, outlet: Outlet, options: LiveOptions, hooks: Hooks, endpoint: str | None) -> None:
        self.venue = venue
        self.feed = feed_of(venue)
        self.rest = Rest(self.feed, hooks.now_ms, hooks.say)
        self.markets: list[Listed] = []
        self.skew = ClockSkew()
        self.stopping = False
        self._measuring = asyncio.Lock()
        self._options = options
        self._hooks = hooks
        self._chosen: set[Market] = set()
        mapper = mapper_of(venue, _nothing_yet)
        watch = FeedWatch(dict(self.feed.longest_silence_ms))
        numbers = TradeNumbers(counts=self.feed.counts_trades)
        self.intake = VenueIntake(mapper, watch, outlet, numbers, options.most_held_items)
        self._connections = VenueConnections(self.feed, self.intake, options, hooks)
        taps, timeout_ms = self._connections.taps, round(options.rest_timeout_s * 1000)
        exchange = make_exchange(self.feed.exchange_id, taps.__getitem__, self.rest, endpoint, timeout_ms)
        self.port = ExchangePort(exchange)
        self.rest.use(exchange)
        self._connections.use(self.port)

    # ---- instruments

    async def load_instruments(self) -> None:
        """Ask for all instruments; the mapper learns them, and forgets what is listed no more. Raises RestFailed."""
        symbols: set[str] = set()
        for request in self.feed.instruments():
            for answer in await self.all_pages(request):
                try:
                    symbols |= self.feed.symbols_in(answer)
                except (KeyError, TypeError, IndexError) as error:
                    raise RestFailed(f"{self.venue} {request.venue_path}: unexpected answer: {error!r}") from error
        self.intake.mapper.instruments.keep_listed(symbols)

    async def all_pages(self, request: Request, urgency: Urgency = "needed") -> list[Any]:
        """Ask, page by page, and give the answers to the mapper. Raises RestFailed."""
        page: Request | None = request
        answers = []
        for _ in range(MOST_PAGES):
            if page is None:
                break
            answers.append(await self.ask(page, urgency))
            page = self.feed.next_page(page, answers[-1])
        return answers

    async def ask(self, request: Request, urgency: Urgency = "needed") -> Any:
        """Ask, and pass the answer on as a raw message. Raises RestFailed."""
        answer = await self.rest.call(request, urgency)
        self.intake.accept(RawMessage(self.venue, request.channel, self._hooks.now_ms(), answer))
        return answer

    def listed(self) -> list[Listed]:
        """All perpetuals that can be traded now."""
        found = self.intake.mapper.instruments.listed()
        return [Listed(spec.market, symbol, spec) for symbol, spec in found.items()]

    async def sizes_usd(self) -> dict[str, float]:
        """Open interest by coin; an approximation that orders them. Raises RestFailed."""
        coins = {listed.symbol: listed.market.coin for listed in self.listed()}
        sizes: dict[str, float] = {}
        for request in self.feed.ranking():
            answer = await self.rest.call(request)
            try:
                ranked = self.feed.ranked(request, answer)
            except (KeyError, TypeError, ValueError) as error:
                raise RestFailed(f"{self.venue} {request.venue_path}: unexpected answer: {error!r}") from error
            for symbol, usd in ranked.items():
                if symbol in coins:
                    sizes[coins[symbol]] = sizes.get(coins[symbol], 0.0) + usd
        return sizes

    def choose(self, markets: Sequence[Listed]) -> None:
        """Map these from now on."""
        self.markets = list(markets)
        self._chosen = {listed.market for listed in markets}
        chosen = self._chosen
        self.intake.mapper.instruments.choose(lambda market: market in chosen)

    # ---- connections

    def with_book(self) -> set[Market]:
        """Markets whose book is watched."""
        return {listed.market for listed in self.markets[: self._options.books_per_venue]}

    def connect(self) -> None:
        """Open all connections that the chosen markets need."""
        self._connections.open(self.feed.topics(self.markets, self.with_book()))

    def await_liquidations(self, markets: Sequence[Listed]) -> None:
        """Announce the liquidation streams of new markets as interrupted until their subscriptions stand.

        Nobody was liquidated, or nobody listened: only the log can tell the two apart, from its first event on.
        """
        topics = self.feed.topics(markets, frozenset())
        streams = [stream for topic in topics for stream in topic.streams if stream.name == LIQUIDATIONS]
        now_ms, watch = self._hooks.now_ms(), self.intake.watch
        watch.began(streams)
        self.intake.add(watch.lost(streams, now_ms, now_ms, NOT_CONNECTED_YET))

    def follow(self, added: Sequence[Listed], removed: Sequence[Listed]) -> None:
        """Subscribe to markets that were listed and leave those that are gone. ``choose`` comes first."""
        self.await_liquidations(added)
        self._connections.add(self.feed.topics(added, self.with_book()))
        gone = {listed.market for listed in removed}
        self._connections.leave(gone)
        if gone:
            self.intake.add(self.intake.watch.delisted(gone, self._hooks.now_ms()))

    def renew_books(self) -> list[Request]:
        """Renew the subscriptions of books that lost a change; requests where a book begins by REST."""
        books = getattr(self.intake.mapper, "books", None)
        stale = sorted(books.stale) if books is not None else []
        requests = []
        by_symbol = {listed.symbol: listed for listed in self.markets}
        for listed in (by_symbol[symbol] for symbol in stale if symbol in by_symbol):
            request = self.feed.book_snapshot(listed)
            if request is not None:
                requests.append(request)
            else:
                self._connections.renew(Stream(listed.market, "book-depth"))
        return requests

    @property
    def connections(self) -> list[Connection]:
        """All connections."""
        return self._connections.all

    async def close(self) -> None:
        """End all connections."""
        self.stopping = True
        await self._connections.close()
        await self.port.close()

    # ---- what REST knows

    async def history(self, listed: Listed, parts: Sequence[Span]) -> list[Fact]:
        """Candles of a market with its open interest. Raises RestFailed if the candles can't be had.

        Only those that had ended by the venue's clock: by ours, if it is ahead, the last one may still grow, and what
        is traded in it from then on would be taken for told.
        """
        ended_ms = await self._venue_time_ms()
        candles: list[Fact] = []
        interest: list[Fact] = []
        for part in parts:
            arguments = (listed, part.interval_ms, part.from_ms, part.to_ms)
            for request in self.feed.candles(*arguments):
                candles += await self.mapped(request, "candle")
            # There is no history of open interest by the minute; by five minutes it is near enough.
            interval_ms = max(part.interval_ms, 300_000)
            asked = (listed, interval_ms, part.from_ms - interval_ms, part.to_ms, self._hooks.now_ms())
            try:
                for request in self.feed.open_interest_history(*asked):
                    interest += await self.mapped(request, "ticker")
            except RestFailed as error:
                self._hooks.say(f"no history of open interest: {error}")
        mine = (fact for fact in candles if fact.market == listed.market and fact.event_time_ms <= ended_ms)
        return join(mine, interest)

    async def trades_since(
        self, listed: Listed, last_id: str | None, from_ms: int, on_turn: Callable[[], None]
    ) -> list[Trade] | None:
        """What the venue still knows of the trades since one; None where it tells none. Raises RestFailed.

        Parameters
        ----------
        on_turn : callable
            Called before each request for trades that are newer than all that was told.
        """
        request = self.feed.recent_trades(listed, last_id, from_ms)
        if request is None:
            return None
        found: list[Trade] = []
        for _ in range(MOST_TRADE_PAGES):
            is_newest = not found or self.feed.tells_trades_forward
            answer = await self.rest.call(request, "spare", tries=2, on_turn=on_turn if is_newest else None)
            raw = RawMessage(self.venue, request.channel, self._hooks.now_ms(), answer)
            page = [item for item in self.intake.mapper.map(raw) if isinstance(item, Trade)]
            found += page
            more = self.feed.more_trades(listed, page, last_id)
            if more is None:
                break
            request = more
        return found

    async def _venue_time_ms(self) -> int:
        """Now by the venue's clock; by ours where it can't be asked."""
        if self.skew.milliseconds is None:
            with contextlib.suppress(RestFailed, TimeoutError):
                async with asyncio.timeout(CLOCK_WITHIN_S), self._measuring:
                    if self.skew.milliseconds is None:
                        await self.measure_skew()
        return self._hooks.now_ms() + round(self.skew.milliseconds or 0.0)

    async def measure_skew(self) -> None:
        """Time one call to the venue. Raises RestFailed."""
        request = self.feed.server_time()
        sent_ms = self._hooks.now_ms()
        answer = await self.rest.call(request, "spare")
        try:
            self.skew.measured(sent_ms, self._hooks.now_ms(), self.feed.time_in(answer))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise RestFailed(f"{self.venue} {request.venue_path}: unexpected answer: {error!r}") from error

    async def mapped(self, request: Request, kind: str, urgency: Urgency = "needed") -> list[Fact]:
        """Ask; the facts of one type that the answer tells, published by nobody yet. Raises RestFailed."""
        answer = await self.rest.call(request, urgency, tries=3 if urgency == "needed" else 1)
        raw = RawMessage(self.venue, request.channel, self._hooks.now_ms(), answer)
        found = []
        for item in self.intake.mapper.map(raw):
            if isinstance(item, Fact):
                if item.type == kind:
                    found.append(item)
            elif not isinstance(item, Trade):
                self.intake.outlet.report(item)
        return found


def _nothing_yet(market: Market) -> bool:  # noqa: ARG001 - a predicate
    return False
