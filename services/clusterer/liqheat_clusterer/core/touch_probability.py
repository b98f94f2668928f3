"""Chance that a diffusing price reaches a level within a horizon."""

from __future__ import annotations

import math

HOUR_MS = 3_600_000
_ROOT_HALF = 0.7071067811865476


def touch_probability(log_distance: float, direction: int, sigma_1h: float, horizon_ms: int) -> float:
    """Probability that the price touches a barrier, from the reflection principle with drift.

    With x = ln(level / price) * direction > 0, s the standard deviation over the horizon and nu the drift of the log
    price towards the barrier over the horizon:
    ``P = Phi((-x + nu) / s) + exp(2 nu x / s^2) * Phi((-x - nu) / s)``.
    The price itself has no drift (mu = 0), so its logarithm drifts by -s^2 / 2: away from levels above, towards levels
    below, and the exponent is -x above and +x below. Assumes constant volatility and no jumps; publish it beside its
    base rate.

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
    0.3157
    >>> touch_probability(0.0, -1, 0.005, 3_600_000)
    1.0
    """
    if log_distance <= 0.0:
        return 1.0
    deviation = sigma_1h * math.sqrt(horizon_ms / HOUR_MS)
    if log_distance > 9.0 * deviation + 40.0 * deviation * deviation:
        return 0.0  # below 1e-17, whatever the drift
    drift = -0.5 * deviation * deviation * direction
    scale = _ROOT_HALF / deviation
    direct = math.erfc((log_distance - drift) * scale)
    reflected = math.erfc((log_distance + drift) * scale)
    # e^x stays finite: no map is wider than 700 in log price, and where it is large its factor is 0
    probability = 0.5 * (direct + math.exp(min(-log_distance * direction, 700.0)) * reflected)
    return min(1.0, max(0.0, probability))
