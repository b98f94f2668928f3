"""Estimated positions of one market by side, layer and liquidation price."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from liqheat_estimator.core import map_kernels as kernels
from liqheat_estimator.core.bins import Floats, centre_price, centre_prices
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS

_SIDES = (LONG, SHORT)


class OpeningPrices(NamedTuple):
    """Where positions were opened.

    Attributes
    ----------
    first_bin : int
        Absolute bin of ``profile[0]``.
    profile : ndarray
        Share in each bin, sums to 1.
    offset : float
        Mean place of the entries within their bins, from -0.5 (lower edge) to 0.5.
    """

    first_bin: int
    profile: Floats
    offset: float


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
    swept_usd : ndarray, shape (2, layers)
        USD that sweeps have taken of each layer since somebody last took note and set it to zero.
    """

    __slots__ = (
        "_priced",
        "first_bin",
        "mass",
        "scale",
        "seed_share",
        "swept_usd",
        "tail_mass",
        "tail_moment",
        "total",
    )

    def __init__(self, layers: int, mark_bin: int) -> None:
        self.first_bin = mark_bin - WINDOW_BINS // 2
        self.mass: Floats = np.zeros((2, layers, WINDOW_BINS))
        self.scale: Floats = np.ones((2, layers))
        self.tail_mass: Floats = np.zeros((2, layers))
        self.tail_moment: Floats = np.zeros((2, layers))
        self.total: Floats = np.zeros((2, layers))
        self.seed_share: Floats = np.zeros((2, layers))
        self.swept_usd: Floats = np.zeros((2, layers))
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

    def round_cells(self) -> None:
        """Round all cells to single precision and recount."""
        kernels.round_to_single(self.mass.reshape(-1))
        self.refresh_totals()

    def density(self, weights: Floats | None = None) -> Floats:
        """Mass by side and bin, all layers together: shape (2, WINDOW_BINS), in the coin.

        Parameters
        ----------
        weights : ndarray, shape (2, layers), optional
            What each layer counts; None: 1.
        """
        density = np.zeros((2, WINDOW_BINS))
        kernels.add_density(self.mass, self.scale if weights is None else self.scale * weights, density)
        return density

    def density_at(self, side: int, bin_index: int, weights: Floats | None = None) -> float:
        """Mass in one absolute bin."""
        place = bin_index - self.first_bin
        if not 0 <= place < WINDOW_BINS:
            return 0.0
        scale = self.scale[side] if weights is None else self.scale[side] * weights[side]
        return float((self.mass[side, :, place] * scale).sum())

    # ---- closing

    def turn_over(self, kept: Floats, volume_base: float) -> tuple[float, float]:
        """Keep a part of each layer, but close at most a volume on either side; what was closed, by side.

        Parameters
        ----------
        kept : ndarray, shape (layers,)
            0 to 1.
        volume_base : float
            Each trade closes at most its size on either side; ``inf``: unknown.
        """
        long_base, short_base, small = kernels.turn_over(self.scale, self.total, kept, volume_base)
        if small:
            kernels.renormalise(self.mass, self.scale, self.tail_mass, self.tail_moment)
        return long_base, short_base

    def close_down(self, long_target: float, short_target: float) -> tuple[float, float, float, float]:
        """Close in proportion until at most the targets are left: what was closed, then what stands, by side."""
        *amounts, small = kernels.close_down(self.scale, self.total, long_target, short_target)
        if small:
            kernels.renormalise(self.mass, self.scale, self.tail_mass, self.tail_moment)
        return tuple(amounts)  # type: ignore[return-value]

    # ---- sweeping

    def consume(self, side: int, low: float, high: float) -> tuple[float, float]:
        """Remove what stands between two log prices: (coin, USD at the bins' prices).

        A bin holds its mass evenly. Towards the mark's way the range takes all of its last bin, since what stood
        beyond was consumed before; at the far end it takes the part of the bin that the mark went into.

        Parameters
        ----------
        low, high : float
            Log prices in bins. For longs the mark fell from ``high`` to ``low``, for shorts it rose from low to high.
        """
        first, last = math.floor(low), math.floor(high)
        if side == LONG:
            edge, reached = first, low - first
            held = high - last if last == first else 1.0
        else:
            edge, reached = last, last + 1 - high
            held = last + 1 - low if last == first else 1.0
        kept = min(reached / held, 1.0) if held > 0 else 0.0
        base = usd = 0.0
        start, end = max(first - self.first_bin, 0), min(last - self.first_bin + 1, WINDOW_BINS)
        if start < end:
            base, usd = kernels.consume_bins(
                self.mass,
                self.scale,
                self.total,
                self.swept_usd,
                side,
                start,
                end,
                edge - self.first_bin,
                kept,
                self.prices(),
            )
        if first < self.first_bin or last >= self.first_bin + WINDOW_BINS:
            tail_base, tail_usd = self._consume_tails(side, low, high)
            return base + tail_base, usd + tail_usd
        return base, usd

    def _consume_tails(self, side: int, low: float, high: float) -> tuple[float, float]:
        base = usd = 0.0
        for layer in np.flatnonzero(self.tail_mass[side] > 0):
            mean_bin = self.tail_moment[side, layer] / self.tail_mass[side, layer]
            if low <= mean_bin + 0.5 <= high:
                amount = float(self.tail_mass[side, layer] * self.scale[side, layer])
                base += amount
                usd += amount * centre_price(float(mean_bin))
                self.total[side, layer] = max(float(self.total[side, layer]) - amount, 0.0)
                self.tail_mass[side, layer] = self.tail_moment[side, layer] = 0.0
        return base, usd

    # ---- opening

    def deposit(self, amounts: Floats, opened: OpeningPrices, shifts: Floats, mark_bin: int) -> None:
        """Add positions that were opened over a profile of prices.

        Entries whose liquidation price the mark has already passed can't be open any more: the layer's amount goes
        to its other entries, or to an entry at the mark if none is left.

        Parameters
        ----------
        amounts : ndarray, shape (2, layers)
            In the coin, not negative.
        opened : OpeningPrices
            Where.
        shifts : ndarray, shape (2, layers)
            Distance from entry to liquidation in bins: negative for longs, positive for shorts.
        """
        kernels.deposit_profile(
            self.mass,
            self.scale,
            self.total,
            self.tail_mass,
            self.tail_moment,
            self.seed_share,
            self.first_bin,
            amounts,
            opened.first_bin,
            opened.profile,
            opened.offset,
            shifts,
            mark_bin,
        )

    def seed(self, amounts: Floats, shifts: Floats, width_bins: Floats, mark_bin: int) -> None:
        """Add positions older than the data: entries normal about the mark, the already liquidated left out.

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
                whole = math.floor(shifts[side, layer])
                far = float(shifts[side, layer]) - whole
                parts = np.zeros(len(steps) + 1)
                parts[:-1] = (1.0 - far) * entries
                parts[1:] += far * entries
                first = mark - reach + whole
                index = first + np.arange(len(parts))
                parts *= (index <= mark) if side == LONG else (index >= mark)
                parts *= amounts[side, layer] / (parts.sum() * self.scale[side, layer])
                self._add(side, layer, first, parts)
        grown = self.total + amounts
        self.seed_share = (self.seed_share * self.total + amounts) / np.maximum(grown, 1e-300)
        self.total = grown

    def put(self, side: int, layer: int, bin_index: int, quantity_base: float) -> None:
        """Add positions that are liquidated in one absolute bin, with a history behind them."""
        amount = quantity_base / float(self.scale[side, layer])
        self._add(side, layer, bin_index - self.first_bin, np.array([amount]))
        grown = float(self.total[side, layer]) + quantity_base
        self.seed_share[side, layer] *= self.total[side, layer] / grown
        self.total[side, layer] = grown

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
        # The bin of the tail's middle: what a sweep left standing never comes back beyond the mark.
        middle_bin = math.floor(float(self.tail_moment[side, layer]) / amount + 0.5)
        self.tail_mass[side, layer] = self.tail_moment[side, layer] = 0.0
        return side, layer, middle_bin - self.first_bin, amount
