"""OKX's order books in the formats that they have had."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.book_depth import Change
from liqheat_ingest.mappers.fields import BadMessage, choice, items_of, member, row, time_ms, whole
from liqheat_ingest.mappers.okx.entries import asked, entries
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.okx import OkxMapper

_ACTIONS = {"snapshot": "snapshot", "update": "update"}
#: Levels of each side in the checksum.
CHECKED_LEVELS = 25


class ChecksumBooks:
    """Prices and sizes as they were written, by symbol: what the checksum of the format before 2023 is made of."""

    def __init__(self) -> None:
        self._sides: dict[str, tuple[dict[float, str], dict[float, str]]] = {}

    def take(self, symbol: str, bids: list[Any], asks: list[Any], *, afresh: bool) -> None:
        """Note the levels of a message that a book has taken already, so they are known to be sound."""
        if afresh or symbol not in self._sides:
            self._sides[symbol] = ({}, {})
        for side, levels in zip(self._sides[symbol], (bids, asks), strict=True):
            for level in levels:
                price = float(level[0])
                if float(level[1]) == 0.0:
                    side.pop(price, None)
                else:
                    side[price] = f"{level[0]}:{level[1]}"

    def checksum(self, symbol: str) -> int:
        """CRC-32 of the best 25 levels, bid and ask in turns, as a signed number."""
        bids, asks = self._sides[symbol]
        best_bids = [bids[price] for price in sorted(bids, reverse=True)[:CHECKED_LEVELS]]
        best_asks = [asks[price] for price in sorted(asks)[:CHECKED_LEVELS]]
        parts: list[str] = []
        for index in range(max(len(best_bids), len(best_asks))):
            parts += best_bids[index : index + 1] + best_asks[index : index + 1]
        found = zlib.crc32(":".join(parts).encode())
        return found - (1 << 32) if found & (1 << 31) else found


def with_checksum(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``books`` before 2023: changes have no numbers. The checksum is compared whenever a depth is shown."""

    def take(symbol: str, spec: InstrumentSpec, entry: Any, event_ms: int, action: str) -> None:
        book = mapper.books.of(symbol, spec)
        bids, asks = items_of(entry, "bids"), items_of(entry, "asks")
        told = whole(member(entry, "checksum"), "checksum")
        if action == "snapshot":
            book.replace(bids, asks, 0)
        elif book.sequence is None:
            if symbol in mapper.books.stale:
                return  # reported when it was dropped
            raise BadMessage("out-of-order", "a change of a book before its snapshot")
        else:
            book.change(Change(book.sequence, book.sequence + 1, bids, asks))
        mapper.checked_books.take(symbol, bids, asks, afresh=action == "snapshot")
        fact = mapper.books.depth(raw, symbol, event_ms)
        if fact is None:
            return
        found = mapper.checked_books.checksum(symbol)
        if found != told:
            raise BadMessage("out-of-order", f"the book has checksum {found}, the venue's has {told}")
        out.append(fact)

    _for_each(mapper, raw, take)


def numbered(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``books`` since 2023: ``prevSeqId`` is the ``seqId`` of the message before. The checksum is not read."""

    def take(symbol: str, spec: InstrumentSpec, entry: Any, event_ms: int, action: str) -> None:
        book = mapper.books.of(symbol, spec)
        bids, asks = items_of(entry, "bids"), items_of(entry, "asks")
        number, previous = whole(member(entry, "seqId"), "seqId"), whole(member(entry, "prevSeqId"), "prevSeqId")
        if number < 0 or previous < -1:
            raise BadMessage("invalid-field", f"seqId {number} after prevSeqId {previous}")
        if action == "snapshot":
            book.replace(bids, asks, number)
        else:
            if book.sequence is None:
                mapper.books.stale.add(symbol)  # a source fetches the snapshot; changes wait for it
            for level in (*bids, *asks):
                row(level, mapper.books.columns, "level")
            book.change(Change(previous, number, bids, asks))
        fact = mapper.books.depth(raw, symbol, event_ms)
        if fact is not None:
            out.append(fact)

    _for_each(mapper, raw, take)


def whole_books(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``books5``: each message is the best five levels, whole."""

    def take(symbol: str, spec: InstrumentSpec, entry: Any, event_ms: int, _action: str) -> None:
        mapper.books.of(symbol, spec).replace(items_of(entry, "bids"), items_of(entry, "asks"), 0)
        fact = mapper.books.depth(raw, symbol, event_ms)
        if fact is not None:
            out.append(fact)

    _for_each(mapper, raw, take, action="snapshot")


def fetched(mapper: OkxMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``/market/books``: a snapshot that changes reach over."""

    def take(symbol: str, spec: InstrumentSpec, entry: Any, event_ms: int, _action: str) -> None:
        number = whole(member(entry, "seqId"), "seqId")
        mapper.books.of(symbol, spec).replace_fetched(items_of(entry, "bids"), items_of(entry, "asks"), number)
        fact = mapper.books.depth(raw, symbol, event_ms)
        if fact is not None:
            out.append(fact)

    _for_each(mapper, raw, take, action="snapshot")


def _for_each(mapper: OkxMapper, raw: RawMessage, take: Any, action: str | None = None) -> None:
    """Let ``take`` have every entry; after a fault the book is dropped."""
    symbol = asked(raw, "instId")
    spec = mapper.find(symbol)
    if spec is None:
        return
    try:
        done = choice(raw.data, "action", _ACTIONS) if action is None else action
        for entry in entries(raw):
            take(symbol, spec, entry, time_ms(member(entry, "ts"), "ts", raw.receive_time_ms), done)
    except BadMessage:
        mapper.books.drop(symbol)
        raise
