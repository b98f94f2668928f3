"""One side of a market whose traders use cross margin, stops and partial closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, inf, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.margin_tables import Tier
from liqheat_ingest.market_simulation.habits import FirstStep, Habits
from liqheat_ingest.market_simulation.position_book import LiquidatedPosition, PositionBook

ONE_FIFTH_ABOVE_USD = 100_000.0
DAY_S = 86_400.0
#: Forced orders after which the rest of a position counts as one.
MAX_FORCED_ORDERS = 40


class ForcedOrder(NamedTuple):
    """What a liquidation takes at a price."""

    lots: int
    price: float


class TraderBook(PositionBook):
    """Positions with habits. ``leverage`` is the notional at entry over the margin that stands behind a position.

    Parameters
    ----------
    habits : Habits
    random : numpy Generator
        For what traders decide.

    Notes
    -----
    A cross position has its account's wallet as margin, so its liquidation price follows from the wallet by the same
    formula, and moves as the wallet does. Linear contracts only.
    """

    COLUMNS = (*PositionBook.COLUMNS, "_stop", "_is_cross")

    def __init__(
        self, side: int, lot_size_base: float, tiers: tuple[Tier, ...], habits: Habits, random: np.random.Generator
    ) -> None:
        super().__init__(side, lot_size_base, tiers)
        self._habits = habits
        self._random = random
        self._stop = np.zeros(1024)
        self._is_cross = np.zeros(1024, dtype=np.bool_)
        #: Nearest stop: none lies between it and the mark.
        self._nearest_stop = -inf if side > 0 else inf
        #: The mark of the step, at which positions are closed in part.
        self.mark_price = 0.0

    @property
    def stops(self) -> NDArray[np.float64]:
        """Price of each position's stop order; 0: none."""
        return self._stop[: self.count]

    @property
    def is_cross(self) -> NDArray[np.bool_]:
        """Whether each position is held with cross margin."""
        return self._is_cross[: self.count]

    def open(self, lots: int, entry_price: float, leverage: float) -> int | None:
        habits, random = self._habits, self._random
        is_cross = random.random() < habits.cross_share
        if is_cross:
            leverage /= 1.0 + exp(habits.cross_wallet_spread * float(random.standard_normal()))
        elif random.random() < habits.added_margin_share:
            leverage /= 1.0 + random.random()
        account = super().open(lots, entry_price, leverage)
        if account is None:
            return None
        i = self.count - 1
        self._is_cross[i] = is_cross
        price = float(self._liquidation[i])
        has_stop = price > 0.0 and random.random() < habits.stop_share
        self._stop[i] = stop = entry_price + (price - entry_price) * random.uniform(0.3, 0.95) if has_stop else 0.0
        if has_stop:
            self._nearest_stop = max(self._nearest_stop, stop) if self.side > 0 else min(self._nearest_stop, stop)
        return account

    def close_one(self, random: np.random.Generator) -> int:
        """Close a position by chance, whole or in part; returns the lots."""
        if self.count == 0:
            return 0
        i = int(random.integers(self.count))
        lots = (
            int(self._lots[i] * random.uniform(0.2, 0.8)) if random.random() < self._habits.partial_close_share else 0
        )
        if lots == 0:
            return self._remove(i)
        return self._reduce(i, lots, self.mark_price, keeps_margin=bool(self._is_cross[i]))

    def take_stops(self, mark_price: float) -> int:
        """Close every position whose stop the mark has reached; returns the lots."""
        if (mark_price > self._nearest_stop) if self.side > 0 else (mark_price < self._nearest_stop):
            return 0
        stops = self.stops
        reached = (stops >= mark_price) if self.side > 0 else (stops <= mark_price)
        lots = sum(self._remove(int(i)) for i in np.flatnonzero(reached & (stops > 0.0))[::-1])
        left = self.stops[self.stops > 0.0]
        self._nearest_stop = float(left.max(initial=-inf) if self.side > 0 else left.min(initial=inf))
        return lots

    def deleverage(self, lots: int, mark_price: float) -> int:
        """Close so many lots of the positions with most profit times leverage, the last in part; returns the lots."""
        ranks = self.side * (mark_price / self.entry_prices - 1.0) * self.leverage
        order = np.argsort(-ranks, kind="stable")
        sums = np.cumsum(self.lots[order])
        whole = int(np.searchsorted(sums, lots, side="right"))
        left = lots - (int(sums[whole - 1]) if whole else 0)
        if left > 0 and whole < len(order):
            self._reduce(int(order[whole]), left, mark_price, keeps_margin=True)
        else:
            left = 0
        return left + sum(self._remove(i) for i in sorted(order[:whole].tolist(), reverse=True))

    def change_wallets(self, seconds: float) -> None:
        """Let the wallets behind cross positions win and lose elsewhere."""
        spread = self._habits.cross_daily_change * sqrt(seconds / DAY_S)
        places = np.flatnonzero(self.is_cross)
        self._leverage[places] *= np.exp(spread * self._random.standard_normal(len(places)))
        quantity: NDArray[np.float64] = self._lots[places].astype(np.float64) * self.lot_size_base
        prices = liquidation_prices(self.side, quantity, self._entry[places], self._leverage[places], self.tiers)
        self._liquidation[places] = prices
        some = prices[prices > 0.0]
        if len(some):
            self._nearest = (
                max(self._nearest, float(some.max())) if self.side > 0 else min(self._nearest, float(some.min()))
            )

    def liquidate(self, mark_price: float) -> list[LiquidatedPosition]:
        """Close what the venue's rule closes of every position whose liquidation price the mark has reached."""
        if self._habits.first_step == "whole":
            return super().liquidate(mark_price)
        if (mark_price > self._nearest) if self.side > 0 else (mark_price < self._nearest):
            return []
        prices = self.liquidation_prices.copy()
        reached = prices >= mark_price if self.side > 0 else (prices <= mark_price) & (prices > 0.0)
        closed: list[LiquidatedPosition] = []
        for i in np.flatnonzero(reached)[::-1].tolist():
            facts = float(self._entry[i]), float(self._leverage[i]), float(prices[i]), int(self._account[i])
            lots = 0
            while self._is_reached(i, mark_price):
                part = self._first_lots(int(self._lots[i]), float(self._liquidation[i]))
                if part >= self._lots[i]:
                    break
                lots += self._reduce(i, part, float(self._liquidation[i]), keeps_margin=True)
            else:
                closed.append(LiquidatedPosition(lots, *facts))
                continue
            closed.append(LiquidatedPosition(lots + self._remove(i), *facts))
        left = self.liquidation_prices[self.liquidation_prices > 0.0]
        self._nearest = float(left.max(initial=-inf) if self.side > 0 else left.min(initial=inf))
        return closed

    def forced_orders(self, i: int) -> Iterator[ForcedOrder]:
        """What would be liquidated of a position as price goes on, order by order; it is left as it is."""
        lots, entry, leverage = int(self._lots[i]), float(self._entry[i]), float(self._leverage[i])
        price = float(self._liquidation[i])
        for _ in range(MAX_FORCED_ORDERS):
            part = self._first_lots(lots, price)
            if part >= lots or price <= 0.0:
                break
            yield ForcedOrder(part, price)
            leverage = self._leverage_left(lots, part, entry, leverage, price)
            lots -= part
            price = self.liquidation_price_of(lots, entry, leverage)
        if price > 0.0:
            yield ForcedOrder(lots, price)

    def _is_reached(self, i: int, mark_price: float) -> bool:
        price = float(self._liquidation[i])
        return price >= mark_price if self.side > 0 else 0.0 < price <= mark_price

    def _first_lots(self, lots: int, price: float) -> int:
        return first_lots(lots, lots * self.lot_size_base * price, self.tiers, self._habits.first_step)

    def _reduce(self, i: int, lots: int, price: float, *, keeps_margin: bool) -> int:
        """Close a part at a price. What it wins or loses goes to the rest, or its own margin leaves with it."""
        held, entry = int(self._lots[i]), float(self._entry[i])
        leverage = float(self._leverage[i])
        if keeps_margin:
            leverage = self._leverage_left(held, lots, entry, leverage, price)
        self._leverage[i] = leverage
        self._lots[i] -= lots
        self.total_lots -= lots
        self._set_price(i, self.liquidation_price_of(held - lots, entry, leverage))
        return lots

    def _set_price(self, i: int, price: float) -> None:
        self._liquidation[i] = price
        if price > 0.0:
            self._nearest = max(self._nearest, price) if self.side > 0 else min(self._nearest, price)

    def _leverage_left(self, lots: int, closed: int, entry: float, leverage: float, price: float) -> float:
        """Leverage of the rest when the loss or gain of the closed part is booked on the margin."""
        margin = lots * entry / leverage + self.side * closed * (price - entry)
        return (lots - closed) * entry / max(margin, 1e-9 * entry)


def first_lots(lots: int, notional_usd: float, tiers: Sequence[Tier], first_step: FirstStep) -> int:
    """Lots that the first forced order takes of a position of this notional at its liquidation price.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import tiers
    >>> table = tiers((100.0, 0.01, 50), (None, 0.02, 25))
    >>> first_lots(10, 200.0, table, "tier-down"), first_lots(10, 90.0, table, "tier-down")
    (5, 10)
    >>> first_lots(10, 200_000.0, table, "one-fifth"), first_lots(10, 200_000.0, table, "whole")
    (2, 10)
    """
    if first_step == "one-fifth" and notional_usd > ONE_FIFTH_ABOVE_USD:
        return max(1, lots // 5)
    if first_step == "tier-down":
        for tier in reversed(tiers):
            if notional_usd > tier.notional_floor_usd > 0.0:
                return max(1, lots - int(lots * tier.notional_floor_usd / notional_usd))
    return lots


def liquidation_prices(
    side: int,
    quantity_base: NDArray[np.float64],
    entry_price: NDArray[np.float64],
    leverage: NDArray[np.float64],
    tiers: Sequence[Tier],
) -> NDArray[np.float64]:
    """:func:`isolated_liquidation_price` of many positions.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import tiers
    >>> from liqheat_ingest.market_simulation.liquidation_price import isolated_liquidation_price
    >>> table = tiers((15_000.0, 0.005, 100), (None, 0.01, 50))
    >>> many = liquidation_prices(1, np.array([1.0, 0.1]), np.array([2e4, 2e4]), np.array([50.0, 50.0]), table)
    >>> many.tolist() == [isolated_liquidation_price(1, q, 2e4, 50.0, table) for q in (1.0, 0.1)]
    True
    """
    margin = quantity_base * entry_price / leverage
    result: NDArray[np.float64] = np.zeros(len(margin))
    open_ones = np.ones(len(margin), dtype=np.bool_)
    for tier in tiers:
        numerator = margin + tier.maintenance_amount_usd - side * quantity_base * entry_price
        price = np.maximum(0.0, numerator / (quantity_base * (tier.maintenance_margin_rate - side)))
        result[open_ones] = price[open_ones]
        if tier.notional_cap_usd is not None:
            open_ones &= price * quantity_base > tier.notional_cap_usd
    return result
