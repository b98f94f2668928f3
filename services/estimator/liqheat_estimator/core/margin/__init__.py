"""Where a position is liquidated: formulas, tiers, the venues' rules, dated tables, and the way back.

One idea a file; nothing here knows a clock or an event. Signs everywhere: ``side`` is +1 for a long and -1 for a short.
Rates, fees and stress are fractions. The explanation for people is in docs/margin.md.
"""

from liqheat_estimator.core.margin.dated_tables import DatedTable, liquidation_price_shift, table_at, table_of_position
from liqheat_estimator.core.margin.distance import (
    leverage_of_distance,
    liquidation_distance,
    maintenance_rate_of_bankruptcy,
    notional_of_maintenance_rate,
)
from liqheat_estimator.core.margin.formulas import (
    bankruptcy_price,
    inverse_liquidation_price,
    inverse_liquidation_price_on_entry,
    linear_liquidation_price,
    linear_liquidation_price_on_entry,
)
from liqheat_estimator.core.margin.liquidation import Liquidation, isolated_liquidation_price, liquidation_of
from liqheat_estimator.core.margin.position import Position, cross_margin
from liqheat_estimator.core.margin.tiers import (
    Tier,
    TierRow,
    TierStep,
    TierTableError,
    check_tiers,
    deductions,
    half_of_initial,
    stressed_tiers,
    tier_of,
    tier_table,
)
from liqheat_estimator.core.margin.venue_rules import MARK_RULE, VENUE_RULES, VenueRule, first_share, venue_rule

__all__ = [
    "MARK_RULE",
    "VENUE_RULES",
    "DatedTable",
    "Liquidation",
    "Position",
    "Tier",
    "TierRow",
    "TierStep",
    "TierTableError",
    "VenueRule",
    "bankruptcy_price",
    "check_tiers",
    "cross_margin",
    "deductions",
    "first_share",
    "half_of_initial",
    "inverse_liquidation_price",
    "inverse_liquidation_price_on_entry",
    "isolated_liquidation_price",
    "leverage_of_distance",
    "linear_liquidation_price",
    "linear_liquidation_price_on_entry",
    "liquidation_distance",
    "liquidation_of",
    "liquidation_price_shift",
    "maintenance_rate_of_bankruptcy",
    "notional_of_maintenance_rate",
    "stressed_tiers",
    "table_at",
    "table_of_position",
    "tier_of",
    "tier_table",
    "venue_rule",
]
