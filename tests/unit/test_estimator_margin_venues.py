"""The venues' rules, dated tables and the way back from distance and bankruptcy price."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from liqheat_estimator.core.margin import (
    MARK_RULE,
    VENUE_RULES,
    DatedTable,
    Position,
    TierRow,
    TierStep,
    bankruptcy_price,
    first_share,
    isolated_liquidation_price,
    leverage_of_distance,
    liquidation_distance,
    liquidation_of,
    liquidation_price_shift,
    maintenance_rate_of_bankruptcy,
    notional_of_maintenance_rate,
    table_at,
    table_of_position,
    tier_table,
    venue_rule,
)

RULE_CHANGE_MS = 1_756_771_200_000  # 2025-09-02 00:00 UTC
HALF_PERCENT = tier_table([TierRow(0, 0.005, 100)])
SIDES = st.sampled_from([1, -1])
BASES = st.sampled_from(["mark", "entry"])


def price(position: Position, tiers: tuple[TierStep, ...], venue: str, time_ms: int, fee: float | None = None) -> float:
    found = liquidation_of(position, tiers, venue_rule(venue, time_ms), taker_fee_rate=fee).price
    assert found is not None
    return found


def test_bybit_changed_from_entry_to_mark() -> None:
    position = Position.isolated(1, 20_000, 50, 20_000)
    assert round(price(position, HALF_PERCENT, "bybit", RULE_CHANGE_MS - 1, 0.00055), 2) == 19_700
    assert round(price(position, HALF_PERCENT, "bybit", RULE_CHANGE_MS, 0.00055), 2) == 19_698.49


def test_bybit_inverse() -> None:
    long, short = (Position.isolated(side, 50_000, 10, 60_000, is_inverse=True) for side in (1, -1))
    assert round(price(long, HALF_PERCENT, "bybit", RULE_CHANGE_MS), 2) == 45_681.82
    assert round(price(short, HALF_PERCENT, "bybit", RULE_CHANGE_MS), 2) == 55_277.78
    # Before: E L / (L + 1 - m L), the documented form.
    assert price(long, HALF_PERCENT, "bybit", 0) == pytest.approx(50_000 * 10 / (10 + 1 - 0.005 * 10), rel=1e-12)
    # Margin that was added later counts less the fee: S (1 + m) / (S/E + S/(E L) + extra / (1 + fee)).
    more = Position(1, 60_000, 50_000, 0.12 + 0.05 / 1.00055, is_inverse=True)
    expected = 60_000 * 1.005 / (60_000 / 50_000 + 60_000 / 500_000 + 0.05 / 1.00055)
    assert price(more, HALF_PERCENT, "bybit", RULE_CHANGE_MS) == pytest.approx(expected, rel=1e-12)


def test_okx_counts_the_fee_and_takes_the_tier_of_its_contracts() -> None:
    position = Position(1, 0.5, 60_996, 5_000)
    tiers = tier_table([TierRow(0, 0.004, 100, 0), TierRow(30_000, 0.005, 75, 0)])
    # 30,498 USD at entry: tier 2 by its 50 contracts, though it is worth 25,600 where it is liquidated.
    assert price(position, tiers, "okx", 0, 0.0005) == pytest.approx((5_000 - 30_498) / (0.5 * (0.0055 - 1)), rel=1e-12)
    # The published case in a table of one tier, to the tick of 0.1.
    assert round(price(position, tiers[:1], "okx", 0, 0.0005), 1) == 51_226.5
    assert price(position, tiers[:1], "binance", 0, 0.0005) == pytest.approx(50_996 / 0.996, rel=1e-12)


def test_bitmex_takes_maintenance_from_entry() -> None:
    found = liquidation_of(
        Position.cross(1, 20, 1_000, 10_000), tier_table([TierRow(0, 0.01, 50)]), venue_rule("bitmex", 0)
    )
    assert (found.price, found.bankruptcy_price) == (510, 500)


def test_binance_cross_from_wallet_and_other_positions() -> None:
    position = Position.cross(1, 109.488, 32_481.98, 1_535_443.01, 356_512.508, -448_192.89)
    tiers = [TierStep(0.0, 0.025, 16_300.0, 20.0)]
    found = liquidation_of(position, tiers, venue_rule("binance", 0))
    assert found.price is not None
    assert round(found.price, 2) == 26_316.89
    # Bankrupt is the account when its equity is gone, whatever its other positions require.
    assert found.bankruptcy_price == pytest.approx(32_481.98 - (1_535_443.01 - 448_192.89) / 109.488, rel=1e-12)
    # Stress raises the requirement of the others, too.
    half_more = Position.cross(1, 109.488, 32_481.98, 1_535_443.01, 1.5 * 356_512.508, -448_192.89)
    expected = liquidation_of(half_more, [TierStep(0.0, 0.0375, 24_450.0, 20.0)]).price
    assert liquidation_of(position, tiers, maintenance_stress=0.5).price == pytest.approx(expected, rel=1e-12)


def test_coin_margined_table_in_usd() -> None:
    # The venue's deduction of 11.605 coins, in a table turned into USD at some price.
    tiers = [TierStep(0.0, 0.125, 11.605 * 40_000, 4.0)]
    found = liquidation_of(Position(1, 1e7, 45_000, 101, is_inverse=True), tiers, tier_price=40_000)
    assert found.price is not None
    assert round(found.price, 1) == 33_599.4


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("is_inverse", [False, True])
def test_an_account_that_lost_more_than_the_position_is_liquidated_at_every_price(side: int, is_inverse: bool) -> None:
    position = Position(side, 100.0, 100.0, -1e6, is_inverse)
    found = liquidation_of(position, HALF_PERCENT)
    assert found.price is not None
    assert (found.price > 100) if side == 1 else (found.price < 1e-2)


def test_margin_above_the_notional_has_no_liquidation_price() -> None:
    assert liquidation_of(Position(1, 1.0, 100.0, 100.5), HALF_PERCENT).price is None
    assert liquidation_of(Position(-1, 100.0, 100.0, 1.1, is_inverse=True), HALF_PERCENT).price is None
    # A linear short and an inverse long always have one.
    assert liquidation_of(Position(-1, 1.0, 100.0, 1e9), HALF_PERCENT).price is not None
    assert liquidation_of(Position(1, 100.0, 100.0, 1e9, is_inverse=True), HALF_PERCENT).price is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 1.0, 1.0, 1.0), "side is 0"), ((1, 0.0, 1.0, 1.0), "positive"), ((1, 1.0, 1.0, math.nan), "finite")],
)
def test_positions_that_nobody_has_are_refused(arguments: tuple[int, float, float, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Position(*arguments)


def test_every_rule_says_where_it_comes_from_and_dates_rise() -> None:
    for venue, rules in VENUE_RULES.items():
        assert [rule.holds_from_ms for rule in rules] == sorted({rule.holds_from_ms for rule in rules})
        assert rules[0].holds_from_ms == 0
        assert all(rule.source and rule.venue == venue for rule in rules)
    assert venue_rule("sim-alpha", 0) is MARK_RULE


def test_what_the_first_order_takes() -> None:
    steps = (0, 0.004, 100), (100, 0.005, 75), (200, 0.01, 50), (400, 0.02, 20)
    tiers = tier_table([TierRow(*step) for step in steps])
    okx, hyperliquid = venue_rule("okx", 0), venue_rule("hyperliquid", 0)
    assert [first_share(okx, tiers, notional) for notional in (99, 150, 250, 800)] == [1, 1, 1 - 100 / 250, 0.75]
    assert [first_share(hyperliquid, tiers, notional) for notional in (100_000, 100_001)] == [1, 0.2]
    assert first_share(venue_rule("binance", 0), tiers, 1e9) == 1


@given(SIDES, st.floats(1.5, 125), st.floats(0, 0.9), st.floats(0, 0.001), st.booleans(), BASES, st.floats(-0.5, 0.1))
def test_distance_and_leverage_are_each_others_inverse(
    side: int, leverage: float, part: float, fee: float, is_inverse: bool, basis: str, stress: float
) -> None:
    rule = venue_rule("bitmex", 0) if basis == "entry" else MARK_RULE
    options = {"is_inverse": is_inverse, "fee_rate": fee, "maintenance_stress": stress}
    rate = part / (leverage + 1)
    distance = liquidation_distance(side, leverage, rate, maintenance_basis=rule.maintenance_basis, **options)  # type: ignore[arg-type]
    back = leverage_of_distance(side, distance, rate, maintenance_basis=rule.maintenance_basis, **options)  # type: ignore[arg-type]
    assert back == pytest.approx(leverage, rel=1e-9)
    tiers = tier_table([TierRow(0, rate, 200)])
    price = isolated_liquidation_price(side, 7.0, leverage, 1_000, tiers, rule=rule, **options)  # type: ignore[arg-type]
    assert price == pytest.approx(7 * math.exp(distance), rel=1e-9)


@given(SIDES, st.floats(1e-4, 3), st.floats(0, 0.3), st.booleans(), BASES)
def test_leverage_and_distance_are_each_others_inverse(
    side: int, way: float, rate: float, is_inverse: bool, basis: str
) -> None:
    options = {"is_inverse": is_inverse, "maintenance_basis": basis}
    leverage = leverage_of_distance(side, -side * way, rate, **options)  # type: ignore[arg-type]
    found = liquidation_distance(side, leverage, rate, **options)  # type: ignore[arg-type]
    assert found == pytest.approx(-side * way, abs=1e-9)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("is_inverse", [False, True])
@pytest.mark.parametrize("basis", ["mark", "entry"])
def test_a_distance_beyond_the_entry_belongs_to_no_leverage(side: int, is_inverse: bool, basis: str) -> None:
    with pytest.raises(ValueError, match="belongs to no leverage"):
        leverage_of_distance(side, side * 0.2, 0.005, is_inverse=is_inverse, maintenance_basis=basis)  # type: ignore[arg-type]


@given(SIDES, st.floats(2, 125), st.floats(0, 0.9), st.floats(0, 0.001), st.booleans())
def test_the_bankruptcy_price_tells_the_maintenance_rate(
    side: int, leverage: float, part: float, fee: float, is_inverse: bool
) -> None:
    rate = part / (leverage + 1)
    bankrupt = bankruptcy_price(side, 300.0, leverage, is_inverse=is_inverse)
    mark = 300 * math.exp(liquidation_distance(side, leverage, rate, is_inverse=is_inverse, fee_rate=fee))
    found = maintenance_rate_of_bankruptcy(side, bankrupt, mark, is_inverse=is_inverse, fee_rate=fee)
    assert found == pytest.approx(rate, abs=1e-12)


@given(SIDES, st.floats(2, 9), st.floats(51_000, 1e8))
def test_the_rate_tells_the_notional_where_tiers_have_deductions(side: int, leverage: float, notional: float) -> None:
    tiers = tier_table([TierRow(0, 0.004, 125), TierRow(50_000, 0.005, 100), TierRow(250_000, 0.01, 50)])
    found = liquidation_of(Position.isolated(side, 100.0, leverage, notional), tiers)
    assert found.price is not None
    assert found.bankruptcy_price is not None
    there = notional * found.price / 100
    assume(there > 50_100)  # at the bound itself the rate is the first tier's to the last bit
    rate = maintenance_rate_of_bankruptcy(side, found.bankruptcy_price, found.price)
    low, high = notional_of_maintenance_rate(tiers, rate)
    assert low == high == pytest.approx(there, rel=1e-4)


def test_a_rate_that_no_notional_has() -> None:
    tiers = tier_table([TierRow(0, 0.004, 125, 0), TierRow(50_000, 0.005, 100, 0), TierRow(250_000, 0.01, 50, 0)])
    assert notional_of_maintenance_rate(tiers, 0.003) == (0, 50_000)
    assert notional_of_maintenance_rate(tiers, 0.005) == (50_000, 250_000)
    assert notional_of_maintenance_rate(tiers, 0.007) == (250_000, 250_000)
    assert notional_of_maintenance_rate(tiers, 0.01) == (250_000, math.inf)
    assert notional_of_maintenance_rate(tiers, 0.3) == (250_000, math.inf)


def table(valid_from_ms: int, rate: float, covers: bool) -> DatedTable:
    return DatedTable(valid_from_ms, tier_table([TierRow(0, rate, 0.5 / rate)]), covers, "an announcement")


def test_the_table_of_a_time_and_of_a_position() -> None:
    tables = [table(30, 0.02, True), table(10, 0.005, True), table(20, 0.01, False)]
    assert [table_at(tables, ms).valid_from_ms for ms in (10, 19, 20, 29, 30, 99)] == [10, 10, 20, 20, 30, 30]
    with pytest.raises(LookupError, match="at 9: the earliest of 3"):
        table_at(tables, 9)
    assert [table_of_position(tables, 15, now).valid_from_ms for now in (15, 25, 35)] == [10, 10, 30]
    assert table_of_position(tables, 22, 25).valid_from_ms == 20
    with pytest.raises(LookupError):
        table_of_position(tables, 5, 25)
    with pytest.raises(ValueError, match="opened at 26"):
        table_of_position(tables, 26, 25)


@given(SIDES, st.floats(1.5, 40), st.floats(0.001, 0.02), st.floats(0.001, 0.02), st.booleans(), st.floats(1, 1e6))
def test_the_shift_between_tables_is_the_difference_of_distances(
    side: int, leverage: float, before: float, after: float, is_inverse: bool, notional: float
) -> None:
    tables = [tier_table([TierRow(0, rate, 40)]) for rate in (before, after)]
    distances = [liquidation_distance(side, leverage, rate, is_inverse=is_inverse) for rate in (before, after)]
    shift = liquidation_price_shift(*tables, side, leverage, notional, is_inverse=is_inverse)
    assert shift == pytest.approx(distances[1] - distances[0], abs=1e-12)
    assert liquidation_price_shift(tables[0], tables[0], side, leverage, notional, is_inverse=is_inverse) == 0
    # A stress is a change of table, and a change of rule moves prices, too.
    stressed = liquidation_price_shift(
        tables[0], tables[0], side, leverage, notional, is_inverse=is_inverse, stress_after=after / before - 1
    )
    assert stressed == pytest.approx(shift, abs=1e-12)


def test_bybits_change_of_rule_as_a_shift() -> None:
    old, new = venue_rule("bybit", 0), venue_rule("bybit", RULE_CHANGE_MS)
    shift = liquidation_price_shift(HALF_PERCENT, HALF_PERCENT, 1, 50, 20_000, rule_before=old, rule_after=new)
    assert shift == pytest.approx(math.log(19_600 / 0.995 / 19_700), abs=1e-12)
    assert liquidation_price_shift(HALF_PERCENT, HALF_PERCENT, 1, 1, 20_000) is None  # never liquidated
