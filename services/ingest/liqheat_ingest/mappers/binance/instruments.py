"""Binance's instruments and margin brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec, coin_of_base
from liqheat_ingest.mappers.binance.payload import events, refuse_error, rows
from liqheat_ingest.mappers.fields import (
    BadMessage,
    as_list,
    has,
    items_of,
    member,
    not_negative,
    positive,
    show,
    text,
    texts_of,
    time_ms,
)
from liqheat_ingest.mappers.margin_tiers import ToldTier, margin_table
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.binance import BinanceMapper

#: The last is a perpetual on a stock or a metal: CAT is Caterpillar there and a coin elsewhere; no map can hold both.
_NOT_MAPPED = frozenset({"CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER", "TRADIFI_PERPETUAL"})


def exchange_info(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``exchangeInfo`` of USDⓈ-M: amounts are in the base asset, so a contract is 1."""
    refuse_error(raw.data)
    symbols = items_of(raw.data, "symbols")
    bases = texts_of(symbols, "baseAsset")

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "symbol")
        if member(entry, "contractType") == "" and member(entry, "status") == "PENDING_TRADING":
            return None  # announced, its kind is not decided
        if not _is_perpetual(text(entry, "contractType")):
            mapper.instruments.rule_out(symbol, f"no perpetual on a coin: {entry['contractType']}")
            return None
        base, quote, margin = text(entry, "baseAsset"), text(entry, "quoteAsset"), text(entry, "marginAsset")
        if margin != quote:
            raise BadMessage("invalid-field", f"{symbol} settles in {margin}: no market of USDⓈ-M")
        coin, multiplier = coin_of_base(base, bases)
        spec = InstrumentSpec(
            mapper.market(coin, f"{base}/{quote}:{quote}"),
            quote,
            price_multiplier=multiplier,
            tick_size=_tick_size(entry),
        )
        return mapper.learn(raw, symbol, spec, listed=text(entry, "status") == "TRADING")

    mapper.each(raw, "instruments", symbols, one, out)


def contract_info(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``contractInfo``: pushed when a contract is listed, delisted, or its brackets (``bks``) change."""

    def one(event: Any) -> Fact | None:
        if not _is_perpetual(text(event, "ct")):
            return None
        symbol = text(event, "s")
        spec = mapper.find(symbol, "s")
        if spec is None:
            return None
        valid_from_ms = time_ms(member(event, "E"), "E", raw.receive_time_ms)
        if not has(event, "bks"):
            return mapper.learn(raw, symbol, spec, listed=text(event, "cs") == "TRADING")
        told = [_pushed_bracket(entry) for entry in items_of(event, "bks")]
        if mapper.instruments.learn_margin(symbol, margin_table(told, valid_from_ms, _PUSHED)) is None:
            return None
        return mapper.instrument_fact(raw, symbol)

    mapper.each(raw, "instruments", events(raw, "contractInfo"), one, out)


_PUSHED = "Binance, !contractInfo stream"
_PAGE = "Binance, page of leverage brackets"
_ANSWERED = "Binance, GET /fapi/v1/leverageBracket"


def leverage_brackets(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``leverageBracket``: takes a key, so it comes from recordings of those who have one."""

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "symbol")
        if mapper.find(symbol) is None:
            return None
        told = [_answered_bracket(bracket) for bracket in as_list(member(entry, "brackets"), "brackets")]
        table = margin_table(told, raw.receive_time_ms, _ANSWERED)
        if mapper.instruments.learn_margin(symbol, table) is None:
            return None
        return mapper.instrument_fact(raw, symbol)

    mapper.each(raw, "instruments", rows(raw), one, out)


def public_brackets(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """The answer behind the venue's page of leverage brackets, which takes no key; ``updateTime`` is theirs.

    The page's data is no documented interface: another form of it is a dead letter.
    """
    answer = member(raw.data, "data")

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "symbol")
        if mapper.find(symbol) is None:
            return None
        told = [_page_bracket(bracket) for bracket in items_of(entry, "riskBrackets")]
        valid_from_ms = time_ms(member(entry, "updateTime"), "updateTime", raw.receive_time_ms)
        if mapper.instruments.learn_margin(symbol, margin_table(told, valid_from_ms, _PAGE)) is None:
            return None
        return mapper.instrument_fact(raw, symbol)

    mapper.each(raw, "instruments", items_of(answer, "brackets"), one, out)


def _page_bracket(entry: Any) -> ToldTier:
    return ToldTier(
        positive(member(entry, "bracketNotionalCap"), "bracketNotionalCap"),
        positive(member(entry, "bracketMaintenanceMarginRate"), "bracketMaintenanceMarginRate"),
        positive(member(entry, "maxOpenPosLeverage"), "maxOpenPosLeverage"),
        not_negative(member(entry, "cumFastMaintenanceAmount"), "cumFastMaintenanceAmount"),
    )


def _pushed_bracket(entry: Any) -> ToldTier:
    not_negative(member(entry, "bnf"), "bnf")
    return ToldTier(
        positive(member(entry, "bnc"), "bnc"),
        positive(member(entry, "mmr"), "mmr"),
        positive(member(entry, "ma"), "ma"),
        not_negative(member(entry, "cf"), "cf"),
    )


def _answered_bracket(entry: Any) -> ToldTier:
    return ToldTier(
        positive(member(entry, "notionalCap"), "notionalCap"),
        positive(member(entry, "maintMarginRatio"), "maintMarginRatio"),
        positive(member(entry, "initialLeverage"), "initialLeverage"),
        not_negative(member(entry, "cum"), "cum"),
    )


def _is_perpetual(kind: str) -> bool:
    if kind == "PERPETUAL":
        return True
    # While it is delivered, a contract's type ends in DELIVERING.
    if kind in _NOT_MAPPED or kind.removesuffix("DELIVERING").rstrip("_ ") in _NOT_MAPPED | {"PERPETUAL"}:
        return False
    raise BadMessage("unknown-type", f"a contract of type {show(kind)}")


def _tick_size(entry: Any) -> float:
    for entry_filter in items_of(entry, "filters"):
        if entry_filter.__class__ is dict and entry_filter.get("filterType") == "PRICE_FILTER":
            return positive(member(entry_filter, "tickSize"), "tickSize")
    raise BadMessage("invalid-field", "no PRICE_FILTER with a tickSize")
