"""The price at which margin meets requirement, within one tier: linear and inverse, maintenance on mark or on entry.

``maintenance_amount`` is the deduction of the tier that keeps the requirement continuous; ``fee_rate`` is the close fee
where the venue counts it. The margin is what the position can lose: of a cross position see ``position.cross_margin``.
A linear result of zero or less, and an inverse one that is negative or infinite, says that no price liquidates.
"""

from __future__ import annotations

import math


def linear_liquidation_price(
    side: int,
    quantity_base: float,
    entry_price: float,
    margin: float,
    maintenance_margin_rate: float,
    maintenance_amount: float = 0.0,
    fee_rate: float = 0.0,
) -> float:
    """Mark price at which a linear position's margin equals its maintenance requirement at that mark.

    ``LP = (W + c - s q E) / (q (m + f - s))``, from ``W + s q (LP - E) = q LP (m + f) - c``. The margin ``W`` and the
    deduction ``c`` are in quote currency. A result of zero or less means that no price liquidates the position.

    Examples
    --------
    A long of 0.0015 BTC at 66,930 with 20.043862 USD of margin, maintenance 1 %:

    >>> round(linear_liquidation_price(1, 0.0015, 66_930, 20.043862, 0.01), 4)
    54108.5104
    """
    requirement = maintenance_margin_rate + fee_rate - side
    return (margin + maintenance_amount - side * quantity_base * entry_price) / (quantity_base * requirement)


def linear_liquidation_price_on_entry(
    side: int,
    quantity_base: float,
    entry_price: float,
    margin: float,
    maintenance_margin_rate: float,
    maintenance_amount: float = 0.0,
    fee_rate: float = 0.0,
) -> float:
    """The same where the venue takes the requirement from the entry value: it does not move with the mark.

    ``LP = E - s (W + c - q E (m + f)) / q``: the rule of BitMEX, and of Bybit before 2025-09-02.

    Examples
    --------
    >>> linear_liquidation_price_on_entry(1, 1, 20_000, 400, 0.005)  # 50x
    19700.0
    >>> linear_liquidation_price_on_entry(1, 20, 1_000, 10_000, 0.01)
    510.0
    """
    required = quantity_base * entry_price * (maintenance_margin_rate + fee_rate) - maintenance_amount
    return entry_price - side * (margin - required) / quantity_base


def inverse_liquidation_price(
    side: int,
    contracts_usd: float,
    entry_price: float,
    margin_base: float,
    maintenance_margin_rate: float,
    maintenance_amount_base: float = 0.0,
    fee_rate: float = 0.0,
) -> float:
    """Mark price at which an inverse position (size in USD, margin in the coin) is liquidated.

    ``LP = S (m + f + s) / (W + c + s S / E)``; for a short both factors are negative. A short whose margin is worth
    more than its contracts has no liquidation price: the result is negative, or infinite at equality.

    Examples
    --------
    >>> round(inverse_liquidation_price(1, 1e7, 45_000, 101, 0.125, 11.605), 1)
    33599.4
    """
    held = margin_base + maintenance_amount_base + side * contracts_usd / entry_price
    return _inverse_quotient(contracts_usd * (maintenance_margin_rate + fee_rate + side), held)


def inverse_liquidation_price_on_entry(
    side: int,
    contracts_usd: float,
    entry_price: float,
    margin_base: float,
    maintenance_margin_rate: float,
    maintenance_amount_base: float = 0.0,
    fee_rate: float = 0.0,
) -> float:
    """The inverse price where the requirement stays the one of the entry value.

    ``LP = s S / (W + c - S (m + f) / E + s S / E)``; in terms of leverage ``E L / (L + s - s m L)``.

    Examples
    --------
    >>> round(inverse_liquidation_price_on_entry(1, 60_000, 50_000, 0.12, 0.005), 2)
    45662.1
    """
    required = contracts_usd / entry_price * (maintenance_margin_rate + fee_rate) - maintenance_amount_base
    return _inverse_quotient(side * contracts_usd, margin_base - required + side * contracts_usd / entry_price)


def _inverse_quotient(contracts: float, held: float) -> float:
    return contracts / held if held else math.inf


def bankruptcy_price(side: int, entry_price: float, leverage: float, *, is_inverse: bool = False) -> float:
    """Price at which nothing is left of the margin: linear ``E (1 - s / L)``, inverse ``E / (1 + s / L)``.

    With a margin instead of a leverage, use the liquidation price with no maintenance: ``liquidation_of`` gives both.

    >>> bankruptcy_price(1, 1_000, 2), bankruptcy_price(-1, 1_000, 2, is_inverse=True)
    (500.0, 2000.0)
    """
    if is_inverse:
        return _inverse_quotient(entry_price, 1 + side / leverage)
    return entry_price * (1 - side / leverage)
