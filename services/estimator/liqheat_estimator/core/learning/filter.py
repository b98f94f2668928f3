"""What is believed about a market's reported liquidations, and how an hour changes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning import kernels
from liqheat_estimator.core.learning.calibration import KnotCalibration
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.prior import Prior

#: Variance of log(observed) about a right forecast, and what is added where hardly anything is expected.
NOISE = 0.3
SMALL_NOISE = 0.7
SMALL_UNITS = 0.3
#: Added to sums before their logarithm, in units: 10,000 USD where eight billion are open.
FLOOR_UNITS = 1e-2
#: A surprise of more than e^4 teaches no more than one of e^4.
SURPRISE_BOUND = 4.0


@dataclass(slots=True)
class ReportedFilter:
    """Belief about the parameters of ``structure`` as a normal distribution, and the calibration of its forecasts.

    Attributes
    ----------
    values : ndarray, shape (parameters,)
        Mean of the belief; order as in ``parameter_names``.
    covariance : ndarray, shape (parameters, parameters)
    hours : int
        Hours that taught it something.
    prior_level : str
        Level of the table of priors that it began with; empty: a state from before that was kept.
    """

    values: Floats
    covariance: Floats
    hours: int = 0
    calibration: KnotCalibration = field(default_factory=KnotCalibration)
    prior_level: str = ""

    @classmethod
    def from_prior(cls, prior: Prior) -> ReportedFilter:
        """The belief before the first hour."""
        variances = prior.variances.astype(np.float32).astype(np.float64)  # as precise as a checkpoint keeps it
        return cls(prior.values.copy(), np.diag(variances), prior_level=prior.level)

    def medians(self, frozen: FrozenMap, parts: Floats) -> tuple[float, float]:
        """Median forecast of both sides for the parts of a swept band, in units."""
        layers = frozen.near_usd.shape[1]
        result = []
        for side in (0, 1):
            z, w, v = kernels.exponents(self.values, frozen.features[side], parts.shape[1])
            mapped, diffuse, background = kernels.weighted_parts(self.values, parts[side], layers)
            result.append(z * (w * mapped + diffuse) + v * background)
        return result[0], result[1]

    def learn(self, frozen: FrozenMap, reaches: Floats, observed_usd: tuple[float, float], drift: Floats) -> None:
        """Take an hour: how far price went from the frozen mark on each side, and what venues reported.

        Parameters
        ----------
        drift : ndarray, shape (parameters,)
            Variance that the hour adds.
        """
        parts = frozen.parts(reaches)
        observed = np.array(observed_usd) / frozen.unit_usd
        self.calibration.learn(self.medians(frozen, parts), (float(observed[0]), float(observed[1])))
        kernels.learn_hour(
            self.values,
            self.covariance,
            drift,
            parts,
            frozen.features,
            observed,
            frozen.near_usd.shape[1],
            NOISE,
            SMALL_NOISE,
            SMALL_UNITS,
            FLOOR_UNITS,
            SURPRISE_BOUND,
        )
        self.hours += 1

    def cumulative_usd(self, frozen: FrozenMap, side: int, distances: Floats, *, calibrated: bool = True) -> Floats:
        """USD that venues are expected to report when price goes so far: rises with the distance.

        Parameters
        ----------
        distances : ndarray
            Log distances from the mark, not negative, rising.
        calibrated : bool
            The expected sum; else the median.
        """
        layers, bands = frozen.cumulative_parts(side, distances)
        groups = layers.shape[1] + bands.shape[1] + 1
        z, w, v = kernels.exponents(self.values, frozen.features[side], groups)
        weights = np.exp(self.values[:groups])
        mapped = layers @ weights[: layers.shape[1]]
        diffuse = bands @ weights[layers.shape[1] : groups - 1] + kernels.FLOOR_UNITS
        background = weights[-1] * frozen.parts(np.zeros(2))[side, -1]
        medians = z * (w * mapped + diffuse) + v * background
        units = self.calibration.expected_all(medians) if calibrated else medians
        amounts: Floats = units * frozen.unit_usd
        return amounts
