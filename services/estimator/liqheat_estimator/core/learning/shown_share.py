"""What part of the liquidated USD a throttled feed lets through, by how busy the minute was.

A throttled feed publishes at most one order of a symbol a second, the largest, whichever side it is of. A complete feed
tells what that costs: it is read beside its true sums as if it were throttled. The busier, the more orders share a
second, and the larger a part is lost. Two things make it comparable with another market:

* A market twice as large has in one second what this one has in two. So the feed is read through windows of several
  lengths, and a market is held against the length that is its size over this one's.
* What is lost depends on the moment. So each minute belongs to a class by the part of its windows that were occupied,
  which can be counted on a throttled feed, too.

What complete feeds say is pulled towards shipped shares by how little they have said.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final

#: The first number of occupied seconds, of the 60 of a minute, of each class.
SECONDS_FROM: Final = (1, 2, 4, 8, 16, 32, 48)
CLASSES: Final = len(SECONDS_FROM)
#: Windows through which a complete feed is read, in ms; sizes between two are interpolated.
WINDOWS_MS: Final = (500, 1_000, 2_000, 4_000, 8_000)
CELLS: Final = len(WINDOWS_MS) * CLASSES
#: What a minute says counts half after so many minutes: 30 days.
HALF_LIFE_MINUTES: Final = 43_200.0
#: The shipped share counts as much as so many minutes of like size.
SHIPPED_MINUTES: Final = 5.0
#: A feed never shows less: a class without USD must not make infinite amounts.
LEAST_SHARE: Final = 0.02


def class_of(seconds: float) -> int:
    """Class of a minute with so many occupied seconds.

    >>> class_of(1), class_of(3), class_of(60)
    (0, 1, 6)
    """
    return max(bisect_right(SECONDS_FROM, seconds) - 1, 0)


@cache
def shipped_shares() -> tuple[float, ...]:
    """Share of each class before a complete feed of the coin has said anything; the file names its source.

    Raises
    ------
    ValueError
        The file was made for other classes.
    """
    text = resources.files("liqheat_estimator.core.learning").joinpath("shown_shares.json").read_text(encoding="utf-8")
    data = json.loads(text)
    if tuple(data["seconds_from"]) != SECONDS_FROM:
        raise ValueError("shown_shares.json was made for other classes; see benchmarks/feed_throttling.py")
    return tuple(data["shown_share"])


def _zeros() -> list[float]:
    return [0.0] * CELLS


@dataclass(slots=True)
class ShownShares:
    """Shown over true USD of one market's complete feed, by window and class; older minutes count less.

    Attributes
    ----------
    minute : int or None
        The latest minute that was learned from.
    shown_usd, true_usd : list of float
        Sums: what a feed throttled to one order a window would have shown, and what was. Windows one after another,
        each with its classes.
    true_squared : list of float
        Sums of the minutes' squared true USD: they say how many minutes of like size the sums rest on.

    Examples
    --------
    Of sixty busy seconds the largest orders are 30 % of the USD; of pairs of seconds 20 %:

    >>> shares = ShownShares()
    >>> for minute in range(500):
    ...     shares.learn(minute, 100.0, [(120, 50.0), (60, 30.0), (30, 20.0), (15, 12.0), (8, 7.0)])
    >>> round(shown_share([(1.0, shares)], 60), 2), round(shown_share([(2.0, shares)], 60), 2)
    (0.3, 0.2)
    """

    minute: int | None = None
    shown_usd: list[float] = field(default_factory=_zeros)
    true_usd: list[float] = field(default_factory=_zeros)
    true_squared: list[float] = field(default_factory=_zeros)

    def learn(self, minute: int, true_usd: float, readings: Sequence[tuple[int, float]]) -> None:
        """Take a minute of the feed.

        Parameters
        ----------
        readings : sequence of (int, float)
            For each window the number of those that were occupied, and the sum of the largest of each.
        """
        if true_usd <= 0.0:
            return
        if self.minute is not None and minute > self.minute:
            kept = 0.5 ** ((minute - self.minute) / HALF_LIFE_MINUTES)
            self.shown_usd = [each * kept for each in self.shown_usd]
            self.true_usd = [each * kept for each in self.true_usd]
            self.true_squared = [each * kept * kept for each in self.true_squared]
        self.minute = minute if self.minute is None else max(minute, self.minute)
        for place, (occupied, shown_usd) in enumerate(readings):
            cell = place * CLASSES + class_of(occupied * WINDOWS_MS[place] / 1_000)
            self.shown_usd[cell] += shown_usd
            self.true_usd[cell] += true_usd
            self.true_squared[cell] += true_usd * true_usd

    def evidence(self, size: float, seconds: int) -> tuple[float, float]:
        """Minutes of like size, and the share that they say: for a market so many times as large as this one."""
        at = min(max(math.log2(max(size, 1e-9) * 1_000 / WINDOWS_MS[0]), 0.0), len(WINDOWS_MS) - 1.0)
        low = min(int(at), len(WINDOWS_MS) - 2)
        minutes = weighted = 0.0
        for place, part in ((low, 1.0 - (at - low)), (low + 1, at - low)):
            cell = place * CLASSES + class_of(seconds)
            if self.true_squared[cell] > 0.0 and part > 0.0:
                here = part * self.true_usd[cell] ** 2 / self.true_squared[cell]
                minutes += here
                weighted += here * self.shown_usd[cell] / self.true_usd[cell]
        return minutes, weighted / minutes if minutes > 0.0 else 0.0


#: Complete feeds of the coin, each with the size of the market in question over that of the feed's own.
Peers = Iterable[tuple[float, ShownShares]]


def shown_share(peers: Peers, seconds: int) -> float:
    """Expected share of a minute's liquidated USD that a throttled feed shows, by its occupied seconds.

    >>> round(shown_share([], 60) / shipped_shares()[-1], 9)
    1.0
    """
    minutes, weighted = SHIPPED_MINUTES, SHIPPED_MINUTES * shipped_shares()[class_of(seconds)]
    for size, shares in peers:
        here, share = shares.evidence(size, seconds)
        minutes += here
        weighted += here * share
    return max(weighted / minutes, LEAST_SHARE)
