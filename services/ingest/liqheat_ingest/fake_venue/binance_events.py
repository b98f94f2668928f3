"""Events of Binance's streams: trades, marks, liquidations, books."""

from __future__ import annotations

from typing import Any

import orjson

from liqheat_ingest.fake_venue.binance_fields import BinanceFields
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import (
    BOUGHT,
    BOUGHT_VALUE,
    CLOSE,
    HIGH,
    LOW,
    MINUTE_MS,
    OPEN,
    PRINTS,
    VALUE,
    VOLUME,
)
from liqheat_ingest.fake_venue.order_book import BookChange
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf

_ALL = ("!markPrice@arr", "!markPrice@arr@1s", "!ticker@arr", "!miniTicker@arr", "!forceOrder@arr", "!bookTicker")
_OF_ONE = (
    "aggTrade", "trade", "ticker", "miniTicker", "markPrice", "markPrice@1s", "forceOrder", "bookTicker", "kline_1m",
    "depth", "depth@100ms", "depth@250ms", "depth@500ms", "depth5", "depth10", "depth20", "depth5@100ms",
    "depth10@100ms", "depth20@100ms", "depth5@500ms", "depth10@500ms", "depth20@500ms",
)  # fmt: skip
_DEPTH_MS = {"depth": 200, "depth@100ms": 100, "depth@250ms": 200, "depth@500ms": 500}
_CONTRACT_INFO = "!contractInfo"


class BinanceEvents:
    """What a slot becomes on the streams.

    Parameters
    ----------
    server : VenueServer
        Publishes.
    fields : BinanceFields
        Shared with REST.
    """

    def __init__(self, server: VenueServer, fields: BinanceFields) -> None:
        self._server = server
        self._fields = fields
        self._closed: dict[str, list[FakeLiquidation]] = {}
        self._pending: dict[str, BookChange] = {}

    def is_stream(self, name: str) -> bool:
        """Whether there is such a stream now."""
        if name.startswith("!"):
            return name in _ALL or name == _CONTRACT_INFO
        symbol, _, kind = name.partition("@")
        return kind in _OF_ONE and self._server.world.find("binance", symbol.upper()) is not None

    def emit(self, slots: list[SlotOf]) -> None:
        """Publish a slot."""
        wanted = self._server.subscribers
        for slot in slots:
            one, name = slot.instrument, slot.instrument.symbol.lower()
            if f"{name}@aggTrade" in wanted:
                self._agg_trades(one, f"{name}@aggTrade", slot.trades)
            if f"{name}@trade" in wanted:
                self._raw_trades(one, f"{name}@trade", slot.trades)
            if slot.liquidations:
                self._closed.setdefault(one.symbol, []).extend(slot.liquidations)
        now_ms = self._server.world.now_ms
        if now_ms % 1_000 == 0:
            self._liquidations()
            self._every_second(now_ms)
        if not self._server.books_are_stale():
            for one in self._server.listed():
                self._book(one, now_ms)

    def contract_info(self, one: FakeInstrument) -> None:
        """A market was listed or delisted."""
        event = {
            "e": "contractInfo",
            "E": self._server.now_ms,
            "s": one.symbol,
            "ps": one.symbol,
            "ct": "PERPETUAL",
            "dt": 4_133_404_800_000,
            "ot": one.listed_at_ms,
            "cs": "TRADING" if one.is_listed else "SETTLING",
            "bks": [],
        }
        self._server.publish(_CONTRACT_INFO, orjson.dumps(event))

    def _agg_trades(self, one: FakeInstrument, stream: str, trades: list[FakeTrade]) -> None:
        server = self._server
        for trade in trades:
            number, at_ms = trade.number, server.told(trade.time_ms)
            payload = (
                f'{{"e":"aggTrade","E":{server.now_ms},"a":{number},"s":"{one.symbol}",'
                f'"p":"{one.price_text(trade.price_ticks)}","q":"{one.quantity_text(trade.lots)}",'
                f'"f":{number},"l":{number},"T":{at_ms},"m":{"true" if trade.side < 0 else "false"}}}'
            )
            server.publish(stream, payload.encode(), 1, number, number)

    def _raw_trades(self, one: FakeInstrument, stream: str, trades: list[FakeTrade]) -> None:
        server = self._server
        for trade in trades:
            number, at_ms = trade.number, server.told(trade.time_ms)
            payload = (
                f'{{"e":"trade","E":{server.now_ms},"T":{at_ms},"s":"{one.symbol}","t":{number},'
                f'"p":"{one.price_text(trade.price_ticks)}","q":"{one.quantity_text(trade.lots)}","X":"MARKET",'
                f'"m":{"true" if trade.side < 0 else "false"}}}'
            )
            server.publish(stream, payload.encode(), 1, number, number)

    def _liquidations(self) -> None:
        """At most one a second and symbol, the largest; the side is that of the ORDER."""
        for symbol, closed in self._closed.items():
            one = self._server.world.by_venue["binance"][symbol]
            largest = max(closed, key=_lots)
            filled = one.quantity_text(largest.lots)
            event = {
                "e": "forceOrder",
                "E": self._server.now_ms,
                "o": {
                    "s": symbol,
                    "S": "SELL" if largest.side > 0 else "BUY",
                    "o": "LIMIT",
                    "f": "IOC",
                    "q": filled,
                    "p": one.price_text(largest.bankruptcy_ticks),
                    "ap": one.price_text(largest.fill_ticks),
                    "X": "FILLED",
                    # Filled in several parts: the last one is not the whole.
                    "l": one.quantity_text(max(1, largest.lots - largest.lots // 3)),
                    "z": filled,
                    "T": self._server.told(largest.time_ms),
                },
            }
            payload = orjson.dumps(event)
            self._server.publish(f"{symbol.lower()}@forceOrder", payload)
            self._server.publish("!forceOrder@arr", payload)
        self._closed.clear()

    def _every_second(self, now_ms: int) -> None:
        wanted, fields = self._server.subscribers, self._fields
        makers = (("ticker", fields.ticker), ("miniTicker", fields.mini_ticker), ("markPrice", fields.mark))
        for one in self._server.listed():
            name = one.symbol.lower()
            for kind, event_of in makers:
                for stream in (f"{name}@{kind}", f"{name}@{kind}@1s"):
                    if stream in wanted and _is_due(stream, now_ms):
                        self._server.publish(stream, orjson.dumps(event_of(one)))
            if f"{name}@kline_1m" in wanted:
                self._kline(one, f"{name}@kline_1m", now_ms)
        arrays = (*makers[:2], makers[2], makers[2])
        names = ("!ticker@arr", "!miniTicker@arr", "!markPrice@arr", "!markPrice@arr@1s")
        for stream, (_, event_of) in zip(names, arrays, strict=True):
            if stream in wanted and _is_due(stream, now_ms):
                events = [event_of(one) for one in self._server.listed()]
                self._server.publish(stream, orjson.dumps(events), len(events))

    def _kline(self, one: FakeInstrument, stream: str, now_ms: int) -> None:
        start_ms = (now_ms - 1) // MINUTE_MS * MINUTE_MS
        _, rows = one.bars.candles(MINUTE_MS, start_ms, start_ms + 1)
        if not len(rows):
            return
        row, told_ms = rows[-1], self._server.told(start_ms)
        last = one.next_number - 1
        candle: dict[str, Any] = {
            "t": told_ms,
            "T": told_ms + MINUTE_MS - 1,
            "s": one.symbol,
            "i": "1m",
            "f": last - int(row[PRINTS]) + 1,
            "L": last,
            "o": one.price_text(int(row[OPEN])),
            "c": one.price_text(int(row[CLOSE])),
            "h": one.price_text(int(row[HIGH])),
            "l": one.price_text(int(row[LOW])),
            "v": one.quantity_text(row[VOLUME]),
            "n": int(row[PRINTS]),
            "x": now_ms % MINUTE_MS == 0,
            "q": f"{self._fields.quote_volume(one, row[VALUE]):.5f}",
            "V": one.quantity_text(row[BOUGHT]),
            "Q": f"{self._fields.quote_volume(one, row[BOUGHT_VALUE]):.5f}",
            "B": "0",
        }
        event = {"e": "kline", "E": self._server.now_ms, "s": one.symbol, "k": candle}
        self._server.publish(stream, orjson.dumps(event))

    def _book(self, one: FakeInstrument, now_ms: int) -> None:
        wanted, name = self._server.subscribers, one.symbol.lower()
        streams = [stream for kind in _OF_ONE if "epth" in kind and (stream := f"{name}@{kind}") in wanted]
        has_top = f"{name}@bookTicker" in wanted or "!bookTicker" in wanted
        if not streams and not has_top:
            return
        change = one.book.update(self._fields.middle(one))
        if change.bids or change.asks:
            for stream in streams:
                self._pending[stream] = _merged(self._pending.get(stream), change)
        for stream in streams:
            kind = stream.partition("@")[2]
            if stream in self._pending and now_ms % _DEPTH_MS.get(kind, 500 if "500" in kind else 100) == 0:
                self._server.publish(stream, self._depth_event(one, kind, self._pending.pop(stream)))
        if has_top and (change.bids or change.asks):
            self._book_ticker(one, name)

    def _depth_event(self, one: FakeInstrument, kind: str, change: BookChange) -> bytes:
        bids, asks = list(change.bids.items()), list(change.asks.items())
        levels = kind.split("@")[0].removeprefix("depth")
        if levels:
            bids, asks = one.book.levels(self._fields.middle(one), int(levels))
        now_ms = self._server.now_ms
        return orjson.dumps(
            {
                "e": "depthUpdate",
                "E": now_ms,
                "T": now_ms - 5,
                "s": one.symbol,
                "U": change.first_number,
                "u": change.number,
                "pu": change.previous_number,
                "b": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in bids],
                "a": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in asks],
            }
        )

    def _book_ticker(self, one: FakeInstrument, name: str) -> None:
        bid, bid_lots, ask, ask_lots = one.book.top(self._fields.middle(one))
        now_ms = self._server.now_ms
        event = {
            "e": "bookTicker",
            "u": one.book.number,
            "s": one.symbol,
            "b": one.price_text(bid),
            "B": one.quantity_text(bid_lots),
            "a": one.price_text(ask),
            "A": one.quantity_text(ask_lots),
            "T": now_ms - 5,
            "E": now_ms,
        }
        payload = orjson.dumps(event)
        self._server.publish(f"{name}@bookTicker", payload)
        self._server.publish("!bookTicker", payload)


def _lots(one: FakeLiquidation) -> int:
    return one.lots


def _is_due(stream: str, now_ms: int) -> bool:
    """Marks without ``@1s`` come every three seconds."""
    return "markPrice" not in stream or stream.endswith("@1s") or now_ms % 3_000 == 0


def _merged(before: BookChange | None, change: BookChange) -> BookChange:
    if before is None:
        return change
    return BookChange(
        {**before.bids, **change.bids},
        {**before.asks, **change.asks},
        before.first_number,
        before.previous_number,
        change.number,
    )
