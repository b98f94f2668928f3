"""Binance's order books: changes on the WebSocket, the snapshot from REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.binance.payload import asked, payload, refuse_error
from liqheat_ingest.mappers.book_depth import Change
from liqheat_ingest.mappers.fields import BadMessage, items_of, member, not_negative, positive, row, time_ms, whole
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.binance import BinanceMapper


def changes(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``depthUpdate`` of a stream of changes: ``pu`` is the ``u`` of the event before."""
    event = payload(raw)
    symbol = member(event, "s")
    spec = mapper.find(symbol, "s")
    if spec is None:
        return
    try:
        event_ms = time_ms(member(event, "T"), "T", raw.receive_time_ms)
        first, last, previous = (whole(member(event, name), name) for name in ("U", "u", "pu"))
        if not 0 <= previous < first <= last:
            raise BadMessage("invalid-field", f"pu, U and u do not rise: {previous}, {first}, {last}")
        change = Change(previous, last, _checked(event, "b"), _checked(event, "a"))
    except BadMessage:
        mapper.books.drop(symbol)
        raise
    _take(mapper, raw, symbol, spec, change, event_ms, out)


def snapshot(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``/fapi/v1/depth``: names no symbol, so the request must. ``lastUpdateId`` joins it to the changes."""
    refuse_error(raw.data)
    symbol = asked(raw, "symbol")
    spec = mapper.find(symbol)
    if spec is None:
        return
    data = raw.data
    number = whole(member(data, "lastUpdateId"), "lastUpdateId")
    if number < 0:
        raise BadMessage("invalid-field", f"lastUpdateId is negative: {number}")
    event_ms = time_ms(member(data, "T"), "T", raw.receive_time_ms)
    try:
        mapper.books.of(symbol, spec).replace_fetched(items_of(data, "bids"), items_of(data, "asks"), number)
        fact = mapper.books.depth(raw, symbol, event_ms)
    except BadMessage:
        mapper.books.drop(symbol)
        raise
    if fact is not None:
        out.append(fact)


def top(mapper: BinanceMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``depthUpdate`` of a stream of the best 5, 10 or 20 levels: each is whole."""
    event = payload(raw)
    symbol = member(event, "s")
    spec = mapper.find(symbol, "s")
    if spec is None:
        return
    event_ms = time_ms(member(event, "T"), "T", raw.receive_time_ms)
    book = mapper.books.of(symbol, spec)
    book.replace(_checked(event, "b"), _checked(event, "a"), whole(member(event, "u"), "u"))
    fact = mapper.books.depth(raw, symbol, event_ms)
    if fact is not None:
        out.append(fact)


def _take(
    mapper: BinanceMapper,
    raw: RawMessage,
    symbol: str,
    spec: InstrumentSpec,
    change: Change,
    event_ms: int,
    out: list[Mapped],
) -> None:
    book = mapper.books.of(symbol, spec)
    if book.sequence is None:
        # A source sees the symbol here and fetches the snapshot; changes wait for it.
        mapper.books.stale.add(symbol)
    try:
        book.change(change)
        fact = mapper.books.depth(raw, symbol, event_ms)
    except BadMessage:
        mapper.books.drop(symbol)
        raise
    if fact is not None:
        out.append(fact)


def _checked(event: Any, name: str) -> list[Any]:
    """Levels that can be kept until the snapshot is there."""
    levels = items_of(event, name)
    for level in levels:
        positive(row(level, 2, name)[0], f"price of {name}")
        not_negative(level[1], f"size of {name}")
    return levels
