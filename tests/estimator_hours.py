"""Made-up hours of one market whose venue reports liquidations: for the tests of learning and of the record."""

from __future__ import annotations

import math

import numpy as np

from estimator_market import COIN, START_MS, MarketWriter
from liqheat_estimator.core.parameters import HOUR_MS

MARKET = "alpha", f"{COIN}/USDT:USDT"
#: The first full hour.
FIRST_MS = (START_MS // HOUR_MS + 1) * HOUR_MS


class Hours:
    """Writes a ticker every five minutes, at :00:30, :05:30, ..., and liquidations between them.

    Attributes
    ----------
    price, interest : float
        Mark, and open interest in the coin; may be set between calls.
    """

    def __init__(self, seed: int = 0) -> None:
        self.writer = MarketWriter()
        self.writer.now_ms = FIRST_MS + 30_000
        self.random = np.random.default_rng(seed)
        self.price = 60_000.0
        self.interest = 10_000.0

    def ticker(self) -> bytes:
        """The mark and the open interest now; then five minutes pass."""
        message = self.writer.ticker(self.price, self.interest)
        self.writer.now_ms += 300_000
        return message

    def liquidation(self, side: str, notional_usd: float) -> bytes:
        """A liquidation a minute after the last ticker."""
        at = self.writer.now_ms - 240_000
        return self.writer.message(
            "liquidation",
            liquidated_side=side,
            price=self.price,
            price_kind="average",
            quantity_base=notional_usd / self.price,
            notional_usd=notional_usd,
            feed_completeness="complete",
            event_time_ms=at,
            receive_time_ms=at,
        )

    def status(self, which: str) -> bytes:
        """The liquidation feed stops (``interrupted``) or comes back (``resumed``)."""
        at = self.writer.now_ms - 200_000
        fields = {"stream": "liquidations", "from_ms": at, "reason": "test", "event_time_ms": at, "receive_time_ms": at}
        return self.writer.message(f"feed-{which}", **fields)

    def quiet(self, hours: float) -> list[bytes]:
        """Nothing moves."""
        return [self.ticker() for _ in range(round(hours * 12))]

    def walk(self, hours: float, width: float = 0.001) -> list[bytes]:
        """A random walk with openings, closings and liquidations."""
        messages = []
        for _ in range(round(hours * 12)):
            before = self.price
            self.price *= float(np.exp(width * self.random.standard_normal()))
            self.interest *= float(np.exp(0.002 * self.random.standard_normal()))
            messages.append(self.ticker())
            side = "long" if self.price < before else "short"
            usd = float(self.random.exponential(3e8)) * abs(math.log(self.price / before))
            messages.append(self.liquidation(side, usd))
        return messages
