"""How near an estimated map is to the true one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
WITHIN_BINS = 100
WIDTHS = (1, 2, 5)


class Maps(NamedTuple):
    """Estimated and true USD within ``WITHIN_BINS`` of the mark: shape (2, WITHIN_BINS), nearest bin first."""

    estimated: Floats
    true: Floats


def beside(first_bin: int, usd: Floats, mark_bin: int, side: int) -> Floats:
    """Bins beside the mark, the mark's own left out, from near to far: longs below, shorts above."""
    sign = -1 if side == 0 else 1
    places = mark_bin - first_bin + sign * np.arange(1, WITHIN_BINS + 1)
    inside = (places >= 0) & (places < len(usd))
    result = np.zeros(WITHIN_BINS)
    result[inside] = usd[places[inside]]
    return result


def widened(bins: Floats, width: int) -> Floats:
    """Sums of ``width`` neighbours."""
    return np.asarray(bins.reshape(bins.shape[0], -1, width).sum(axis=2))


def rank_correlation(one: Floats, two: Floats) -> float:
    """Spearman's, ties sharing their mean rank; 0 where one of them is constant."""
    a, b = rankdata(one), rankdata(two)
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


class Scores(NamedTuple):
    """Rank correlations of a moment by bin width in thousandths, and the mass within reach, estimated over true.

    ``sides`` holds the mean of longs' and shorts' own correlation, ``both`` that of all bins together, ``mirrored``
    that of the true map with the estimated one of the other side.
    """

    both: dict[int, float]
    longs: dict[int, float]
    shorts: dict[int, float]
    mirrored: dict[int, float]
    mass: float


def score(maps: Maps) -> Scores:
    """All scores of one moment."""
    both, longs, shorts, mirrored = {}, {}, {}, {}
    for width in WIDTHS:
        estimated, true = widened(maps.estimated, width), widened(maps.true, width)
        both[width] = rank_correlation(estimated.ravel(), true.ravel())
        longs[width] = rank_correlation(estimated[0], true[0])
        shorts[width] = rank_correlation(estimated[1], true[1])
        mirrored[width] = rank_correlation(estimated[::-1].ravel(), true.ravel())
    return Scores(both, longs, shorts, mirrored, float(maps.estimated.sum() / maps.true.sum()))
