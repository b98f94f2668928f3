"""What part of the liquidated USD a throttled feed lets through, by how busy the minute was.

A throttled feed publishes at most one order of a symbol a second, the largest, whichever side it is of. A complete feed
tells what that costs: it is read beside its true sums as if it were throttled. The more seconds of a minute had a
liquidation, the more orders share a second, and the larger a part is lost; so the share is learned by classes of that
number, which can be counted on a throttled feed, too. What a coin's complete feeds say is pulled towards shipped shares
by how little they have said.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Final

#: The first number of seconds, of the 60 of a minute, of each class.
SECONDS_FROM: Final = (1, 2, 4, 8, 16, 32, 48)
CLASSES: Final = len(SECONDS_FROM)
#: What a minute says counts half after so many minutes: 30 days.
HALF_LIFE_MINUTES: Final = 43_200.0
#: The shipped share counts as much as so many minutes of like size.
SHIPPED_MINUTES: Final = 5.0
#: A feed never shows less: a class without USD must not make infinite amounts.
LEAST_SHARE: Final = 0.02


def class_of(seconds: int) -> int:
    """Class of a minute with so many occupied seconds, at least one.

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
        raise ValueError(
            "shown_shares.json was made for other classes; make it anew with benchmarks/feed_throttling.py"
        )
    return tuple(data["shown_share"])


def _zeros() -> list[float]:
    return [0.0] * CLASSES


@dataclass(slots=True)
class ShownShares:
    """Shown over true USD by class, from all complete feeds of a coin; older minutes count less.

    Attributes
    ----------
    minute : int or None
        The latest minute that was learned from.
    shown_usd, true_usd : list of float
        Sums by class: what a throttled feed would have shown, and what was.
    true_squared : list of float
        Sums of the minutes' squared true USD: they say how many minutes of like size the sums rest on.

    Examples
    --------
    >>> shares = ShownShares()
    >>> shares.share(60) == shipped_shares()[-1]
    True
    >>> for minute in range(500):
    ...     shares.learn(minute, 60, 30.0, 100.0)
    >>> round(shares.share(60), 2)
    0.3
    """

    minute: int | None = None
    shown_usd: list[float] = field(default_factory=_zeros)
    true_usd: list[float] = field(default_factory=_zeros)
    true_squared: list[float] = field(default_factory=_zeros)

    def learn(self, minute: int, seconds: int, shown_usd: float, true_usd: float) -> None:
        """Take a minute of a complete feed.

        Parameters
        ----------
        seconds : int
            Seconds that had a liquidation.
        shown_usd : float
            Sum of the largest of each second, 0 to ``true_usd``.
        """
        if true_usd <= 0.0:
            return
        if self.minute is not None and minute > self.minute:
            kept = 0.5 ** ((minute - self.minute) / HALF_LIFE_MINUTES)
            for place in range(CLASSES):
                self.shown_usd[place] *= kept
                self.true_usd[place] *= kept
                self.true_squared[place] *= kept * kept
        self.minute = minute if self.minute is None else max(minute, self.minute)
        place = class_of(seconds)
        self.shown_usd[place] += shown_usd
        self.true_usd[place] += true_usd
        self.true_squared[place] += true_usd * true_usd

    def share(self, seconds: int) -> float:
        """Expected share of a minute's liquidated USD that a throttled feed shows, by its occupied seconds."""
        place = class_of(seconds)
        shipped = shipped_shares()[place]
        true_usd, squared = self.true_usd[place], self.true_squared[place]
        if squared <= 0.0:
            return shipped
        minutes = true_usd * true_usd / squared
        learned = self.shown_usd[place] / true_usd
        return max((minutes * learned + SHIPPED_MINUTES * shipped) / (minutes + SHIPPED_MINUTES), LEAST_SHARE)
