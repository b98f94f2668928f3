"""A forecast frozen at the start of an hour: everything it needs, so that nothing that comes later can change it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liqheat_estimator.core import map_kernels
from liqheat_estimator.core.bins import Floats, log_bins
from liqheat_estimator.core.learning import kernels
from liqheat_estimator.core.learning.structure import (
    DIFFUSE_EDGES,
    THOUSANDTH,
    UNIT_SHARE,
    group_count,
)
from liqheat_estimator.core.position_map import PositionMap
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Bins beside the mark that a frozen hour keeps: a move of 12.8 % within an hour is taken for one of 12.8 %.
REACH_BINS = 128

_LOWER = np.array(DIFFUSE_EDGES[:-1])
_WIDTHS = np.diff(DIFFUSE_EDGES)


@dataclass(slots=True)
class FrozenMap:
    """The map beside the mark, layer by layer, at one moment.

    Attributes
    ----------
    mark_price : float
    open_interest_usd : float
    near_usd : ndarray, shape (2, layers, cells), float32
        Cell n is n bins away from the mark's own, which is cell 0 and only as wide as its part beside the mark.
    features : ndarray, shape (2, features)
    """

    mark_price: float
    open_interest_usd: float
    near_usd: NDArray[np.float32]
    features: Floats

    @classmethod
    def of(
        cls, positions: PositionMap, mark_price: float, open_interest_usd: float, features: Floats, cells: int
    ) -> FrozenMap:
        """Freeze a map; ``cells`` bins on each side are kept."""
        near = np.zeros((2, positions.scale.shape[1], cells), dtype=np.float32)
        mark = int(np.floor(log_bins(mark_price))) - positions.first_bin
        map_kernels.copy_near(positions.mass, positions.scale, mark, positions.prices(), near)
        return cls(mark_price, open_interest_usd, near, features)

    @property
    def unit_usd(self) -> float:
        """USD in one unit."""
        return max(self.open_interest_usd * UNIT_SHARE, 1e-9)

    def starts(self) -> Floats:
        """Distance in log price from the mark to its bin's lower and upper edge: the width of the first cells."""
        place = log_bins(self.mark_price) % 1.0
        return np.array([place, 1.0 - place]) * BIN_WIDTH

    def edges(self, side: int, cells: int) -> Floats:
        """Log distance from the mark to the edges of the first cells of a side, shape (cells + 1,)."""
        edges: Floats = np.concatenate([[0.0], self.starts()[side] + BIN_WIDTH * np.arange(cells)])
        return edges

    def sums_up_to(self, beside_usd: Floats, distances: Floats) -> Floats:
        """Sums of another map's cells beside the same mark, up to each distance: shape (2, distances).

        Parameters
        ----------
        beside_usd : ndarray, shape (2, cells)
            Cells as in ``near_usd``.
        """
        sums = np.empty((2, len(distances)))
        for side in (0, 1):
            edges = self.edges(side, beside_usd.shape[1])
            sums[side] = np.interp(distances, edges, np.concatenate([[0.0], np.cumsum(beside_usd[side])]))
        return sums

    def parts(self, reaches: Floats) -> Floats:
        """Layers, diffuse bands and background within a distance on each side, in units: shape (2, groups).

        Parameters
        ----------
        reaches : ndarray, shape (2,)
            Log distance from the mark down to the low and up to the high; not negative.
        """
        layers = self.near_usd.shape[1]
        parts = np.empty((2, group_count(layers)))
        masses = np.empty((2, layers))
        kernels.band_masses(self.near_usd, self.starts(), reaches, BIN_WIDTH, masses)
        parts[:, :layers] = masses / self.unit_usd
        covered = np.minimum(np.maximum(reaches[:, None] - _LOWER, 0.0), _WIDTHS) / _WIDTHS
        parts[:, layers:-1] = THOUSANDTH * covered
        parts[:, -1] = THOUSANDTH
        return parts

    def cumulative_parts(self, side: int, distances: Floats) -> tuple[Floats, Floats]:
        """The same for many distances of one side: layers (distances, layers) and bands (distances, bands)."""
        cells = self.near_usd.shape[2]
        edges = self.edges(side, cells)
        sums = np.zeros((cells + 1, self.near_usd.shape[1]))
        np.cumsum(self.near_usd[side].T, axis=0, dtype=np.float64, out=sums[1:])
        layers = np.empty((len(distances), sums.shape[1]))
        for layer in range(sums.shape[1]):
            layers[:, layer] = np.interp(distances, edges, sums[:, layer])
        bands = np.minimum(np.maximum(distances[:, None] - _LOWER, 0.0), _WIDTHS) / _WIDTHS
        return layers / self.unit_usd, THOUSANDTH * bands
