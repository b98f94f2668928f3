"""What each venue takes maintenance from, and when, in one table. A new rule of a venue is a new dated row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from liqheat_estimator.core.margin.tiers import Tier, tier_of

Basis = Literal["mark", "entry"]
FirstStep = Literal["whole", "one-fifth", "two-tiers-down"]

#: Hyperliquid sends a fifth of a position above this to the book first.
ONE_FIFTH_ABOVE_USD = 100_000.0


@dataclass(frozen=True, slots=True)
class VenueRule:
    """How a venue decides that a position is liquidated. The trigger is the mark price everywhere.

    Attributes
    ----------
    holds_from_ms : int
        0: as far back as our data goes.
    maintenance_basis : {"mark", "entry"}
        The price at which the notional that maintenance is a share of is taken.
    tier_basis : {"mark", "entry"}
        mark: the tier is the one of the notional at the liquidation price. entry: the one of the notional at entry,
        because the venue's bounds are in contracts (whose number does not move) or in entry value.
    counts_close_fee : bool
        The taker fee of closing is part of the requirement.
    first_step : {"whole", "one-fifth", "two-tiers-down"}
        What the first liquidation order takes. The liquidation price is always the FIRST trigger: what is left after
        a partial liquidation has a price of its own, farther away.
    backstop_share : float or None
        Share of maintenance below which a backstop takes over what is left; None: there is no such second threshold.
    source : str
    """

    venue: str
    holds_from_ms: int
    maintenance_basis: Basis
    tier_basis: Basis
    counts_close_fee: bool
    first_step: FirstStep
    backstop_share: float | None
    source: str

    def close_fee_rate(self, taker_fee_rate: float | None) -> float:
        """The fee that counts in the requirement: the taker fee; 0 where the venue leaves it out or it is unknown."""
        return (taker_fee_rate or 0.0) if self.counts_close_fee else 0.0


#: Also what an unknown venue gets: the rule that most venues have come to.
MARK_RULE = VenueRule("", 0, "mark", "mark", False, "whole", None, "assumption: maintenance on mark, no close fee")

#: 2025-09-02 00:00 UTC. Bybit names the day, not the hour.
BYBIT_MARK_RULE_MS = 1_756_771_200_000

VENUE_RULES: dict[str, tuple[VenueRule, ...]] = {
    "binance": (
        VenueRule("binance", 0, "mark", "mark", False, "whole", None, "Binance FAQ b3c689c1, ceccfcfb, 360033525271"),
    ),
    "bybit": (
        VenueRule("bybit", 0, "entry", "entry", False, "whole", None, "Bybit Liquidation-Price-USDT-Contract"),
        VenueRule(
            "bybit", BYBIT_MARK_RULE_MS, "mark", "mark", False, "whole", None, "Bybit new margin calculation 2025-09"
        ),
    ),
    "okx": (VenueRule("okx", 0, "mark", "entry", True, "two-tiers-down", None, "open-lib.com/11556, deveab.com/7216"),),
    "hyperliquid": (
        VenueRule(
            "hyperliquid", 0, "mark", "mark", False, "one-fifth", 2 / 3, "Hyperliquid docs: margin tiers, liquidations"
        ),
    ),
    "bitmex": (VenueRule("bitmex", 0, "entry", "entry", False, "whole", None, "bitmex.com isolatedMarginExamples"),),
}


def venue_rule(venue: str, time_ms: int) -> VenueRule:
    """The rule of a venue at a time; ``MARK_RULE`` for a venue that is not in the table.

    Examples
    --------
    >>> venue_rule("bybit", 1_700_000_000_000).maintenance_basis, venue_rule("bybit", 1_780_000_000_000).tier_basis
    ('entry', 'mark')
    """
    found = MARK_RULE
    for rule in VENUE_RULES.get(venue, ()):
        if rule.holds_from_ms <= time_ms:
            found = rule
    return found


def first_share(rule: VenueRule, tiers: Sequence[Tier], notional_usd: float) -> float:
    """Share of a position that its first liquidation order takes.

    OKX, from its third tier up: what brings the position down two tiers. Hyperliquid: a fifth of what is above
    100,000 USD. Elsewhere: all.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import TierRow, tier_table
    >>> table = tier_table([TierRow(0, 0.004, 100), TierRow(100, 0.005, 75), TierRow(200, 0.01, 50)])
    >>> first_share(venue_rule("okx", 0), table, 400.0)  # from tier 3 down to the top of tier 1
    0.75
    >>> first_share(venue_rule("hyperliquid", 0), table, 250_000.0)
    0.2
    """
    if rule.first_step == "one-fifth" and notional_usd > ONE_FIFTH_ABOVE_USD:
        return 0.2
    if rule.first_step == "two-tiers-down":
        index = list(tiers).index(tier_of(tiers, notional_usd))
        if index >= 2:
            return 1 - tiers[index - 1].notional_floor_usd / notional_usd
    return 1.0
