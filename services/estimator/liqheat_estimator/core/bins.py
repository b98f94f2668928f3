"""The absolute log-price grid: bin k covers prices from exp(k * 0.001) to exp((k + 1) * 0.001)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def bin_of(price: float) -> int:
    """Bin that a price lies in.

    Parameters
    ----------
    price : float
        In quote currency, positive.

    Raises
    ------
    ValueError
        The price is not positive.

    Examples
    --------
    >>> bin_of(1.0), bin_of(60_000.0)
    (0, 11002)
    """
    return math.floor(math.log(price) / BIN_WIDTH)


def bins_of(prices: Floats) -> Integers:
    """Bin of each price.

    >>> bins_of(np.array([1.0, 60_000.0])).tolist()
    [0, 11002]
    """
    return np.floor(np.log(prices) / BIN_WIDTH).astype(np.int64)


def log_bins(price: float) -> float:
    """Log price in bins, with its fraction.

    >>> log_bins(1.0)
    0.0
    """
    return math.log(price) / BIN_WIDTH


def centre_price(bin_index: float) -> float:
    """Price in the middle of a bin, on the log scale.

    >>> bin_of(centre_price(11002))
    11002
    """
    return math.exp((bin_index + 0.5) * BIN_WIDTH)


def centre_prices(first_bin: int, count: int) -> Floats:
    """Centre price of ``count`` bins from ``first_bin`` on.

    >>> centre_prices(0, 2).round(6).tolist()
    [1.0005, 1.001501]
    """
    prices: Floats = np.exp((np.arange(first_bin, first_bin + count) + 0.5) * BIN_WIDTH)
    return prices
