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


@compiled("UniTuple(f8,2)(f8[:,:,::1],f8[:,::1],f8[:,::1],f8[:,::1],i8,i8,i8,i8,f8,f8[::1])")
def consume_bins(
    mass: Array,
    scale: Array,
    total: Array,
    swept_usd: Array,
    side: int,
    start: int,
    end: int,
    edge: int,
    kept: float,
    prices: Array,
) -> tuple[float, float]:
    """Empty the window's columns start to end (excluded) of a side: (coin, USD at the columns' prices).

    Of the column ``edge`` the part ``kept`` stays: the mark went only so far into it.
    """
    base = usd = 0.0
    for layer in range(mass.shape[1]):
        row = mass[side, layer]
        removed = 0.0
        before = usd
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
            swept_usd[side, layer] += usd - before
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


@compiled("UniTuple(f8,2)(f8[::1],i8)")
def _band(distances: Array, layer: int) -> tuple[float, float]:
    """Nearest and farthest distance of a class: the geometric means with its neighbours'; at least one bin apart."""
    here = abs(distances[layer])
    far = math.sqrt(here * abs(distances[layer - 1])) if layer > 0 else 0.0
    near = math.sqrt(here * abs(distances[layer + 1])) if layer + 1 < len(distances) else 0.0
    if far == 0.0:
        far = here * here / near if near > 0.0 else here
    if near == 0.0:
        near = here * here / far
    if far - near < 1.0:
        near, far = here - 0.5, here + 0.5
    return near, far


@compiled("f8(f8[::1],f8)")
def _summed(sums: Array, place: float) -> float:
    """Integral from ``place`` to one beyond of a step function that is ``sums[n]`` from n to n + 1."""
    whole = math.floor(place)
    part = place - whole
    last = len(sums) - 1
    here = 0.0 if whole < 0 else sums[min(whole, last)]
    after = 0.0 if whole + 1 < 0 else sums[min(whole + 1, last)]
    return (1.0 - part) * here + part * after


@compiled("f8(f8[::1],f8,f8)")
def _share(sums: Array, from_low: float, from_high: float) -> float:
    """Share of a column times the band's width, by the column's distances from the band's two edges."""
    return max(_summed(sums, from_low) - _summed(sums, from_high), 0.0)


@compiled("UniTuple(f8,2)(f8[::1],i8,i8,i8,i8,f8,f8)")
def _beyond_mark(
    sums: Array, side: int, mark: int, start: int, end: int, low_edge: float, high_edge: float
) -> tuple[float, float]:
    """Share of a band on the wrong side of the mark, and its moment."""
    beyond = 0.0
    moment = 0.0
    first, last = (max(start, mark + 1), end) if side == 0 else (start, min(end, mark))
    for column in range(first, last):
        part = _share(sums, column - low_edge, column - high_edge) / (high_edge - low_edge)
        beyond += part
        moment += part * column
    return beyond, moment


@compiled("UniTuple(f8,2)(f8[::1],f8[::1],i8,i8,f8,f8,f8)")
def _spread(
    row: Array, sums: Array, first: int, last: int, low_edge: float, high_edge: float, unit: float
) -> tuple[float, float]:
    """Add ``unit`` times a band's shares to the columns first to last (excluded): their sum and moment."""
    width = high_edge - low_edge
    inside = 0.0
    moment = 0.0
    # Between its two ramps a band is level.
    level_first = max(first, math.ceil(low_edge + len(sums) - 1))
    level_last = min(last, math.floor(high_edge))
    if level_last > level_first:
        part = unit / width
        for column in range(level_first, level_last):
            row[column] += part
        inside = (level_last - level_first) / width
        moment = inside * (level_first + level_last - 1) / 2.0
    else:
        level_first = level_last = last
    for step in range(2):
        for column in range(first if step == 0 else level_last, min(level_first, last) if step == 0 else last):
            part = _share(sums, column - low_edge, column - high_edge) / width
            row[column] += part * unit
            inside += part
            moment += part * column
    return inside, moment


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
    """Add ``amounts`` (2, layers) that were opened over a profile of prices; see ``PositionMap.deposit``.

    A class is spread evenly over its band of distances. With ``sums[n]`` the share entered in the first n + 1 bins, the
    density at a place is ``(sums at (place - near edge) - sums at (place - far edge)) / width``.
    """
    mark = mark_bin - first_bin
    columns = mass.shape[2]
    sums = np.cumsum(profile)
    mean_entry = 0.0
    for step in range(len(profile)):
        mean_entry += profile[step] * step
    for side in range(2):
        sign = -1.0 if side == 0 else 1.0
        for layer in range(mass.shape[1]):
            amount = amounts[side, layer]
            if amount == 0.0:
                continue
            near, far = _band(distances[side], layer)
            width = far - near
            # Entries lie in the middle of their bins; edges by price, lowest first.
            base = profile_bin - first_bin + offset + 0.5
            low_edge = base + (near if side == 1 else -far)
            high_edge = low_edge + width
            start = math.floor(low_edge)
            end = math.floor(high_edge) + len(profile) + 1
            beyond, beyond_moment = _beyond_mark(sums, side, mark, start, end, low_edge, high_edge)
            kept = 1.0 - beyond
            if kept < MIN_KEPT:
                column = mark + int(sign * max(math.floor(near), 1.0))
                _put(mass, tail_mass, tail_moment, first_bin, side, layer, column, amount / scale[side, layer])
            else:
                unit = amount / (kept * scale[side, layer])
                first, last = max(start, 0), min(end, columns)
                if side == 0:
                    last = min(last, mark + 1)
                else:
                    first = max(first, mark)
                inside, moment = _spread(mass[side, layer], sums, first, last, low_edge, high_edge, unit)
                outside = kept - inside
                if (start < 0 or end > columns) and outside > MIN_KEPT:
                    all_moment = mean_entry + (low_edge + high_edge) / 2.0 - 0.5
                    tail_mass[side, layer] += outside * unit
                    tail_moment[side, layer] += (all_moment - beyond_moment - moment + outside * first_bin) * unit
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
