"""Margin tables in time: which one holds when, for whom, and how far a change of tables moves liquidation prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from liqheat_estimator.core.margin.liquidation import first_trigger
from liqheat_estimator.core.margin.position import Position
from liqheat_estimator.core.margin.tiers import Tier, stressed_tiers
from liqheat_estimator.core.margin.venue_rules import MARK_RULE, VenueRule


@dataclass(frozen=True, slots=True)
class DatedTable:
    """Tiers that hold from a time on.

    Attributes
    ----------
    valid_from_ms : int
    tiers : tuple of Tier
        Lowest first.
    covers_open_positions : bool
        The venue applies the change to positions that were open before it. Announcements differ even within a venue:
        Binance's of 2024-08-27 left them out, that of 2025-09-15 took them in.
    source : str
    """

    valid_from_ms: int
    tiers: tuple[Tier, ...]
    covers_open_positions: bool
    source: str


def table_at(tables: Sequence[DatedTable], time_ms: int) -> DatedTable:
    """The table that holds for positions opened at a time. Any order; of two from the same time the later one listed.

    Raises
    ------
    LookupError
        All tables start later, or there is none.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import half_of_initial
    >>> first, second = (DatedTable(ms, half_of_initial((0, 1_000 / ms)), True, "") for ms in (10, 20))
    >>> table_at([second, first], 19) is first, table_at([second, first], 20) is second
    (True, True)
    """
    found = None
    for table in tables:
        if table.valid_from_ms <= time_ms and (found is None or table.valid_from_ms >= found.valid_from_ms):
            found = table
    if found is None:
        raise LookupError(f"no margin table holds at {time_ms}: the earliest of {len(tables)} starts later")
    return found


def table_of_position(tables: Sequence[DatedTable], opened_ms: int, time_ms: int) -> DatedTable:
    """The table that holds at a time for a position opened earlier: changes that leave open positions out don't count.

    Raises
    ------
    LookupError
        No table held when the position was opened.
    ValueError
        The position is opened after ``time_ms``.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import half_of_initial
    >>> tables = [DatedTable(ms, half_of_initial((0, 50)), ms != 20, "") for ms in (10, 20)]
    >>> table_of_position(tables, 15, 25).valid_from_ms, table_of_position(tables, 21, 25).valid_from_ms
    (10, 20)
    """
    if opened_ms > time_ms:
        raise ValueError(f"a position opened at {opened_ms} is asked for at {time_ms}")
    table_at(tables, opened_ms)
    return table_at([t for t in tables if t.covers_open_positions or t.valid_from_ms <= opened_ms], time_ms)


def liquidation_price_shift(
    before: Sequence[Tier],
    after: Sequence[Tier],
    side: int,
    leverage: float,
    notional_usd: float,
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
    rule_before: VenueRule = MARK_RULE,
    rule_after: VenueRule | None = None,
    stress_before: float = 0.0,
    stress_after: float = 0.0,
) -> float | None:
    """Shift ``ln(LP_after / LP_before)`` of an isolated position when its table, rule or stress changes.

    Positive moves the price up: stricter for a long, laxer for a short. Independent of the entry price, as the distance
    is; it can reach beyond the entry, which says that the position is liquidated by the change unless the mark has
    moved away. For a mass on a log-price axis it is the way that its bins move.

    Parameters
    ----------
    leverage, notional_usd : float
        At entry; the margin stays what it was then.
    rule_after : VenueRule, optional
        By default the same rule.

    Returns
    -------
    float or None
        None: no price liquidates the position in at least one of the two.

    Examples
    --------
    >>> from liqheat_estimator.core.margin.tiers import TierRow, tier_table
    >>> low, high = tier_table([TierRow(0, 0.005, 100)]), tier_table([TierRow(0, 0.01, 50)])
    >>> round(liquidation_price_shift(low, high, 1, 20, 1_000.0), 6)  # ln(0.995 / 0.99)
    0.005038
    """
    position = Position.isolated(side, 1.0, leverage, notional_usd, is_inverse=is_inverse)
    cases = (before, stress_before, rule_before), (after, stress_after, rule_after or rule_before)
    prices = [
        first_trigger(position, stressed_tiers(tiers, stress), rule, fee_rate, 1.0)[0] for tiers, stress, rule in cases
    ]
    if not all(price > 0 and math.isfinite(price) for price in prices):
        return None
    return math.log(prices[1] / prices[0])
