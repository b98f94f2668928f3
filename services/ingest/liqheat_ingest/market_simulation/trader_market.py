"""A simulated market with everything that hides the truth: cross margin, stops, partial closes, partial liquidation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.margin_tables import Tier
from liqheat_ingest.market_simulation.habits import Habits
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.market_step import Liquidated, MarketStep, Print, TrueDensity
from liqheat_ingest.market_simulation.profiles import CoinProfile, VenueProfile
from liqheat_ingest.market_simulation.trader_book import TraderBook
from liqheat_shared.contracts.base import Side
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

#: Seconds between changes of the wallets of cross accounts.
WALLETS_EVERY_S = 900.0


class TraderMarket(SimulatedMarket):
    """A linear market whose traders have :class:`Habits`. Longs and shorts still always hold the same lots.

    Parameters
    ----------
    habits : Habits
        What they do.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import margin_table
    >>> from liqheat_ingest.market_simulation.profiles import COINS, VENUES
    >>> tiers = margin_table("sim-beta", "BTC", is_inverse=False).tiers
    >>> market = TraderMarket(COINS["BTC"], VENUES[1], tiers, np.random.default_rng(1), Habits())
    >>> step = market.step(96_000.0, 60.0, 1.0)
    >>> market.longs.total_lots == market.shorts.total_lots, bool(market.longs.is_cross.any())
    (True, True)
    """

    longs: TraderBook
    shorts: TraderBook

    def __init__(
        self,
        coin: CoinProfile,
        venue: VenueProfile,
        tiers: tuple[Tier, ...],
        random: np.random.Generator,
        habits: Habits,
        positions_per_side: int = 1_500,
    ) -> None:
        self.habits = habits
        self._since_wallets_s = 0.0
        #: Closed without an order or a trade so far: longs, shorts.
        self.deleveraged_lots = [0, 0]
        super().__init__(coin, venue, tiers, random, positions_per_side=positions_per_side)

    def _books(self, lot_size: float, tiers: tuple[Tier, ...]) -> tuple[TraderBook, TraderBook]:
        longs, shorts = (TraderBook(side, lot_size, tiers, self.habits, self._random) for side in (+1, -1))
        longs.limits_leverage = shorts.limits_leverage = True
        return longs, shorts

    def _mix(self) -> NDArray[np.float64]:
        return np.array(self.habits.leverage_mix)

    def _position_life_s(self) -> float:
        return self.habits.position_life_s

    def step(self, index_price: float, seconds: float, volatility_factor: float) -> MarketStep:
        self._since_wallets_s += seconds
        if self._since_wallets_s >= WALLETS_EVERY_S:
            for book in (self.longs, self.shorts):
                book.change_wallets(self._since_wallets_s)
            self._since_wallets_s = 0.0
        return super().step(index_price, seconds, volatility_factor)

    def _before_liquidation(self, prints: list[Print]) -> None:
        """Stops go first. Half of what they close is taken over by new positions, half closes the other side."""
        for book, other in ((self.longs, self.shorts), (self.shorts, self.longs)):
            book.mark_price = self.mark_price
            lots = book.take_stops(self.mark_price)
            if lots:
                other_closes = other.close_lots(lots // 2, self._random)
                book.open(lots - other_closes, self.mark_price, self._leverage())
                prints.append(Print(lots, -book.side))

    def _liquidate(self, prints: list[Print]) -> list[Liquidated]:
        share = self.habits.absorbed_share
        if share is None:
            return super()._liquidate(prints)
        left = int(share * self.open_interest_lots)
        closed: list[Liquidated] = []
        sides: tuple[tuple[TraderBook, TraderBook, Side], ...]
        sides = ((self.longs, self.shorts, "long"), (self.shorts, self.longs, "short"))
        for book, other, side in sides:
            for position in book.liquidate(self.mark_price):
                if position.lots > left:
                    self.deleveraged_lots[side == "long"] += other.deleverage(position.lots, self.mark_price)
                    continue
                left -= position.lots
                closed.append(Liquidated(side, position))
                other_closes = other.close_lots(position.lots // 2, self._random)
                book.open(position.lots - other_closes, self.mark_price, self._leverage())
                prints.append(Print(position.lots, -book.side))
        return closed

    def true_density(self, of_accounts: int | None = None) -> TrueDensity:
        """USD that would be liquidated in each bin if price went there: what a stop closes before is not in it.

        Parameters
        ----------
        of_accounts : int, optional
            Only even (0) or odd (1) accounts, to see what of the map is chance. None: all.
        """
        columns = []
        for book in (self.longs, self.shorts):
            prices, lots = [np.zeros(0)], [np.zeros(0)]
            liquidations = book.liquidation_prices
            usd = book.lots * book.lot_size_base * liquidations
            stays = (book.stops <= 0.0) & (liquidations > 0.0)
            if of_accounts is not None:
                stays &= book.accounts % 2 == of_accounts
            first = self.habits.first_step
            bound = np.inf if first == "whole" else 1e5 if first == "one-fifth" else book.tiers[0].notional_cap_usd
            whole = stays & (usd <= (np.inf if bound is None else bound))
            prices.append(liquidations[whole])
            lots.append(book.lots[whole].astype(np.float64))
            for i in np.flatnonzero(stays & ~whole).tolist():
                orders = list(book.forced_orders(i))
                prices.append(np.array([order.price for order in orders]))
                lots.append(np.array([float(order.lots) for order in orders]))
            price = np.concatenate(prices)
            amount = np.concatenate(lots) * book.lot_size_base * price
            columns.append((np.floor(np.log(price) / BIN_WIDTH).astype(np.int64), amount))
        return TrueDensity.of(columns[0], columns[1])
