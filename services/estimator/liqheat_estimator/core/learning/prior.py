"""What is believed before a market has said anything: numbers from ``prior.json``, which names where they are from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning.structure import (
    COMMON,
    DIFFUSE_BANDS,
    V_COUNT,
    W_COUNT,
    Z_COUNT,
    parameter_names,
)

#: Hourly drift variances: weights of layers and bands move, coefficients hardly, the level of the multiplier freely.
WEIGHT_DRIFT = 3e-4
COEFFICIENT_DRIFT = 1e-5
LEVEL_DRIFT = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """Mean and variance of each parameter before the first hour, and the variance that an hour adds.

    Attributes
    ----------
    layers : int
    source : str
        Which data the numbers come from.
    """

    values: Floats
    variances: Floats
    drift: Floats
    layers: int
    source: str


def uninformed_prior(layers: int) -> Prior:
    """Nothing is known: every weight e^-5 with a standard deviation of 2, every coefficient about 0."""
    groups = layers + DIFFUSE_BANDS + 1
    coefficients = Z_COUNT + W_COUNT + V_COUNT
    values = np.concatenate([np.full(groups, -5.0), np.zeros(coefficients)])
    variances = np.concatenate([np.full(groups, 4.0), np.full(coefficients, 0.04)])
    variances[groups + COMMON] = 0.5
    return Prior(values, variances, _drift(layers), layers, "none")


def _drift(layers: int) -> Floats:
    groups = layers + DIFFUSE_BANDS + 1
    drift = np.concatenate([np.full(groups, WEIGHT_DRIFT), np.full(Z_COUNT + W_COUNT + V_COUNT, COEFFICIENT_DRIFT)])
    drift[groups + COMMON] = LEVEL_DRIFT
    return drift


@cache
def shipped_prior(layer_names: tuple[str, ...]) -> Prior:
    """The prior of ``prior.json`` for layers of these names.

    Raises
    ------
    ValueError
        The file was made for other layers.
    """
    text = resources.files("liqheat_estimator.core.learning").joinpath("prior.json").read_text(encoding="utf-8")
    data = json.loads(text)
    names = parameter_names(layer_names)
    if list(names) != list(data["parameters"]):
        raise ValueError("prior.json was made for other layers; make it anew with `liqheat backtest --write-prior`")
    rows = list(data["parameters"].values())
    values = np.array([row[0] for row in rows])
    variances = np.array([row[1] for row in rows])
    return Prior(values, variances, _drift(len(layer_names)), len(layer_names), data["source"])
