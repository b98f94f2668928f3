"""Suspected auto-deleveraging: open interest that falls far more than liquidations and owners' closings explain.

When a bankrupt position finds no buyer, the venue closes it against positions of the winning side, the most profitable
and most levered first. No feed that is read here says so. What shows is a fall of the open interest within minutes,
during a violent move with liquidations, that neither the liquidations nor the traded volume account for. While it is
suspected, what is unexplained of a fall is taken from the winning side in the venue's order instead of in proportion.

All four have to hold over the last ten minutes:

* the mark moved by 3 % and the open interest fell by 5 %: together four times in four months of seven perpetuals
  (docs/model.md);
* there were liquidations: as the feed reported them, for what it leaves out; on a market without a feed, as swept;
* after these, and a tenth of the volume as owners' closings, a fall of 3 % of the open interest is unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.parameters import DAY_MS, LONG, MINUTE_MS, SHORT, WINDOW_BINS
from liqheat_estimator.core.position_map import PositionMap

WINDOW_MS: Final = 10 * MINUTE_MS
#: Most samples of the window: one a minute, and two at its ends.
SAMPLES: Final = 12
MOVE_BINS: Final = 30.0
FALL_SHARE: Final = 0.05
UNEXPLAINED_SHARE: Final = 0.03
#: Part of the volume that may be owners closing on balance: an assumption.
CLOSING_SHARE: Final = 0.1
#: How long a grid tells of it.
TOLD_MS: Final = DAY_MS


class Sample(NamedTuple):
    """A moment. Cumulative, in the coin: liquidations; these and the allowance for owners' closings; deleveraged."""

    time_ms: int
    mark_at: float
    open_interest_base: float
    liquidated_base: float
    explained_base: float
    deleveraged_base: float


@dataclass(slots=True)
class DeleveragingWatch:
    """The last ten minutes of a market, and the last time that deleveraging was suspected.

    Attributes
    ----------
    samples : list of Sample
        Oldest first, at most ``SAMPLES``, after open-interest reports at least a minute apart.
    time_ms : int or None
        Of the last report; None: a new beginning.
    liquidated_base, explained_base, deleveraged_base : float
        As in :class:`Sample`, now.
    from_ms, to_ms : int or None
        First and last report of the last suspicion; event times.
    side : int
        The winning side that was cut.
    deleveraged_usd : float
        What was taken from it, at the mark.
    """

    samples: list[Sample] = field(default_factory=list)
    time_ms: int | None = None
    liquidated_base: float = 0.0
    explained_base: float = 0.0
    deleveraged_base: float = 0.0
    from_ms: int | None = None
    to_ms: int | None = None
    side: int = SHORT
    deleveraged_usd: float = 0.0

    def unexplained(
        self, time_ms: int, mark_at: float, open_interest_base: float, liquidated_base: float, volume_base: float
    ) -> float:
        """Take a report: how much of the fall was deleveraging, in the coin; 0: not suspected.

        All that is unexplained of the last ten minutes, less what was already told by :meth:`deleveraged`: when a
        suspicion begins, the minutes that led to it count, too. A report more than ten minutes after the last one, or
        before it, begins anew.

        Parameters
        ----------
        mark_at : float
            Log price of the mark in bins.
        liquidated_base, volume_base : float
            Since the last report, in the coin.
        """
        before_ms, self.time_ms = self.time_ms, time_ms
        if before_ms is None or not 0 <= time_ms - before_ms <= WINDOW_MS:
            self.liquidated_base = self.explained_base = self.deleveraged_base = 0.0
            self.samples = [Sample(time_ms, mark_at, open_interest_base, 0.0, 0.0, 0.0)]
            return 0.0
        liquidated = self.liquidated_base = self.liquidated_base + liquidated_base
        explained = self.explained_base = self.explained_base + liquidated_base + CLOSING_SHARE * volume_base
        samples = self.samples
        while len(samples) > 1 and samples[1].time_ms <= time_ms - WINDOW_MS:
            del samples[0]
        first = samples[0]
        if time_ms - samples[-1].time_ms >= MINUTE_MS:
            samples.append(Sample(time_ms, mark_at, open_interest_base, liquidated, explained, self.deleveraged_base))
        fall = first.open_interest_base - open_interest_base
        unexplained = fall - (explained - first.explained_base)
        if (
            fall < FALL_SHARE * first.open_interest_base
            or fall <= 0.0
            or abs(mark_at - first.mark_at) < MOVE_BINS
            or liquidated <= first.liquidated_base
            or unexplained < UNEXPLAINED_SHARE * first.open_interest_base
        ):
            return 0.0
        if self.to_ms is None or time_ms > self.to_ms + WINDOW_MS:
            self.from_ms, self.deleveraged_usd = time_ms, 0.0
        self.to_ms = time_ms
        self.side = SHORT if mark_at < first.mark_at else LONG
        return max(unexplained - (self.deleveraged_base - first.deleveraged_base), 0.0)

    def deleveraged(self, quantity_base: float, notional_usd: float) -> None:
        """Note what the map lost of the winning side at the last report."""
        self.deleveraged_base += quantity_base
        self.deleveraged_usd += notional_usd
        last = self.samples[-1]
        if last.time_ms == self.time_ms:
            self.samples[-1] = last._replace(deleveraged_base=self.deleveraged_base)

    def is_told(self, time_ms: int) -> bool:
        """Whether a grid of this time tells of the last suspicion."""
        return self.to_ms is not None and time_ms <= self.to_ms + TOLD_MS

    def restart(self) -> None:
        """What comes can't be compared with what was."""
        self.samples, self.time_ms = [], None


def grow(positions: PositionMap, side: int, factor: float) -> None:
    """Multiply all positions of a side."""
    positions.scale[side] *= factor
    positions.total[side] *= factor


def close_best(
    positions: PositionMap, side: int, amount: float, shifts: Floats, leverages: Floats, mark_at: float
) -> float:
    """Close the most profitable and most levered positions of a side first; what was closed, in the coin.

    Positions are ranked by profit since entry times leverage, as venues rank them for auto-deleveraging; where a
    position stands and how far its class is from its entry tell the entry. Positions without profit, and those beyond
    the window, are left alone.

    Parameters
    ----------
    amount : float
        In the coin; at most so much is closed.
    shifts : ndarray, shape (2, layers)
        Distance from entry to liquidation in bins.
    leverages : ndarray, shape (layers,)
    mark_at : float
        Log price of the mark in bins.

    Examples
    --------
    Two shorts at the same place: the one with more leverage was opened nearer to it, so higher.

    >>> positions = PositionMap(2, 0)
    >>> positions.mass[SHORT, :, WINDOW_BINS // 2 + 50] = 1.0
    >>> positions.refresh_totals()
    >>> shifts = np.array([[-100.0, -10.0], [100.0, 10.0]])
    >>> close_best(positions, SHORT, 0.5, shifts, np.array([10.0, 100.0]), 0.0)
    0.5
    >>> positions.total[SHORT].tolist()
    [1.0, 0.5]
    """
    sign = 1.0 if side == LONG else -1.0
    entries = positions.first_bin + np.arange(WINDOW_BINS) + 0.5 - shifts[side][:, None]
    ranks = (sign * (mark_at - entries) * leverages[:, None]).ravel()
    mass: Floats = (positions.mass[side] * positions.scale[side][:, None]).ravel()
    eligible = np.flatnonzero((ranks > 0.0) & (mass > 0.0))
    order = eligible[np.argsort(-ranks[eligible], kind="stable")]
    sums = np.cumsum(mass[order])
    whole = int(np.searchsorted(sums, amount, side="right"))
    cells = positions.mass[side].reshape(-1)
    cells[order[:whole]] = 0.0
    if whole < len(order):
        part = amount - (float(sums[whole - 1]) if whole else 0.0)
        cells[order[whole]] *= max(1.0 - part / mass[order[whole]], 0.0)
    before = positions.total[side].sum()
    positions.total[side] = (positions.mass[side].sum(axis=1) + positions.tail_mass[side]) * positions.scale[side]
    return float(before - positions.total[side].sum())
