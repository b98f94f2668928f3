"""Tiers of a maintenance-margin table: which one holds, the deductions, what a sound table is, a stressed one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: A requirement of the whole notional or more has no liquidation price in the formulas, though it liquidates everyone
#: at once. Some tables end at 50 %, so that a stress of +100 % would get there; their slope is held just below.
MAX_STRESSED_RATE = 0.99


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


class TierTableError(ValueError):
    """A table that cannot be used; the message names the tier and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class TierStep:
    """A complete step: holds from its floor up to the next one's."""

    notional_floor_usd: float
    maintenance_margin_rate: float
    maintenance_amount_usd: float
    max_leverage: float


@dataclass(frozen=True, slots=True)
class TierRow:
    """A step as a venue prints it. ``maintenance_amount_usd`` None: to be computed; 0 is a printed zero."""

    notional_floor_usd: float
    maintenance_margin_rate: float
    max_leverage: float
    maintenance_amount_usd: float | None = None


def deductions(floors: Sequence[float], rates: Sequence[float]) -> list[float]:
    """Deductions that keep the requirement continuous: ``c_1 = 0``, ``c_n = c_(n-1) + floor_n (m_n - m_(n-1))``.

    Examples
    --------
    >>> deductions([0, 50_000, 250_000], [0.004, 0.005, 0.01])
    [0.0, 50.0, 1300.0]
    """
    amounts = [0.0]
    for n in range(1, len(floors)):
        amounts.append(amounts[-1] + floors[n] * (rates[n] - rates[n - 1]))
    return [round(amount, 9) for amount in amounts]  # products of decimal figures: cut the dust of binary ones


def tier_table(rows: Sequence[TierRow]) -> tuple[TierStep, ...]:
    """Complete steps, lowest first, from printed rows in any order; deductions that are missing are computed.

    A printed deduction is kept, and the recursion goes on from it.

    Raises
    ------
    TierTableError
        See ``check_tiers``.

    Examples
    --------
    >>> [step.maintenance_amount_usd for step in tier_table([TierRow(50_000, 0.005, 100), TierRow(0, 0.004, 125)])]
    [0.0, 50.0]
    """
    steps: list[TierStep] = []
    for row in sorted(rows, key=lambda row: row.notional_floor_usd):
        amount = row.maintenance_amount_usd
        if amount is None:
            before = steps[-1] if steps else None
            amount = 0.0
            if before is not None:
                rise = row.maintenance_margin_rate - before.maintenance_margin_rate
                amount = round(before.maintenance_amount_usd + row.notional_floor_usd * rise, 9)
        steps.append(TierStep(row.notional_floor_usd, row.maintenance_margin_rate, amount, row.max_leverage))
    check_tiers(steps)
    return tuple(steps)


def half_of_initial(*steps: tuple[float, float]) -> tuple[TierStep, ...]:
    """Tiers of a venue whose maintenance is half the initial margin at the tier's maximum leverage, with deductions.

    Parameters
    ----------
    *steps : tuple
        (notional floor in USD, maximum leverage).

    Examples
    --------
    >>> half_of_initial((0, 40), (150e6, 20))[1]
    TierStep(notional_floor_usd=150000000.0, maintenance_margin_rate=0.025, maintenance_amount_usd=1875000.0, max_leverage=20)
    """  # noqa: E501
    return tier_table([TierRow(floor, 0.5 / leverage, leverage) for floor, leverage in steps])


def check_tiers(tiers: Sequence[Tier]) -> None:
    """Refuse a table that would give wrong prices in silence.

    Raises
    ------
    TierTableError
        Empty; a value that is not finite or out of range; the first floor is not 0; floors that do not rise; a rate
        that falls; a hole between a tier's stated cap (``notional_cap_usd``, where it has one) and the next floor.

    Examples
    --------
    >>> check_tiers([TierStep(10.0, 0.01, 0.0, 50.0)])
    Traceback (most recent call last):
    liqheat_estimator.core.margin.tiers.TierTableError: tier 1 starts at 10.0, not at 0: no rule holds below it
    """
    if not tiers:
        raise TierTableError("the table has no tier")
    for number, tier in enumerate(tiers, start=1):
        if number > 1 and tier.maintenance_margin_rate < tiers[number - 2].maintenance_margin_rate:
            raise TierTableError(f"tier {number}: its maintenance rate {tier.maintenance_margin_rate} falls")
        _check_values(number, tier)
        if number == 1:
            if tier.notional_floor_usd != 0:
                raise TierTableError(f"tier 1 starts at {tier.notional_floor_usd}, not at 0: no rule holds below it")
            continue
        before = tiers[number - 2]
        cap = getattr(before, "notional_cap_usd", tier.notional_floor_usd)
        if tier.notional_floor_usd <= before.notional_floor_usd:
            raise TierTableError(f"tier {number}: its floor {tier.notional_floor_usd} does not rise")
        if cap is None or cap != tier.notional_floor_usd:
            raise TierTableError(f"tier {number} starts at {tier.notional_floor_usd}, the one before ends at {cap}")


def _check_values(number: int, tier: Tier) -> None:
    for name, low, high in (
        ("notional_floor_usd", 0.0, math.inf),
        ("maintenance_margin_rate", 0.0, MAX_STRESSED_RATE),
        ("maintenance_amount_usd", 0.0, math.inf),
        ("max_leverage", 1e-3, math.inf),
    ):
        value = getattr(tier, name)
        if not (math.isfinite(value) and low <= value <= high):
            raise TierTableError(f"tier {number}: {name} is {value}")


def tier_of(tiers: Sequence[Tier], notional_usd: float) -> Tier:
    """Tier of a notional: the last one whose floor it reaches. ``tiers`` rise by floor and are not empty."""
    found = tiers[0]
    for tier in tiers:
        if notional_usd >= tier.notional_floor_usd:
            found = tier
    return found


def stressed_tiers(tiers: Sequence[Tier], maintenance_stress: float) -> Sequence[Tier]:
    """The table as it would be if every maintenance requirement rose by a fraction (0.5: half as much again).

    Rate and deduction rise alike, so that the requirement at every notional does, and a continuous table stays
    continuous. Maximum leverage stays: the position is already open.

    Raises
    ------
    ValueError
        The stress is not finite, or -1 or less: a requirement cannot become negative.

    Examples
    --------
    >>> stressed_tiers([TierStep(0.0, 0.01, 0.0, 50.0)], 0.5)[0].maintenance_margin_rate
    0.015
    """
    if not (math.isfinite(maintenance_stress) and maintenance_stress > -1):
        raise ValueError(f"maintenance_stress is {maintenance_stress}: a finite fraction above -1 is wanted")
    if maintenance_stress == 0:
        return tiers
    factor = 1 + maintenance_stress
    steps: list[TierStep] = []
    for number, tier in enumerate(tiers):
        floor, amount = tier.notional_floor_usd, tier.maintenance_amount_usd * factor
        rate = min(tier.maintenance_margin_rate * factor, MAX_STRESSED_RATE)
        if number and rate == MAX_STRESSED_RATE:
            # Bounded slopes need deductions of their own, which keep the step of the requirement at the floor.
            before = tiers[number - 1]
            rise = floor * (tier.maintenance_margin_rate - before.maintenance_margin_rate)
            step = rise - (tier.maintenance_amount_usd - before.maintenance_amount_usd)
            below = steps[-1]
            amount = below.maintenance_amount_usd + floor * (rate - below.maintenance_margin_rate) - factor * step
        steps.append(TierStep(floor, rate, amount, tier.max_leverage))
    return steps
