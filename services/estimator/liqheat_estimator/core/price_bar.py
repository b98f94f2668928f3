"""Prices and flow of an interval."""

from __future__ import annotations

from dataclasses import dataclass, field


def _zeros() -> list[float]:
    return [0.0, 0.0]


@dataclass(slots=True)
class PriceBar:
    """Open, high, low, close and the USD that moved. Prices are None until one was seen; pairs are (long, short)."""

    open: float | None = None
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume_usd: float = 0.0
    taker_buy_usd: float = 0.0
    liquidated_usd: list[float] = field(default_factory=_zeros)
    consumed_usd: list[float] = field(default_factory=_zeros)

    def add_prices(self, first: float, high: float, low: float, last: float) -> None:
        """Extend the bar by later prices."""
        if self.open is None:
            self.open, self.high, self.low = first, high, low
        else:
            if high > self.high:
                self.high = high
            if low < self.low:
                self.low = low
        self.close = last

    def add(self, later: PriceBar) -> None:
        """Extend the bar by a later one.

        >>> bar = PriceBar(); bar.add_prices(1.0, 2.0, 0.5, 1.5)
        >>> whole = PriceBar(); whole.add_prices(3.0, 3.0, 3.0, 3.0); whole.add(bar)
        >>> whole.open, whole.high, whole.low, whole.close
        (3.0, 3.0, 0.5, 1.5)
        """
        if later.open is not None:
            self.add_prices(later.open, later.high, later.low, later.close)
        self.volume_usd += later.volume_usd
        self.taker_buy_usd += later.taker_buy_usd
        for side in (0, 1):
            self.liquidated_usd[side] += later.liquidated_usd[side]
            self.consumed_usd[side] += later.consumed_usd[side]
