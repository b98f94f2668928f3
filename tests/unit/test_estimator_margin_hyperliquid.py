"""Hyperliquid: the venue's own form against the general one, and both against prices that the venue printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_estimator.core.margin import Position, half_of_initial, liquidation_of, tier_of, venue_rule
from liqheat_estimator.core.margin.hyperliquid import (
    hyperliquid_liquidation_price,
    maintenance_required,
    margin_available,
)

RULE = venue_rule("hyperliquid", 0)
SNAPSHOT = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid-positions" / "snapshot.excerpt.json"

#: Maximum leverage at the first tier when the snapshot was taken; none of its positions reaches a second tier.
MAX_LEVERAGE = {"BTC": 40, "ETH": 25, "SOL": 20, "ASTER": 5, "PUMP": 10, "HYPE": 10}
OTHERS_MAX_LEVERAGE = 10


@dataclass(frozen=True)
class Printed:
    coin: str
    side: int
    quantity: float
    notional: float
    liquidation_price: float
    mode: str

    @property
    def rate(self) -> float:
        return 0.5 / MAX_LEVERAGE.get(self.coin, OTHERS_MAX_LEVERAGE)


#: Equity and cross positions of two accounts, 2026-10-03 22:32 UTC: one position alone, and four together.
ALONE = 14_762.6, [Printed("JUP", -1, 5_983.0, 1_967.68904, 2.6631470777, "cross")]
TOGETHER = (
    955_084.8,
    [
        Printed("LINK", -1, 15_162.9, 213_721.0755, 70.5680367913, "cross"),
        Printed("ADA", 1, 720_955.0, 176_302.3357, 0.0, "cross"),
        Printed("NEAR", -1, 98_236.1, 467_348.42214, 13.4741040382, "cross"),
        Printed("ASTER", -1, 182_765.0, 131_064.4368, 5.1893795088, "cross"),
    ],
)


def check_account(equity: float, positions: list[Printed]) -> int:
    """Every cross position's price from the account's equity and the marks; equity is printed to the cent."""
    required = [maintenance_required(p.notional, p.rate) for p in positions]
    available = margin_available(equity, sum(required))
    for p, own in zip(positions, required, strict=True):
        mark = p.notional / p.quantity
        direct = hyperliquid_liquidation_price(p.side, mark, p.quantity, available, p.rate)
        position = Position.cross(p.side, p.quantity, mark, equity, sum(required) - own)
        found = liquidation_of(position, half_of_initial((0.0, 0.5 / p.rate)), RULE)
        if p.liquidation_price == 0:
            assert direct <= 0
            assert found.price is None
            continue
        assert found.price == pytest.approx(direct, rel=1e-12)
        assert direct == pytest.approx(p.liquidation_price, abs=0.006 / p.quantity, rel=1e-9)  # half a cent, rounded
        assert found.backstop_price is not None
        assert found.bankruptcy_price is not None
        assert p.side * found.price > p.side * found.backstop_price > p.side * found.bankruptcy_price
    return len(positions)


@pytest.mark.parametrize("account", [ALONE, TOGETHER], ids=["alone", "together"])
def test_printed_prices_of_cross_accounts(account: tuple[float, list[Printed]]) -> None:
    check_account(*account)


def test_printed_prices_of_the_whole_snapshot() -> None:
    if not SNAPSHOT.exists():
        pytest.skip("shared/data/hyperliquid-positions is not here")
    explained_by_equity = checked_against_each_other = 0
    for account in json.loads(SNAPSHOT.read_text())["accounts"]:
        cross = [
            Printed(coin, 1 if side == "L" else -1, size, notional, price, mode)
            for coin, side, size, _, price, notional, _, mode in account["p"]
            if mode == "cross" and ":" not in coin  # markets of other operators have accounts of their own
        ]
        implied = [
            p.side * (p.notional / p.quantity - p.liquidation_price) * p.quantity * (1 - p.rate * p.side)
            for p in cross
            if p.liquidation_price > 0
        ]
        if not implied:
            continue
        # One cross account has one margin available, whichever of its prices it is read from.
        assert implied == pytest.approx([implied[0]] * len(implied), rel=1e-8)
        checked_against_each_other += len(implied) if len(implied) > 1 else 0
        available = account["e"] - sum(maintenance_required(p.notional, p.rate) for p in cross)
        if implied[0] == pytest.approx(available, abs=0.006):
            explained_by_equity += check_account(account["e"], cross)
        else:
            # Collateral beside the perpetuals' account (spot balances) counts, too; never less than the equity.
            assert implied[0] > available
    assert explained_by_equity == 1 + 4 + 8
    assert checked_against_each_other == 3 + 3 + 4


@given(st.sampled_from([1, -1]), st.floats(1e-3, 1e5), st.floats(1e3, 1e9), st.floats(0.06, 0.99), st.floats(0, 1e6))
def test_the_venues_form_is_the_general_one_in_the_tier_of_the_result(
    side: int, mark: float, notional: float, equity_share: float, others: float
) -> None:
    tiers = half_of_initial((0.0, 40), (150e6, 20))
    quantity, equity = notional / mark, notional * equity_share + others
    found = liquidation_of(Position.cross(side, quantity, mark, equity, others), tiers, RULE)
    assert found.price is not None
    tier = found.tier
    # The requirement at the mark is taken in the tier of the liquidation price, as the venue says of m.
    own = maintenance_required(notional, tier.maintenance_margin_rate, tier.maintenance_amount_usd)
    available = margin_available(equity, own + others)
    price = hyperliquid_liquidation_price(side, mark, quantity, available, tier.maintenance_margin_rate)
    assert found.price == pytest.approx(price, rel=1e-9)
    assert (
        tier_of(tiers, quantity * found.price * (1 + 1e-12)) is tier
        or tier_of(tiers, quantity * found.price * (1 - 1e-12)) is tier
    )


@given(st.sampled_from([1, -1]), st.floats(1.1, 19), st.floats(1e3, 1e9), st.floats(0, 1e5))
def test_at_the_backstop_two_thirds_of_the_maintenance_are_left(
    side: int, leverage: float, notional: float, others: float
) -> None:
    tiers = half_of_initial((0.0, 40), (150e6, 20))
    position = Position.cross(side, notional / 50, 50.0, notional / leverage + others, others)
    found = liquidation_of(position, tiers, RULE)
    if found.backstop_price is None:
        assert side == 1
        assert position.margin + others / 3 >= notional  # the worst loss leaves enough
        return
    equity = notional / leverage + others + side * notional / 50 * (found.backstop_price - 50)
    there = notional / 50 * found.backstop_price
    tier = tier_of(tiers, there)
    required = others + maintenance_required(there, tier.maintenance_margin_rate, tier.maintenance_amount_usd)
    assert equity == pytest.approx(2 / 3 * required, rel=1e-6, abs=1e-6 * notional)
