"""Bybit's REST answers. What was asked for stands in the channel's query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.instruments import InstrumentSpec, coin_of_base
from liqheat_ingest.mappers.bybit.streams import AGGRESSOR, trade_id, volume_base
from liqheat_ingest.mappers.bybit.ticker import require_all, ticker_changes, ticker_changes_of_both_sides
from liqheat_ingest.mappers.candles import candle_fact, interval_ms
from liqheat_ingest.mappers.fields import (
    BadMessage,
    choice,
    has,
    items_of,
    member,
    not_negative,
    positive,
    row,
    show,
    size,
    text,
    texts_of,
    time_ms,
    whole,
)
from liqheat_ingest.mappers.margin_tiers import CAPS_WITHIN, ToldTier, margin_table
from liqheat_ingest.mappers.ticker_state import ticker_fields
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Trade

if TYPE_CHECKING:
    from liqheat_ingest.mappers.bybit import BybitMapper

_TIERS_SOURCE = "Bybit, GET /v5/market/risk-limit"
_PERPETUAL = {"LinearPerpetual": False, "InversePerpetual": True}
#: What is no coin has a name that elsewhere is one (COIN is Coinbase, CL is oil), so no map can hold both.
_SYMBOL_TYPES = {"innovation": "coin", "adventure": "coin", "stock": "stock", "commodity": "commodity"}
_WITH_AN_END = frozenset({"LinearFutures", "InverseFutures"})


def instruments(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``instruments-info``: amounts of a linear market are in its base coin, those of an inverse one in USD."""
    entries = _list(raw)
    bases = texts_of(entries, "baseCoin")

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "symbol")
        kind = text(entry, "contractType")
        if kind in _WITH_AN_END:
            mapper.instruments.rule_out(symbol, "a future with an end")
            return None
        if kind not in _PERPETUAL:
            raise BadMessage("unknown-type", f"a contract of type {show(kind)}")
        if has(entry, "symbolType") and choice(entry, "symbolType", _SYMBOL_TYPES) != "coin":
            mapper.instruments.rule_out(symbol, f"no perpetual on a coin: {entry['symbolType']}")
            return None
        base, quote, settle = text(entry, "baseCoin"), text(entry, "quoteCoin"), text(entry, "settleCoin")
        inverse = _PERPETUAL[kind]
        if settle != (base if inverse else quote):
            raise BadMessage("invalid-field", f"{symbol} settles in {settle}, which is not how a {kind} settles")
        coin, multiplier = coin_of_base(base, bases)
        spec = InstrumentSpec(
            mapper.market(coin, f"{base}/{quote}:{settle}"),
            quote,
            is_inverse=inverse,
            price_multiplier=multiplier,
            tick_size=positive(member(member(entry, "priceFilter"), "tickSize"), "tickSize"),
        )
        return mapper.learn(raw, symbol, spec, listed=text(entry, "status") == "Trading")

    mapper.each(raw, "instruments", entries, one, out)


def risk_limits(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``risk-limit``: the tiers of some symbols, all of a symbol's in one answer.

    Linear: ``riskLimitValue`` (the greatest position value of the tier) and ``mmDeduction`` are in USD. Inverse: in
    the coin, so they take a mark price that was told before.
    """
    told: dict[str, list[Any]] = {}

    def gather(entry: Any) -> None:
        told.setdefault(text(entry, "symbol"), []).append(entry)

    def one(symbol: str) -> Fact | None:
        spec = mapper.find(symbol)
        if spec is None:
            return None
        usd_per_unit = 1.0
        if spec.is_inverse:
            mark = mapper.tickers.mark_price(symbol)
            if mark is None:
                raise BadMessage("invalid-field", f"the tiers of {symbol} are in {spec.market.coin}: no mark price yet")
            usd_per_unit = mark
        at = f", coins at a mark price of {usd_per_unit:g}" if spec.is_inverse else ""
        tiers = [_tier(entry, usd_per_unit) for entry in told[symbol]]
        table = margin_table(tiers, raw.receive_time_ms, _TIERS_SOURCE + at)
        if mapper.instruments.learn_margin(symbol, table, caps_within=CAPS_WITHIN if spec.is_inverse else 0.0) is None:
            return None
        return mapper.instrument_fact(raw, symbol)

    before = len(out)
    mapper.each(raw, "instruments", _list(raw), gather, out)
    if len(out) > before:
        return  # a row that can't be read may be anybody's, so no table is known to be whole
    for symbol, entries in told.items():
        if not any(entry.get("isLowestRisk") == 1 for entry in entries):
            raise BadMessage("invalid-field", f"the lowest tier of {symbol} is missing: a row may be anybody's")
    mapper.each(raw, "instruments", told, one, out)


def tickers(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``tickers``: every symbol of a category, or one."""
    _tickers(mapper, raw, out, ticker_changes)


def tickers_of_both_sides(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """The same before 2026-06-11."""
    _tickers(mapper, raw, out, ticker_changes_of_both_sides)


def _tickers(mapper: BybitMapper, raw: RawMessage, out: list[Mapped], changes_of: Any) -> None:
    event_ms = time_ms(member(raw.data, "time"), "time", raw.receive_time_ms)

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "symbol")
        spec = mapper.find(symbol)
        if spec is None:
            return None
        require_all(entry)
        mapper.tickers.merge(symbol, changes_of(entry))
        fields = mapper.tickers.fields(symbol, spec)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "ticker")

    mapper.each(raw, "ticker", _list(raw), one, out)


def klines(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``kline``: newest first in the answer, oldest first here; the open one is left out."""
    spec = mapper.find(_asked(raw, "symbol", member(raw.data, "result")))
    if spec is None:
        return
    length_ms = interval_ms(_asked(raw, "interval"))

    def one(candle: Any) -> Fact | None:
        columns = row(candle, 7, "candle")
        prices = [positive(columns[i], name) for i, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close"))]
        volume = volume_base(spec, columns[5], prices[3])
        return candle_fact(raw, spec, whole(columns[0], "start"), length_ms, prices, volume, None)

    mapper.each(raw, "candles", reversed(_list(raw)), one, out)


def open_interest(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``open-interest``: history, one side; newest first in the answer, oldest first here."""
    _open_interest(
        mapper, raw, out, lambda entry: not_negative(member(entry, "singleOpenInterest"), "singleOpenInterest")
    )


def open_interest_of_both_sides(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """The same before 2026-06-11."""
    _open_interest(mapper, raw, out, lambda entry: not_negative(member(entry, "openInterest"), "openInterest") / 2)


def _open_interest(mapper: BybitMapper, raw: RawMessage, out: list[Mapped], amount_of: Any) -> None:
    result = member(raw.data, "result")
    spec = mapper.find(_asked(raw, "symbol", result))
    if spec is None:
        return

    def one(entry: Any) -> Fact | None:
        at_ms = time_ms(member(entry, "timestamp"), "timestamp", raw.receive_time_ms)
        amount = amount_of(entry)
        if spec.is_inverse:
            raise BadMessage("invalid-field", "open interest in USD can't be told in the coin without its price then")
        fields = ticker_fields(spec, open_interest=amount)
        return Fact(raw.receive_time_ms, spec.market, at_ms, "ticker", fields, None)

    mapper.each(raw, "open-interest", reversed(_list(raw)), one, out)


def recent_trades(mapper: BybitMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``recent-trade``: newest first in the answer, oldest first here; refills what a reconnect has lost."""

    def one(trade: Any) -> Trade | None:
        spec = mapper.find(member(trade, "symbol"))
        if spec is None:
            return None
        price = positive(member(trade, "price"), "price")
        return Trade(
            raw.receive_time_ms,
            spec.market,
            time_ms(member(trade, "time"), "time", raw.receive_time_ms),
            spec.price(price),
            spec.quantity_base(size(member(trade, "size"), "size"), price),
            choice(trade, "side", AGGRESSOR),
            trade_id(member(trade, "execId"), "execId"),
        )

    mapper.each(raw, "trades", reversed(_list(raw)), one, out)


def refuse_error(data: Any) -> None:
    """Raise for an answer that is none."""
    code = member(data, "retCode")
    if code.__class__ is not int or code != 0:
        raise BadMessage("invalid-field", f"the venue refused: {show(code)} {show(data.get('retMsg'))}")


def _list(raw: RawMessage) -> list[Any]:
    refuse_error(raw.data)
    return items_of(member(raw.data, "result"), "list")


def _asked(raw: RawMessage, name: str, result: Any = None) -> str:
    """A parameter of the request; some answers repeat it."""
    asked = parse_qs(urlsplit(raw.channel.partition(":")[2]).query).get(name)
    if asked:
        return asked[0]
    if result.__class__ is dict and has(result, name):
        return text(result, name)
    raise BadMessage("invalid-field", f"{name} is neither in the request nor in the answer")


def _tier(entry: Any, usd_per_unit: float) -> ToldTier:
    """One tier. Rates were told in percent before and as fractions later: the initial margin shows which it is."""
    rate = positive(member(entry, "maintenanceMargin"), "maintenanceMargin")
    initial = positive(member(entry, "initialMargin"), "initialMargin")
    leverage = positive(member(entry, "maxLeverage"), "maxLeverage")
    per_leverage = initial * leverage
    if abs(per_leverage - 100.0) < 10.0:
        rate /= 100.0
    elif abs(per_leverage - 1.0) > 0.1:
        raise BadMessage("invalid-field", f"an initial margin of {initial:g} for a leverage of {leverage:g}")
    deduction = None
    if has(entry, "mmDeduction"):
        deduction = not_negative(entry["mmDeduction"], "mmDeduction") * usd_per_unit
    cap = positive(member(entry, "riskLimitValue"), "riskLimitValue") * usd_per_unit
    return ToldTier(cap, rate, leverage, deduction)
