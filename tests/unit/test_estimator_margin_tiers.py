"""Tiers: the price they give solves the venue's own equation, in the tier of the result; sound and stressed tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from liqheat_estimator.core.margin import (
    MARK_RULE,
    Position,
    TierRow,
    TierStep,
    TierTableError,
    check_tiers,
    deductions,
    isolated_liquidation_price,
    liquidation_of,
    stressed_tiers,
    tier_of,
    tier_table,
    venue_rule,
)
from liqheat_shared.contracts.market_events import MarginTier


@st.composite
def continuous_tables(draw: st.DrawFn) -> tuple[TierStep, ...]:
    steps = draw(st.lists(st.tuples(st.floats(1.2, 20), st.floats(1.05, 3)), max_size=8))
    floor, rate = 0.0, draw(st.floats(0.001, 0.02))
    rows = [TierRow(0.0, rate, 0.5 / rate)]
    for wider, stricter in steps:
        floor, rate = (floor or 5_000.0) * wider, min(rate * stricter, 0.5)
        rows.append(TierRow(floor, rate, 0.5 / rate))
    return tier_table(rows)


def requirement(tiers: tuple[TierStep, ...], notional: float) -> float:
    """The oracle: each dollar of notional costs the rate of the tier that it lies in."""
    total = 0.0
    for tier, above in zip(tiers, [*tiers[1:], None], strict=True):
        cap = math.inf if above is None else above.notional_floor_usd
        part = max(min(notional, cap) - tier.notional_floor_usd, 0)
        total += tier.maintenance_margin_rate * part
    return total


def price_by_bisection(position: Position, tiers: tuple[TierStep, ...]) -> float | None:
    """Where margin less requirement changes its sign: it rises with the price for a long, falls for a short."""

    def cushion(price: float) -> float:
        if position.is_inverse:
            entry = position.entry_price
            profit = position.side * position.quantity * (1 / entry - 1 / price)
            return position.margin + profit - requirement(tiers, position.quantity / price * entry) / entry
        profit = position.side * position.quantity * (price - position.entry_price)
        return position.margin + profit - requirement(tiers, position.quantity * price)

    low, high = position.entry_price * 1e-6, position.entry_price * 1e6
    if (cushion(low) > 0) == (cushion(high) > 0):
        return None
    for _ in range(60):
        middle = math.sqrt(low * high)
        if (cushion(middle) > 0) == (cushion(high) > 0):
            high = middle
        else:
            low = middle
    return low


SIDES = st.sampled_from([1, -1])
LEVERAGES = st.floats(1.1, 125)
NOTIONALS = st.floats(10, 1e9)


@settings(max_examples=60)
@given(SIDES, LEVERAGES, NOTIONALS, st.floats(1e-6, 1e6), continuous_tables(), st.booleans())
def test_the_price_solves_the_requirement_in_the_tier_of_the_result(
    side: int, leverage: float, notional: float, entry: float, tiers: tuple[TierStep, ...], is_inverse: bool
) -> None:
    position = Position.isolated(side, entry, leverage, notional, is_inverse=is_inverse)
    found = liquidation_of(position, tiers)
    expected = price_by_bisection(position, tiers)
    assert found.price is not None or expected is None
    if found.price is None or expected is None:
        return
    assert found.price == pytest.approx(expected, rel=1e-9)
    there = position.tier_notional_usd(found.price, entry)
    on_a_bound = any(math.isclose(there, tier.notional_floor_usd, rel_tol=1e-9) for tier in tiers)
    assert on_a_bound or tier_of(tiers, there) is found.tier
    # Liquidated before bankrupt; below the entry for a long unless the margin never covered the requirement.
    assert found.bankruptcy_price is not None
    assert side * (found.price / found.bankruptcy_price - 1) >= -1e-12
    covered = position.margin * (entry if is_inverse else 1) - requirement(tiers, notional)
    if abs(covered) > 1e-9 * notional:
        assert (side * (entry - found.price) > 0) == (covered > 0)


@given(SIDES, NOTIONALS, continuous_tables(), st.booleans(), LEVERAGES, LEVERAGES)
def test_more_leverage_is_never_liquidated_later(
    side: int, notional: float, tiers: tuple[TierStep, ...], is_inverse: bool, one: float, other: float
) -> None:
    lower, higher = (
        liquidation_of(Position.isolated(side, 100.0, leverage, notional, is_inverse=is_inverse), tiers).price
        for leverage in sorted((one, other))
    )
    if lower is not None:
        assert higher is not None
        assert side * (higher - lower) >= -1e-9 * lower


@given(SIDES, st.floats(2, 100), continuous_tables(), st.booleans(), st.integers(1, 8), st.floats(0.2, 5))
def test_the_price_is_continuous_where_the_tier_changes(
    side: int, leverage: float, tiers: tuple[TierStep, ...], is_inverse: bool, index: int, around: float
) -> None:
    assume(index < len(tiers))
    edge = tiers[index].notional_floor_usd * around  # near it, entry or liquidation falls on the bound
    prices = [
        isolated_liquidation_price(side, 100.0, leverage, edge * (1 + step), tiers, is_inverse=is_inverse)
        for step in (-1e-9, 1e-9)
    ]
    assert prices[0] == pytest.approx(prices[1], rel=1e-6)


@pytest.mark.parametrize("is_inverse", [False, True])
@pytest.mark.parametrize("side", [1, -1])
def test_the_price_is_continuous_on_the_bound_itself(side: int, is_inverse: bool) -> None:
    tiers = tier_table([TierRow(0, 0.004, 125), TierRow(50_000, 0.005, 100), TierRow(250_000, 0.05, 10)])
    price = isolated_liquidation_price(side, 100.0, 8, 250_000, tiers, is_inverse=is_inverse)
    there = 100.0 / price if is_inverse else price / 100.0
    for floor in (50_000, 250_000):
        near = [
            isolated_liquidation_price(side, 100.0, 8, floor / there * (1 + step), tiers, is_inverse=is_inverse)
            for step in (-1e-7, 0, 1e-7)
        ]
        assert near == pytest.approx([near[1]] * 3, rel=1e-7)


def test_tiers_that_answer_each_other_end_with_the_stricter_one() -> None:
    # Without deductions: in tier 1 the short of 82,000 is liquidated at 109.45, where it is worth 89,751 and thus in
    # tier 2; there at 104.76, where it is worth 85,905 and thus in tier 1.
    tiers = [TierStep(0.0, 0.005, 0.0, 100.0), TierStep(88_000.0, 0.05, 0.0, 10.0)]
    found = liquidation_of(Position.isolated(-1, 100.0, 10, 82_000), tiers)
    assert found.price == pytest.approx(110 / 1.05)
    assert found.tier is tiers[1]
    # A long has two right answers and falls into the stricter first.
    found = liquidation_of(Position.isolated(1, 100.0, 10, 96_000), tiers)
    assert found.price == pytest.approx(90 / 0.95)


def test_deductions_are_those_that_binance_printed() -> None:
    floors = [0, 50_000, 250_000, 1_000_000, 5_000_000, 20_000_000]
    assert deductions(floors, [0.004, 0.005, 0.01, 0.025, 0.05, 0.1]) == [0, 50, 1_300, 16_300, 141_300, 1_141_300]
    eth = tier_table(
        [
            TierRow(floor, rate, leverage)
            for floor, rate, leverage in (
                (0, 0.005, 100),
                (10_000, 0.0065, 75),
                (100_000, 0.01, 50),
                (500_000, 0.02, 25),
                (1_000_000, 0.05, 10),
                (2_000_000, 0.1, 5),
            )
        ]
    )
    assert eth[-1].maintenance_amount_usd == 135_365
    # The published case, its tier now found by the table: 3,683.979 ETH are worth 4.1 million there.
    found = liquidation_of(Position(1, 3_683.979, 1_456.84, 1_535_443.01), eth, venue_rule("binance", 0))
    assert found.price is not None
    assert round(found.price, 2) == 1_114.78
    assert found.tier is eth[-1]


def test_printed_deductions_are_kept_and_go_on() -> None:
    table = tier_table([TierRow(0, 0.01, 50), TierRow(100, 0.02, 25, 0.0), TierRow(200, 0.03, 10)])
    assert [step.maintenance_amount_usd for step in table] == [0, 0, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no tier"),
        ([TierRow(10, 0.01, 50)], "starts at 10, not at 0"),
        ([TierRow(0, 0.01, 50), TierRow(0, 0.02, 50)], "tier 2: its floor 0 does not rise"),
        ([TierRow(0, 0.02, 50), TierRow(9, 0.01, 50)], "tier 2: its maintenance rate 0.01 falls"),
        ([TierRow(0, math.nan, 50)], "tier 1: maintenance_margin_rate is nan"),
        ([TierRow(0, 1.0, 50)], "tier 1: maintenance_margin_rate is 1.0"),
        ([TierRow(0, 0.01, 0)], "tier 1: max_leverage is 0"),
        ([TierRow(0, 0.01, 50, -1)], "tier 1: maintenance_amount_usd is -1"),
    ],
)
def test_unsound_tables_are_refused_by_name(rows: list[TierRow], message: str) -> None:
    with pytest.raises(TierTableError, match=message):
        tier_table(rows)


def test_a_hole_between_cap_and_floor_is_named() -> None:
    def tier(floor: float, cap: float | None) -> MarginTier:
        return MarginTier(
            notional_floor_usd=floor,
            notional_cap_usd=cap,
            maintenance_margin_rate=0.01,
            maintenance_amount_usd=0,
            max_leverage=50,
        )

    check_tiers([tier(0, 100), tier(100, None)])
    with pytest.raises(TierTableError, match=r"tier 2 starts at 200\.0, the one before ends at 100\.0"):
        check_tiers([tier(0, 100), tier(200, None)])
    with pytest.raises(TierTableError, match="the one before ends at None"):
        check_tiers([tier(0, None), tier(200, None)])


@given(SIDES, LEVERAGES, NOTIONALS, continuous_tables(), st.booleans(), st.floats(-0.9, 5), st.floats(0, 2))
def test_more_stress_is_never_liquidated_later(
    side: int,
    leverage: float,
    notional: float,
    tiers: tuple[TierStep, ...],
    is_inverse: bool,
    stress: float,
    more: float,
) -> None:
    position = Position.isolated(side, 100.0, leverage, notional, is_inverse=is_inverse)
    laxer = liquidation_of(position, tiers, maintenance_stress=stress).price
    stricter = liquidation_of(position, tiers, maintenance_stress=stress + more).price
    assert (laxer is None) or (stricter is not None and side * (stricter - laxer) >= -1e-9 * laxer)


def test_stress_scales_the_requirement_and_stays_below_the_whole_notional() -> None:
    tiers = tier_table([TierRow(0, 0.1, 5), TierRow(1_000, 0.5, 1)])
    doubled = stressed_tiers(tiers, 1.0)
    for notional in (500.0, 1_000.0):
        tier = tier_of(doubled, notional)
        required = notional * tier.maintenance_margin_rate - tier.maintenance_amount_usd
        assert required == pytest.approx(2 * requirement(tiers, notional))
    assert doubled[1].maintenance_margin_rate == 0.99
    # A long of 2,000 at 2x has half of it as margin, and 1,180 are asked for: liquidated at once, not never.
    found = liquidation_of(Position.isolated(1, 100.0, 2, 2_000), tiers, MARK_RULE, maintenance_stress=1.0)
    assert found.price is not None
    assert found.price > 100
    for stress in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="maintenance_stress"):
            stressed_tiers(tiers, stress)
