"""Which trades were seen already, and which are missing, by the venue's ids. Pure; bounded state for each market.

Where a venue counts its trades (Binance's aggregated trades, OKX), one number a market tells both: what is not above it
is a repeat unless it lies in a hole, and what is above it by more than one leaves a hole. Elsewhere the ids seen lately
are kept, and holes can't be seen in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from liqheat_ingest.readings import Market, Trade

#: Ids kept for a market of a venue that does not count: between this and twice as many.
IDS_KEPT = 512
#: Holes of a market that are still open; older ones are closed for good.
MAX_HOLES = 64


class Hole(NamedTuple):
    """Trades that were not seen: ids ``first`` to ``last``, between two that were."""

    market: Market
    first: int
    last: int
    #: Event times of the trades around it.
    from_ms: int
    to_ms: int
    missing: int


@dataclass(slots=True)
class _Numbers:
    highest: int = -1
    highest_ms: int = 0
    last_id: str | None = None
    holes: list[Hole] = field(default_factory=list)
    recent: set[str] = field(default_factory=set)
    older: set[str] = field(default_factory=set)


class TradeNumbers:
    """Ids of the trades of one venue.

    Parameters
    ----------
    counts : bool
        Whether consecutive trades of a market have consecutive ids.

    Examples
    --------
    >>> market = Market("BTC", "binance", "BTC/USDT:USDT")
    >>> def trade(number): return Trade(0, market, number * 10, 64_000.0, 1.0, "b", str(number))
    >>> numbers = TradeNumbers(counts=True)
    >>> [numbers.admit(trade(n)) for n in (5, 6, 6, 9, 7)]
    [True, True, False, True, True]
    >>> [(hole.first, hole.last, hole.missing) for hole in numbers.take_holes()], numbers.still_missing(market)
    ([(7, 8, 2)], 1)
    """

    def __init__(self, *, counts: bool) -> None:
        self._counts = counts
        self._markets: dict[Market, _Numbers] = {}
        self._new_holes: list[Hole] = []

    def admit(self, trade: Trade) -> bool:
        """Whether the trade is news. One without an id always is."""
        identity = trade.trade_id
        if identity is None:
            return True
        numbers = self._markets.get(trade.market)
        if numbers is None:
            numbers = self._markets[trade.market] = _Numbers()
        if self._counts and identity.isdigit():
            return self._admit_counted(numbers, trade, int(identity))
        if identity in numbers.recent or identity in numbers.older:
            return False
        if len(numbers.recent) >= IDS_KEPT:
            numbers.older, numbers.recent = numbers.recent, set()
        numbers.recent.add(identity)
        numbers.last_id, numbers.highest_ms = identity, trade.event_time_ms
        return True

    def resume(self, market: Market, ids: Sequence[str], last_ms: int) -> None:
        """Go on from the trades that somebody before us has published, in their order."""
        for identity in ids:
            self.admit(Trade(last_ms, market, last_ms, 1.0, 1.0, "b", identity))
        self.close_holes(market)
        self._new_holes = [hole for hole in self._new_holes if hole.market != market]

    def take_holes(self) -> list[Hole]:
        """Holes that opened since the last call."""
        if not self._new_holes:
            return []
        holes, self._new_holes = self._new_holes, []
        return holes

    def last_id(self, market: Market) -> str | None:
        """Id of the latest trade of a market."""
        numbers = self._markets.get(market)
        return None if numbers is None else numbers.last_id

    def last_ms(self, market: Market) -> int | None:
        """Event time of the latest trade of a market."""
        numbers = self._markets.get(market)
        return None if numbers is None else numbers.highest_ms

    def still_missing(self, market: Market) -> int:
        """Trades of the open holes of a market."""
        numbers = self._markets.get(market)
        return 0 if numbers is None else sum(hole.missing for hole in numbers.holes)

    def close_holes(self, market: Market) -> None:
        """Nothing more will come for the holes of a market: they were announced."""
        numbers = self._markets.get(market)
        if numbers is not None:
            numbers.holes.clear()

    def _admit_counted(self, numbers: _Numbers, trade: Trade, number: int) -> bool:
        highest = numbers.highest
        if number > highest:
            # OKX packs several trades into one message under the number of the last.
            first = number - trade.trade_count + 1
            if highest >= 0 and first > highest + 1:
                missing = first - highest - 1
                hole = Hole(trade.market, highest + 1, first - 1, numbers.highest_ms, trade.event_time_ms, missing)
                numbers.holes.append(hole)
                del numbers.holes[:-MAX_HOLES]
                self._new_holes.append(hole)
            numbers.highest, numbers.highest_ms, numbers.last_id = number, trade.event_time_ms, trade.trade_id
            return True
        return _fill(numbers.holes, number, trade.event_time_ms)


def _fill(holes: list[Hole], number: int, event_ms: int) -> bool:
    """Take a number out of the hole that it lies in; False: it lies in none, so it is a repeat."""
    for index, hole in enumerate(holes):
        if hole.first <= number <= hole.last:
            before = hole._replace(last=number - 1, to_ms=event_ms, missing=number - hole.first)
            after = hole._replace(first=number + 1, from_ms=event_ms, missing=hole.last - number)
            holes[index : index + 1] = [part for part in (before, after) if part.missing > 0]
            return True
    return False
