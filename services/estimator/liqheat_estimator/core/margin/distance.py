"""Leverage to liquidation distance and back, and what a printed bankruptcy price tells of the tier.

A distance is ``ln(LP / E)``: negative for a long, positive for a short. At constant leverage it does not depend on the
entry price, so that all positions of a leverage are shifted alike on a log-price axis. One tier without deduction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from liqheat_estimator.core.margin.tiers import Tier
from liqheat_estimator.core.margin.venue_rules import Basis


def liquidation_distance(
    side: int,
    leverage: float,
    maintenance_margin_rate: float,
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
    maintenance_basis: Basis = "mark",
    maintenance_stress: float = 0.0,
) -> float:
    """Constant shift ``ln(LP / E)`` of an isolated position of constant leverage: negative for longs.

    Maintenance on mark, with ``m`` the stressed rate plus fee: linear ``ln((1 - s/L) / (1 - s m))``, inverse
    ``ln((1 + s m) / (1 + s/L))``. On entry: linear ``ln(1 - s/L + s m)``, inverse ``-ln(1 + s/L - s m)``.

    A result on the wrong side (positive for a long) says that the initial margin does not cover the requirement: the
    position is liquidated as soon as the rule holds for it.

    Raises
    ------
    ValueError
        No price liquidates the position: the leverage of a long (or of an inverse short) is 1 or less.

    Examples
    --------
    >>> round(liquidation_distance(1, 50, 0.005), 6)
    -0.01519
    >>> round(liquidation_distance(-1, 10, 0.005, is_inverse=True), 6)
    0.100348
    >>> round(liquidation_distance(1, 50, 0.005, maintenance_stress=1.0), 6)  # requirements twice as high
    -0.010152
    """
    required = maintenance_margin_rate * (1 + maintenance_stress) + fee_rate
    # On the axis turned round, an inverse contract is a linear one of the other side.
    turned = -side if is_inverse else side
    held, kept = 1 - turned / leverage, 1 - turned * required
    if maintenance_basis == "entry":
        held, kept = held + turned * required, 1.0
    if held <= 0 or kept <= 0:
        raise ValueError(f"leverage {leverage} with maintenance {required} has no liquidation price")
    distance = math.log(held / kept)
    return -distance if is_inverse else distance


def leverage_of_distance(
    side: int,
    distance: float,
    maintenance_margin_rate: float,
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
    maintenance_basis: Basis = "mark",
    maintenance_stress: float = 0.0,
) -> float:
    """Leverage whose isolated positions are liquidated at a distance: the inverse of ``liquidation_distance``.

    Raises
    ------
    ValueError
        The distance lies beyond the entry, on the wrong side, by more than maintenance explains: the margin would have
        to be negative.

    Examples
    --------
    >>> round(leverage_of_distance(1, liquidation_distance(1, 50, 0.005), 0.005), 9)
    50.0
    """
    required = maintenance_margin_rate * (1 + maintenance_stress) + fee_rate
    turned = -side if is_inverse else side
    ratio = math.exp(-distance if is_inverse else distance)
    if maintenance_basis == "entry":
        margin_share = turned * (1 - ratio) + required
    else:
        margin_share = turned * (1 - ratio * (1 - turned * required))
    if margin_share <= 0:
        raise ValueError(f"distance {distance} on side {side} with maintenance {required} belongs to no leverage")
    return 1 / margin_share


def maintenance_rate_of_bankruptcy(
    side: int, bankruptcy_price: float, mark_price: float, *, is_inverse: bool = False, fee_rate: float = 0.0
) -> float:
    """Effective maintenance rate of a liquidated position, from its bankruptcy price and the mark at that moment.

    Linear ``m = s (1 - BP / mark) - f``, inverse ``m = s (mark / BP - 1) - f``: at the trigger the margin that is left,
    which is the way from mark to bankruptcy, equals the requirement. It says how large the position was (its tier), and
    nothing of its leverage. Where tiers have deductions it is the mean rate ``m_n - c_n / notional``.

    Returns
    -------
    float
        Zero or less: the mark had passed the bankruptcy price, or the fee is not in the printed price.

    Examples
    --------
    >>> round(maintenance_rate_of_bankruptcy(1, 19_600, 19_698.4925), 6)
    0.005
    >>> round(maintenance_rate_of_bankruptcy(-1, 20_400, 20_298.5075), 6)
    0.005
    """
    if is_inverse:
        return side * (mark_price / bankruptcy_price - 1) - fee_rate
    return side * (1 - bankruptcy_price / mark_price) - fee_rate


def notional_of_maintenance_rate(tiers: Sequence[Tier], effective_rate: float) -> tuple[float, float]:
    """Range of notionals (USD) whose requirement is this share of them: where ``m_n - c_n / notional`` meets it.

    With deductions the mean rate rises within each tier but the first, so that a rate above the first tier's names the
    notional itself and both bounds are equal. A rate that a whole tier shares gives the tier. ``tiers`` rise by floor.

    Returns
    -------
    tuple of float
        Lowest and highest notional; the highest may be infinite. A rate below the first tier's gives the first tier,
        one above all gives (last floor, infinity); one that a table without deductions jumps over gives the jump.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import TierRow, tier_table
    >>> table = tier_table([TierRow(0.0, 0.004, 125), TierRow(50e3, 0.005, 100), TierRow(250e3, 0.01, 50)])
    >>> notional_of_maintenance_rate(table, 0.004)
    (0.0, 50000.0)
    >>> low, high = notional_of_maintenance_rate(table, 0.0075)  # 0.01 - 1,300 / notional
    >>> low == high, round(low)
    (True, 520000)
    """
    for index, tier in enumerate(tiers):
        floor, rate, amount = tier.notional_floor_usd, tier.maintenance_margin_rate, tier.maintenance_amount_usd
        cap = tiers[index + 1].notional_floor_usd if index + 1 < len(tiers) else math.inf
        lowest = rate - amount / floor if floor > 0 else rate
        highest = rate - amount / cap
        if effective_rate < lowest and not math.isclose(effective_rate, lowest, rel_tol=1e-9):
            return (0.0, cap) if index == 0 else (floor, floor)
        if math.isclose(lowest, highest, rel_tol=1e-9):
            if math.isclose(effective_rate, lowest, rel_tol=1e-9):
                return floor, cap
        elif effective_rate < highest:
            notional = max(amount / (rate - effective_rate), floor)
            return notional, notional
    return tiers[-1].notional_floor_usd, math.inf
