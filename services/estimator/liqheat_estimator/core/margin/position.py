"""A position and the margin behind it, isolated or cross."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self


def cross_margin(wallet_balance: float, others_maintenance: float, others_unrealised_pnl: float) -> float:
    """Margin behind one position of a cross account: what the wallet leaves after the account's other positions.

    Wallet balance minus the other positions' maintenance margin plus their unrealised profit, all in one currency. It
    holds as long as the other positions stand still, which they don't: it is an account's property, not a position's.

    Examples
    --------
    >>> round(cross_margin(1_535_443.01, 356_512.508, -448_192.89), 3)
    730737.612
    """
    return wallet_balance - others_maintenance + others_unrealised_pnl


@dataclass(frozen=True, slots=True)
class Position:
    """One open position with the margin that it can lose.

    Attributes
    ----------
    side : int
        +1 long, -1 short.
    quantity : float
        Linear: in the coin. Inverse: contracts in USD.
    entry_price : float
        Or the mark, if ``margin`` then counts the unrealised profit: the liquidation price is the same where the
        venue takes maintenance from the mark.
    margin : float
        Linear: in quote currency. Inverse: in the coin.
    is_inverse : bool
    others_maintenance : float
        Maintenance of the account's other positions, which ``margin`` has already given up: what a stress raises and
        a backstop lowers. 0 if isolated.

    Raises
    ------
    ValueError
        A side, quantity, price or margin that no position has.
    """

    side: int
    quantity: float
    entry_price: float
    margin: float
    is_inverse: bool = False
    others_maintenance: float = 0.0

    def __post_init__(self) -> None:
        if self.side not in (1, -1):
            raise ValueError(f"side is {self.side}: +1 for a long or -1 for a short is wanted")
        if not (self.quantity > 0 and self.entry_price > 0):
            raise ValueError(f"quantity {self.quantity} and entry price {self.entry_price} must be positive")
        if not (math.isfinite(self.margin) and math.isfinite(self.others_maintenance)):
            raise ValueError(f"margin {self.margin} and others' maintenance {self.others_maintenance} must be finite")

    @classmethod
    def isolated(
        cls, side: int, entry_price: float, leverage: float, notional_usd: float, *, is_inverse: bool = False
    ) -> Self:
        """With the initial margin of a leverage; ``notional_usd`` is the one at entry.

        Examples
        --------
        >>> Position.isolated(1, 20_000.0, 50, 20_000.0)
        Position(side=1, quantity=1.0, entry_price=20000.0, margin=400.0, is_inverse=False, others_maintenance=0.0)
        """
        base = notional_usd / entry_price
        if is_inverse:
            return cls(side, notional_usd, entry_price, base / leverage, True)
        return cls(side, base, entry_price, notional_usd / leverage)

    @classmethod
    def cross(
        cls,
        side: int,
        quantity: float,
        entry_price: float,
        wallet_balance: float,
        others_maintenance: float = 0.0,
        others_unrealised_pnl: float = 0.0,
        *,
        is_inverse: bool = False,
    ) -> Self:
        """One position of a cross account, the others standing still. Arguments as of ``cross_margin``.

        Examples
        --------
        >>> round(Position.cross(1, 109.488, 32_481.98, 1_535_443.01, 356_512.508, -448_192.89).margin, 3)
        730737.612
        """
        margin = cross_margin(wallet_balance, others_maintenance, others_unrealised_pnl)
        return cls(side, quantity, entry_price, margin, is_inverse, others_maintenance)

    def required_times(self, factor: float) -> Position:
        """The same with the other positions' maintenance multiplied; its own is the tier table's affair."""
        if factor == 1 or self.others_maintenance == 0:
            return self
        return replace(
            self,
            margin=self.margin - (factor - 1) * self.others_maintenance,
            others_maintenance=factor * self.others_maintenance,
        )

    def tier_notional_usd(self, price: float, tier_price: float) -> float:
        """Notional at a price, in the unit of the tier table.

        A linear position is worth its quantity at that price. Tables of inverse contracts are kept in the coin, of
        which fixed contracts are the more the lower the price; ``tier_price`` is the one at which the table was turned
        into USD.
        """
        if self.is_inverse:
            return self.quantity / price * tier_price if price > 0 else 0.0
        return self.quantity * max(price, 0.0)
