"""A history before the first simulated second: the path of the price, and who still stands when it ends."""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.market_simulation.first_positions import FirstPosition
from liqheat_ingest.market_simulation.market import POSITION_LIFE_S
from liqheat_ingest.market_simulation.price_path import YEAR_S, PricePath
from liqheat_ingest.market_simulation.profiles import LEVERAGE_MIX

MINUTE_S = 60.0


class PriceHistory(NamedTuple):
    """Index price minute by minute, oldest first; shapes (minutes,).

    Attributes
    ----------
    open, high, low, close : ndarray
        USD for one unit of the coin. ``open`` is the ``close`` before it.
    volatility_factor : ndarray
        Volatility of the minute relative to its average.
    """

    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volatility_factor: NDArray[np.float64]


def price_history(
    price_at_end: float, annual_volatility: float, minutes: int, random: np.random.Generator
) -> PriceHistory:
    """A path of the same law as :class:`PricePath` that ends at a given price.

    Parameters
    ----------
    price_at_end : float
        Last close.
    annual_volatility : float
        Standard deviation of the log return over a year, on average.
    minutes : int
        At least one.
    random : numpy Generator
        The only source of chance.

    Notes
    -----
    Highs and lows are those of a Brownian bridge between the closes.

    Examples
    --------
    >>> history = price_history(100.0, 0.5, 1440, np.random.default_rng(1))
    >>> float(history.close[-1]), bool((history.low <= history.close).all()), bool((history.high >= history.open).all())
    (100.0, True, True)
    """
    sigma = annual_volatility * sqrt(MINUTE_S / YEAR_S)
    jumps = random.random(minutes) < PricePath.JUMPS_PER_DAY * MINUTE_S / 86_400.0
    factor = _volatility_factors(jumps, random)
    returns = sigma * factor * random.standard_normal(minutes)
    returns += jumps * PricePath.JUMP_DAYS * sigma * sqrt(1_440.0) * random.standard_normal(minutes)
    log_close = np.cumsum(returns)
    close = price_at_end * np.exp(log_close - log_close[-1])
    opened = close * np.exp(-returns)
    width = -2.0 * (sigma * factor) ** 2
    up = 0.5 * (returns + np.sqrt(returns**2 + width * np.log(random.uniform(1e-12, 1.0, minutes))))
    down = 0.5 * (returns - np.sqrt(returns**2 + width * np.log(random.uniform(1e-12, 1.0, minutes))))
    high = np.maximum(opened * np.exp(up), np.maximum(opened, close))
    low = np.minimum(opened * np.exp(down), np.minimum(opened, close))
    close[-1] = price_at_end
    return PriceHistory(opened, high, low, close, factor)


def surviving_positions(
    history: PriceHistory,
    side: int,
    count: int,
    maintenance_margin_rate: float,
    max_leverage: float,
    random: np.random.Generator,
) -> list[FirstPosition]:
    """Positions opened along a history that were neither closed nor liquidated before its end.

    Parameters
    ----------
    history : PriceHistory
        Where they could be entered.
    side : int
        +1 longs, -1 shorts.
    count : int
        At most so many.
    maintenance_margin_rate, max_leverage : float
        Of the venue's lowest tier.

    Returns
    -------
    list of FirstPosition
        None of them would be liquidated by the last price, unless a size puts it into a higher tier.
    """
    minutes = len(history.close)
    if side > 0:
        extreme = np.minimum.accumulate(history.low[::-1])[::-1]
    else:
        extreme = np.maximum.accumulate(history.high[::-1])[::-1]
    mix = np.array(LEVERAGE_MIX)
    edges = np.cumsum(mix[:, 1]) / mix[:, 1].sum()
    found: list[FirstPosition] = []
    for _ in range(20):
        age = random.exponential(POSITION_LIFE_S / MINUTE_S, 2 * count).astype(np.int64) + 1
        at = minutes - 1 - age[age < minutes]
        if not len(at):
            at = np.zeros(count, dtype=np.int64)
        entry = history.close[at]
        leverage = np.minimum(mix[:, 0][np.searchsorted(edges, random.random(len(at)))], max_leverage)
        liquidation = entry * (1.0 - side / leverage) / (1.0 - side * maintenance_margin_rate)
        after = extreme[np.minimum(at + 1, minutes - 1)]
        stands = liquidation < after if side > 0 else liquidation > after
        found += [FirstPosition(float(e), float(x)) for e, x in zip(entry[stands], leverage[stands], strict=True)]
        if len(found) >= count:
            break
    return found[:count]


def _volatility_factors(jumps: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.float64]:
    decay = exp(-MINUTE_S / PricePath.VOLATILITY_MEMORY_S)
    spread = PricePath.VOLATILITY_SPREAD * sqrt(1.0 - decay * decay)
    shocks = (spread * random.standard_normal(len(jumps)) + 0.5 * jumps).tolist()
    level = 0.0
    levels: list[float] = []
    for shock in shocks:
        level = decay * level + shock
        levels.append(level)
    return np.exp(np.array(levels, dtype=np.float64))
