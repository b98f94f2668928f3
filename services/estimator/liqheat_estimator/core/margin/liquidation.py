"""The liquidation of a position in a table of tiers, by a venue's rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liqheat_estimator.core.margin.formulas import (
    inverse_liquidation_price,
    inverse_liquidation_price_on_entry,
    linear_liquidation_price,
    linear_liquidation_price_on_entry,
)
from liqheat_estimator.core.margin.position import Position
from liqheat_estimator.core.margin.tiers import Tier, stressed_tiers, tier_of
from liqheat_estimator.core.margin.venue_rules import MARK_RULE, Basis, VenueRule, first_share

Formula = Callable[[int, float, float, float, float, float, float], float]

#: By (is the contract inverse, what the venue takes maintenance from).
FORMULAS: dict[tuple[bool, Basis], Formula] = {
    (False, "mark"): linear_liquidation_price,
    (False, "entry"): linear_liquidation_price_on_entry,
    (True, "mark"): inverse_liquidation_price,
    (True, "entry"): inverse_liquidation_price_on_entry,
}


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Where and how a position ends.

    Attributes
    ----------
    price : float or None
        Mark at the first trigger; None: no price liquidates the position. On the wrong side of the entry (above it for
        a long): the margin does not cover the requirement even now.
    bankruptcy_price : float or None
        Where the margin is gone; None: nowhere.
    backstop_price : float or None
        Where the venue's backstop takes over; None: the venue has none, or no price reaches it.
    tier : Tier
        The one that ``price`` was computed in, of the table as stressed.
    first_share : float
        Share of the position that the first liquidation order takes.
    """

    price: float | None
    bankruptcy_price: float | None
    backstop_price: float | None
    tier: Tier
    first_share: float


def liquidation_of(
    position: Position,
    tiers: Sequence[Tier],
    rule: VenueRule = MARK_RULE,
    *,
    taker_fee_rate: float | None = None,
    maintenance_stress: float = 0.0,
    tier_price: float | None = None,
) -> Liquidation:
    """Liquidation of a position, isolated or cross, by the rule of a venue.

    Parameters
    ----------
    tiers : sequence of Tier
        Lowest first, with deductions.
    taker_fee_rate : float, optional
        Counted where the rule counts it.
    maintenance_stress : float
        Fraction by which requirements are supposed to rise, those of the account's other positions too.
    tier_price : float, optional
        Inverse contracts: the price at which the table was turned from the coin into USD; by default the entry price.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import half_of_initial
    >>> from liqheat_estimator.core.margin.venue_rules import venue_rule
    >>> position = Position(side=1, quantity=0.0015, entry_price=66_930, margin=20.043862)
    >>> found = liquidation_of(position, half_of_initial((0, 50)), venue_rule("hyperliquid", 0))
    >>> round(found.price, 4), round(found.backstop_price, 4), round(found.bankruptcy_price, 4)
    (54108.5104, 53926.9383, 53567.4253)
    """
    fee = rule.close_fee_rate(taker_fee_rate)
    table = stressed_tiers(tiers, maintenance_stress)
    reference = position.entry_price if tier_price is None else tier_price
    bankrupt = price_at(position.required_times(0), "mark", 0.0, 0.0, 0.0)
    position = position.required_times(1 + maintenance_stress)
    price, tier = first_trigger(position, table, rule, fee, reference)
    backstop = None
    if rule.backstop_share is not None:
        lower, smaller = position.required_times(rule.backstop_share), stressed_tiers(table, rule.backstop_share - 1)
        at_backstop = first_trigger(lower, smaller, rule, 0.0, reference)
        backstop = _reached(at_backstop[0])
    notional = position.tier_notional_usd(position.entry_price, reference)
    if rule.tier_basis == "mark" and _reached(price) is not None:
        notional = position.tier_notional_usd(price, reference)
    return Liquidation(_reached(price), _reached(bankrupt), backstop, tier, first_share(rule, table, notional))


def first_trigger(
    position: Position, tiers: Sequence[Tier], rule: VenueRule, fee_rate: float, tier_price: float
) -> tuple[float, Tier]:
    """Price of the first trigger and the tier that it was computed in. See ``liquidation_of``; the fee counts as given.

    The tier at the liquidation price is found by iteration from the one at entry: price, notional there, tier, price
    again. With deductions that keep the requirement continuous it ends at the tier of the result. Without, two tiers
    can answer each other for ever; then the stricter of them counts, the one that liquidates earlier.

    Returns
    -------
    tuple of (float, Tier)
        A price that is not positive and finite says that none liquidates the position.
    """

    def price_in(tier: Tier) -> float:
        amount = tier.maintenance_amount_usd / (tier_price if position.is_inverse else 1.0)
        return price_at(position, rule.maintenance_basis, tier.maintenance_margin_rate, amount, fee_rate)

    tier = tier_of(tiers, position.tier_notional_usd(position.entry_price, tier_price))
    if rule.tier_basis == "entry":
        return price_in(tier), tier
    visited: list[Tier] = []
    while not any(tier is one for one in visited):
        visited.append(tier)
        price = price_in(tier)
        following = tier_of(tiers, position.tier_notional_usd(price, tier_price))
        if following is tier:
            return price, tier
        tier = following
    circle = visited[next(index for index, one in enumerate(visited) if one is tier) :]
    prices = [(price_in(one), one) for one in circle]
    return max(prices, key=lambda pair: position.side * pair[0])


def price_at(
    position: Position, basis: Basis, maintenance_margin_rate: float, maintenance_amount: float, fee_rate: float
) -> float:
    """Liquidation price within one tier, its deduction in the currency of the margin."""
    formula = FORMULAS[position.is_inverse, basis]
    entry = position.entry_price
    whole = position.quantity / entry if position.is_inverse else position.quantity * entry
    margin = position.margin
    if position.side == (1 if position.is_inverse else -1):
        # An account can have lost more than this position can ever win back. It is then liquidated at every price,
        # which the formulas say while the loss stays just below the whole: beyond it they turn to "at none".
        margin = max(margin, -whole * (1 - 1e-9))
    return formula(
        position.side,
        position.quantity,
        entry,
        margin,
        maintenance_margin_rate,
        maintenance_amount,
        fee_rate,
    )


def _reached(price: float) -> float | None:
    return price if price > 0 and math.isfinite(price) else None


def isolated_liquidation_price(
    side: int,
    entry_price: float,
    leverage: float,
    notional_usd: float,
    tiers: Sequence[Tier],
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
    rule: VenueRule = MARK_RULE,
    maintenance_stress: float = 0.0,
) -> float:
    """Liquidation price of an isolated position with the initial margin of its leverage.

    Parameters
    ----------
    notional_usd : float
        At entry.
    fee_rate : float
        The close fee, counted as given: pass ``rule.close_fee_rate(taker_fee_rate)``.
    rule : VenueRule
        Says what maintenance and tier are taken from.
    maintenance_stress : float
        Fraction by which requirements are supposed to rise.

    Returns
    -------
    float
        Not positive, or infinite: no price liquidates the position.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import TierRow, tier_table
    >>> tiers = tier_table([TierRow(0, 0.005, 100)])
    >>> round(isolated_liquidation_price(1, 20_000, 50, 20_000, tiers), 2)
    19698.49
    >>> round(isolated_liquidation_price(-1, 50_000, 10, 60_000, tiers, is_inverse=True), 2)
    55277.78
    >>> round(isolated_liquidation_price(1, 20_000, 50, 20_000, tiers, maintenance_stress=1.0), 2)
    19797.98
    """
    position = Position.isolated(side, entry_price, leverage, notional_usd, is_inverse=is_inverse)
    return first_trigger(position, stressed_tiers(tiers, maintenance_stress), rule, fee_rate, entry_price)[0]
