"""Chance that a diffusing price reaches a level within a horizon."""

from __future__ import annotations

import math

HOUR_MS = 3_600_000


def touch_probability(log_distance: float, direction: int, sigma_1h: float, horizon_ms: int) -> float:
    """Probability that the price touches a barrier, from the reflection principle with drift.

    With x = ln(level / price) * direction > 0, s the standard deviation over the horizon and nu the drift of the log
    price towards the barrier over the horizon:
    ``P = Phi((-x + nu) / s) + exp(2 nu x / s^2) * Phi((-x - nu) / s)``.
    The price itself has no drift (mu = 0), so its logarithm drifts by -s^2 / 2: away from levels above, towards levels
    below. Assumes constant volatility and no jumps; publish it beside its base rate.

    Parameters
    ----------
    log_distance : float
        Distance in the direction of the barrier, natural logarithm of price. At or below 0: it is reached, 1.
    direction : int
        +1: the level is above, -1: below.
    sigma_1h : float
        Standard deviation of the 1-hour log return, above 0.
    horizon_ms : int
        Above 0.

    Examples
    --------
    >>> round(touch_probability(0.01, 1, 0.005, 4 * 3_600_000), 4)
    0.3148
    >>> touch_probability(0.0, -1, 0.005, 3_600_000)
    1.0
    """
    if log_distance <= 0.0:
        return 1.0
    variance = sigma_1h * sigma_1h * (horizon_ms / HOUR_MS)
    deviation = math.sqrt(variance)
    drift = -0.5 * variance * direction
    # 2 nu x / s^2 is -x above and +x below; x is bounded by the width of a map, the product by Phi's fast decay
    exponent = min(-log_distance * direction, 700.0)
    probability = _phi((drift - log_distance) / deviation) + math.exp(exponent) * _phi(
        (-log_distance - drift) / deviation
    )
    return min(1.0, max(0.0, probability))


def _phi(x: float) -> float:
    return 0.5 * math.erfc(-x * 0.7071067811865476)
