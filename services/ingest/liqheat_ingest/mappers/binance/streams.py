"""Binance's WebSocket events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.binance.payload import events, payload
from liqheat_ingest.mappers.candles import candle_fact, interval_ms
from liqheat_ingest.mappers.fields import (
    BadMessage,
    choice,
    coming_time_ms,
    flag,
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
from liqheat_ingest.mappers.liquidations import liquidation_fact
from liqheat_ingest.mappers.ticker_state import ticker_fields
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.binance import BinanceMapper

#: Side of the liquidation ORDER: who sells by force was long.
_LIQUIDATED = {"SELL": "long", "BUY": "short"}


def aggregate_trades(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``aggTrade``: fills of one taker at one price; ``a`` numbers them without holes for each symbol."""

    def one(event: Any) -> Trade | None:
        spec = mapper.find(member(event, "s"), "s")
        return None if spec is None else trade_of(raw, spec, event)

    mapper.each(raw, "trades", events(raw, "aggTrade"), one, out)


def trade_of(raw: RawMessage, spec: InstrumentSpec, event: Any) -> Trade:
    """The trade of an event or of an entry of ``/fapi/v1/aggTrades``, which have the same fields."""
    price = positive(member(event, "p"), "p")
    return Trade(
        raw.receive_time_ms,
        spec.market,
        time_ms(member(event, "T"), "T", raw.receive_time_ms),
        spec.price(price),
        spec.quantity_base(size(member(event, "q"), "q"), price),
        "s" if flag(event, "m") else "b",
        number_id(member(event, "a"), "a"),
    )


def force_orders(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``forceOrder``: a snapshot of liquidation orders, at most one a second for each symbol."""

    def one(event: Any) -> Fact | None:
        order = member(event, "o")
        spec = mapper.find(member(order, "s"), "s")
        if spec is None:
            return None
        filled, ordered = size(member(order, "z"), "z"), size(member(order, "q"), "q")
        if filled > ordered * (1 + 1e-9):
            raise BadMessage("invalid-field", f"z: {filled:g} filled of {ordered:g} ordered")
        return liquidation_fact(
            raw,
            spec,
            time_ms(member(order, "T"), "T", raw.receive_time_ms),
            choice(order, "S", _LIQUIDATED),
            positive(member(order, "ap"), "ap"),
            filled,
            "average",
            "throttled",
        )

    mapper.each(raw, "liquidations", events(raw, "forceOrder"), one, out)


def mark_prices(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``markPriceUpdate``: mark, index and funding of one symbol or of all; no open interest."""

    def one(event: Any) -> Fact | None:
        spec = mapper.find(member(event, "s"), "s")
        if spec is None:
            return None
        fields = ticker_fields(
            spec,
            mark_price=positive(member(event, "p"), "p"),
            index_price=positive(member(event, "i"), "i"),
            funding_rate=number(member(event, "r"), "r"),
            next_funding_time_ms=coming_time_ms(member(event, "T"), "T"),
        )
        event_ms = time_ms(member(event, "E"), "E", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "ticker")

    mapper.each(raw, "ticker", events(raw, "markPriceUpdate"), one, out)


def last_prices(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``24hrTicker`` and ``24hrMiniTicker``: the last price is all that is of use here."""

    def one(event: Any) -> Fact | None:
        if text(event, "e") not in ("24hrTicker", "24hrMiniTicker"):
            raise BadMessage("unknown-type", "another event among tickers")
        spec = mapper.find(member(event, "s"), "s")
        if spec is None:
            return None
        fields = ticker_fields(spec, last_price=positive(member(event, "c"), "c"))
        event_ms = time_ms(member(event, "E"), "E", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "last-price")

    data = payload(raw)
    mapper.each(raw, "last-price", data if data.__class__ is list else [data], one, out)


def klines(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``kline``: candles that are closed (``x``)."""

    def one(event: Any) -> Fact | None:
        candle = member(event, "k")
        spec = mapper.find(member(event, "s"), "s")
        if spec is None or not flag(candle, "x"):
            return None
        prices = [positive(member(candle, name), name) for name in "ohlc"]
        volume, bought = (spec.quantity_base(not_negative(member(candle, n), n), prices[3]) for n in "vV")
        return candle_fact(
            raw, spec, whole(member(candle, "t"), "t"), interval_ms(text(candle, "i")), prices, volume, bought
        )

    mapper.each(raw, "candles", events(raw, "kline"), one, out)
