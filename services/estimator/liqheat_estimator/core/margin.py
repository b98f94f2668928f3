"""Where a position is liquidated: isolated and cross margin, linear and inverse contracts, margin tiers.

Signs: ``side`` is +1 for a long and -1 for a short. Rates are fractions. ``maintenance_amount`` is the deduction of the
tier that keeps the requirement continuous; ``fee_rate`` is the close fee where the venue counts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

MAX_TIER_STEPS = 20


class Tier(Protocol):
    """A step of a maintenance-margin table; ``MarginTier`` of the contracts is one."""

    @property
    def notional_floor_usd(self) -> float: ...
    @property
    def maintenance_margin_rate(self) -> float: ...
    @property
    def maintenance_amount_usd(self) -> float: ...
    @property
    def max_leverage(self) -> float: ...


def linear_liquidation_price(
    side: int,
    quantity_base: float,
    entry_price: float,
    margin: float,
    maintenance_margin_rate: float,
    maintenance_amount: float = 0.0,
    fee_rate: float = 0.0,
) -> float:
    """Mark price at which a linear position's margin equals its maintenance requirement.

    ``LP = (W + c - s q E) / (q (m + f - s))``. The margin ``W`` is in quote currency; of a cross position it is the
    wallet balance minus the other positions' maintenance margin plus their unrealised profit. A result of zero or
    less means that no price liquidates the position.

    Examples
    --------
    A long of 0.0015 BTC at 66,930 with 20.043862 USD of margin, maintenance 1 %:

    >>> round(linear_liquidation_price(1, 0.0015, 66_930, 20.043862, 0.01), 4)
    54108.5104
    """
    requirement = maintenance_margin_rate + fee_rate - side
    return (margin + maintenance_amount - side * quantity_base * entry_price) / (quantity_base * requirement)


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

    ``LP = S (m + f + s) / (W + c + s S / E)``, negated as a whole for a short, whose two factors are negative.

    Examples
    --------
    >>> round(inverse_liquidation_price(1, 1e7, 45_000, 101, 0.125, 11.605), 1)
    33599.4
    """
    held = margin_base + maintenance_amount_base + side * contracts_usd / entry_price
    return contracts_usd * (maintenance_margin_rate + fee_rate + side) / held


def bankruptcy_price(side: int, entry_price: float, leverage: float, *, is_inverse: bool = False) -> float:
    """Price at which nothing is left of the margin: linear ``E (1 - s / L)``, inverse ``E / (1 + s / L)``.

    >>> bankruptcy_price(1, 1_000, 2), bankruptcy_price(-1, 1_000, 2, is_inverse=True)
    (500.0, 2000.0)
    """
    if is_inverse:
        return entry_price / (1 + side / leverage)
    return entry_price * (1 - side / leverage)


def tier_of(tiers: Sequence[Tier], notional_usd: float) -> Tier:
    """Tier of a notional: the last one whose floor it reaches. ``tiers`` rise by floor and are not empty."""
    found = tiers[0]
    for tier in tiers:
        if notional_usd >= tier.notional_floor_usd:
            found = tier
    return found


def isolated_liquidation_price(
    side: int,
    entry_price: float,
    leverage: float,
    notional_usd: float,
    tiers: Sequence[Tier],
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
) -> float:
    """Liquidation price of an isolated position, with the tier of its notional AT that price.

    The tier is found by iteration: price, notional there, tier, price again. Where two tiers answer each other for
    ever, the one with the higher rate counts, which is the earlier liquidation.

    Parameters
    ----------
    notional_usd : float
        At entry.

    Examples
    --------
    >>> from liqheat_shared.contracts.market_events import MarginTier
    >>> tiers = [MarginTier(notional_floor_usd=0, notional_cap_usd=None, maintenance_margin_rate=0.005,
    ...                     maintenance_amount_usd=0, max_leverage=100)]
    >>> round(isolated_liquidation_price(1, 20_000, 50, 20_000, tiers), 2)
    19698.49
    >>> round(isolated_liquidation_price(-1, 50_000, 10, 60_000, tiers, is_inverse=True), 2)
    55277.78
    """
    tier = tier_of(tiers, notional_usd)
    seen: list[Tier] = []
    while True:
        price = _price_in_tier(side, entry_price, leverage, notional_usd, tier, is_inverse, fee_rate)
        # An inverse position is a fixed number of USD; a linear one is worth its quantity at that price.
        there = notional_usd if is_inverse else notional_usd / entry_price * max(price, 0.0)
        following = tier_of(tiers, there)
        if following is tier:
            return price
        if following in seen or len(seen) >= MAX_TIER_STEPS:
            strict = max(tier, following, key=lambda candidate: candidate.maintenance_margin_rate)
            return _price_in_tier(side, entry_price, leverage, notional_usd, strict, is_inverse, fee_rate)
        seen.append(tier)
        tier = following


def _price_in_tier(
    side: int, entry: float, leverage: float, notional: float, tier: Tier, is_inverse: bool, fee_rate: float
) -> float:
    rate, amount = tier.maintenance_margin_rate, tier.maintenance_amount_usd
    if is_inverse:
        base = notional / entry
        return inverse_liquidation_price(side, notional, entry, base / leverage, rate, amount / entry, fee_rate)
    return linear_liquidation_price(side, notional / entry, entry, notional / leverage, rate, amount, fee_rate)


def liquidation_distance(
    side: int, leverage: float, maintenance_margin_rate: float, *, is_inverse: bool = False, fee_rate: float = 0.0
) -> float:
    """Constant shift ``ln(LP / E)`` of an isolated position of constant leverage: negative for longs.

    Linear ``ln((1 - s/L) / (1 - s (m + f)))``, inverse ``ln((1 + s (m + f)) / (1 + s/L))``; no deduction.

    Raises
    ------
    ValueError
        The leverage is at most 1 for a long (or an inverse short): no price liquidates it.

    Examples
    --------
    >>> round(liquidation_distance(1, 50, 0.005), 6)
    -0.01519
    >>> round(liquidation_distance(-1, 10, 0.005, is_inverse=True), 6)
    0.100348
    """
    kept, left = 1 - side / leverage, 1 - side * (maintenance_margin_rate + fee_rate)
    if is_inverse:
        kept, left = 1 + side * (maintenance_margin_rate + fee_rate), 1 + side / leverage
    if kept <= 0 or left <= 0:
        raise ValueError(f"leverage {leverage} with maintenance {maintenance_margin_rate} has no liquidation price")
    return math.log(kept / left)
