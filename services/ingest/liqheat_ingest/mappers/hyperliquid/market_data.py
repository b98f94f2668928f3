"""Hyperliquid's trades, contexts, books and candles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.candles import candle_fact, interval_ms
from liqheat_ingest.mappers.fields import (
    BadMessage,
    as_list,
    choice,
    items_of,
    member,
    not_negative,
    number,
    number_id,
    positive,
    size,
    text,
    time_ms,
    whole,
)
from liqheat_ingest.mappers.ticker_state import ticker_fields
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.hyperliquid import HyperliquidMapper

_AGGRESSOR = {"B": "b", "A": "s"}


def trades(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``trades``: ``side`` is the taker's."""

    def one(trade: Any) -> Trade | None:
        spec = mapper.find(member(trade, "coin"), "coin")
        if spec is None:
            return None
        price = positive(member(trade, "px"), "px")
        return Trade(
            raw.receive_time_ms,
            spec.market,
            time_ms(member(trade, "time"), "time", raw.receive_time_ms),
            spec.price(price),
            spec.quantity_base(size(member(trade, "sz"), "sz"), price),
            choice(trade, "side", _AGGRESSOR),
            number_id(member(trade, "tid"), "tid"),
        )

    mapper.each(raw, "trades", _body(raw), one, out)


def active_context(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``activeAssetCtx``: mark, oracle, funding and open interest of one market, at the time it was received."""
    data = member(raw.data, "data")
    spec = mapper.find(member(data, "coin"), "coin")
    if spec is not None:
        out.append(context_fact(raw, spec, member(data, "ctx")))


def context_fact(raw: RawMessage, spec: InstrumentSpec, context: Any) -> Fact:
    """The ticker of a context. ``midPx`` is null where a side of the book is empty: no last price is told at all."""
    fields = ticker_fields(
        spec,
        mark_price=positive(member(context, "markPx"), "markPx"),
        index_price=positive(member(context, "oraclePx"), "oraclePx"),
        open_interest=not_negative(member(context, "openInterest"), "openInterest"),
        funding_rate=number(member(context, "funding"), "funding"),
    )
    return Fact(raw.receive_time_ms, spec.market, raw.receive_time_ms, "ticker", fields, "ticker")


def book(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``l2Book``: the best 20 levels of each side, whole; also the answer of the same name."""
    answer = raw.data
    data = answer["data"] if answer.__class__ is dict and "data" in answer else answer
    symbol = member(data, "coin")
    spec = mapper.find(symbol, "coin")
    if spec is None:
        return
    event_ms = time_ms(member(data, "time"), "time", raw.receive_time_ms)
    sides = items_of(data, "levels")
    if len(sides) != 2:
        raise BadMessage("invalid-field", f"levels has {len(sides)} sides")
    bids, asks = ([[member(level, "px"), member(level, "sz")] for level in as_list(s, "levels")] for s in sides)
    mapper.books.of(symbol, spec).replace(bids, asks, 0)
    fact = mapper.books.depth(raw, symbol, event_ms)
    if fact is not None:
        out.append(fact)


def candle(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``candle``: pushed while it is open; it counts once its end has passed."""
    found = _candle(mapper, raw, member(raw.data, "data"))
    if found is not None:
        out.append(found)


def candle_history(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``candleSnapshot``: oldest first."""
    mapper.each(raw, "candles", as_list(raw.data, "answer"), lambda entry: _candle(mapper, raw, entry), out)


def _candle(mapper: HyperliquidMapper, raw: RawMessage, entry: Any) -> Fact | None:
    spec = mapper.find(member(entry, "s"), "s")
    if spec is None:
        return None
    prices = [positive(member(entry, name), name) for name in "ohlc"]
    volume = spec.quantity_base(not_negative(member(entry, "v"), "v"), prices[3])
    opened_ms, length_ms = whole(member(entry, "t"), "t"), interval_ms(text(entry, "i"))
    if whole(member(entry, "T"), "T") + 1 - opened_ms != length_ms:
        raise BadMessage("invalid-field", "a candle of another length than its interval")
    return candle_fact(raw, spec, opened_ms, length_ms, prices, volume, None)


def _body(raw: RawMessage) -> list[Any]:
    """Trades of a message, or of the answer to ``recentTrades``, which is newest first."""
    if raw.data.__class__ is list:
        return raw.data[::-1]
    return items_of(raw.data, "data")
