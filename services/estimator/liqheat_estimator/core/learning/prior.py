"""What is believed about a market's reports before it has said anything, and how much an hour blurs a belief."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.structure import V_COUNT, W_COUNT, Z_COUNT, group_count, level_place

#: Hourly drift variances: weights of layers and bands move, coefficients hardly, the level of the multiplier freely.
WEIGHT_DRIFT = 3e-4
COEFFICIENT_DRIFT = 1e-5
LEVEL_DRIFT = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Mean and variance of each parameter before the first hour; order as in ``structure.parameter_names``.

    Attributes
    ----------
    values, variances : ndarray, shape (parameters,)
    source : str
        Which data the numbers come from.
    level : str
        Where in a :class:`~liqheat_estimator.core.learning.prior_table.PriorTable` it stands: which markets it is for.
    """

    values: Floats
    variances: Floats
    source: str
    level: str


def uninformed_prior(layers: int) -> Prior:
    """Nothing is known: every weight e^-5 with a standard deviation of 2, every coefficient about 0."""
    groups = group_count(layers)
    coefficients = Z_COUNT + W_COUNT + V_COUNT
    values = np.concatenate([np.full(groups, -5.0), np.zeros(coefficients)])
    variances = np.concatenate([np.full(groups, 4.0), np.full(coefficients, 0.04)])
    variances[level_place(layers)] = 0.5
    return Prior(values, variances, "none", "uninformed")


def hourly_drift(layers: int) -> Floats:
    """Variance that an hour adds to each parameter, shape (parameters,)."""
    groups = group_count(layers)
    drift = np.concatenate([np.full(groups, WEIGHT_DRIFT), np.full(Z_COUNT + W_COUNT + V_COUNT, COEFFICIENT_DRIFT)])
    drift[level_place(layers)] = LEVEL_DRIFT
    return drift
