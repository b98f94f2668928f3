"""Volume and open interest of one market along a price history."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.market_simulation.price_history import PriceHistory


class FlowHistory(NamedTuple):
    """Minute by minute, oldest first; shapes (minutes,). Lots are whole numbers.

    Attributes
    ----------
    volume_lots, bought_lots : ndarray
        Traded, and what takers bought of it.
    prints : ndarray
        Number of trades.
    open_interest_lots : ndarray
        One side, at the end of the minute.
    """

    volume_lots: NDArray[np.float64]
    bought_lots: NDArray[np.float64]
    prints: NDArray[np.float64]
    open_interest_lots: NDArray[np.float64]


def flow_history(
    history: PriceHistory,
    daily_lots: float,
    prints_per_second: float,
    open_interest_lots_at_end: int,
    random: np.random.Generator,
) -> FlowHistory:
    """Volume that grows with volatility, and open interest that falls with great moves and ends at a given size.

    Parameters
    ----------
    history : PriceHistory
        The price.
    daily_lots : float
        Volume of an average day.
    prints_per_second : float
        Average number of trades.
    open_interest_lots_at_end : int
        What stands when the history ends.

    Examples
    --------
    >>> from liqheat_ingest.market_simulation.price_history import price_history
    >>> random = np.random.default_rng(1)
    >>> flow = flow_history(price_history(100.0, 0.5, 1440, random), 1e6, 2.0, 5_000, random)
    >>> float(flow.open_interest_lots[-1]), bool((flow.bought_lots <= flow.volume_lots).all())
    (5000.0, True)
    """
    minutes = len(history.close)
    returns = np.log(history.close / history.open)
    ordinary = max(1e-9, float(np.std(returns)))
    usual = daily_lots / 1_440.0 * history.volatility_factor
    volume = np.floor(usual * random.lognormal(-0.125, 0.5, minutes)) + 1.0
    lean = np.clip(0.15 * returns / ordinary, -0.35, 0.35)
    bought = np.floor(volume * np.clip(0.5 + lean + 0.05 * random.standard_normal(minutes), 0.0, 1.0))
    prints = np.minimum(volume, 1.0 + random.poisson(60.0 * prints_per_second, minutes))
    changes = 0.02 / sqrt(1_440.0) * random.standard_normal(minutes)
    changes -= 0.004 * np.maximum(0.0, np.abs(returns) / ordinary - 3.0)
    path = np.cumsum(changes - changes.mean())
    standing = np.maximum(1.0, np.round(open_interest_lots_at_end * np.exp(path - path[-1])))
    standing[-1] = open_interest_lots_at_end
    return FlowHistory(volume, bought, prints, standing)
