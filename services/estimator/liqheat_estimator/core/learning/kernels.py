"""The arithmetic of the forecast and of the filter that learns it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from liqheat_estimator.core.compiled import compiled
from liqheat_estimator.core.learning.structure import COMMON, V_COUNT, W_COUNT, Z_COUNT

Array = Any
#: Bounds of the exponents: no state of the market changes a part more than this.
Z_BOUND = 5.0
W_BOUND = 4.0
V_BOUND = 4.0
#: Smallest amount in units, so that a logarithm exists where nothing was expected.
FLOOR_UNITS = 1e-5
#: Rounds of the regression's solution an hour; it starts from the solution of the hour before.
SWEEPS = 8
LOG_WEIGHT_LOW, LOG_WEIGHT_HIGH = -16.0, 4.0


@compiled("void(f4[:,:,::1],f8[::1],f8[::1],f8,f8[:,::1])")
def band_masses(near: Array, starts: Array, reaches: Array, width: float, masses: Array) -> None:
    """Mass of each layer between the mark and a distance: ``masses`` (2, layers).

    Cell 0 of ``near[side]`` covers distances 0 to ``starts[side]``, each further cell one ``width`` more; the last one
    of the band is covered in part.
    """
    for side in range(2):
        for layer in range(near.shape[1]):
            reach, start = reaches[side], starts[side]
            total = near[side, layer, 0] * (1.0 if reach >= start else reach / start)
            for n in range(1, near.shape[2]):
                covered = (reach - start) / width - (n - 1)
                if covered <= 0.0:
                    break
                total += near[side, layer, n] * min(covered, 1.0)
            masses[side, layer] = total


@compiled("UniTuple(f8,3)(f8[::1],f8[::1],i8)")
def exponents(values: Array, features: Array, groups: int) -> tuple[float, float, float]:
    """exp(Z beta), exp(W gamma), exp(V eta) of one side."""
    z = values[groups + Z_COUNT - 1]
    w = 0.0
    v = 0.0
    for place in range(COMMON):
        z += values[groups + place] * features[place]
    for place in range(W_COUNT):
        w += values[groups + Z_COUNT + place] * features[place]
    for place in range(V_COUNT):
        v += values[groups + Z_COUNT + W_COUNT + place] * features[place]
    z = min(max(z, -Z_BOUND), Z_BOUND)
    w = min(max(w, -W_BOUND), W_BOUND)
    v = min(max(v, -V_BOUND), V_BOUND)
    return math.exp(z), math.exp(w), math.exp(v)


@compiled("UniTuple(f8,3)(f8[::1],f8[::1],i8)")
def weighted_parts(values: Array, parts: Array, layers: int) -> tuple[float, float, float]:
    """Sums of layers, diffuse bands and background of one side, each times its weight."""
    mapped = 0.0
    diffuse = FLOOR_UNITS
    groups = len(parts)
    for group in range(groups - 1):
        part = math.exp(values[group]) * parts[group]
        if group < layers:
            mapped += part
        else:
            diffuse += part
    return mapped, diffuse, math.exp(values[groups - 1]) * parts[groups - 1]


@compiled("void(f8[::1],f8[:,::1],f8[::1],f8[:,::1],f8[:,::1],f8[::1],i8,f8,f8,f8,f8,f8)")
def learn_hour(
    values: Array,
    covariance: Array,
    drift: Array,
    parts: Array,
    features: Array,
    observed: Array,
    layers: int,
    noise: float,
    small_noise: float,
    small_units: float,
    floor_units: float,
    bound: float,
) -> None:
    """One hour of the extended Kalman filter on log(observed + floor), longs first.

    Parameters
    ----------
    values, covariance : ndarray, shape (n,), (n, n)
        The belief; changed in place. The covariance stays symmetric, in single precision, so that a checkpoint holds
        it in half the bytes and restores it to the last bit.
    drift : ndarray, shape (n,)
        Variance that each parameter gains in an hour.
    parts : ndarray, shape (2, groups)
        Layers, diffuse bands and background of the swept band, in units.
    observed : ndarray, shape (2,)
        In units.
    noise, small_noise, small_units : float
        Variance of the logarithm: ``noise + small_noise / (1 + expected / small_units)``, since small sums are lumpy.
    floor_units, bound : float
        Added before the logarithm, and where a surprise is cut off.
    """
    n = len(values)
    groups = parts.shape[1]
    slope = np.empty(n)
    spread = np.empty(n)
    for place in range(n):
        covariance[place, place] += drift[place]
    for side in range(2):
        z, w, v = exponents(values, features[side], groups)
        mapped, diffuse, background = weighted_parts(values, parts[side], layers)
        mapped_now, background_now = z * w * mapped, v * background
        spatial = mapped_now + z * diffuse
        expected = spatial + background_now
        scale = 1.0 / (expected + floor_units)
        for group in range(groups - 1):
            part = math.exp(values[group]) * parts[side, group]
            slope[group] = scale * part * z * (w if group < layers else 1.0)
        slope[groups - 1] = scale * background_now
        for place in range(COMMON):
            slope[groups + place] = scale * spatial * features[side, place]
        slope[groups + Z_COUNT - 1] = scale * spatial
        for place in range(W_COUNT):
            slope[groups + Z_COUNT + place] = scale * mapped_now * features[side, place]
        for place in range(V_COUNT):
            slope[groups + Z_COUNT + W_COUNT + place] = scale * background_now * features[side, place]
        surprise = math.log(observed[side] + floor_units) - math.log(expected + floor_units)
        surprise = min(max(surprise, -bound), bound)
        total = noise + small_noise / (1.0 + expected / small_units)
        spread[:] = 0.0
        for row in range(n):  # the covariance is symmetric, and its rows lie in one piece
            for column in range(n):
                spread[column] += covariance[row, column] * slope[row]
        for row in range(n):
            total += slope[row] * spread[row]
        for row in range(n):
            gain = spread[row] / total
            values[row] += gain * surprise
            for column in range(n):
                covariance[row, column] -= gain * spread[column]
        for group in range(groups):
            values[group] = min(max(values[group], LOG_WEIGHT_LOW), LOG_WEIGHT_HIGH)
    for row in range(n):
        for column in range(row, n):
            covariance[row, column] = covariance[column, row] = np.float32(covariance[row, column])


@compiled("UniTuple(f8,2)(f8[:,::1],f8[::1],f8[::1],f8,f8,f8[:,::1],f8[::1],f8,f8,f8,f8,f8)")
def learn_weights(
    information: Array,
    explained: Array,
    values: Array,
    reported_sum: float,
    swept_sum: float,
    swept: Array,
    reported: Array,
    kept: float,
    lump: float,
    noise: float,
    least: float,
    most: float,
) -> tuple[float, float]:
    """Add an hour to the sums of a regression in place, after what it forgets: (reported sum, swept sum).

    ``swept`` (2, layers) and ``reported`` (2,) are shares of the open interest; a side whose sums lie outside ``least``
    and ``most`` is left out. The variance of a report is ``lump * expected + noise * expected^2``.
    """
    layers = len(values)
    for row in range(layers):
        explained[row] *= kept
        for column in range(layers):
            information[row, column] *= kept
    reported_sum *= kept
    swept_sum *= kept
    for side in range(2):
        total = 0.0
        expected = 0.0
        for layer in range(layers):
            total += swept[side, layer]
            expected += values[layer] * swept[side, layer]
        if not (least < total < most and reported[side] < most):
            continue
        variance = lump * expected + noise * expected * expected
        for row in range(layers):
            explained[row] += swept[side, row] * reported[side] / variance
            for column in range(layers):
                information[row, column] += swept[side, row] * swept[side, column] / variance
        reported_sum += reported[side]
        swept_sum += total
    return reported_sum, swept_sum


@compiled("void(f8[:,::1],f8[::1],f8[::1],f8,f8,f8)")
def solve_weights(information: Array, explained: Array, values: Array, level: float, least: float, most: float) -> None:
    """Improve the solution of a bounded regression in place, coordinate by coordinate, from where it was.

    Each value has a prior with mean ``level`` and standard deviation ``level``, and stays between ``least`` and
    ``most`` times the level.
    """
    prior = 1.0 / (level * level)
    for _ in range(SWEEPS):
        for row in range(len(values)):
            rest = explained[row] + prior * level
            for column in range(len(values)):
                if column != row:
                    rest -= information[row, column] * values[column]
            best = rest / (information[row, row] + prior)
            values[row] = min(max(best, least * level), most * level)
