"""Positions that stand when the story of a simulated market begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from liqheat_ingest.market_simulation.position_book import PositionBook
from liqheat_ingest.market_simulation.profiles import CoinProfile

#: Longs and shorts.
Books = tuple[PositionBook, PositionBook]


class FirstPosition(NamedTuple):
    """A position that stands when the story begins, without its size."""

    entry_price: float
    leverage: float


def open_invented(
    books: Books,
    coin: CoinProfile,
    random: np.random.Generator,
    count: int,
    target_lots: int,
    leverage_by_chance: Callable[[], float],
) -> None:
    """Open ``count`` positions a side, entered at prices of the days before.

    Parameters
    ----------
    target_lots : int
        About how many lots a side.
    """
    shares = random.lognormal(0.0, 1.0, count)
    all_lots = np.maximum(1, (shares / shares.sum() * target_lots)).astype(np.int64)
    day = coin.annual_volatility / sqrt(365.25)
    for book in books:
        past = 1.0 + day * np.clip(random.standard_normal(count), -2.5, 2.5)
        for lots, factor in zip(random.permutation(all_lots), past, strict=True):
            # Only entries that price has not liquidated since: the nearer, the more leverage is possible.
            moved = max(0.0, book.side * (float(factor) - 1.0))
            leverage = min(leverage_by_chance(), 0.6 / max(moved, 1e-9))
            book.open(int(lots), coin.price * float(factor), max(1.5, leverage))


def open_given(
    books: Books,
    coin: CoinProfile,
    random: np.random.Generator,
    first_positions: tuple[Sequence[FirstPosition], Sequence[FirstPosition]],
    target_lots: int,
) -> None:
    """Open these. Sizes by chance, both sides the same lots. Leverage is what the tier allows and price has spared.

    Raises
    ------
    ValueError
        A side has none.
    """
    count = min(map(len, first_positions))
    if count == 0:
        raise ValueError(f"no first positions for {coin.coin}")
    shares = random.lognormal(0.0, 1.0, count)
    all_lots = np.maximum(1, (shares / shares.sum() * target_lots)).astype(np.int64)
    for book, entries in zip(books, first_positions, strict=True):
        book.limits_leverage = True
        for size, (entry_price, leverage) in zip(random.permutation(all_lots), entries, strict=False):
            lots = int(size)
            leverage = min(leverage, book.max_leverage(lots, entry_price))
            while leverage > 1.0 and _is_reached(book, lots, entry_price, leverage, coin.price):
                leverage = leverage / 2.0
            book.open(lots, entry_price, leverage)


def _is_reached(book: PositionBook, lots: int, entry_price: float, leverage: float, mark_price: float) -> bool:
    """Whether the mark is as good as at the position's liquidation price."""
    liquidation_price = book.liquidation_price_of(lots, entry_price, leverage)
    return liquidation_price > 0.0 and book.side * (mark_price / liquidation_price - 1.0) < 0.001
