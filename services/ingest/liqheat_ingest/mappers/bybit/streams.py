"""Bybit's WebSocket messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.book_depth import Change
from liqheat_ingest.mappers.bybit.ticker import require_all, ticker_changes, ticker_changes_of_both_sides
from liqheat_ingest.mappers.candles import candle_fact
from liqheat_ingest.mappers.fields import (
    BadMessage,
    choice,
    flag,
    has,
    items_of,
    member,
    not_negative,
    positive,
    show,
    size,
    text,
    time_ms,
    whole,
)
from liqheat_ingest.mappers.liquidations import liquidation_fact
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.bybit import BybitMapper

AGGRESSOR = {"Buy": "b", "Sell": "s"}
_TRADE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{1,30}")
#: The side of the POSITION, unlike everywhere else.
_LIQUIDATED = {"Buy": "long", "Sell": "short"}


def trades(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``publicTrade.SYMBOL``: ``S`` is the taker's side, ``v`` an amount in contracts (inverse: USD)."""

    def one(trade: Any) -> Trade | None:
        spec = mapper.find(member(trade, "s"), "s")
        if spec is None or _is_spot(trade):
            return None
        price = positive(trade.get("p"), "p")
        return Trade(
            raw.receive_time_ms,
            spec.market,
            time_ms(trade.get("T"), "T", raw.receive_time_ms),
            spec.price(price),
            spec.quantity_base(size(trade.get("v"), "v"), price),
            choice(trade, "S", AGGRESSOR),
            trade_id(trade.get("i"), "i"),
        )

    mapper.each(raw, "trades", items_of(raw.data, "data"), one, out)


def all_liquidations(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``allLiquidation.SYMBOL``: every liquidation, pushed each 500 ms; ``p`` is the bankruptcy price."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "s"), "s")
        if spec is None:
            return None
        return liquidation_fact(
            raw,
            spec,
            time_ms(member(entry, "T"), "T", raw.receive_time_ms),
            choice(entry, "S", _LIQUIDATED),
            positive(member(entry, "p"), "p"),
            size(member(entry, "v"), "v"),
            "bankruptcy",
            "complete",
        )

    mapper.each(raw, "liquidations", items_of(raw.data, "data"), one, out)


def liquidation_before_2025(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``liquidation.SYMBOL``, the topic before ``allLiquidation``: at most one a second for each symbol."""
    entry = member(raw.data, "data")
    spec = mapper.find(member(entry, "symbol"))
    if spec is None:
        return
    out.append(
        liquidation_fact(
            raw,
            spec,
            time_ms(member(entry, "updatedTime"), "updatedTime", raw.receive_time_ms),
            choice(entry, "side", _LIQUIDATED),
            positive(member(entry, "price"), "price"),
            size(member(entry, "size"), "size"),
            "bankruptcy",
            "throttled",
        )
    )


def tickers(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``tickers.SYMBOL``: a snapshot, then what has changed."""
    _tickers(mapper, raw, out, ticker_changes)


def tickers_of_both_sides(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """The same before 2026-06-11, when open interest was told for both sides together."""
    _tickers(mapper, raw, out, ticker_changes_of_both_sides)


def _tickers(mapper: BybitMapper, raw: RawMessage, out: list[Mapped], changes_of: Any) -> None:
    data = member(raw.data, "data")
    kind = choice(raw.data, "type", {"snapshot": "snapshot", "delta": "delta"})
    symbol = member(data, "symbol")
    spec = mapper.find(symbol)
    if spec is None or ("usdIndexPrice" in data and "markPrice" not in data):  # the latter is spot's
        return
    event_ms = time_ms(member(raw.data, "ts"), "ts", raw.receive_time_ms)
    changes = changes_of(data)
    if kind == "snapshot":
        require_all(data)
    if mapper.tickers.merge(symbol, changes, afresh=kind == "snapshot"):
        fields = mapper.tickers.fields(symbol, spec)
        out.append(Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "ticker"))


def order_book(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``orderbook.DEPTH.SYMBOL``: a snapshot, then changes whose numbers ``u`` follow each other."""
    data = member(raw.data, "data")
    symbol = member(data, "s")
    spec = mapper.find(symbol, "s")
    if spec is None:
        return
    book = mapper.books.of(symbol, spec)
    try:
        bids, asks, number = items_of(data, "b"), items_of(data, "a"), whole(member(data, "u"), "u")
        event_ms = time_ms(member(raw.data, "ts"), "ts", raw.receive_time_ms)
        if choice(raw.data, "type", {"snapshot": "snapshot", "delta": "delta"}) == "snapshot":
            book.replace(bids, asks, number)
        else:
            if book.sequence is None:
                if symbol in mapper.books.stale:
                    return  # reported when it was dropped
                raise BadMessage("out-of-order", "a change of a book before its snapshot")
            book.change(Change(number - 1, number, bids, asks))
        fact = mapper.books.depth(raw, symbol, event_ms)
    except BadMessage:
        mapper.books.drop(symbol)
        raise
    if fact is not None:
        out.append(fact)


def klines(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``kline.INTERVAL.SYMBOL``: candles that are closed (``confirm``)."""
    symbol = text(raw.data, "topic").rpartition(".")[2]
    spec = mapper.find(symbol)
    if spec is None:
        return

    def one(candle: Any) -> Fact | None:
        if not flag(candle, "confirm"):
            return None
        start, end = whole(member(candle, "start"), "start"), whole(member(candle, "end"), "end")
        prices = [positive(member(candle, name), name) for name in ("open", "high", "low", "close")]
        volume = volume_base(spec, member(candle, "volume"), prices[3])
        return candle_fact(raw, spec, start, end + 1 - start, prices, volume, None)

    mapper.each(raw, "candles", items_of(raw.data, "data"), one, out)


def volume_base(spec: InstrumentSpec, value: Any, price: float) -> float:
    """Volume of a candle in the coin. Of an inverse market it is told in USD."""
    return spec.quantity_base(not_negative(value, "volume"), price)


def trade_id(value: Any, name: str) -> str:
    """The id of a trade: a UUID, or digits."""
    if value.__class__ is str and _TRADE_ID.fullmatch(value):
        return str(value)
    raise BadMessage("invalid-field", f"{name} is no id of a trade: {show(value)}")


def _is_spot(trade: dict[str, Any]) -> bool:
    """Spot trades have no tick direction and a number for an id; seen where the address is not known."""
    return not has(trade, "L") and trade.get("i").__class__ is str and trade["i"].isdigit()
