"""Margin tiers as venues tell them, checked against what they must be, as a table with its date."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.margin_tables import MarginTable, Tier

#: Venues round deductions; a missing tier is off by far more.
DEDUCTION_TOLERANCE = 0.01
#: Caps that are told in coins or contracts are news in USD when the mark has moved them by as much.
CAPS_WITHIN = 0.1


class ToldTier(NamedTuple):
    """A tier as a venue tells it: cap in USD (None: no bound), rates as fractions, deduction where it is told."""

    cap_usd: float | None
    maintenance_margin_rate: float
    max_leverage: float
    deduction_usd: float | None = None


def margin_table(told: list[ToldTier], valid_from_ms: int, source: str, *, marginal: bool = True) -> MarginTable:
    """A table from the tiers of one market.

    The venue's deduction is kept where it is told, and must be the one that keeps the requirement continuous
    (``c_n = c_(n-1) + floor_n * (m_n - m_(n-1))``): a tier that is missing or wrong shows in it.

    Parameters
    ----------
    marginal : bool
        Whether a rate holds for the part of the notional in its tier. False (OKX): for all of it, so nothing is
        deducted and the requirement jumps at a floor.

    Raises
    ------
    BadMessage
        Rates do not rise with caps, caps are doubled, or a rate is not below the initial margin.

    Examples
    --------
    >>> table = margin_table([ToldTier(2e6, 0.005, 100, 0.0), ToldTier(2.6e6, 0.0056, 90, 1200.0)], 0, "an example")
    >>> [tier.maintenance_amount_usd for tier in table.tiers]
    [0.0, 1200.0]
    """
    ordered = sorted(told, key=lambda tier: float("inf") if tier.cap_usd is None else tier.cap_usd)
    if not ordered:
        raise BadMessage("invalid-field", "no margin tier")
    for below, above in pairwise(ordered):
        if below.cap_usd is None or below.cap_usd == above.cap_usd:
            raise BadMessage("invalid-field", f"two margin tiers up to {below.cap_usd}")
        if above.maintenance_margin_rate < below.maintenance_margin_rate or above.max_leverage > below.max_leverage:
            raise BadMessage("invalid-field", f"margin does not rise above {below.cap_usd:g} USD")
    tiers: list[Tier] = []
    floor, amount, previous = 0.0, 0.0, ordered[0].maintenance_margin_rate
    for tier in ordered:
        rate = tier.maintenance_margin_rate
        if not 0.0 < rate < 1.0 or tier.max_leverage < 1.0 or rate > 1.0 / tier.max_leverage:
            raise BadMessage(
                "invalid-field",
                f"a maintenance margin of {rate:g} does not go with a leverage of {tier.max_leverage:g}",
            )
        amount += floor * (rate - previous) if marginal else 0.0
        if tier.deduction_usd is not None:
            if abs(tier.deduction_usd - amount) > DEDUCTION_TOLERANCE * amount + 1.0:
                raise BadMessage(
                    "invalid-field", f"a deduction of {tier.deduction_usd:g} where the tiers below give {amount:g}"
                )
            amount = tier.deduction_usd
        tiers.append(Tier(floor, tier.cap_usd, rate, round(amount, 6), tier.max_leverage))
        floor, previous = tier.cap_usd or floor, rate
    return MarginTable(tuple(tiers), valid_from_ms, source)
