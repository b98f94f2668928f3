"""The open records of a coin: frozen each hour, followed until their horizon ends, then scored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from liqheat_estimator.core.accuracy.baselines import UNSWEPT_HOURS, FrozenForecasts
from liqheat_estimator.core.accuracy.scores import ScoreBook
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS

HORIZON_HOURS: Final = (1, 4, 24)
MarketKey = tuple[str, str]


@dataclass(slots=True)
class OpenRecord:
    """A frozen forecast and what has happened since.

    Attributes
    ----------
    mark_price : float
        Of the reference market, when frozen.
    low, high : float
        Extremes of the reference market's mark since.
    observed_usd : list of float
        Reported since, by side, on the markets that the forecast covers.
    hidden_usd : list of float
        What throttled ones of these feeds are estimated to have left out since, by side.
    is_complete : bool
        Whether every hour since was watched.
    """

    hour: int
    mark_price: float
    forecasts: FrozenForecasts
    reported_share: float | None
    low: float = math.inf
    high: float = 0.0
    observed_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    hidden_usd: list[float] = field(default_factory=lambda: [0.0, 0.0])
    is_complete: bool = True

    def distances(self) -> tuple[float, float]:
        """How far price went, down and up, in log price."""
        if self.high <= 0:
            return 0.0, 0.0
        return max(math.log(self.mark_price / self.low), 0.0), max(math.log(self.high / self.mark_price), 0.0)


@dataclass(frozen=True, slots=True)
class EndedHour:
    """What the reference market saw in an hour, and what venues reported."""

    hour: int
    low: float
    high: float
    observed_usd: tuple[float, float]
    hidden_usd: tuple[float, float]
    is_complete: bool


@dataclass(slots=True)
class AccuracyBook:
    """The record of one coin.

    Attributes
    ----------
    reference : tuple or None
        Market whose mark measures how far price went and whose hours set the pace.
    open : list of OpenRecord
        By time of freezing; one serves all horizons until the longest has ended.
    ranges : list of (low, high)
        Of the reference's last hours, at most a day.
    scores : list of ScoreBook
        One a horizon.
    """

    reference: MarketKey | None = None
    open: list[OpenRecord] = field(default_factory=list)
    ranges: list[tuple[float, float]] = field(default_factory=list)
    scores: list[ScoreBook] = field(default_factory=lambda: [ScoreBook() for _ in HORIZON_HOURS])

    def take(self, ended: EndedHour) -> list[tuple[int, OpenRecord]]:
        """Take an hour that has ended; the records that it closes, as (index of the horizon, record)."""
        if ended.high > 0:
            self.ranges.append((ended.low, ended.high))
            del self.ranges[: -UNSWEPT_HOURS[-1]]
        closed: list[tuple[int, OpenRecord]] = []
        for record in self.open:
            record.low, record.high = min(record.low, ended.low), max(record.high, ended.high)
            for side in (0, 1):
                record.observed_usd[side] += ended.observed_usd[side]
                record.hidden_usd[side] += ended.hidden_usd[side]
            record.is_complete &= ended.is_complete
            age = ended.hour - record.hour + 1
            for index, hours in enumerate(HORIZON_HOURS):
                if age == hours:
                    closed.append((index, record))
                    self._score(index, record, ended.hour)
        self.open = [record for record in self.open if ended.hour - record.hour + 1 < HORIZON_HOURS[-1]]
        return closed

    def _score(self, index: int, record: OpenRecord, hour: int) -> None:
        if not record.is_complete:
            return
        day = (hour * HOUR_MS - 1) // DAY_MS
        for side, distance in enumerate(record.distances()):
            self.scores[index].add(day, record.forecasts.forecast_usd(side, distance), record.observed_usd[side])

    def extremes(self, mark_price: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Log distance from a mark to the extremes of the last 8 and 24 hours, longs' side first; at least 0."""
        lows, highs = [], []
        for hours in UNSWEPT_HOURS:
            recent = self.ranges[-hours:]
            low = min((low for low, _ in recent), default=mark_price)
            high = max((high for _, high in recent), default=mark_price)
            lows.append(max(math.log(mark_price / low), 0.0))
            highs.append(max(math.log(high / mark_price), 0.0))
        return (lows[0], lows[1]), (highs[0], highs[1])

    def restart(self) -> None:
        """The reference has changed or its prices have: open records can't be followed any more."""
        self.reference = None
        self.open = []
        self.ranges = []
