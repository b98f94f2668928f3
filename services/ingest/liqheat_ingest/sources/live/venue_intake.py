"""From a venue's raw messages to items: mapped, deduplicated, held back while a market's history is being fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from liqheat_ingest.mappers.mapper import VenueMapper
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Market, Problem, Trade
from liqheat_ingest.sources.live.feed_watch import FeedWatch, Stream
from liqheat_ingest.sources.live.outlet import Outlet
from liqheat_ingest.sources.live.trade_numbers import Hole, TradeNumbers

#: Streams whose facts are held back with the trades; instruments and brackets go at once.
_HELD_TYPES = frozenset({"ticker", "liquidation", "book-depth", "on-chain-position"})


def _everything(item: Trade | Fact) -> bool:  # noqa: ARG001 - a predicate
    return True


class VenueIntake:
    """One venue's way into the outlet.

    Parameters
    ----------
    numbers : TradeNumbers
        Knows the trades seen lately, by id.
    most_held : int
        Items held back over all markets of the venue; beyond it the oldest trade of the market is dropped, counted and
        announced as missing when the market is released.
    """

    def __init__(
        self, mapper: VenueMapper, watch: FeedWatch, outlet: Outlet, numbers: TradeNumbers, most_held: int
    ) -> None:
        self.mapper = mapper
        self.watch = watch
        self.outlet = outlet
        self.numbers = numbers
        self._most_held = most_held
        self._held: dict[Market, deque[Trade | Fact]] = {}
        self._held_items = 0
        self._streams: dict[tuple[Market, str], Stream] = {}
        self.dropped: dict[Market, int] = {}
        self.listeners: list[Callable[[RawMessage], None]] = []
        self.raw_messages = 0
        self.duplicates = 0
        self.missed_trades = 0
        self._last_receive_ms = 0

    # ---- what comes from sockets and polls

    def accept(self, raw: RawMessage) -> None:
        """Take a raw message. Never raises for what a venue sent."""
        self.raw_messages += 1
        self._last_receive_ms = raw.receive_time_ms
        for listener in self.listeners:
            listener(raw)
        items = self.mapper.map(raw)
        if not items:
            return
        first = items[0]
        if first.__class__ is Trade:
            self._trades(items)
            return
        for item in items:
            if item.__class__ is Fact:
                self._fact(item)
            elif item.__class__ is Trade:
                self._trades([item])
            else:
                self.outlet.report(item)  # type: ignore[arg-type]

    def report_unreadable(self, channel: str, data: str | bytes, receive_ms: int) -> None:
        """Take a frame that is no JSON."""
        raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
        detail = f"a frame from {channel} is no JSON"
        self.outlet.report(Problem(receive_ms, None, self.mapper.venue, "unknown", "not-json", detail, raw))

    def add(self, facts: Iterable[Fact]) -> None:
        """Take facts of our own: feed status, brackets, history. They are never held back."""
        for fact in facts:
            self.outlet.push(fact)

    def _trades(self, items: list[Any]) -> None:
        held, numbers = self._held, self.numbers
        push = self.outlet.push
        market: Market | None = None
        for item in items:
            if item.__class__ is not Trade:
                if item.__class__ is Fact:
                    self._fact(item)
                else:
                    self.outlet.report(item)
                continue
            if item.market is not market:
                market = item.market
                self.watch.seen(self._stream(market, "trades"), item.receive_time_ms)
            if not numbers.admit(item):
                self.duplicates += 1
            elif held and market in held:
                self._hold(held[market], item)
            else:
                push(item)
        for hole in numbers.take_holes():
            self._announce(hole)

    def _announce(self, hole: Hole) -> None:
        """Trades were missed. While a refill is under way it announces them, when it knows how many stay missing."""
        stream = self._stream(hole.market, "trades")
        if self.watch.is_interrupted(stream):
            return
        self.missed_trades += hole.missing
        self.numbers.close_holes(hole.market)
        reason = "ids of trades are missing"
        self.add(self.watch.gap(stream, hole.from_ms, hole.to_ms, self._last_receive_ms, reason, hole.missing))

    def _fact(self, fact: Fact) -> None:
        if fact.stream is not None:
            self.watch.seen(self._stream(fact.market, fact.stream), fact.receive_time_ms)
        held = self._held.get(fact.market) if self._held else None
        if held is not None and fact.type in _HELD_TYPES:
            self._hold(held, fact)
        else:
            self.outlet.push(fact)

    def _stream(self, market: Market, name: str) -> Stream:
        found = self._streams.get((market, name))
        if found is None:
            found = self._streams[market, name] = Stream(market, name)
        return found

    # ---- holding back

    def hold(self, market: Market) -> None:
        """Hold back the market's live events from now on."""
        self._held.setdefault(market, deque())

    def is_held(self, market: Market) -> bool:
        """Whether the market is held back."""
        return market in self._held

    @property
    def held_items(self) -> int:
        """Items held back now."""
        return self._held_items

    def release(self, market: Market, now_ms: int, *, keep: Callable[[Trade | Fact], bool] = _everything) -> None:
        """Let the market's events through, those held back first, in their order.

        Parameters
        ----------
        keep : callable
            Whether a held item is still news (a candle may contain it already).
        """
        held = self._held.pop(market, None)
        if held is None:
            return
        self._held_items -= len(held)
        dropped = self.dropped.pop(market, 0)
        if dropped and held:
            stream, first = self._stream(market, "trades"), held[0]
            reason = "dropped while the history was fetched: too many events to hold back"
            self.add(self.watch.gap(stream, first.event_time_ms, first.event_time_ms, now_ms, reason, dropped))
        for item in held:
            if keep(item):
                self.outlet.push(item)

    def _hold(self, held: deque[Trade | Fact], item: Trade | Fact) -> None:
        if self._held_items >= self._most_held and held:
            oldest = held.popleft()
            self._held_items -= 1
            if oldest.__class__ is Trade:
                self.dropped[oldest.market] = self.dropped.get(oldest.market, 0) + 1
        held.append(item)
        self._held_items += 1
