"""Order books and their depth by price bin: pure.

A book is kept from a venue's snapshots and changes. Once a second its resting orders are summed by bin of the absolute
log-price grid. A book of which a change was lost is of no use: it is dropped until the next snapshot.
"""

from __future__ import annotations

from collections import deque
from math import floor, log
from typing import Any, NamedTuple

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.fields import BadMessage, not_negative, positive, row
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Orders farther from the best ones than this (about 30 %) are no depth that a cascade could meet.
MAX_BINS_FROM_BEST = 300
#: Levels of one side; venues send 20 to 1,000.
MAX_LEVELS = 20_000
DEPTH_INTERVAL_MS = 1_000
#: Changes kept while a snapshot is fetched: a minute of ten a second; older ones are in the snapshot.
MAX_PENDING = 600

#: By the venue's price: the bin and the USD that rest there.
Levels = dict[float, tuple[int, float]]


class Change(NamedTuple):
    """One message of changes: it follows on number ``previous`` and brings the book to number ``last``."""

    previous: int
    last: int
    bids: list[Any]
    asks: list[Any]


class OrderBook:
    """One market's book. Each level is kept with its bin, so that a depth is only a sum.

    Parameters
    ----------
    spec : InstrumentSpec
        Turns amounts into USD and prices into those of one unit of the coin.
    columns : int
        Of a level as the venue writes it: one that lacks a column can't be read by its places.

    Attributes
    ----------
    sequence : int or None
        The venue's number of the last change; None: there is no snapshot yet.
    """

    __slots__ = ("asks", "bids", "columns", "joined", "pending", "sequence", "shown_ms", "spec")

    def __init__(self, spec: InstrumentSpec, columns: int) -> None:
        self.spec = spec
        self.columns = columns
        self.bids: Levels = {}
        self.asks: Levels = {}
        self.sequence: int | None = None
        #: False from a snapshot that was fetched until a change that reaches over its number.
        self.joined = True
        #: Changes that came before the snapshot they belong to.
        self.pending: deque[Change] = deque(maxlen=MAX_PENDING)
        self.shown_ms = 0

    def replace(self, bids: list[Any], asks: list[Any], sequence: int) -> None:
        """Take a snapshot of the same stream: the next change follows on it. Raises BadMessage."""
        self.clear()
        try:
            self._apply(self.bids, bids, "bids")
            self._apply(self.asks, asks, "asks")
        except BadMessage:
            self.clear()
            raise
        self.sequence = sequence
        self.joined = True

    def replace_fetched(self, bids: list[Any], asks: list[Any], sequence: int) -> None:
        """Take a snapshot that was asked for: changes that came meanwhile, or come yet, reach over its number.

        Raises BadMessage where the changes that were kept do not join it.
        """
        waiting = list(self.pending)
        self.replace(bids, asks, sequence)
        self.joined = False
        for change in waiting:
            self.change(change)

    def change(self, change: Change) -> None:
        """Take changes; size zero removes a level. Before a snapshot they are kept.

        Raises
        ------
        BadMessage
            ``out-of-order``: changes in between are missing. The book is empty then.
        """
        if self.sequence is None:
            self.pending.append(change)
            return
        try:
            if self.joined:
                follows = change.previous == self.sequence
            elif change.last <= self.sequence:
                return  # the snapshot has it already
            else:
                follows = self.joined = change.previous <= self.sequence
            if not follows:
                detail = f"a change of the book that follows on {change.previous}, after {self.sequence}"
                raise BadMessage("out-of-order", detail)
            self._apply(self.bids, change.bids, "bids")
            self._apply(self.asks, change.asks, "asks")
        except BadMessage:
            self.clear()
            raise
        self.sequence = change.last

    def clear(self) -> None:
        """Forget everything: wait for a snapshot."""
        self.bids.clear()
        self.asks.clear()
        self.pending.clear()
        self.sequence = None
        self.joined = True

    def _apply(self, side: Levels, changes: list[Any], name: str) -> None:
        spec = self.spec
        for level in changes:
            price = positive(row(level, self.columns, name)[0], f"price of {name}")
            amount = not_negative(level[1], f"size of {name}")
            if amount == 0.0:
                side.pop(price, None)
            else:
                usd = amount * spec.contract_size * (1.0 if spec.is_inverse else price)
                side[price] = floor(log(spec.price(price)) / BIN_WIDTH), usd
        if len(side) > MAX_LEVELS:
            raise BadMessage("oversized", f"more than {MAX_LEVELS} {name}")


class OrderBooks:
    """The books of a venue, by its symbols.

    Attributes
    ----------
    stale : set of str
        Symbols whose book can't go on without a new snapshot; a source takes them out and asks for one.
    """

    def __init__(self, columns: int = 2) -> None:
        self.columns = columns
        self._books: dict[str, OrderBook] = {}
        self.stale: set[str] = set()

    def of(self, symbol: str, spec: InstrumentSpec) -> OrderBook:
        """The book of a symbol. It begins anew where the units have turned out to be others."""
        book = self._books.get(symbol)
        if book is None or (book.spec is not spec and _units(book.spec) != _units(spec)):
            book = self._books[symbol] = OrderBook(spec, self.columns)
        return book

    def drop(self, symbol: str) -> None:
        """Forget a book that can't be trusted."""
        book = self._books.get(symbol)
        if book is not None:
            book.clear()
        self.stale.add(symbol)

    def depth(self, raw: RawMessage, symbol: str, event_time_ms: int) -> Fact | None:
        """The ``book-depth`` event, at most once a second by receive time. Raises BadMessage for a crossed book."""
        book = self._books.get(symbol)
        if book is None or book.sequence is None:
            return None
        self.stale.discard(symbol)  # it has its snapshot, whether there is a depth to show or not
        if raw.receive_time_ms - book.shown_ms < DEPTH_INTERVAL_MS:
            return None
        try:
            fields = depth_fields(book.bids, book.asks)
        except BadMessage:
            self.drop(symbol)
            raise
        if fields is None:
            return None
        # The beat is kept by whole seconds, so that a message a moment late does not shift it.
        book.shown_ms = raw.receive_time_ms - raw.receive_time_ms % DEPTH_INTERVAL_MS
        return Fact(raw.receive_time_ms, book.spec.market, event_time_ms, "book-depth", fields, "book-depth")


def depth_fields(bids: Levels, asks: Levels) -> dict[str, Any] | None:
    """Fields of ``book-depth``: USD of resting orders by bin, bids and asks beside each other.

    Parameters
    ----------
    bids, asks : dict
        Bin and USD of each level, by price.

    Returns
    -------
    dict or None
        ``first_bin``, ``bid_usd``, ``ask_usd`` of equal length; None: there is no depth to speak of, because a side
        is empty or the two are farther apart than orders are looked at.

    Raises
    ------
    BadMessage
        ``crossed-book``: a buyer bids as much as a seller asks.

    Examples
    --------
    >>> bids = {59990.0: (11001, 59990.0), 59900.0: (11000, 119800.0)}
    >>> depth_fields(bids, {60010.0: (11002, 30005.0)})
    {'first_bin': 11000, 'bid_usd': [119800.0, 59990.0, 0.0], 'ask_usd': [0.0, 0.0, 30005.0]}
    """
    if not bids or not asks:
        return None
    best_bid, best_ask = max(bids), min(asks)
    if best_bid >= best_ask:
        raise BadMessage("crossed-book", f"the best bid {best_bid:g} is not below the best ask {best_ask:g}")
    if asks[best_ask][0] - bids[best_bid][0] > MAX_BINS_FROM_BEST:
        return None
    lowest, highest = bids[best_bid][0] - MAX_BINS_FROM_BEST, asks[best_ask][0] + MAX_BINS_FROM_BEST
    summed: list[dict[int, float]] = []
    for levels in (bids, asks):
        usd_of: dict[int, float] = {}
        for bin_index, usd in levels.values():
            usd_of[bin_index] = usd_of.get(bin_index, 0.0) + usd
        summed.append({index: usd for index, usd in usd_of.items() if lowest <= index <= highest})
    first = min(min(usd_of) for usd_of in summed)
    end = max(max(usd_of) for usd_of in summed) + 1
    bid, ask = ([float(round(usd_of.get(index, 0.0))) for index in range(first, end)] for usd_of in summed)
    return {"first_bin": first, "bid_usd": bid, "ask_usd": ask}


def _units(spec: InstrumentSpec) -> tuple[bool, float, float]:
    return spec.is_inverse, spec.contract_size, spec.price_multiplier
