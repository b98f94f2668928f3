"""Bybit's public topics: trades, tickers, liquidations, books, candles."""

from __future__ import annotations

import orjson

from liqheat_ingest.fake_venue.bybit_fields import BybitFields, tick_direction
from liqheat_ingest.fake_venue.connection import Connection
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, MINUTE_MS, OPEN, VALUE, VOLUME
from liqheat_ingest.fake_venue.order_book import BookChange
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf

BOOK_DEPTHS = ("1", "50", "200", "1000")
LIQUIDATIONS_EVERY_MS = 500
PREFIXES = {"linear": "linear:", "inverse": "inverse:"}


class BybitTopics:
    """What a slot becomes on the topics.

    Parameters
    ----------
    server : VenueServer
        Publishes.
    fields : BybitFields
        Shared with REST.
    """

    def __init__(self, server: VenueServer, fields: BybitFields) -> None:
        self._server = server
        self._fields = fields
        self._last_tickers: dict[str, dict[str, str]] = {}
        self._closed: dict[str, list[FakeLiquidation]] = {}

    def snapshot(self, connection: Connection, one: FakeInstrument, topic: str) -> None:
        """Tickers and books begin with the whole."""
        stream = prefix_of(one) + topic
        if topic.startswith("tickers."):
            fields = self._last_tickers.setdefault(one.symbol, self._fields.ticker(one))
            connection.send_now(stream, self._ticker_message(topic, "snapshot", fields))
        elif topic.startswith("orderbook."):
            depth = int(topic.split(".")[1])
            bids, asks = one.book.levels(self._fields.middle(one), depth)
            connection.send_now(stream, self._book_message(one, topic, "snapshot", bids, asks))

    def emit(self, slots: list[SlotOf]) -> None:
        """Publish a slot."""
        for slot in slots:
            one, prefix = slot.instrument, prefix_of(slot.instrument)
            topic = f"publicTrade.{one.symbol}"
            if slot.trades and prefix + topic in self._server.subscribers:
                self._trades(one, prefix + topic, topic, slot.trades)
            if slot.liquidations:
                self._closed.setdefault(one.symbol, []).extend(slot.liquidations)
        if self._server.world.now_ms % LIQUIDATIONS_EVERY_MS == 0:
            self._liquidations()
        stale = self._server.books_are_stale()
        for one in self._server.listed():
            prefix = prefix_of(one)
            self._book(one, prefix, stale)
            self._ticker(one, prefix)
            if self._server.world.now_ms % 1_000 == 0:
                self._kline(one, prefix)

    def _trades(self, one: FakeInstrument, stream: str, topic: str, trades: list[FakeTrade]) -> None:
        """One message for each taker's order: the prints of one side and millisecond."""
        first = 0
        for i in range(1, len(trades) + 1):
            if i == len(trades) or (trades[i].time_ms, trades[i].side) != (trades[first].time_ms, trades[first].side):
                self._publish_trades(one, stream, topic, trades[first:i])
                first = i

    def _publish_trades(self, one: FakeInstrument, stream: str, topic: str, trades: list[FakeTrade]) -> None:
        """Trades in one message."""
        rows, ids, before = [], [], one.last_ticks
        for trade in trades:
            ids.append(self._fields.trade_id(one, trade.number))
            side = "Buy" if trade.side > 0 else "Sell"
            rows.append(
                f'{{"T":{self._server.told(trade.time_ms)},"s":"{one.symbol}","S":"{side}",'
                f'"v":"{one.quantity_text(trade.lots)}","p":"{one.price_text(trade.price_ticks)}",'
                f'"L":"{tick_direction(before, trade.price_ticks)}","i":"{ids[-1]}","BT":false,"RPI":false,'
                f'"seq":{self._fields.sequence(trade.number)}}}'
            )
            before = trade.price_ticks
        payload = f'{{"topic":"{topic}","type":"snapshot","ts":{self._server.now_ms},"data":[{",".join(rows)}]}}'
        self._server.publish(stream, payload.encode(), len(trades), ids[0], ids[-1])

    def _liquidations(self) -> None:
        """Every 500 ms, all of them; the side is that of the POSITION."""
        for symbol, closed in self._closed.items():
            one = self._server.world.by_venue["bybit"][symbol]
            topic = f"allLiquidation.{symbol}"
            rows = [
                {
                    "T": self._server.told(liquidation.time_ms),
                    "s": symbol,
                    "S": "Buy" if liquidation.side > 0 else "Sell",
                    "v": one.quantity_text(liquidation.lots),
                    "p": one.price_text(liquidation.bankruptcy_ticks),
                }
                for liquidation in closed
            ]
            message = {"topic": topic, "type": "snapshot", "ts": self._server.now_ms, "data": rows}
            self._server.publish(prefix_of(one) + topic, orjson.dumps(message), len(rows))
        self._closed.clear()

    def _ticker(self, one: FakeInstrument, prefix: str) -> None:
        topic = f"tickers.{one.symbol}"
        if prefix + topic not in self._server.subscribers:
            self._last_tickers.pop(one.symbol, None)
            return
        fields = self._fields.ticker(one)
        before = self._last_tickers.get(one.symbol, {})
        self._last_tickers[one.symbol] = fields
        changed = {key: value for key, value in fields.items() if before.get(key) != value}
        if changed:
            message = self._ticker_message(topic, "delta", {"symbol": one.symbol, **changed})
            self._server.publish(prefix + topic, message)

    def _ticker_message(self, topic: str, kind: str, fields: dict[str, str]) -> bytes:
        message = {
            "topic": topic,
            "type": kind,
            "data": fields,
            "cs": self._fields.sequence(0),
            "ts": self._server.now_ms,
        }
        return orjson.dumps(message)

    def _book(self, one: FakeInstrument, prefix: str, stale: bool) -> None:
        wanted = [d for d in BOOK_DEPTHS if f"{prefix}orderbook.{d}.{one.symbol}" in self._server.subscribers]
        if not wanted or stale:
            return
        change = one.book.update(self._fields.middle(one))
        if not change.bids and not change.asks:
            return
        for depth in wanted:
            topic = f"orderbook.{depth}.{one.symbol}"
            if depth == "1":
                bids, asks = one.book.levels(self._fields.middle(one), 1)
                message = self._book_message(one, topic, "snapshot", bids, asks)
            else:
                message = self._book_message(one, topic, "delta", *_sides(change))
            self._server.publish(prefix + topic, message)

    def _book_message(
        self, one: FakeInstrument, topic: str, kind: str, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
    ) -> bytes:
        data = {
            "s": one.symbol,
            "b": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in bids],
            "a": [[one.price_text(p), one.quantity_text(q) if q else "0"] for p, q in asks],
            "u": one.book.updates,
            "seq": self._fields.sequence(one.book.number),
        }
        now_ms = self._server.now_ms
        return orjson.dumps({"topic": topic, "type": kind, "ts": now_ms, "data": data, "cts": now_ms - 1})

    def _kline(self, one: FakeInstrument, prefix: str) -> None:
        topic = f"kline.1.{one.symbol}"
        if prefix + topic not in self._server.subscribers:
            return
        now_ms = self._server.world.now_ms
        start_ms = (now_ms - 1) // MINUTE_MS * MINUTE_MS
        _, rows = one.bars.candles(MINUTE_MS, start_ms, start_ms + 1)
        if not len(rows):
            return
        row = rows[-1]
        told_ms = self._server.told(start_ms)
        candle = {
            "start": told_ms,
            "end": told_ms + MINUTE_MS - 1,
            "interval": "1",
            "open": one.price_text(int(row[OPEN])),
            "close": one.price_text(int(row[CLOSE])),
            "high": one.price_text(int(row[HIGH])),
            "low": one.price_text(int(row[LOW])),
            "volume": one.quantity_text(row[VOLUME]),
            "turnover": self._fields.turnover_text(one, row[VOLUME], row[VALUE]),
            "confirm": now_ms % MINUTE_MS == 0,
            "timestamp": self._server.now_ms,
        }
        message = {"topic": topic, "data": [candle], "ts": self._server.now_ms, "type": "snapshot"}
        self._server.publish(prefix + topic, orjson.dumps(message))


def prefix_of(one: FakeInstrument) -> str:
    """Of the names of a market's streams."""
    return PREFIXES["inverse" if one.listing.is_inverse else "linear"]


def _sides(change: BookChange) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return list(change.bids.items()), list(change.asks.items())
