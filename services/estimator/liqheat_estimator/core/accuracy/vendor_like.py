"""The map that simple vendors draw: fixed leverages, every rise of open interest an opening, nobody ever leaves."""

from __future__ import annotations

import math

import numpy as np

from liqheat_estimator.core import map_kernels
from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.parameters import LONG, WINDOW_BINS
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Distances of 100x, 50x, 25x and 10x in bins, without maintenance margin; a quarter of each opening goes to each.
_LEVERAGES = (100.0, 50.0, 25.0, 10.0)
_SHIFTS = [[round(math.log(1 - sign / leverage) / BIN_WIDTH) for leverage in _LEVERAGES] for sign in (1, -1)]


class VendorLikeMap:
    """Mass in the coin by side and bin, over the same window as the market's own map.

    Attributes
    ----------
    first_bin : int
    mass : ndarray, shape (2, WINDOW_BINS)
    """

    __slots__ = ("first_bin", "mass")

    def __init__(self, first_bin: int) -> None:
        self.first_bin = first_bin
        self.mass: Floats = np.zeros((2, WINDOW_BINS))

    def open(self, quantity_base: float, mark_bin: int) -> None:
        """Add an opening of so much on each side at the mark."""
        for side in (0, 1):
            for shift in _SHIFTS[side]:
                place = mark_bin + shift - self.first_bin
                if 0 <= place < WINDOW_BINS:
                    self.mass[side, place] += quantity_base / len(_LEVERAGES)

    def consume(self, side: int, low: float, high: float) -> None:
        """Empty the bins that the mark crossed, but for the one that it stopped in."""
        first, last = math.floor(low), math.floor(high)
        start, end = (first + 1, last + 1) if side == LONG else (first, last)
        start, end = max(start - self.first_bin, 0), min(end - self.first_bin, WINDOW_BINS)
        if start < end:
            self.mass[side, start:end] = 0.0

    def scroll(self, first_bin: int) -> None:
        """Follow the window; what falls out of it is forgotten."""
        moved = np.zeros_like(self.mass)
        shift = first_bin - self.first_bin
        if abs(shift) < WINDOW_BINS:
            source = slice(max(shift, 0), WINDOW_BINS + min(shift, 0))
            target = slice(max(-shift, 0), WINDOW_BINS + min(-shift, 0))
            moved[:, target] = self.mass[:, source]
        self.first_bin, self.mass = first_bin, moved

    def near_usd(self, mark_at: float, prices: Floats, cells: int) -> Floats:
        """USD from the mark's bin outwards, shape (2, cells); cell 0 is the mark's own bin."""
        near = np.zeros((2, 1, cells), dtype=np.float32)
        mass = self.mass[:, None, :]
        mark = math.floor(mark_at) - self.first_bin
        map_kernels.copy_near(np.ascontiguousarray(mass), np.ones((2, 1)), mark, prices, near)
        return near[:, 0].astype(np.float64)
