"""Liquidation prices against the figures that venues and their users published."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import liqheat_estimator.core
from liqheat_estimator.core.layers import MIN_DISTANCE_BINS, Layers, layer_shifts
from liqheat_estimator.core.margin import (
    MARK_RULE,
    bankruptcy_price,
    inverse_liquidation_price,
    isolated_liquidation_price,
    linear_liquidation_price,
    linear_liquidation_price_on_entry,
    liquidation_distance,
    tier_of,
)
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.market_events import MarginTier

LINEAR = {
    # name: (side, quantity, entry, margin, rate, amount, fee, price as printed, digits printed)
    "binance-cross-long": (
        1,
        3_683.979,
        1_456.84,
        1_535_443.01 - 71_200.81144 - 56_354.57,
        0.1,
        135_365,
        0,
        1_153.26,
        2,
    ),
    "binance-isolated-long": (1, 3_683.979, 1_456.84, 1_535_443.01, 0.1, 135_365, 0, 1_114.78, 2),
    "binance-btc-isolated-long": (1, 109.488, 32_481.98, 1_535_443.01, 0.025, 16_300, 0, 18_778.73, 2),
    "binance-btc-cross-long": (
        1,
        109.488,
        32_481.98,
        1_535_443.01 - 356_512.508 - 448_192.89,
        0.025,
        16_300,
        0,
        26_316.89,
        2,
    ),
    "bybit-long-50x-mark-rule": (1, 1, 20_000, 400, 0.005, 0, 0, 19_698.49, 2),
    "hyperliquid-btc-long": (1, 0.0015, 66_930, 20.043862, 0.01, 0, 0, 54_108.5104, 4),
    "hyperliquid-btc-short": (-1, 0.00145, 68_139, 19.72573, 0.01, 0, 0, 80_933.616, 3),
    "hyperliquid-sol-long": (1, 0.33, 145.83, 24.045107, 0.025, 0, 0, 74.83696, 5),
    "bitmex-bankruptcy": (1, 20, 1_000, 10_000, 0, 0, 0, 500.0, 0),
    # Half a bitcoin is 50 contracts of 0.01. The formula gives 51,226.5193; OKX quotes this swap in ticks of 0.1.
    "okx-long": (1, 50 * 0.01, 60_996, 5_000, 0.004, 0, 0.0005, 51_226.5, 1),
}
LINEAR_ON_ENTRY = {
    "bybit-long-50x-old-rule": (1, 1, 20_000, 400, 0.005, 0, 0, 19_700.0, 2),
    "bitmex-cross-long": (1, 20, 1_000, 10_000, 0.01, 0, 0, 510.0, 2),
}
INVERSE = {
    # name: (side, contracts in USD, entry, margin, rate, amount, price as printed, digits printed)
    "coin-m-long": (1, 1e7, 45_000, 101, 0.125, 11.605, 33_599.4, 1),
    "bybit-long-10x": (1, 60_000, 50_000, 0.12, 0.005, 0, 45_681.82, 2),
    "bybit-short-10x": (-1, 60_000, 50_000, 0.12, 0.005, 0, 55_277.78, 2),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_prices_agree_to_the_digits_printed(name: str) -> None:
    *case, printed, digits = LINEAR[name]
    assert round(linear_liquidation_price(*case), int(digits)) == printed


@pytest.mark.parametrize("name", LINEAR_ON_ENTRY)
def test_linear_prices_on_entry_agree_to_the_digits_printed(name: str) -> None:
    *case, printed, digits = LINEAR_ON_ENTRY[name]
    assert round(linear_liquidation_price_on_entry(*case), int(digits)) == printed


def test_okx_printed_a_tick_and_no_other_reading_gives_it() -> None:
    """51,226.50 is printed. To the cent no reading gives it; to the tick of 0.1 the formula does, and it alone."""
    side, quantity, entry, margin, rate, _, fee, *_ = LINEAR["okx-long"]
    bankrupt = entry - margin / quantity
    assert linear_liquidation_price(side, quantity, entry, margin, rate, 0, fee) == pytest.approx(51_226.5193, abs=5e-5)
    other_readings = {
        "fee on entry": (51_231.4237, (margin - quantity * entry * (1 + fee)) / (quantity * (rate - 1))),
        "rate on entry": (51_265.6168, (margin - quantity * entry * (1 + rate)) / (quantity * (fee - 1))),
        "both on entry": (
            51_270.4820,
            linear_liquidation_price_on_entry(side, quantity, entry, margin, rate, 0, fee),
        ),
        "fee on bankruptcy": (51_226.4036, (margin - quantity * (entry + bankrupt * fee)) / (quantity * (rate - 1))),
        "rate times fee": (51_226.4164, bankrupt / ((1 - rate) * (1 - fee))),
        "rate plus fee on bankruptcy": (51_225.4820, bankrupt * (1 + rate + fee)),
        "opening fee from the margin": (
            51_257.1552,
            linear_liquidation_price(side, quantity, entry, margin - quantity * entry * fee, rate, 0, fee),
        ),
    }
    for name, (figure, price) in other_readings.items():
        assert price == pytest.approx(figure, abs=5e-5), name
        assert round(price, 1) != 51_226.5, name


@pytest.mark.parametrize("name", INVERSE)
def test_inverse_prices_agree_to_the_digits_printed(name: str) -> None:
    *case, printed, digits = INVERSE[name]
    assert round(inverse_liquidation_price(*case), int(digits)) == printed


@given(
    side=st.sampled_from([1, -1]),
    leverage=st.floats(1.5, 125),
    entry=st.floats(1e-6, 1e6),
    rate_part=st.floats(0, 0.9),
    is_inverse=st.booleans(),
)
def test_distance_is_the_price_and_lies_on_the_right_side(
    side: int, leverage: float, entry: float, rate_part: float, is_inverse: bool
) -> None:
    rate = rate_part / (leverage + 1)  # less than the margin, else the position is liquidated when it opens
    tier = MarginTier(
        notional_floor_usd=0,
        notional_cap_usd=None,
        maintenance_margin_rate=rate,
        maintenance_amount_usd=0,
        max_leverage=200,
    )
    price = isolated_liquidation_price(side, entry, leverage, 1_000.0, [tier], is_inverse=is_inverse)
    distance = liquidation_distance(side, leverage, rate, is_inverse=is_inverse)
    assert price == pytest.approx(entry * math.exp(distance), rel=1e-9)
    assert (price < entry) if side == 1 else (price > entry)
    bankrupt = bankruptcy_price(side, entry, leverage, is_inverse=is_inverse)
    assert (bankrupt <= price * (1 + 1e-12)) if side == 1 else (bankrupt >= price * (1 - 1e-12))


def test_the_tier_is_the_one_at_the_liquidation_price() -> None:
    tiers = [_tier(0, 0.005, 0), _tier(50_000, 0.01, 250)]
    # 55,000 USD at entry is tier 2; near its liquidation price, 10x, it is worth less than 50,000: tier 1.
    price = isolated_liquidation_price(1, 100.0, 10, 55_000, tiers)
    assert tier_of(tiers, 55_000 * price / 100) is tiers[0]
    assert price == pytest.approx(90 / 0.995)
    # A short grows towards its liquidation: from tier 1 into tier 2, whose deduction keeps the requirement continuous.
    price = isolated_liquidation_price(-1, 100.0, 5, 45_000, tiers)
    assert tier_of(tiers, 45_000 * price / 100) is tiers[1]
    assert price == pytest.approx((9_000 + 250 + 45_000) / (450 * 1.01))


def _tier(floor: float, rate: float, amount: float, leverage: float = 100.0) -> MarginTier:
    return MarginTier(
        notional_floor_usd=floor,
        notional_cap_usd=None,
        maintenance_margin_rate=rate,
        maintenance_amount_usd=amount,
        max_leverage=leverage,
    )


def test_impossible_leverage_has_no_distance() -> None:
    with pytest.raises(ValueError, match="no liquidation price"):
        liquidation_distance(1, 1.0, 0.005)


@given(
    rate=st.floats(0, 0.2),
    leverage=st.floats(1, 200),
    is_inverse=st.booleans(),
    fee=st.floats(0, 0.002),
)
def test_layers_lie_below_for_longs_and_above_for_shorts(
    rate: float, leverage: float, is_inverse: bool, fee: float
) -> None:
    rule = replace(MARK_RULE, counts_close_fee=True)
    tiers = [_tier(0, rate, 0, leverage)]
    distance = layer_shifts(EstimatorParameters(), tiers, is_inverse=is_inverse, rule=rule, taker_fee_rate=fee)
    assert np.isfinite(distance).all()
    assert (distance[0] <= -MIN_DISTANCE_BINS).all()
    assert (distance[1] >= MIN_DISTANCE_BINS).all()
    # More leverage is never farther away, and a fee brings nothing farther away.
    assert (abs(distance[:, 1:]) <= abs(distance[:, :-1]) + 1e-9).all()
    free = layer_shifts(EstimatorParameters(), tiers, is_inverse=is_inverse)
    assert (abs(distance) <= abs(free) + 1e-9).all()


def test_classes_above_the_maximum_stand_for_margins_that_became_thinner() -> None:
    parameters = EstimatorParameters()
    distance = layer_shifts(parameters, [_tier(0, 0.0125, 0, 40.0)])[0]
    below = parameters.leverages.index(39.4)
    assert distance[below] == pytest.approx(math.log((1 - 1 / 39.4) / (1 - 0.0125)) / BIN_WIDTH)
    at_the_maximum = math.log((1 - 1 / 40) / (1 - 0.0125)) / BIN_WIDTH
    for place in range(below + 1, len(parameters.leverages)):
        reference, of_maximum = (
            math.log((1 - 1 / leverage) / (1 - 0.004)) for leverage in (parameters.leverages[place], 40)
        )
        assert distance[place] == pytest.approx(min(at_the_maximum * reference / of_maximum, -MIN_DISTANCE_BINS))
    assert (np.diff(distance) >= 0).all()


@given(stress=st.floats(0, 1), leverage=st.floats(5, 125))
def test_raised_requirements_bring_every_class_nearer(stress: float, leverage: float) -> None:
    tiers = [_tier(0, 0.5 / leverage, 0, leverage)]
    calm = layer_shifts(EstimatorParameters(), tiers)
    stressed = layer_shifts(EstimatorParameters(), tiers, maintenance_stress=stress)
    assert (abs(stressed) <= abs(calm) + 1e-9).all()
    assert (stressed[0] <= -MIN_DISTANCE_BINS).all()
    assert (stressed[1] >= MIN_DISTANCE_BINS).all()


#: Percent of the notional of real positions by distance, both sides' mean: Hyperliquid, 4 to 12 February 2026.
MEASURED_SHARES = {3.1: 18.5, 4.7: 12.0, 7.2: 5.35, 11.1: 1.65, 17.1: 0.4}


def test_the_prior_is_near_what_real_positions_showed() -> None:
    parameters = EstimatorParameters()
    layers = Layers.from_parameters(parameters)
    assert layers.shares.sum() == pytest.approx(1)
    shares = dict(zip(parameters.leverages, layers.shares, strict=True))
    for leverage, percent in MEASURED_SHARES.items():
        if leverage < 10:  # far: as they stood
            assert percent / 1.5 <= 100 * shares[leverage] <= percent * 1.5
        else:  # near: at least twice as many, since the wider public uses more leverage
            assert 100 * shares[leverage] >= 2 * percent
    assert (np.diff(layers.shares) < 0).all()
    # With opening weights of share times decay rate, decay and openings leave the shares as they are.
    decay = layers.shares * math.log(2) / layers.half_life_ms
    assert decay.sum() * layers.opening_weights == pytest.approx(decay)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"open_interest_shares": (0.5, 0.4)}, "one value a class"),
        ({"leverages": (2, 3), "open_interest_shares": (0.5, 0.4), "half_life_hours": (1, 1)}, "sum to 0.9"),
        ({"leverages": (3, 2), "open_interest_shares": (0.5, 0.5), "half_life_hours": (1, 1)}, "must rise"),
        ({"leverages": (2, 3), "open_interest_shares": (0.5, 0.5), "half_life_hours": (1, 0)}, "positive"),
        ({"cadence_ms": 0}, "cadence_ms"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EstimatorParameters(**change)  # type: ignore[arg-type]


def _modules() -> list[str]:
    package = liqheat_estimator.core
    return [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]


@pytest.mark.parametrize("name", _modules())
def test_examples_of_the_docstrings_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
