"""The index price of a simulated coin: random walk with volatility that clusters, jumps, and market impact."""

from __future__ import annotations

from math import erfc, exp, log, sqrt

import numpy as np

YEAR_S = 365.25 * 86_400.0


class PricePath:
    """Geometric Brownian motion whose log volatility reverts to its mean, with Poisson jumps and decaying impact.

    Parameters
    ----------
    price : float
        At the start.
    annual_volatility : float
        Standard deviation of the log return over a year, on average.
    random : numpy Generator
        The only source of chance.

    Notes
    -----
    Impact of a forced order: ``Y * sigma_day * sqrt(Q / V_day)`` with Y = 1, half of it gone after five minutes.
    """

    VOLATILITY_MEMORY_S = 7_200.0
    VOLATILITY_SPREAD = 0.45
    JUMPS_PER_DAY = 4.0
    JUMP_DAYS = 0.35  # size of a jump, in daily standard deviations
    IMPACT_HALF_LIFE_S = 300.0

    def __init__(self, price: float, annual_volatility: float, random: np.random.Generator) -> None:
        self._log_price = log(price)
        self._sigma_second = annual_volatility / sqrt(YEAR_S)
        self._log_volatility = 0.0
        self._impact = 0.0
        self._random = random

    @property
    def price(self) -> float:
        """Index price now, impact included."""
        return exp(self._log_price + self._impact)

    @property
    def sigma_day(self) -> float:
        """Average standard deviation of a day's log return."""
        return self._sigma_second * sqrt(86_400.0)

    @property
    def volatility_factor(self) -> float:
        """Volatility now relative to its average."""
        return exp(self._log_volatility)

    def advance(self, seconds: float) -> float:
        """Let time pass; returns the new price."""
        shock, volatility_shock, jump_size, chance = self._random.standard_normal(4)
        decay = exp(-seconds / self.VOLATILITY_MEMORY_S)
        spread = self.VOLATILITY_SPREAD * sqrt(1.0 - decay * decay)
        self._log_volatility = decay * self._log_volatility + spread * float(volatility_shock)
        sigma = self._sigma_second * self.volatility_factor * sqrt(seconds)
        self._log_price += sigma * float(shock) - 0.5 * sigma * sigma
        # A standard normal beyond this quantile is as rare as a jump in the interval.
        if _upper_tail(float(chance)) < self.JUMPS_PER_DAY * seconds / 86_400.0:
            self._log_price += self.JUMP_DAYS * self.sigma_day * float(jump_size)
            self._log_volatility += 0.5
        self._impact *= 0.5 ** (seconds / self.IMPACT_HALF_LIFE_S)
        return self.price

    def jump(self, log_return: float) -> None:
        """Move the price at once and for good, as on news."""
        self._log_price += log_return

    def push_by(self, log_return: float) -> None:
        """Move the price for a while, as forced orders do: half of it is gone after five minutes."""
        self._impact += log_return

    def push(self, signed_notional_usd: float, daily_volume_usd: float) -> None:
        """Market impact of a forced order: positive buys."""
        size = self.sigma_day * sqrt(abs(signed_notional_usd) / daily_volume_usd)
        self._impact += size if signed_notional_usd > 0 else -size


def _upper_tail(z: float) -> float:
    return 0.5 * erfc(z / sqrt(2.0))
