"""Estimated positions of one market by side, leverage class and liquidation price."""

from __future__ import annotations

from functools import cache

import numpy as np

from liqheat_estimator.core.bins import Floats, Integers, centre_price, centre_prices
from liqheat_estimator.core.layers import LayerShifts
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS
from liqheat_estimator.core.volume_profile import MAX_BINS

#: A layer's scale below this is multiplied into its cells: float64 keeps its precision.
RENORMALISE_BELOW = 1e-6
#: A layer that keeps less than this part of a deposit on the right side of the mark enters at the mark instead.
MIN_KEPT = 1e-6
_SIDES = (LONG, SHORT)
#: Sign of the direction from the mark in which a side's positions lie.
_AHEAD = np.array([-1, 1])[:, None, None]
_STEPS = np.arange(MAX_BINS + 1)


@cache
def _row_starts(layers: int) -> Integers:
    """Place of each layer's first cell in the flat mass array, shape (2, layers, 1)."""
    return np.arange(2 * layers).reshape(2, layers, 1) * WINDOW_BINS


class PositionMap:
    """Mass in the coin, over a window of bins around the mark, with one tail cell a layer beyond it.

    The true mass of a cell is ``mass * scale`` of its layer, so that closing a part of a layer is one multiplication.
    Longs lie below the mark and shorts above it, so each side has one tail: longs below the window, shorts above.

    Attributes
    ----------
    first_bin : int
        Absolute bin of column 0.
    mass : ndarray, shape (2, layers, WINDOW_BINS)
        Before scale; side 0 is long, side 1 short.
    scale, tail_mass, tail_moment : ndarray, shape (2, layers)
        ``tail_moment`` is the sum of tail mass times absolute bin, before scale.
    total : ndarray, shape (2, layers)
        True mass of each layer, tail included.
    seed_share : ndarray, shape (2, layers)
        Part of each layer that stands for positions older than the data.
    """

    __slots__ = ("_priced", "first_bin", "mass", "scale", "seed_share", "tail_mass", "tail_moment", "total")

    def __init__(self, layers: int, mark_bin: int) -> None:
        self.first_bin = mark_bin - WINDOW_BINS // 2
        self.mass: Floats = np.zeros((2, layers, WINDOW_BINS))
        self.scale: Floats = np.ones((2, layers))
        self.tail_mass: Floats = np.zeros((2, layers))
        self.tail_moment: Floats = np.zeros((2, layers))
        self.total: Floats = np.zeros((2, layers))
        self.seed_share: Floats = np.zeros((2, layers))
        self._priced: tuple[int, Floats] | None = None

    def prices(self) -> Floats:
        """Centre price of each bin of the window. Not to be written to."""
        if self._priced is None or self._priced[0] != self.first_bin:
            self._priced = self.first_bin, centre_prices(self.first_bin, WINDOW_BINS)
        return self._priced[1]

    def standing(self, side: int) -> float:
        """Mass of a side in the coin."""
        return float(np.add.reduce(self.total[side]))

    def refresh_totals(self) -> None:
        """Recount the totals, so that rounding errors of single steps don't add up."""
        self.total = (self.mass.sum(axis=2) + self.tail_mass) * self.scale

    def density(self) -> Floats:
        """Mass by side and bin, all layers together: shape (2, WINDOW_BINS), in the coin."""
        # einsum without optimisation: no temporary of the whole map and no BLAS, whose sums depend on its threads.
        summed: Floats = np.einsum("sk,skb->sb", self.scale, self.mass, optimize=False)
        return summed

    def density_at(self, side: int, bin_index: int) -> float:
        """Mass in one absolute bin."""
        place = bin_index - self.first_bin
        if not 0 <= place < WINDOW_BINS:
            return 0.0
        return float((self.mass[side, :, place] * self.scale[side]).sum())

    # ---- closing

    def multiply(self, factors: Floats) -> None:
        """Keep a part of each layer; factors are 0 to 1, of shape (2, layers), (layers,) or (2, 1)."""
        self.scale *= factors
        self.total *= factors
        if np.minimum.reduce(self.scale, axis=None) < RENORMALISE_BELOW:
            self._renormalise()

    def _renormalise(self) -> None:
        for side, layer in np.argwhere(self.scale < RENORMALISE_BELOW).tolist():
            factor = self.scale[side, layer]
            self.mass[side, layer] *= factor
            self.tail_mass[side, layer] *= factor
            self.tail_moment[side, layer] *= factor
            self.scale[side, layer] = 1.0

    # ---- sweeping

    def consume(self, side: int, low_bin: int, high_bin: int) -> tuple[float, float]:
        """Remove everything in the absolute bins low to high, both included: (coin, USD at the bins' prices).

        A layer's tail cell goes with it when its mean bin is in the range.
        """
        base = usd = 0.0
        start, end = max(low_bin - self.first_bin, 0), min(high_bin - self.first_bin + 1, WINDOW_BINS)
        if start < end:
            block = self.mass[side, :, start:end]
            by_bin = np.add.reduce(removed := block * self.scale[side, :, None], axis=0)
            base = float(np.add.reduce(by_bin))
            if base > 0:
                usd = float(np.add.reduce(by_bin * self.prices()[start:end]))
                self.total[side] = np.maximum(self.total[side] - np.add.reduce(removed, axis=1), 0.0)
                block[...] = 0.0
        if low_bin < self.first_bin or high_bin >= self.first_bin + WINDOW_BINS:
            tail_base, tail_usd = self._consume_tails(side, low_bin, high_bin)
            return base + tail_base, usd + tail_usd
        return base, usd

    def _consume_tails(self, side: int, low_bin: int, high_bin: int) -> tuple[float, float]:
        base = usd = 0.0
        for layer in np.flatnonzero(self.tail_mass[side] > 0):
            mean_bin = self.tail_moment[side, layer] / self.tail_mass[side, layer]
            if low_bin <= mean_bin <= high_bin:
                amount = float(self.tail_mass[side, layer] * self.scale[side, layer])
                base += amount
                usd += amount * centre_price(float(mean_bin))
                self.total[side, layer] = max(float(self.total[side, layer]) - amount, 0.0)
                self.tail_mass[side, layer] = self.tail_moment[side, layer] = 0.0
        return base, usd

    # ---- opening

    def deposit(self, amounts: Floats, first_bin: int, profile: Floats, shifts: LayerShifts, mark_bin: int) -> None:
        """Add positions that were opened over a profile of prices.

        Entries whose liquidation price the mark has already passed can't be open any more: the layer's amount goes
        to its other entries, or to an entry at the mark if none is left.

        Parameters
        ----------
        amounts : ndarray, shape (2, layers)
            In the coin, not negative.
        first_bin : int
            Absolute bin of ``profile[0]``.
        profile : ndarray
            Share of the volume in each bin, sums to 1.
        """
        count = len(profile)
        # Places in the flat mass array, and of the mark in each row of it.
        rows = _row_starts(amounts.shape[1])
        offset = first_bin - self.first_bin
        index = (shifts.whole[:, :, None] + (rows + offset)) + _STEPS[: count + 1]
        mark = rows + (mark_bin - self.first_bin)
        padded = np.zeros(count + 2)
        padded[1:-1] = profile
        parts = shifts.near * padded[1:]
        parts += shifts.far * padded[:-1]
        np.putmask(parts, (index - mark) * _AHEAD <= 0, 0.0)
        kept = np.add.reduce(parts, axis=2)
        if np.minimum.reduce(kept, axis=None) < MIN_KEPT:
            lost = kept < MIN_KEPT
            kept[lost] = np.inf
            self._deposit_at_mark(np.where(lost, amounts, 0.0), shifts, mark_bin)
        parts *= (amounts / (kept * self.scale))[:, :, None]
        if offset + shifts.lowest >= 0 and offset + shifts.highest + count < WINDOW_BINS:
            self.mass.reshape(-1)[index] += parts
        else:
            for side in _SIDES:
                for layer in range(amounts.shape[1]):
                    self._add(side, layer, offset + int(shifts.whole[side, layer]), parts[side, layer])
        self._count_deposit(amounts, 0.0)

    def _deposit_at_mark(self, amounts: Floats, shifts: LayerShifts, mark_bin: int) -> None:
        for side, layer in np.argwhere(amounts > 0).tolist():
            whole = int(shifts.whole[side, layer])
            place = mark_bin - self.first_bin + (min(whole, -1) if side == LONG else max(whole, 1))
            self._add(side, layer, place, np.array([amounts[side, layer] / self.scale[side, layer]]))

    def seed(self, amounts: Floats, shifts: LayerShifts, width_bins: Floats, mark_bin: int) -> None:
        """Add positions that are older than the data: entries spread around the mark, the liquidated ones left out.

        Parameters
        ----------
        amounts : ndarray, shape (2, layers)
            In the coin.
        width_bins : ndarray, shape (layers,)
            Standard deviation of the entries about the mark; cut at three of them.
        """
        mark = mark_bin - self.first_bin
        for layer, width in enumerate(width_bins):
            reach = int(3 * width)
            steps = np.arange(-reach, reach + 1)
            entries = np.exp(-0.5 * (steps / width) ** 2)
            for side in _SIDES:
                parts = np.zeros(len(steps) + 1)
                parts[:-1] = shifts.near[side, layer] * entries
                parts[1:] += shifts.far[side, layer] * entries
                first = mark - reach + int(shifts.whole[side, layer])
                index = first + np.arange(len(parts))
                parts *= (index < mark) if side == LONG else (index > mark)
                parts *= amounts[side, layer] / (parts.sum() * self.scale[side, layer])
                self._add(side, layer, first, parts)
        self._count_deposit(amounts, 1.0)

    def _count_deposit(self, amounts: Floats, seed_share: float) -> None:
        grown = self.total + amounts
        seeded = self.seed_share * self.total
        if seed_share > 0:
            seeded += seed_share * amounts
        self.seed_share = seeded / np.maximum(grown, 1e-300)
        self.total = grown

    def _add(self, side: int, layer: int, first: int, parts: Floats) -> None:
        """Add unscaled mass from window column ``first`` on; what lies outside goes to the tail."""
        start, end = max(first, 0), min(first + len(parts), WINDOW_BINS)
        if start < end:
            self.mass[side, layer, start:end] += parts[start - first : end - first]
        inside = slice(max(start - first, 0), max(end - first, 0)) if start < end else slice(0, 0)
        outside = np.concatenate((parts[: inside.start], parts[inside.stop :]))
        if outside.any():
            bins = np.arange(first, first + len(parts)) + self.first_bin
            bins = np.concatenate((bins[: inside.start], bins[inside.stop :]))
            self.tail_mass[side, layer] += outside.sum()
            self.tail_moment[side, layer] += (outside * bins).sum()

    # ---- scrolling

    def scroll(self, mark_bin: int) -> None:
        """Move the window's centre to a bin. Edge mass goes to the tails, tails that the window reaches come back."""
        first_bin = mark_bin - WINDOW_BINS // 2
        old, old_first = self.mass, self.first_bin
        self.mass = np.zeros_like(old)
        self.first_bin = first_bin
        returning = [self._take_tail(int(side), int(layer)) for side, layer in np.argwhere(self.tail_mass > 0)]
        for side in _SIDES:
            for layer in range(old.shape[1]):
                if old[side, layer].any():
                    self._add(side, layer, old_first - first_bin, old[side, layer])
        for side, layer, place, amount in returning:
            self._add(side, layer, place, np.array([amount]))

    def _take_tail(self, side: int, layer: int) -> tuple[int, int, int, float]:
        amount = float(self.tail_mass[side, layer])
        mean_bin = round(float(self.tail_moment[side, layer]) / amount)
        self.tail_mass[side, layer] = self.tail_moment[side, layer] = 0.0
        return side, layer, mean_bin - self.first_bin, amount
