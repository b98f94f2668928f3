"""OKX's public channels: trades, prices, open interest, liquidations, books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, MINUTE_MS, OPEN, VALUE, VOLUME
from liqheat_ingest.fake_venue.okx_fields import OkxFields, underlying
from liqheat_ingest.fake_venue.order_book import BookChange
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf

_OF_SWAP = ("trades", "trades-all", "tickers", "mark-price", "open-interest", "funding-rate", "candle1m")
_BOOKS = ("books", "books5", "bbo-tbt", "books-l2-tbt", "books50-l2-tbt")
_OF_TYPE = ("liquidation-orders", "instruments")
_DEPTH = {"books5": 5, "bbo-tbt": 1}
_FUNDING_EVERY_MS = 30_000
_OPEN_INTEREST_EVERY_MS = 3_000
_MARK_EVERY_MS = 200


class OkxChannels:
    """What a slot becomes on the channels.

    Parameters
    ----------
    server : VenueServer
        Publishes.
    fields : OkxFields
        Shared with REST.
    """

    def __init__(self, server: VenueServer, fields: OkxFields) -> None:
        self._server = server
        self._fields = fields
        self._closed: dict[str, list[FakeLiquidation]] = {}
        self._told: dict[str, Any] = {}

    def stream(self, arg: dict[str, Any]) -> str | None:
        """The stream of a subscription, None where there is none."""
        channel, name = arg.get("channel"), str(arg.get("instId", ""))
        if channel in _OF_TYPE:
            return f"{channel}:SWAP" if arg.get("instType") == "SWAP" else None
        if channel == "index-tickers":
            return f"{channel}:{name}" if self._server.world.find("okx", f"{name}-SWAP") is not None else None
        if channel in _OF_SWAP or channel in _BOOKS:
            return f"{channel}:{name}" if self._server.world.find("okx", name) is not None else None
        return None

    def first(self, arg: dict[str, Any]) -> bytes | None:
        """What a new subscriber is told at once."""
        channel = arg["channel"]
        if channel == "instruments":
            rows = [self._fields.instrument(one) for one in self._server.listed()]
            return _message({"channel": channel, "instType": "SWAP"}, rows)
        name = arg.get("instId", "")
        one = self._server.world.find("okx", f"{name}-SWAP" if channel == "index-tickers" else name)
        if one is None:
            return None
        row_of = self._rows().get(channel)
        if row_of is not None:
            return _message({"channel": channel, "instId": name}, [row_of(one)])
        if channel in _BOOKS:
            return self._whole_book(one, channel)
        return None

    def emit(self, slots: list[SlotOf]) -> None:
        """Publish a slot."""
        wanted = self._server.subscribers
        for slot in slots:
            for channel in ("trades", "trades-all"):
                if slot.trades and f"{channel}:{slot.instrument.symbol}" in wanted:
                    self._trades(slot.instrument, channel, slot.trades)
            if slot.liquidations:
                self._closed.setdefault(slot.instrument.symbol, []).extend(slot.liquidations)
        now_ms = self._server.world.now_ms
        if now_ms % 1_000 == 0:
            self._liquidations()
        stale = self._server.books_are_stale()
        for one in self._server.listed():
            self._prices(one, now_ms)
            if not stale:
                self._book(one)

    def instruments(self, changed: list[FakeInstrument]) -> None:
        """Markets that were listed or delisted."""
        rows = [self._fields.instrument(one) for one in changed]
        self._server.publish("instruments:SWAP", _message({"channel": "instruments", "instType": "SWAP"}, rows))

    def _rows(self) -> dict[str, Callable[[FakeInstrument], dict[str, str]]]:
        fields = self._fields
        return {
            "tickers": fields.ticker,
            "mark-price": fields.mark_price,
            "index-tickers": fields.index_ticker,
            "open-interest": fields.open_interest,
            "funding-rate": fields.funding_rate,
        }

    def _trades(self, one: FakeInstrument, channel: str, trades: list[FakeTrade]) -> None:
        server, symbol = self._server, one.symbol
        head = f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},"data":[{{"instId":"{symbol}","tradeId":"'
        more = '"count":"1",' if channel == "trades" else ""
        for trade in trades:
            payload = (
                f'{head}{trade.number}","px":"{one.price_text(trade.price_ticks)}",'
                f'"sz":"{one.quantity_text(trade.lots)}","side":"{"buy" if trade.side > 0 else "sell"}",'
                f'"ts":"{server.told(trade.time_ms)}",{more}"source":"0","seqId":{trade.number * 3}}}]}}'
            )
            server.publish(f"{channel}:{symbol}", payload.encode(), 1, trade.number, trade.number)

    def _liquidations(self) -> None:
        """A message for each swap, with all its details of the second."""
        for symbol, closed in self._closed.items():
            one = self._server.world.by_venue["okx"][symbol]
            entry = self._fields.liquidation(one, closed)
            message = _message({"channel": "liquidation-orders", "instType": "SWAP"}, [entry])
            self._server.publish("liquidation-orders:SWAP", message, len(closed))
        self._closed.clear()

    def _prices(self, one: FakeInstrument, now_ms: int) -> None:
        """Each channel in its rhythm, prices only when they changed."""
        every_ms = {
            "tickers": 100,
            "mark-price": _MARK_EVERY_MS,
            "index-tickers": 100,
            "open-interest": _OPEN_INTEREST_EVERY_MS,
            "funding-rate": _FUNDING_EVERY_MS,
        }
        for channel, row_of in self._rows().items():
            name = underlying(one) if channel == "index-tickers" else one.symbol
            stream = f"{channel}:{name}"
            if now_ms % every_ms[channel] or stream not in self._server.subscribers:
                continue
            row = row_of(one)
            known = {key: value for key, value in row.items() if key != "ts"}
            if channel in ("tickers", "mark-price", "index-tickers"):
                if self._told.get(stream) == known:
                    continue
                self._told[stream] = known
            self._server.publish(stream, _message({"channel": channel, "instId": name}, [row]))
        if now_ms % 1_000 == 0 and f"candle1m:{one.symbol}" in self._server.subscribers:
            self._candle(one, now_ms)

    def _candle(self, one: FakeInstrument, now_ms: int) -> None:
        start_ms = (now_ms - 1) // MINUTE_MS * MINUTE_MS
        _, rows = one.bars.candles(MINUTE_MS, start_ms, start_ms + 1)
        if not len(rows):
            return
        row = rows[-1].tolist()
        average = row[VALUE] / row[VOLUME] if row[VOLUME] else row[CLOSE]
        entry = [
            str(self._server.told(start_ms)),
            *(one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)),
            one.quantity_text(row[VOLUME]),
            f"{one.quantity_base(row[VOLUME], average):.8f}",
            f"{one.value_quote(row[VOLUME], average):.4f}",
            "1" if now_ms % MINUTE_MS == 0 else "0",
        ]
        message = {"arg": {"channel": "candle1m", "instId": one.symbol}, "data": [entry]}
        self._server.publish(f"candle1m:{one.symbol}", orjson.dumps(message))

    def _book(self, one: FakeInstrument) -> None:
        wanted = [channel for channel in _BOOKS if f"{channel}:{one.symbol}" in self._server.subscribers]
        if not wanted:
            return
        change = one.book.update(self._fields.middle(one))
        if not change.bids and not change.asks:
            return
        for channel in wanted:
            payload = self._whole_book(one, channel) if channel in _DEPTH else self._book_update(one, channel, change)
            self._server.publish(f"{channel}:{one.symbol}", payload)

    def _whole_book(self, one: FakeInstrument, channel: str) -> bytes:
        bids, asks = one.book.levels(self._fields.middle(one), _DEPTH.get(channel, 400))
        entry = self._book_entry(one, bids, asks, -1)
        message: dict[str, Any] = {"arg": {"channel": channel, "instId": one.symbol}}
        if channel in _DEPTH:
            del entry["checksum"], entry["prevSeqId"]
            if channel == "books5":
                entry["instId"] = one.symbol
        else:
            message["action"] = "snapshot"
        return orjson.dumps({**message, "data": [entry]})

    def _book_update(self, one: FakeInstrument, channel: str, change: BookChange) -> bytes:
        entry = self._book_entry(one, [*change.bids.items()], [*change.asks.items()], change.previous_number)
        arg = {"channel": channel, "instId": one.symbol}
        return orjson.dumps({"arg": arg, "action": "update", "data": [entry]})

    def _book_entry(
        self, one: FakeInstrument, bids: list[tuple[int, int]], asks: list[tuple[int, int]], previous: int
    ) -> dict[str, Any]:
        """Levels are price, contracts, a zero that means nothing, and the number of orders."""

        def rows(levels: list[tuple[int, int]]) -> list[list[str]]:
            return [[one.price_text(p), one.quantity_text(q) if q else "0", "0", str(min(9, q))] for p, q in levels]

        return {
            "asks": rows(asks),
            "bids": rows(bids),
            "ts": str(self._server.now_ms),
            "checksum": 0,
            "prevSeqId": previous,
            "seqId": one.book.number,
        }


def _message(arg: dict[str, str], rows: list[Any]) -> bytes:
    return orjson.dumps({"arg": arg, "data": rows})
