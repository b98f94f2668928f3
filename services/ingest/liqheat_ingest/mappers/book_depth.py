"""Order books and their depth by price bin: pure.

A book is kept from a venue's snapshots and changes. Once a second its resting orders are summed by bin of the absolute
log-price grid. A book of which a change was lost is of no use: it is dropped until the next snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log
from typing import Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.fields import BadMessage, not_negative, positive, row
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Orders farther from the middle than this (e^±1) are no depth that a cascade could meet.
MAX_BINS_FROM_MIDDLE = 1_000
#: Levels of one side; venues send 20 to 1,000.
MAX_LEVELS = 20_000
DEPTH_INTERVAL_MS = 1_000

Levels = dict[float, list[Any]]


class OrderBook:
    """One market's book. Levels are kept as the venue wrote them, by price."""

    __slots__ = ("asks", "bids", "pending", "sequence", "shown_ms")

    def __init__(self) -> None:
        self.bids: Levels = {}
        self.asks: Levels = {}
        #: The venue's number of the last change; None: there is no snapshot yet.
        self.sequence: int | None = None
        #: Changes that came before the snapshot they belong to.
        self.pending: list[dict[str, Any]] = []
        self.shown_ms = 0

    def replace(self, bids: list[Any], asks: list[Any], sequence: int) -> None:
        """Take a snapshot. Raises BadMessage, and the book is empty then."""
        self.clear()
        _apply(self.bids, bids, "bids")
        _apply(self.asks, asks, "asks")
        self.sequence = sequence

    def change(self, bids: list[Any], asks: list[Any], sequence: int) -> None:
        """Take changes; size zero removes a level. Raises BadMessage, and the book is empty then."""
        try:
            _apply(self.bids, bids, "bids")
            _apply(self.asks, asks, "asks")
        except BadMessage:
            self.clear()
            raise
        self.sequence = sequence

    def clear(self) -> None:
        """Forget everything: wait for a snapshot."""
        self.bids.clear()
        self.asks.clear()
        self.pending.clear()
        self.sequence = None


class OrderBooks:
    """The books of a venue, by its symbols.

    Attributes
    ----------
    stale : set of str
        Symbols whose book can't go on without a new snapshot; a source takes them out and asks for one.
    """

    def __init__(self) -> None:
        self._books: dict[str, OrderBook] = {}
        self.stale: set[str] = set()

    def of(self, symbol: str) -> OrderBook:
        """The book of a known symbol."""
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = OrderBook()
        return book

    def drop(self, symbol: str) -> None:
        """Forget a book that can't be trusted."""
        self.of(symbol).clear()
        self.stale.add(symbol)

    def due(self, symbol: str, receive_time_ms: int) -> bool:
        """Whether the depth of the book is to be shown: once a second."""
        book = self.of(symbol)
        return book.sequence is not None and receive_time_ms - book.shown_ms >= DEPTH_INTERVAL_MS

    def depth(self, raw: RawMessage, symbol: str, spec: InstrumentSpec, event_time_ms: int) -> Fact | None:
        """The ``book-depth`` event, at most once a second by receive time. Raises BadMessage for a crossed book."""
        if not self.due(symbol, raw.receive_time_ms):
            return None
        book = self.of(symbol)
        try:
            fields = depth_fields(book.bids.values(), book.asks.values(), spec)
        except BadMessage:
            self.drop(symbol)
            raise
        if fields is None:
            return None
        # The beat is kept by whole seconds, so that a message a moment late does not shift it.
        book.shown_ms = raw.receive_time_ms - raw.receive_time_ms % DEPTH_INTERVAL_MS
        self.stale.discard(symbol)
        return Fact(raw.receive_time_ms, spec.market, event_time_ms, "book-depth", fields, "book-depth")


def depth_fields(bids: Iterable[list[Any]], asks: Iterable[list[Any]], spec: InstrumentSpec) -> dict[str, Any] | None:
    """Fields of ``book-depth``: USD of resting orders by bin, bids and asks beside each other.

    Parameters
    ----------
    bids, asks : iterable of list
        Levels as the venue writes them: price and amount first, in any order.
    spec : InstrumentSpec
        Turns amounts into units of the coin and prices into those of one unit.

    Returns
    -------
    dict or None
        ``first_bin``, ``bid_usd``, ``ask_usd`` of equal length; None: a side is empty.

    Raises
    ------
    BadMessage
        ``crossed-book``: a buyer bids as much as a seller asks.

    Examples
    --------
    >>> from liqheat_ingest.instruments import find_instrument
    >>> btc = find_instrument("bybit", "BTCUSDT")
    >>> depth_fields([["59990", "1"], ["59900", "2"]], [["60010", "0.5"]], btc)
    {'first_bin': 11000, 'bid_usd': [119800.0, 59990.0, 0.0], 'ask_usd': [0.0, 0.0, 30005.0]}
    """
    sides = [[(float(level[0]), float(level[1])) for level in levels] for levels in (bids, asks)]
    if not sides[0] or not sides[1]:
        return None
    best_bid, best_ask = max(sides[0])[0], min(sides[1])[0]
    if best_bid >= best_ask:
        raise BadMessage("crossed-book", f"the best bid {best_bid:g} is not below the best ask {best_ask:g}")
    middle = _bin(spec.price((best_bid + best_ask) / 2))
    summed: tuple[dict[int, float], dict[int, float]] = ({}, {})
    for levels, usd in zip(sides, summed, strict=True):
        for price, amount in levels:
            bin_index = _bin(spec.price(price))
            if abs(bin_index - middle) <= MAX_BINS_FROM_MIDDLE:
                usd[bin_index] = usd.get(bin_index, 0.0) + spec.quantity_base(amount, price) * spec.price(price)
    bins = [*summed[0], *summed[1]]
    first, end = min(bins), max(bins) + 1
    bid, ask = ([float(round(usd.get(index, 0.0))) for index in range(first, end)] for usd in summed)
    return {"first_bin": first, "bid_usd": bid, "ask_usd": ask}


def _bin(price: float) -> int:
    return floor(log(price) / BIN_WIDTH)


def _apply(side: Levels, changes: list[Any], name: str) -> None:
    for level in changes:
        price = positive(row(level, 2, name)[0], f"price of {name}")
        if not_negative(level[1], f"size of {name}") == 0.0:
            side.pop(price, None)
        else:
            side[price] = level
    if len(side) > MAX_LEVELS:
        raise BadMessage("oversized", f"more than {MAX_LEVELS} {name}")
