"""At which prices a market traded since its last open-interest update."""

from __future__ import annotations

import numpy as np

from liqheat_estimator.core.bins import Floats, Integers

#: A profile never spans more bins than this; what lies farther is counted at its edge.
MAX_BINS = 1_024


class VolumeProfile:
    """Traded quantity by absolute bin, on the few bins that traded.

    Attributes
    ----------
    first_bin : int
        Bin of ``quantity_base[0]``.
    quantity_base : ndarray
        Empty until something traded.
    """

    __slots__ = ("first_bin", "quantity_base")

    def __init__(self, first_bin: int = 0, quantity_base: Floats | None = None) -> None:
        self.first_bin = first_bin
        self.quantity_base: Floats = np.zeros(0) if quantity_base is None else quantity_base

    def total_base(self) -> float:
        """Quantity in all bins."""
        return float(np.add.reduce(self.quantity_base))

    def add(self, bin_index: int, quantity_base: float) -> None:
        """Count a quantity in one bin."""
        self._cover(bin_index, bin_index)
        last = len(self.quantity_base) - 1
        self.quantity_base[min(max(bin_index - self.first_bin, 0), last)] += quantity_base

    def add_range(self, low_bin: int, high_bin: int, quantity_base: float) -> None:
        """Count a quantity evenly over the bins from low to high, both included."""
        count = high_bin - low_bin + 1
        if len(self.quantity_base) == 0 and count <= MAX_BINS:  # a candle's, mostly
            self.first_bin, self.quantity_base = low_bin, np.full(count, quantity_base / count)
            return
        self._cover(low_bin, high_bin)
        start = max(low_bin - self.first_bin, 0)
        end = max(min(high_bin - self.first_bin + 1, len(self.quantity_base)), start + 1)
        start = min(start, end - 1, len(self.quantity_base) - 1)
        part = self.quantity_base[start:end]
        part += quantity_base / len(part)

    def add_all(self, bins: Integers, quantities_base: Floats) -> None:
        """Count each quantity in its bin."""
        low, high = int(np.minimum.reduce(bins)), int(np.maximum.reduce(bins))
        self._cover(low, high)
        places = bins - self.first_bin
        count = len(self.quantity_base)
        if low < self.first_bin or high >= self.first_bin + count:
            places = np.clip(places, 0, count - 1)
        self.quantity_base += np.bincount(places, weights=quantities_base, minlength=count)

    def _cover(self, low_bin: int, high_bin: int) -> None:
        count = len(self.quantity_base)
        if count == 0:
            self.first_bin = low_bin
            self.quantity_base = np.zeros(min(high_bin - low_bin + 1, MAX_BINS))
            return
        low = min(low_bin, self.first_bin)
        high = max(high_bin, self.first_bin + count - 1)
        if high - low + 1 > MAX_BINS:  # grow as far as allowed, on the side that asks
            low = max(low, self.first_bin + count - MAX_BINS) if low < self.first_bin else self.first_bin
            high = min(high, low + MAX_BINS - 1)
        if low == self.first_bin and high == self.first_bin + count - 1:
            return
        grown = np.zeros(high - low + 1)
        grown[self.first_bin - low : self.first_bin - low + count] = self.quantity_base
        self.first_bin, self.quantity_base = low, grown
