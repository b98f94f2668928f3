"""What a simulated market tells of itself: the events of a step, and its true map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.market_simulation.position_book import LiquidatedPosition
from liqheat_shared.contracts.base import Side


class Print(NamedTuple):
    """A trade between agents, in lots. ``aggressor`` +1: the taker bought.

    ``buyer`` and ``seller`` are the accounts that opened a long or a short with it; None: closed one, or made markets.
    """

    lots: int
    aggressor: int
    buyer: int | None = None
    seller: int | None = None


def print_of(lots: int, aggressor: int, side: int, opener: int | None) -> Print:
    """A trade of which one side opened a position."""
    return Print(lots, aggressor, opener, None) if side > 0 else Print(lots, aggressor, None, opener)


class Liquidated(NamedTuple):
    """A position closed by the mark price."""

    side: Side
    position: LiquidatedPosition


class MarketStep(NamedTuple):
    """What happened in one step.

    Attributes
    ----------
    prints : list of Print
        Trades that opened, closed or liquidated positions.
    background_lots, background_bought_lots : int
        Volume that left no position behind (opened and closed within the step), and what takers bought of it.
    """

    mark_price: float
    liquidated: list[Liquidated]
    prints: list[Print]
    background_lots: int
    background_bought_lots: int


#: Absolute bins and USD, one of each a position.
BinnedUsd = tuple[NDArray[np.int64], NDArray[np.float64]]


class TrueDensity(NamedTuple):
    """The true liquidation map: USD that would be liquidated in each bin, at the price of liquidation.

    Bin i of the arrays is absolute bin ``first_bin + i``, prices from ``exp(k * 0.001)`` to ``exp((k + 1) * 0.001)``.
    """

    first_bin: int
    long_usd: NDArray[np.float64]
    short_usd: NDArray[np.float64]

    @classmethod
    def of(cls, longs: BinnedUsd, shorts: BinnedUsd) -> TrueDensity:
        """From the bin and the USD of each position."""
        bins = np.concatenate([longs[0], shorts[0]])
        if len(bins) == 0:
            return cls(0, np.zeros(0), np.zeros(0))
        first, size = int(bins.min()), int(bins.max() - bins.min()) + 1
        long_usd, short_usd = (
            np.bincount(k - first, weights=usd, minlength=size).astype(np.float64) for k, usd in (longs, shorts)
        )
        return cls(first, long_usd, short_usd)
