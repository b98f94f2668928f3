"""Positions of one market that are read from a public chain: exact, at their own liquidation price."""

from __future__ import annotations

import math
from typing import NamedTuple

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.parameters import LONG, WINDOW_BINS
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Accounts that a market remembers; the one that was heard of longest ago makes room.
MAX_ACCOUNTS = 5_000


class MeasuredPosition(NamedTuple):
    """One account's position.

    Attributes
    ----------
    liquidation_at : float or None
        Log price in bins; None: no price within reach liquidates it.
    confirmed_ms : int
        Receive time of the event that told of it last.
    """

    side: int
    quantity_base: float
    liquidation_at: float | None
    confirmed_ms: int


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

    def release(self, before_ms: int) -> list[MeasuredPosition]:
        """Forget those that were confirmed last before a time, and return them.

        They are in the order of their confirmations, so only the first has to be looked at.
        """
        released: list[MeasuredPosition] = []
        while self.accounts:
            account, position = next(iter(self.accounts.items()))
            if position.confirmed_ms >= before_ms:
                break
            self.take(account)
            released.append(position)
        return released

    def consume(self, side: int, low: float, high: float) -> tuple[float, float]:
        """Forget the positions of a side that are liquidated between two log prices: (coin, USD where they stood)."""
        if not self.counts[side]:
            return 0.0, 0.0
        reached = [
            account
            for account, (held, _, place, _) in self.accounts.items()
            if held == side and place is not None and low <= place <= high
        ]
        base = usd = 0.0
        for account in reached:
            position = self.take(account)
            assert position is not None
            assert position.liquidation_at is not None
            base += position.quantity_base
            usd += position.quantity_base * math.exp(position.liquidation_at * BIN_WIDTH)
        return base, usd

    def add_to(self, density: Floats, first_bin: int) -> None:
        """Add the positions to a density of shape (2, WINDOW_BINS) in place."""
        for side, quantity_base, place, _ in self.accounts.values():
            if place is not None and 0 <= math.floor(place) - first_bin < WINDOW_BINS:
                density[side, math.floor(place) - first_bin] += quantity_base

    def at(self, side: int, bin_index: int) -> float:
        """Quantity of a side in one bin."""
        total = 0.0
        for held, quantity_base, place, _ in self.accounts.values():
            if held == side and place is not None and math.floor(place) == bin_index:
                total += quantity_base
        return total


def reachable(side: int, liquidation_at: float | None, mark_at: float | None) -> float | None:
    """The place, or None where the mark has passed it already: such a price contradicts that the position is open.

    >>> reachable(LONG, 90.5, 100.0), reachable(LONG, 100.0, 100.0)
    (90.5, None)
    """
    if liquidation_at is None or mark_at is None:
        return liquidation_at
    ahead = liquidation_at < mark_at if side == LONG else liquidation_at > mark_at
    return liquidation_at if ahead else None
