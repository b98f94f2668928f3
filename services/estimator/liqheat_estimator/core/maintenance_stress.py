"""The map if venues raised their maintenance requirements: liquidation prices move towards the mark."""

from __future__ import annotations

from typing import Any

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.scope_grid import ScopeMap, sum_maps, trim


def stressed_map(
    market: MarketState, parameters: EstimatorParameters, maintenance_stress: float
) -> tuple[Floats, tuple[float, float]]:
    """USD by side and bin of the market's window under stress, and USD of each side that is liquidated at once.

    Each layer moves as its leverage class does on this market's tiers; margin stays what it is. Positions that were
    read from a chain are not moved: their margin is not known.

    Parameters
    ----------
    maintenance_stress : float
        Fraction by which requirements rise: 0.5 means half as much again.
    """
    assert market.map is not None
    positions = market.map
    weights = market.layer_weights()
    scale = positions.scale if weights is None else positions.scale * weights
    moves = market.stressed_shifts(parameters, maintenance_stress) - market.layer_shifts(parameters)
    mark = market.mark_at - positions.first_bin
    centres = np.arange(WINDOW_BINS) + 0.5
    usd = np.zeros((2, WINDOW_BINS))
    at_once = [0.0, 0.0]
    for side in (LONG, SHORT):
        for layer in range(scale.shape[1]):
            row = positions.mass[side, layer] * scale[side, layer] * positions.prices()
            filled = np.flatnonzero(row)
            if len(filled) == 0:
                continue
            places = centres[filled] + moves[side, layer]
            crossed = places >= mark if side == LONG else places <= mark
            at_once[side] += float(row[filled][crossed].sum())
            kept = places[~crossed]
            bins = np.clip(np.floor(kept).astype(np.int64), 0, WINDOW_BINS - 1)
            usd[side] += np.bincount(bins, weights=row[filled][~crossed], minlength=WINDOW_BINS)
    return usd, (at_once[LONG], at_once[SHORT])


def stressed_value(
    markets: list[MarketState], parameters: EstimatorParameters, maintenance_stress: float
) -> dict[str, Any]:
    """Value of ``StressedMap``: all markets together."""
    maps: list[ScopeMap] = []
    at_once = [0.0, 0.0]
    for market in markets:
        if market.map is not None:
            usd, crossed = stressed_map(market, parameters, maintenance_stress)
            maps.append(ScopeMap(market.map.first_bin, usd))
            for side in (LONG, SHORT):
                at_once[side] += crossed[side]
    trimmed = trim(sum_maps(maps))
    return {
        "maintenance_stress": maintenance_stress,
        "first_bin": trimmed.first_bin,
        "long_usd": trimmed.long_usd,
        "short_usd": trimmed.short_usd,
        "liquidated_at_once_long_usd": at_once[LONG],
        "liquidated_at_once_short_usd": at_once[SHORT],
    }
