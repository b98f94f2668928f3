"""One side of a simulated market's positions. Sizes are whole lots, so sums are exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.margin_tables import Tier
from liqheat_ingest.market_simulation.liquidation_price import (
    isolated_inverse_liquidation_price,
    isolated_liquidation_price,
    tier_of_size,
)


class LiquidatedPosition(NamedTuple):
    """A position that the mark price has just closed."""

    lots: int
    entry_price: float
    leverage: float
    liquidation_price: float
    account: int


#: Side, size, entry price, leverage and tiers to the mark price that liquidates; 0: none does.
LiquidationPrice = Callable[[int, float, float, float, Sequence[Tier]], float]


class PositionBook:
    """All longs, or all shorts, of one market.

    Parameters
    ----------
    side : int
        +1 longs, -1 shorts.
    lot_size_base : float
        Units of the coin in a lot.
    tiers : tuple of Tier
        The venue's margin table.
    liquidation_price : callable
        The venue's rule; a linear contract's by default. An inverse one takes the size, and the lots, in USD.
    """

    #: Attributes with one value a position.
    COLUMNS: ClassVar[tuple[str, ...]] = ("_lots", "_entry", "_leverage", "_liquidation", "_account")

    def __init__(
        self,
        side: int,
        lot_size_base: float,
        tiers: tuple[Tier, ...],
        liquidation_price: LiquidationPrice = isolated_liquidation_price,
    ) -> None:
        self.side = side
        self.lot_size_base = lot_size_base
        self.tiers = tiers
        self._liquidation_price = liquidation_price
        #: Whether an opening's leverage is cut to what its tier allows, as venues do.
        self.limits_leverage = False
        #: Whether bounds of tiers are sizes (of the lots' unit), and a tier's rate holds for all of a position.
        self.tiers_by_size = False
        self._is_inverse = liquidation_price is isolated_inverse_liquidation_price
        self._next_account = 0
        self.count = 0
        self.total_lots = 0
        self._lots = np.zeros(1024, dtype=np.int64)
        self._entry = np.zeros(1024)
        self._leverage = np.zeros(1024)
        self._liquidation = np.zeros(1024)
        self._account = np.zeros(1024, dtype=np.int64)
        #: Nearest liquidation price: the highest of longs, the lowest of shorts.
        self._nearest = -inf if side > 0 else inf

    @property
    def lots(self) -> NDArray[np.int64]:
        """Lots of each position."""
        return self._lots[: self.count]

    @property
    def entry_prices(self) -> NDArray[np.float64]:
        """Price at which each position was entered."""
        return self._entry[: self.count]

    @property
    def accounts(self) -> NDArray[np.int64]:
        """Number of the account that holds each position: every opening is a new account's."""
        return self._account[: self.count]

    @property
    def leverage(self) -> NDArray[np.float64]:
        """Leverage of each position at its opening."""
        return self._leverage[: self.count]

    @property
    def liquidation_prices(self) -> NDArray[np.float64]:
        """Liquidation price of each position; 0: none."""
        return self._liquidation[: self.count]

    def open(self, lots: int, entry_price: float, leverage: float) -> int | None:
        """Add a position; returns its account, None where there are no lots."""
        if lots <= 0:
            return None
        if self.count == len(self._lots):
            for name in self.COLUMNS:
                column = getattr(self, name)
                setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
        if self.limits_leverage:
            leverage = min(leverage, self.max_leverage(lots, entry_price))
        price = self.liquidation_price_of(lots, entry_price, leverage)
        i = self.count
        account = self._next_account
        self._next_account += 1
        self._account[i] = account
        self._lots[i], self._entry[i], self._leverage[i], self._liquidation[i] = lots, entry_price, leverage, price
        self.count += 1
        self.total_lots += lots
        self._nearest = max(self._nearest, price) if self.side > 0 else min(self._nearest, price)
        return account

    def liquidation_price_of(self, lots: int, entry_price: float, leverage: float) -> float:
        """Mark price that would liquidate such a position; 0: none."""
        quantity = lots * self.lot_size_base
        tiers = (tier_of_size(quantity, self.tiers),) if self.tiers_by_size else self.tiers
        return self._liquidation_price(self.side, quantity, entry_price, leverage, tiers)

    def max_leverage(self, lots: int, entry_price: float) -> float:
        """What the tier of so many lots allows."""
        notional = lots * self.lot_size_base
        if self.tiers_by_size:
            return tier_of_size(notional, self.tiers).max_leverage
        notional = notional / entry_price if self._is_inverse else notional * entry_price
        for tier in self.tiers:
            if tier.notional_cap_usd is None or notional <= tier.notional_cap_usd:
                return tier.max_leverage
        return self.tiers[-1].max_leverage

    def close_one(self, random: np.random.Generator) -> int:
        """Close a whole position by chance, each equally likely; returns its lots."""
        if self.count == 0:
            return 0
        return self._remove(int(random.integers(self.count)))

    def close_lots(self, lots: int, random: np.random.Generator) -> int:
        """Close so many lots, position by position, the last one in part; returns how many were there to close."""
        left = min(lots, self.total_lots)
        closed = left
        while left > 0:
            i = int(random.integers(self.count))
            if self._lots[i] <= left:
                left -= self._remove(i)
            else:
                self._lots[i] -= left
                self.total_lots -= left
                left = 0
                if self.limits_leverage:
                    self._reprice(i)
        return closed

    def liquidate(self, mark_price: float) -> list[LiquidatedPosition]:
        """Close every position whose liquidation price the mark has reached."""
        if (self.side > 0 and mark_price > self._nearest) or (self.side < 0 and mark_price < self._nearest):
            return []
        prices = self.liquidation_prices
        reached = np.flatnonzero(prices >= mark_price if self.side > 0 else prices <= mark_price)
        closed = [
            LiquidatedPosition(
                int(self._lots[i]),
                float(self._entry[i]),
                float(self._leverage[i]),
                float(prices[i]),
                int(self._account[i]),
            )
            for i in reached
        ]
        for i in reached[::-1]:
            self._remove(int(i))
        prices = self.liquidation_prices
        if self.side > 0:
            self._nearest = float(prices.max(initial=-inf))
        else:
            self._nearest = float(prices.min(initial=inf))
        return closed

    def _reprice(self, i: int) -> None:
        """A smaller position may be in another tier."""
        price = self.liquidation_price_of(int(self._lots[i]), float(self._entry[i]), float(self._leverage[i]))
        self._liquidation[i] = price
        self._nearest = max(self._nearest, price) if self.side > 0 else min(self._nearest, price)

    def _remove(self, i: int) -> int:
        lots = int(self._lots[i])
        last = self.count - 1
        for name in self.COLUMNS:
            column = getattr(self, name)
            column[i] = column[last]
        self.count = last
        self.total_lots -= lots
        return lots
