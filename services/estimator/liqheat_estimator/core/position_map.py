"""Estimated positions of one market by side, leverage class and liquidation price."""

from __future__ import annotations

import numpy as np

from liqheat_estimator.core.bins import Floats, centre_price, centre_prices
from liqheat_estimator.core.layers import LayerShifts
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS

#: A layer's scale below this is multiplied into its cells: float64 keeps its precision.
RENORMALISE_BELOW = 1e-6
#: A layer that keeps less than this part of a deposit on the right side of the mark enters at the mark instead.
MIN_KEPT = 1e-6
_SIDES = (LONG, SHORT)


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

    __slots__ = ("first_bin", "mass", "scale", "seed_share", "tail_mass", "tail_moment", "total")

    def __init__(self, layers: int, mark_bin: int) -> None:
        self.first_bin = mark_bin - WINDOW_BINS // 2
        self.mass: Floats = np.zeros((2, layers, WINDOW_BINS))
        self.scale: Floats = np.ones((2, layers))
        self.tail_mass: Floats = np.zeros((2, layers))
        self.tail_moment: Floats = np.zeros((2, layers))
        self.total: Floats = np.zeros((2, layers))
        self.seed_share: Floats = np.zeros((2, layers))

    def standing(self, side: int) -> float:
        """Mass of a side in the coin."""
        return float(self.total[side].sum())

    def refresh_totals(self) -> None:
        """Recount the totals, so that rounding errors of single steps don't add up."""
        self.total = (self.mass.sum(axis=2) + self.tail_mass) * self.scale

    def density(self) -> Floats:
        """Mass by side and bin, all layers together: shape (2, WINDOW_BINS), in the coin."""
        summed: Floats = (self.mass * self.scale[:, :, None]).sum(axis=1)
        return summed

    def density_at(self, side: int, bin_index: int) -> float:
        """Mass in one absolute bin."""
        place = bin_index - self.first_bin
        if not 0 <= place < WINDOW_BINS:
            return 0.0
        return float((self.mass[side, :, place] * self.scale[side]).sum())

    # ---- closing

    def multiply(self, side: int, factors: Floats | float) -> None:
        """Keep a part of each layer of a side; factors are 0 to 1."""
        self.scale[side] *= factors
        self.total[side] *= factors
        if self.scale[side].min() < RENORMALISE_BELOW:
            self._renormalise(side)

    def _renormalise(self, side: int) -> None:
        for layer in np.flatnonzero(self.scale[side] < RENORMALISE_BELOW):
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
            if block.any():
                removed = block * self.scale[side, :, None]
                by_layer = removed.sum(axis=1)
                base = float(by_layer.sum())
                usd = float((removed.sum(axis=0) * centre_prices(self.first_bin + start, end - start)).sum())
                self.total[side] = np.maximum(self.total[side] - by_layer, 0.0)
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
        index = (shifts.whole + (first_bin - self.first_bin))[:, :, None] + np.arange(count + 1)
        parts = np.zeros(index.shape)
        parts[:, :, :count] = (1.0 - shifts.rest)[:, :, None] * profile
        parts[:, :, 1:] += shifts.rest[:, :, None] * profile
        mark = mark_bin - self.first_bin
        np.multiply(parts[LONG], index[LONG] < mark, out=parts[LONG])
        np.multiply(parts[SHORT], index[SHORT] > mark, out=parts[SHORT])
        kept = parts.sum(axis=2)
        lost = (kept < MIN_KEPT) & (amounts > 0)
        if lost.any():
            kept[lost] = np.inf
            self._deposit_at_mark(np.where(lost, amounts, 0.0), shifts, mark_bin)
        parts *= (amounts / (np.maximum(kept, MIN_KEPT) * self.scale))[:, :, None]
        if index.min() >= 0 and index.max() < WINDOW_BINS:
            rows = np.arange(self.mass.size // WINDOW_BINS).reshape(*amounts.shape, 1) * WINDOW_BINS
            self.mass.reshape(-1)[index + rows] += parts
        else:
            for side in _SIDES:
                for layer in range(amounts.shape[1]):
                    self._add(side, layer, int(index[side, layer, 0]), parts[side, layer])
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
                rest = shifts.rest[side, layer]
                parts = np.zeros(len(steps) + 1)
                parts[:-1] = (1.0 - rest) * entries
                parts[1:] += rest * entries
                first = mark - reach + int(shifts.whole[side, layer])
                index = first + np.arange(len(parts))
                parts *= (index < mark) if side == LONG else (index > mark)
                parts *= amounts[side, layer] / (parts.sum() * self.scale[side, layer])
                self._add(side, layer, first, parts)
        self._count_deposit(amounts, 1.0)

    def _count_deposit(self, amounts: Floats, seed_share: float) -> None:
        grown = self.total + amounts
        share = (self.seed_share * self.total + seed_share * amounts) / np.maximum(grown, 1e-300)
        self.seed_share = np.where(grown > 0, share, 0.0)
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
