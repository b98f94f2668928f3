"""What each method expects between the mark and a distance from it.

A baseline's size means nothing, since scores let every method fit its own line; its shape does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.core.bins import Floats
from liqheat_shared.contracts.map_accuracy import Method

METHODS: Final[tuple[Method, ...]] = (
    "map",
    "uniform",
    "distance-kernel",
    "unswept",
    "vendor-like",
    "mirrored-map",
)
#: Log distances at which frozen forecasts are kept; between them they are interpolated, beyond them they end.
KNOTS: Final[Floats] = np.array(
    [
        *(0.0, 0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0065, 0.008, 0.01, 0.0125),
        *(0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.3),
    ]
)
#: Shares of open interest in a unit of distance (uniform, unswept) and of its square (distance kernel): orders of
#: magnitude of what an hour liquidates where the range is about half a percent.
UNIFORM_SHARE: Final = 0.01
KERNEL_SHARE: Final = 2.0
#: Price that was traded within the last hours holds little; beyond their extremes it holds the rest.
UNSWEPT_HOURS: Final = (8, 24)
UNSWEPT_WEIGHTS: Final = (0.1, 0.45, 0.45)


@dataclass(frozen=True, slots=True)
class FrozenForecasts:
    """Everything the methods need, frozen at one moment.

    Attributes
    ----------
    open_interest_usd : float
    map_usd, vendor_usd : ndarray, shape (2, KNOTS), float32
        Expected between the mark and each knot, by side: what venues report, and the vendor-like map's whole mass.
    extremes : tuple
        By side, log distance from the mark to the extreme of the last 8 and 24 hours on that side.
    """

    open_interest_usd: float
    map_usd: NDArray[np.float32]
    vendor_usd: NDArray[np.float32]
    extremes: tuple[tuple[float, float], tuple[float, float]]

    def forecast_usd(self, side: int, distance: float) -> tuple[float, ...]:
        """What each method expects up to a distance on a side; order as ``METHODS``."""
        interest = self.open_interest_usd
        beyond = (distance, *(max(distance - extreme, 0.0) for extreme in self.extremes[side]))
        unswept = sum(weight * reach for weight, reach in zip(UNSWEPT_WEIGHTS, beyond, strict=True))
        return (
            float(np.interp(distance, KNOTS, self.map_usd[side])),
            UNIFORM_SHARE * interest * distance,
            KERNEL_SHARE * interest * distance * distance,
            UNIFORM_SHARE * interest * unswept,
            float(np.interp(distance, KNOTS, self.vendor_usd[side])),
            float(np.interp(distance, KNOTS, self.map_usd[1 - side])),
        )
