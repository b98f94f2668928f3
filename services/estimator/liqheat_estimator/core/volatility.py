"""How far the price moves: standard deviation of an hour's return, and average true range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from liqheat_estimator.core.parameters import MINUTE_MS
from liqheat_estimator.core.price_bar import PriceBar

HALF_LIFE_MINUTES = 60.0
#: Returns that the estimate waits for before it says anything.
MIN_RETURNS = 10
#: A return over a longer gap says little about minutes.
MAX_GAP_MINUTES = 1_440
ATR_BARS = 14


@dataclass(slots=True)
class Volatility:
    """Exponentially weighted variance of 1-minute log returns, half-life one hour.

    A return over n minutes counts as n minutes with an n-th of its square each. The weights of the first returns are
    made to sum to 1, so the start needs no guess.
    """

    minute: int | None = None
    price: float = 0.0
    variance_sum: float = 0.0
    weight: float = 0.0
    returns: int = 0

    def update(self, time_ms: int, price: float) -> None:
        """Take the price at a minute's end; times that don't advance are ignored."""
        minute = time_ms // MINUTE_MS
        if self.minute is not None:
            gap = minute - self.minute
            if gap <= 0:
                return
            if gap <= MAX_GAP_MINUTES:
                kept = 0.5 ** (gap / HALF_LIFE_MINUTES)
                change = math.log(price / self.price)
                self.variance_sum = kept * self.variance_sum + (1 - kept) * change * change / gap
                self.weight = kept * self.weight + (1 - kept)
                self.returns += 1
        self.minute, self.price = minute, price

    def sigma_1h(self) -> float | None:
        """Standard deviation of the log return over an hour; None until enough returns were seen."""
        if self.returns < MIN_RETURNS:
            return None
        return math.sqrt(60.0 * self.variance_sum / self.weight)


@dataclass(slots=True)
class AverageTrueRange:
    """ATR(14) over 1-hour bars after Wilder; before the 14th bar the mean of those there are."""

    value: float | None = None
    bars: int = 0
    last_close: float | None = field(default=None)

    def update(self, bar: PriceBar) -> None:
        """Take a closed bar; one without a price is ignored."""
        if bar.open is None:
            return
        true_range = bar.high - bar.low
        if self.last_close is not None:
            true_range = max(true_range, abs(bar.high - self.last_close), abs(bar.low - self.last_close))
        self.bars = min(self.bars + 1, ATR_BARS)
        self.value = true_range if self.value is None else self.value + (true_range - self.value) / self.bars
        self.last_close = bar.close
