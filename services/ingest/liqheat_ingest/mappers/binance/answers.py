"""Binance's REST answers about one market. What was asked for stands in the channel's query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.mappers.binance.payload import asked, rows
from liqheat_ingest.mappers.binance.streams import trade_of
from liqheat_ingest.mappers.candles import candle_fact, interval_ms
from liqheat_ingest.mappers.fields import (
    BadMessage,
    coming_time_ms,
    member,
    not_negative,
    number,
    positive,
    row,
    text,
    time_ms,
    whole,
)
from liqheat_ingest.mappers.ticker_state import ticker_fields
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.binance import BinanceMapper


def open_interest(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``openInterest``: of one symbol, one side, in contracts (of USDⓈ-M: the base asset)."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "symbol"))
        if spec is None:
            return None
        fields = ticker_fields(spec, open_interest=not_negative(member(entry, "openInterest"), "openInterest"))
        event_ms = time_ms(member(entry, "time"), "time", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "open-interest")

    mapper.each(raw, "open-interest", rows(raw), one, out)


def open_interest_history(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``openInterestHist``: oldest first."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "symbol"))
        if spec is None:
            return None
        amount = not_negative(member(entry, "sumOpenInterest"), "sumOpenInterest")
        not_negative(member(entry, "sumOpenInterestValue"), "sumOpenInterestValue")
        at_ms = time_ms(member(entry, "timestamp"), "timestamp", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, at_ms, "ticker", ticker_fields(spec, open_interest=amount), None)

    mapper.each(raw, "open-interest", rows(raw), one, out)


def klines(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``klines``: oldest first; the open one is left out. Columns: open time, o, h, l, c, volume, close time, …"""
    entries = rows(raw)
    spec = mapper.find(asked(raw, "symbol"))
    if spec is None:
        return
    length_ms = interval_ms(asked(raw, "interval"))

    def one(candle: Any) -> Fact | None:
        columns = row(candle, 12, "candle")
        prices = [positive(columns[i], name) for i, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close"))]
        opened_ms = whole(columns[0], "open time")
        if whole(columns[6], "close time") + 1 - opened_ms != length_ms:
            raise BadMessage("invalid-field", f"a candle of another length than {asked(raw, 'interval')}")
        volume, bought = (
            spec.quantity_base(not_negative(columns[i], name), prices[3])
            for i, name in ((5, "volume"), (9, "taker buy"))
        )
        return candle_fact(raw, spec, opened_ms, length_ms, prices, volume, bought)

    mapper.each(raw, "candles", entries, one, out)


def aggregate_trades(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``aggTrades``: oldest first; refills what a reconnect has lost."""
    entries = rows(raw)
    spec = mapper.find(asked(raw, "symbol"))
    if spec is None:
        return

    def one(entry: Any) -> Trade:
        return trade_of(raw, spec, entry)

    mapper.each(raw, "trades", entries, one, out)


def premium_index(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``premiumIndex``: mark, index and funding of one symbol or of all."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(text(entry, "symbol"))
        if spec is None:
            return None
        fields = ticker_fields(
            spec,
            mark_price=positive(member(entry, "markPrice"), "markPrice"),
            index_price=positive(member(entry, "indexPrice"), "indexPrice"),
            funding_rate=number(member(entry, "lastFundingRate"), "lastFundingRate"),
            next_funding_time_ms=coming_time_ms(member(entry, "nextFundingTime"), "nextFundingTime"),
        )
        event_ms = time_ms(member(entry, "time"), "time", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "ticker")

    mapper.each(raw, "ticker", rows(raw), one, out)


def last_prices(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``ticker/24hr``: the last price."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(text(entry, "symbol"))
        if spec is None:
            return None
        fields = ticker_fields(spec, last_price=positive(member(entry, "lastPrice"), "lastPrice"))
        event_ms = time_ms(member(entry, "closeTime"), "closeTime", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "last-price")

    mapper.each(raw, "last-price", rows(raw), one, out)
