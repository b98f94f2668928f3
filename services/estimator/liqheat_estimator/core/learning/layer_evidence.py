"""How much of each layer's swept mass was really there, by what venues reported while the mark swept it.

The filter of ``filter.py`` forecasts the sums of an hour from what stood at its start. Of the map's shape it says
little: much of what an hour liquidates was opened within it. Here what an hour's sweeps took of each layer, new
positions included, is held against what was reported in it::

    reported = sum_k weight_k * swept_k + error,    error variance = LUMP * expected + NOISE * expected^2

with amounts as shares of the open interest. It is a regression with a prior: each weight lies about the level, the
ratio of all that was reported to all that was swept, with a relative standard deviation of 1. The level is how much
venues report at all; it cancels out of the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.learning import kernels

#: Size of the lumps in which positions are liquidated, as a share of the open interest.
LUMP = 1e-4
#: Relative error variance of an hour: how much venues report changes, and positions stand in places of their own.
NOISE = 0.1
#: What an hour leaves of older evidence: half of it after 400 watched hours.
KEPT_AN_HOUR = 0.5 ** (1 / 400)
#: Bounds of a weight relative to the level.
LEAST, MOST = 0.05, 8.0
#: Reported and swept sums begin here, so that their ratio begins at 1.
FIRST_SUM = 1e-5
#: A side's hour outside these shares of the open interest teaches nothing: hardly anything was swept, or the open
#: interest is not what it was when the positions stood.
LEAST_SHARE, MOST_SHARE = 1e-9, 4.0
LEAST_LEVEL = 1e-6


@dataclass(slots=True)
class LayerEvidence:
    """Sums of the regression, all as shares of the open interest.

    Attributes
    ----------
    information : ndarray, shape (layers, layers)
        Sum of swept times swept over error variance.
    explained : ndarray, shape (layers,)
        Sum of swept times reported over error variance.
    values : ndarray, shape (layers,)
        The weights that fit best, level included.
    reported, swept : float
        Sums of all that was reported and swept.
    """

    information: Floats
    explained: Floats
    values: Floats
    reported: float = FIRST_SUM
    swept: float = FIRST_SUM

    @classmethod
    def of(cls, layers: int) -> LayerEvidence:
        """No evidence yet.

        >>> LayerEvidence.of(2).weights()
        array([1., 1.])
        """
        return cls(np.zeros((layers, layers)), np.zeros(layers), np.ones(layers))

    @property
    def level(self) -> float:
        """Part of the swept mass that venues report."""
        return max(self.reported / self.swept, LEAST_LEVEL)

    def weights(self) -> Floats:
        """Weight of each layer relative to the level, shape (layers,)."""
        weights: Floats = self.values / self.level
        return weights

    def learn(self, swept: Floats, reported: Floats) -> None:
        """Take an hour.

        Parameters
        ----------
        swept : ndarray, shape (2, layers)
            Swept of each layer, longs first, as shares of the open interest.
        reported : ndarray, shape (2,)
            Reported by side, as shares of the open interest.

        Examples
        --------
        Only the first layer's positions were there:

        >>> evidence = LayerEvidence.of(2)
        >>> for hour in range(40):
        ...     swept = np.array([[4e-3, 1e-3 * (hour % 5)], [0.0, 0.0]])
        ...     evidence.learn(swept, swept[:, 0])
        >>> evidence.weights().round(1).tolist()
        [1.5, 0.1]
        """
        self.reported, self.swept = kernels.learn_weights(
            self.information,
            self.explained,
            self.values,
            self.reported,
            self.swept,
            np.ascontiguousarray(swept),
            np.ascontiguousarray(reported),
            KEPT_AN_HOUR,
            LUMP,
            NOISE,
            LEAST_SHARE,
            MOST_SHARE,
        )
        kernels.solve_weights(self.information, self.explained, self.values, self.level, LEAST, MOST)
