"""OKX's mark and index prices, open interest and funding: a channel each, so each is a ticker of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
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
)
from liqheat_ingest.mappers.okx.entries import asked, entries, in_order
from liqheat_ingest.mappers.ticker_state import ticker_fields
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.okx import OkxMapper

MAX_MARK_PRICES = 20_000
#: ``oi`` times the contract must be ``oiCcy``; the venue rounds.
CONTRACT_TOLERANCE = 0.01


def mark_prices(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``mark-price``."""

    def one(entry: Any) -> Fact | None:
        symbol = text(entry, "instId")
        spec = mapper.find(symbol)
        if spec is None:
            return None
        mark = positive(member(entry, "markPx"), "markPx")
        event_ms = time_ms(member(entry, "ts"), "ts", raw.receive_time_ms)
        if len(mapper.mark_prices) < MAX_MARK_PRICES:
            mapper.mark_prices[symbol] = mark
        return Fact(
            raw.receive_time_ms, spec.market, event_ms, "ticker", ticker_fields(spec, mark_price=mark), "ticker"
        )

    mapper.each(raw, "ticker", entries(raw), one, out)


def index_prices(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``index-tickers``: named by the underlying (``BTC-USDT``); every swap on it is told."""

    def of_index(entry: Any) -> None:
        index = text(entry, "instId")
        price = positive(member(entry, "idxPx"), "idxPx")
        event_ms = time_ms(member(entry, "ts"), "ts", raw.receive_time_ms)

        def one(symbol: str) -> Fact | None:
            spec = mapper.find(symbol)
            if spec is None:
                return None
            fields = ticker_fields(spec, index_price=price)
            return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "index-price")

        swaps = mapper.swaps_of_index.get(index)
        mapper.each(raw, "index-price", sorted(swaps) if swaps else [f"{index}-SWAP"], one, out)

    mapper.each(raw, "index-price", entries(raw), of_index, out)


def open_interest(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``open-interest``: ``oi`` in contracts, ``oiCcy`` in the coin; they must agree."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "instId"))
        if spec is None:
            return None
        quantity = _in_coin(spec, member(entry, "oi"), member(entry, "oiCcy"))
        event_ms = time_ms(member(entry, "ts"), "ts", raw.receive_time_ms)
        return _open_interest_fact(raw, spec, event_ms, quantity, "open-interest")

    mapper.each(raw, "open-interest", entries(raw), one, out)


def open_interest_history(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``open-interest-history``: columns time, contracts, coin, USD; newest first in the answer."""
    spec = mapper.find(asked(raw, "instId"))
    if spec is None:
        return

    def one(entry: Any) -> Fact:
        columns = row(entry, 4, "open interest")
        quantity = _in_coin(spec, columns[1], columns[2])
        return _open_interest_fact(raw, spec, time_ms(columns[0], "ts", raw.receive_time_ms), quantity, None)

    mapper.each(raw, "open-interest", in_order(raw), one, out)


def funding_rates(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``funding-rate``: ``fundingTime`` is the settlement that comes next."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "instId"))
        if spec is None:
            return None
        fields = ticker_fields(
            spec,
            funding_rate=number(member(entry, "fundingRate"), "fundingRate"),
            next_funding_time_ms=coming_time_ms(member(entry, "fundingTime"), "fundingTime"),
        )
        event_ms = raw.receive_time_ms
        if "ts" in entry:
            event_ms = time_ms(entry["ts"], "ts", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "funding")

    mapper.each(raw, "funding", entries(raw), one, out)


def last_prices(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``tickers``: the last price is all that is of use here."""

    def one(entry: Any) -> Fact | None:
        spec = mapper.find(member(entry, "instId"))
        if spec is None:
            return None
        fields = ticker_fields(spec, last_price=positive(member(entry, "last"), "last"))
        event_ms = time_ms(member(entry, "ts"), "ts", raw.receive_time_ms)
        return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, "last-price")

    mapper.each(raw, "last-price", entries(raw), one, out)


def _in_coin(spec: InstrumentSpec, contracts: Any, coins: Any) -> float:
    """Open interest in the coin, after the contract size was seen to be right."""
    count, quantity = not_negative(contracts, "oi"), not_negative(coins, "oiCcy")
    if not spec.is_inverse:
        expected = count * spec.contract_size
        if abs(expected - quantity) > CONTRACT_TOLERANCE * max(expected, quantity):
            detail = f"{count:g} contracts of {spec.contract_size:g} are not {quantity:g} {spec.market.coin}"
            raise BadMessage("invalid-field", f"oi and oiCcy disagree: {detail}")
    return quantity * spec.price_multiplier


def _open_interest_fact(
    raw: RawMessage, spec: InstrumentSpec, event_ms: int, quantity: float, stream: str | None
) -> Fact:
    fields = ticker_fields(spec) | {"open_interest_base": quantity}
    return Fact(raw.receive_time_ms, spec.market, event_ms, "ticker", fields, stream)
