"""Positions of one market that are read from a public chain: exact, at their own liquidation price."""

from __future__ import annotations

from typing import NamedTuple

from liqheat_estimator.core.bins import Floats, centre_price
from liqheat_estimator.core.parameters import LONG, WINDOW_BINS

#: Accounts that a market remembers; the one that was heard of longest ago makes room.
MAX_ACCOUNTS = 5_000


class MeasuredPosition(NamedTuple):
    """One account's position. ``liquidation_bin`` None: no price within reach liquidates it."""

    side: int
    quantity_base: float
    liquidation_bin: int | None


class MeasuredPositions:
    """The last known position of each account, in the order in which they were heard of."""

    __slots__ = ("accounts", "counts", "quantity_base")

    def __init__(self) -> None:
        self.accounts: dict[str, MeasuredPosition] = {}
        self.counts = [0, 0]
        self.quantity_base = [0.0, 0.0]

    def take(self, account: str) -> MeasuredPosition | None:
        """Forget an account's position and return it."""
        position = self.accounts.pop(account, None)
        if position is not None:
            self.counts[position.side] -= 1
            left = self.quantity_base[position.side] - position.quantity_base
            # Rounding must not leave a rest where nothing is.
            self.quantity_base[position.side] = max(left, 0.0) if self.counts[position.side] else 0.0
        return position

    def put(self, account: str, position: MeasuredPosition) -> MeasuredPosition | None:
        """Remember a position of an account that has none; returns the one that had to make room."""
        dropped = None
        if len(self.accounts) >= MAX_ACCOUNTS:
            dropped = self.take(next(iter(self.accounts)))
        self.accounts[account] = position
        self.counts[position.side] += 1
        self.quantity_base[position.side] += position.quantity_base
        return dropped

    def consume(self, side: int, low_bin: int, high_bin: int) -> tuple[float, float]:
        """Forget the positions of a side that are liquidated in these bins: (coin, USD at the bins' prices)."""
        if not self.counts[side]:
            return 0.0, 0.0
        reached = [
            account
            for account, (held, _, bin_index) in self.accounts.items()
            if held == side and bin_index is not None and low_bin <= bin_index <= high_bin
        ]
        base = usd = 0.0
        for account in reached:
            position = self.take(account)
            assert position is not None
            assert position.liquidation_bin is not None
            base += position.quantity_base
            usd += position.quantity_base * centre_price(position.liquidation_bin)
        return base, usd

    def add_to(self, density: Floats, first_bin: int) -> None:
        """Add the positions to a density of shape (2, WINDOW_BINS) in place."""
        for side, quantity_base, bin_index in self.accounts.values():
            if bin_index is not None and 0 <= bin_index - first_bin < WINDOW_BINS:
                density[side, bin_index - first_bin] += quantity_base

    def at(self, side: int, bin_index: int) -> float:
        """Quantity of a side in one bin."""
        return sum(
            (p.quantity_base for p in self.accounts.values() if p.side == side and p.liquidation_bin == bin_index), 0.0
        )


def reachable_bin(side: int, liquidation_bin: int | None, mark_bin: int | None) -> int | None:
    """The bin, or None where the mark has passed it already: such a price contradicts that the position is open.

    >>> reachable_bin(LONG, 90, 100), reachable_bin(LONG, 100, 100)
    (90, None)
    """
    if liquidation_bin is None or mark_bin is None:
        return liquidation_bin
    ahead = liquidation_bin < mark_bin if side == LONG else liquidation_bin > mark_bin
    return liquidation_bin if ahead else None
