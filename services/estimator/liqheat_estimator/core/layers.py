"""Layers: leverage classes, and how far from the entry each is liquidated on a given market."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from liqheat_estimator.core.bins import Floats, Integers
from liqheat_estimator.core.margin import Tier, isolated_liquidation_price
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, LONG, EstimatorParameters
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.market_events import MarginTier

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


def layer_shifts(
    parameters: EstimatorParameters,
    tiers: Sequence[Tier] | None = None,
    *,
    is_inverse: bool = False,
    fee_rate: float = 0.0,
) -> Floats:
    """Distances in bins from entry to liquidation on a market with these margin tiers; None: the stated default.

    Shape (2, layers): negative for longs, positive for shorts. The tier is the one of a typical position at its liquidation price. A class above the market's maximum leverage
    acts at that maximum.

    Examples
    --------
    >>> shifts = layer_shifts(EstimatorParameters())
    >>> shifts[:, 5].round(3).tolist()  # 26x
    [-34.208, 32.744]
    """
    if tiers is None:
        tiers = [
            MarginTier(
                notional_floor_usd=0.0,
                notional_cap_usd=None,
                maintenance_margin_rate=parameters.default_maintenance_margin_rate,
                maintenance_amount_usd=0.0,
                max_leverage=parameters.default_max_leverage,
            )
        ]
    tiers = sorted(tiers, key=lambda tier: tier.notional_floor_usd)
    highest = max(tier.max_leverage for tier in tiers)
    distances = np.empty((2, len(parameters.leverages)))
    for index, leverage in enumerate(parameters.leverages):
        for side in (0, 1):
            sign = 1 if side == LONG else -1
            price = isolated_liquidation_price(
                sign,
                1.0,
                min(leverage, max(highest, 1.01)),
                parameters.typical_position_usd,
                tiers,
                is_inverse=is_inverse,
                fee_rate=fee_rate,
            )
            distances[side, index] = _bins_between(sign, price)
    distances.setflags(write=False)
    return distances


def _bins_between(sign: int, relative_price: float) -> float:
    """Distance in bins on the right side of the entry, at least one bin and at most e^10."""
    distance = math.log(relative_price) / BIN_WIDTH if relative_price > 0 else -sign * 10 / BIN_WIDTH
    return -sign * min(max(-sign * distance, MIN_DISTANCE_BINS), 10 / BIN_WIDTH)
