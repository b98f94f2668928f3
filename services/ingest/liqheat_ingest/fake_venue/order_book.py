"""A limit order book around the mark: levels on a lattice that widens with the distance."""

from __future__ import annotations

from math import log
from random import Random
from typing import NamedTuple

#: Steps between levels and how far each reaches, in ticks of the middle, so that a book spans about two percent.
LATTICE = ((1, 10), (5, 100), (50, 1_000), (500, 5_000))
#: Levels of each side that an update gives a new size, within so many ticks of the best.
CHANGES_A_SIDE, NEAR_TICKS = 2, 10
_TABLE_SIZE = 4_096


def _exponentials() -> list[float]:
    """Chance in store: books take sizes from here in turn, each from a place of its own."""
    random = Random(0)
    return [-log(1.0 - random.random()) for _ in range(_TABLE_SIZE)]


_SIZES = _exponentials()


class BookChange(NamedTuple):
    """Levels that changed: price in ticks to lots, 0: gone. Numbers of the last change before and of this one."""

    bids: dict[int, int]
    asks: dict[int, int]
    first_number: int
    previous_number: int
    number: int


class FakeOrderBook:
    """Bids and asks in lots by price in ticks.

    Parameters
    ----------
    seed : int
        Sizes follow from it.
    mean_lots : float
        Average size of a level.
    """

    def __init__(self, seed: int, mean_lots: float) -> None:
        self._turn = seed % _TABLE_SIZE
        self._mean = max(1.0, mean_lots)
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.number = 1_000_000 + seed % 1_000_000
        #: Counts updates that changed something, as Bybit numbers them.
        self.updates = 1_000_000 + seed % 1_000_000
        self._middle = 0

    def update(self, middle_ticks: int) -> BookChange:
        """Let the levels follow the middle, and some sizes change."""
        previous = self.number
        bids, asks = {}, {}
        if middle_ticks != self._middle:
            self._middle = middle_ticks
            bids = self._follow(self.bids, [p for p in _levels(middle_ticks, -1) if p > 0])
            asks = self._follow(self.asks, _levels(middle_ticks, +1))
        for side, changed, direction in ((self.bids, bids, -1), (self.asks, asks, 1)):
            for _ in range(CHANGES_A_SIDE):
                size = self._size()
                price = middle_ticks + direction * (1 + (size + self._turn) % NEAR_TICKS)
                if price in side:
                    side[price] = changed[price] = size
        self.number += 1 + len(bids) + len(asks)
        self.updates += bool(bids or asks)
        return BookChange(bids, asks, previous + 1, previous, self.number)

    def top(self, middle_ticks: int) -> tuple[int, int, int, int]:
        """Best bid and its lots, best ask and its lots."""
        if not self.bids:
            self.update(middle_ticks)
        bid, ask = max(self.bids), min(self.asks)
        return bid, self.bids[bid], ask, self.asks[ask]

    def levels(self, middle_ticks: int, depth: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Best ``depth`` bids, highest first, and asks, lowest first: (ticks, lots)."""
        if not self.bids:
            self.update(middle_ticks)
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        return bids, sorted(self.asks.items())[:depth]

    def _follow(self, side: dict[int, int], prices: list[int]) -> dict[int, int]:
        wanted = set(prices)
        changed: dict[int, int] = {}
        for price in [price for price in side if price not in wanted]:
            changed[price] = 0
            del side[price]
        for price in prices:
            if price not in side:
                side[price] = changed[price] = self._size()
        return changed

    def _size(self) -> int:
        self._turn = (self._turn + 1) % _TABLE_SIZE
        return 1 + int(_SIZES[self._turn] * self._mean)


def _levels(middle: int, direction: int) -> list[int]:
    """Prices of one side, nearest first: multiples of each step up to its reach."""
    levels: list[int] = []
    nearest = middle + direction
    for step, reach in LATTICE:
        if direction > 0:
            first = -(-nearest // step) * step
            found = range(first, middle + reach + 1, step)
        else:
            first = nearest // step * step
            found = range(first, middle - reach - 1, -step)
        levels += found
        if found:
            nearest = found[-1] + direction
    return levels
