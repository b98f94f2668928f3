"""Layers: leverage classes, and how far from the entry each is liquidated on a given market."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.margin import MARK_RULE, Tier, TierRow, VenueRule, isolated_liquidation_price, tier_table
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, LONG, SHORT, EstimatorParameters
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: A layer is never nearer than this to its entry: the bin of the mark itself holds no positions.
MIN_DISTANCE_BINS = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """The prior over leverage, as arrays over classes.

    Attributes
    ----------
    shares : ndarray
        Of the standing open interest.
    opening_weights : ndarray
        Of newly opened positions: share times decay rate. Short-lived classes are opened more often than they stand;
        with weights equal to the shares, their decay would silently empty them.
    half_life_ms : ndarray
    seed_width_bins : ndarray
        Standard deviation of entries older than the data: a random walk over one half-life.
    """

    shares: Floats
    opening_weights: Floats
    half_life_ms: Floats
    seed_width_bins: Floats

    @classmethod
    def from_parameters(cls, parameters: EstimatorParameters) -> Layers:
        """Arrays of the stated prior."""
        shares = np.array(parameters.open_interest_shares, dtype=np.float64)
        half_life_ms = np.array(parameters.half_life_hours, dtype=np.float64) * HOUR_MS
        rates = shares / half_life_ms
        width = parameters.daily_volatility * np.sqrt(half_life_ms / DAY_MS) / BIN_WIDTH
        return cls(shares, rates / rates.sum(), half_life_ms, np.maximum(width, 2.0))


@lru_cache(maxsize=256)
def kept_share(layers: Layers, elapsed_ms: int) -> Floats:
    """Part of each layer that its half-life leaves after a time. Not to be written to.

    >>> layers = Layers.from_parameters(EstimatorParameters())
    >>> float(kept_share(layers, int(layers.half_life_ms[0]))[0])
    0.5
    """
    kept: Floats = np.exp2(-elapsed_ms / layers.half_life_ms)
    return kept


#: Maintenance rate at which the model's leverage classes have the distances that their weights were learned for.
REFERENCE_MAINTENANCE_RATE = 0.004


def layer_shifts(
    parameters: EstimatorParameters,
    tiers: Sequence[Tier] | None = None,
    *,
    is_inverse: bool = False,
    rule: VenueRule = MARK_RULE,
    taker_fee_rate: float | None = None,
    maintenance_stress: float = 0.0,
) -> Floats:
    """Distances in bins from entry to liquidation on a market with these margin tiers; None: the stated default.

    The tier is the one of a typical position. A class above the market's maximum leverage stands for positions whose
    margin has become thinner than any new one's: through losses, or because the account lost elsewhere. Its distance
    is that of the maximum leverage, made smaller in the proportion that the two classes have at the reference rate.

    Parameters
    ----------
    maintenance_stress : float
        Fraction by which maintenance requirements are supposed to rise; positions keep their margin.

    Returns
    -------
    ndarray, shape (2, layers)
        Negative for longs, positive for shorts.

    Examples
    --------
    >>> shifts = layer_shifts(EstimatorParameters())
    >>> shifts[:, 6].round(2).tolist()  # 26x
    [-35.21, 33.75]
    >>> layer_shifts(EstimatorParameters(), maintenance_stress=1.0)[:, 6].round(2).tolist()
    [-31.19, 29.77]
    """
    if tiers is None:
        rate, most = parameters.default_maintenance_margin_rate, parameters.default_max_leverage
        tiers = tier_table([TierRow(0.0, rate, most)])
    tiers = sorted(tiers, key=lambda tier: tier.notional_floor_usd)
    most = max(1.01, *(tier.max_leverage for tier in tiers))
    fee_rate = rule.close_fee_rate(taker_fee_rate)
    distances = np.empty((2, len(parameters.leverages)))
    for index, leverage in enumerate(parameters.leverages):
        thinner = _reference_distance(leverage) / _reference_distance(most) if leverage > most else 1.0
        for side, sign in ((LONG, 1), (SHORT, -1)):
            price = isolated_liquidation_price(
                sign,
                1.0,
                min(leverage, most),
                parameters.typical_position_usd,
                tiers,
                is_inverse=is_inverse,
                fee_rate=fee_rate,
                rule=rule,
                maintenance_stress=maintenance_stress,
            )
            distances[side, index] = _bins_between(sign, price, thinner)
    return distances


def _reference_distance(leverage: float) -> float:
    """Distance of a long at the reference rate, positive and never 0."""
    return max(-math.log((1 - 1 / leverage) / (1 - REFERENCE_MAINTENANCE_RATE)), 1e-4)


def _bins_between(sign: int, relative_price: float, thinner: float) -> float:
    """Distance in bins on the right side of the entry, at least ``MIN_DISTANCE_BINS`` and at most e^10."""
    reached = relative_price > 0 and math.isfinite(relative_price)
    distance = math.log(relative_price) / BIN_WIDTH * thinner if reached else -sign * 10 / BIN_WIDTH
    return -sign * min(max(-sign * distance, MIN_DISTANCE_BINS), 10 / BIN_WIDTH)
