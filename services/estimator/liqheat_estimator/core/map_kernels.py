"""The loops over a market's map. Arrays are changed in place; shapes as in :class:`PositionMap`.

Side 0 is long, below the mark; side 1 short, above it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from liqheat_estimator.core.compiled import compiled

#: A layer's scale below this is multiplied into its cells: float64 keeps its precision.
RENORMALISE_BELOW = 1e-6
#: A layer that keeps less than this part of a deposit on the right side of the mark enters at the mark instead.
MIN_KEPT = 1e-6

Array = Any


@compiled("UniTuple(f8,2)(f8[:,:,::1],f8[:,::1],f8[:,::1],i8,i8,i8,i8,f8,f8[::1])")
def consume_bins(
    mass: Array, scale: Array, total: Array, side: int, start: int, end: int, edge: int, kept: float, prices: Array
) -> tuple[float, float]:
    """Empty the window's columns start to end (excluded) of a side: (coin, USD at the columns' prices).

    Of the column ``edge`` the part ``kept`` stays: the mark went only so far into it.
    """
    base = usd = 0.0
    for layer in range(mass.shape[1]):
        row = mass[side, layer]
        removed = 0.0
        for column in range(start, end):
            cell = row[column]
            if cell != 0.0:
                left = cell * kept if column == edge else 0.0
                cell -= left
                removed += cell
                usd += cell * scale[side, layer] * prices[column]
                row[column] = left
        if removed != 0.0:
            removed *= scale[side, layer]
            base += removed
            total[side, layer] = max(total[side, layer] - removed, 0.0)
    return base, usd


@compiled("void(f8[:,:,::1],f8[:,::1],f8[:,::1],f8[:,::1])")
def renormalise(mass: Array, scale: Array, tail_mass: Array, tail_moment: Array) -> None:
    """Multiply scales that have become small into their cells."""
    for side in range(2):
        for layer in range(mass.shape[1]):
            factor = scale[side, layer]
            if factor < RENORMALISE_BELOW:
                for column in range(mass.shape[2]):
                    mass[side, layer, column] *= factor
                tail_mass[side, layer] *= factor
                tail_moment[side, layer] *= factor
                scale[side, layer] = 1.0


@compiled("void(f8[:,:,::1],f8[:,::1],f8[:,::1],i8,i8,i8,i8,f8)")
def _put(
    mass: Array, tail_mass: Array, tail_moment: Array, first_bin: int, side: int, layer: int, column: int, amount: float
) -> None:
    if 0 <= column < mass.shape[2]:
        mass[side, layer, column] += amount
    else:
        tail_mass[side, layer] += amount
        tail_moment[side, layer] += amount * (column + first_bin)


@compiled("void(f8[:,:,::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],f8[:,::1],i8,f8[:,::1],i8,f8[::1],f8,f8[:,::1],i8)")
def deposit_profile(
    mass: Array,
    scale: Array,
    total: Array,
    tail_mass: Array,
    tail_moment: Array,
    seed_share: Array,
    first_bin: int,
    amounts: Array,
    profile_bin: int,
    profile: Array,
    offset: float,
    distances: Array,
    mark_bin: int,
) -> None:
    """Add ``amounts`` (2, layers) that were opened over a profile of prices; see ``PositionMap.deposit``."""
    mark = mark_bin - first_bin
    count = len(profile)
    for side in range(2):
        for layer in range(mass.shape[1]):
            amount = amounts[side, layer]
            if amount == 0.0:
                continue
            whole = math.floor(distances[side, layer] + offset)
            part_far = distances[side, layer] + offset - whole
            start = profile_bin - first_bin + int(whole)
            kept = 0.0
            before = 0.0
            for step in range(count + 1):
                here = profile[step] if step < count else 0.0
                column = start + step
                if (column <= mark) if side == 0 else (column >= mark):
                    kept += here * (1.0 - part_far) + before * part_far
                before = here
            if kept < MIN_KEPT:
                column = mark + int(min(whole, -1.0) if side == 0 else max(whole, 1.0))
                _put(mass, tail_mass, tail_moment, first_bin, side, layer, column, amount / scale[side, layer])
            else:
                unit = amount / (kept * scale[side, layer])
                before = 0.0
                for step in range(count + 1):
                    here = profile[step] if step < count else 0.0
                    column = start + step
                    if (column <= mark) if side == 0 else (column >= mark):
                        part = (here * (1.0 - part_far) + before * part_far) * unit
                        if part != 0.0:
                            _put(mass, tail_mass, tail_moment, first_bin, side, layer, column, part)
                    before = here
            grown = total[side, layer] + amount
            seed_share[side, layer] *= total[side, layer] / grown if grown > 0.0 else 0.0
            total[side, layer] = grown


@compiled("Tuple((f8,f8,b1))(f8[:,::1],f8[:,::1],f8[::1],f8)")
def turn_over(scale: Array, total: Array, kept: Array, volume_base: float) -> tuple[float, float, bool]:
    """Close ``1 - kept`` of each layer, at most the volume on either side: (longs closed, shorts closed, any small)."""
    closed = np.zeros(2)
    small = False
    for side in range(2):
        amount = 0.0
        for layer in range(scale.shape[1]):
            amount += total[side, layer] * (1.0 - kept[layer])
        bound = volume_base / amount if amount > volume_base else 1.0
        closed[side] = amount * bound
        for layer in range(scale.shape[1]):
            factor = 1.0 - (1.0 - kept[layer]) * bound
            scale[side, layer] *= factor
            total[side, layer] *= factor
            small = small or scale[side, layer] < RENORMALISE_BELOW
    return closed[0], closed[1], small


@compiled("Tuple((f8,f8,f8,f8,b1))(f8[:,::1],f8[:,::1],f8,f8)")
def close_down(
    scale: Array, total: Array, long_target: float, short_target: float
) -> tuple[float, float, float, float, bool]:
    """Close in proportion down to targets: (longs, shorts closed; longs, shorts standing; any small)."""
    closed = np.zeros(2)
    standing = np.zeros(2)
    small = False
    for side in range(2):
        have = 0.0
        for layer in range(scale.shape[1]):
            have += total[side, layer]
        target = long_target if side == 0 else short_target
        left = min(have, target)
        standing[side] = left
        if left < have:
            closed[side] = have - left
            factor = left / have
            for layer in range(scale.shape[1]):
                scale[side, layer] *= factor
                total[side, layer] *= factor
                small = small or scale[side, layer] < RENORMALISE_BELOW
    return closed[0], closed[1], standing[0], standing[1], small


@compiled("void(f8[:,:,::1],f8[:,::1],f8[:,::1])")
def add_density(mass: Array, weights: Array, density: Array) -> None:
    """Add the layers, each times its weight, to a density of shape (2, columns)."""
    for side in range(2):
        for layer in range(mass.shape[1]):
            weight = weights[side, layer]
            if weight != 0.0:
                for column in range(mass.shape[2]):
                    density[side, column] += weight * mass[side, layer, column]


@compiled("void(f8[::1])")
def round_to_single(values: Array) -> None:
    """Round each value to single precision."""
    for place in range(len(values)):
        values[place] = np.float32(values[place])


@compiled("void(f8[:,:,::1],f8[:,::1],i8,f8[::1],f4[:,:,::1])")
def copy_near(mass: Array, scale: Array, mark: int, prices: Array, near: Array) -> None:
    """USD of each layer from the mark's column on: ``near[side, layer, n]`` is n columns away from it."""
    columns = mass.shape[2]
    for side in range(2):
        step = -1 if side == 0 else 1
        for layer in range(mass.shape[1]):
            for n in range(near.shape[2]):
                column = mark + step * n
                inside = 0 <= column < columns
                near[side, layer, n] = (
                    mass[side, layer, column] * scale[side, layer] * prices[column] if inside else 0.0
                )
