"""One simulated market: agents open, close and are liquidated; longs and shorts always hold the same lots."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, sqrt

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.margin_tables import Tier
from liqheat_ingest.market_simulation.first_positions import FirstPosition, open_given, open_invented
from liqheat_ingest.market_simulation.liquidation_price import (
    isolated_inverse_liquidation_price,
    isolated_liquidation_price,
)
from liqheat_ingest.market_simulation.market_step import (
    Liquidated,
    MarketStep,
    Print,
    TrueDensity,
    print_of,
)
from liqheat_ingest.market_simulation.position_book import LiquidationPrice, PositionBook
from liqheat_ingest.market_simulation.profiles import LEVERAGE_MIX, CoinProfile, VenueProfile
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH

POSITIONS_PER_SIDE = 1_500
#: Average life of a position: about four in five are closed within four days.
POSITION_LIFE_S = 1.5 * 86_400.0
FUNDING_INTERVAL_S = 28_800.0


class SimulatedMarket:
    """A coin at a venue, with every position known.

    Parameters
    ----------
    coin, venue : profile
        What the market is like.
    tiers : tuple of Tier
        The venue's margin table: liquidation prices follow from it exactly.
    random : numpy Generator
        The only source of chance.
    inverse_lot_usd : float or None
        USD in a lot of a coin-margined contract, whose tiers are in units of the coin; None: linear.
    first_positions : pair of sequences or None
        Longs and shorts that stand at the beginning; leverage is then limited by tier, as venues do. None: invented
        around the price, and only the greatest leverage of all is a limit.
    positions_per_side : int
        About how many positions there are.
    tiers_by_size : bool
        Bounds of the tiers are sizes (coins, or USD if inverse), and a tier's rate holds for all of a position.
    """

    def __init__(
        self,
        coin: CoinProfile,
        venue: VenueProfile,
        tiers: tuple[Tier, ...],
        random: np.random.Generator,
        *,
        inverse_lot_usd: float | None = None,
        first_positions: tuple[Sequence[FirstPosition], Sequence[FirstPosition]] | None = None,
        positions_per_side: int = POSITIONS_PER_SIDE,
        tiers_by_size: bool = False,
    ) -> None:
        self.coin = coin
        self.venue = venue
        self.inverse_lot_usd = inverse_lot_usd
        self._positions_per_side = positions_per_side
        self._random = random
        lot_size = coin.lot_size_base if inverse_lot_usd is None else inverse_lot_usd
        self.longs, self.shorts = self._books(lot_size, tiers)
        self.longs.tiers_by_size = self.shorts.tiers_by_size = tiers_by_size
        self.mark_price = coin.price
        self.funding_rate = 0.0001
        self._basis = 0.0
        mix = self._mix()
        self._leverages = np.minimum(mix[:, 0], tiers[0].max_leverage)
        self._leverage_edges = np.cumsum(mix[:, 1]) / mix[:, 1].sum()
        self._target_lots = int(self._lots_of(coin.open_interest_usd * venue.share, coin.price))
        if first_positions is None:
            count = positions_per_side
            open_invented((self.longs, self.shorts), coin, random, count, self._target_lots, self._leverage)
        else:
            open_given((self.longs, self.shorts), coin, random, first_positions, self._target_lots)

    def _books(self, lot_size: float, tiers: tuple[Tier, ...]) -> tuple[PositionBook, PositionBook]:
        rule: LiquidationPrice = isolated_liquidation_price
        if self.inverse_lot_usd is not None:
            rule = isolated_inverse_liquidation_price
        return PositionBook(+1, lot_size, tiers, rule), PositionBook(-1, lot_size, tiers, rule)

    def _position_life_s(self) -> float:
        return POSITION_LIFE_S

    def _mix(self) -> NDArray[np.float64]:
        return np.array(LEVERAGE_MIX)

    @property
    def open_interest_lots(self) -> int:
        """Lots of one side."""
        return self.longs.total_lots

    @property
    def open_interest_base(self) -> float:
        """Open interest of one side in the coin."""
        if self.inverse_lot_usd is not None:
            return self.open_interest_lots * self.inverse_lot_usd / self.mark_price
        return self.open_interest_lots * self.coin.lot_size_base

    def quantity_base(self, lots: float, price: float) -> float:
        """Units of the coin in so many lots at a price."""
        if self.inverse_lot_usd is not None:
            return lots * self.inverse_lot_usd / price
        return lots * self.coin.lot_size_base

    def step(self, index_price: float, seconds: float, volatility_factor: float) -> MarketStep:
        """Let the mark move to the index plus this venue's basis, and the agents act once.

        Parameters
        ----------
        index_price : float
            USD for one unit of the coin.
        seconds : float
            Length of the step.
        volatility_factor : float
            Volatility now relative to its average; volume grows with it.
        """
        before = self.mark_price
        self._move_mark(index_price, seconds)
        change = self.mark_price / before - 1.0
        prints: list[Print] = []
        self._before_liquidation(prints)
        liquidated = self._liquidate(prints)
        self._turn_over(seconds, prints)
        self._grow(seconds, prints)
        background, bought = self._background(seconds, volatility_factor, change)
        return MarketStep(self.mark_price, liquidated, prints, background, bought)

    def true_density(self) -> TrueDensity:
        """The map that an estimator tries to find. Positions that no price liquidates are not in it."""
        columns = []
        for book in (self.longs, self.shorts):
            prices = book.liquidation_prices
            some = prices > 0.0
            if self.inverse_lot_usd is None:
                usd = book.lots[some] * self.coin.lot_size_base * prices[some]
            else:
                usd = np.asarray(book.lots[some] * self.inverse_lot_usd, dtype=np.float64)
            columns.append((np.floor(np.log(prices[some]) / BIN_WIDTH).astype(np.int64), usd))
        return TrueDensity.of(columns[0], columns[1])

    def _move_mark(self, index_price: float, seconds: float) -> None:
        decay = exp(-seconds / 600.0)
        self._basis = decay * self._basis + 0.0002 * sqrt(1.0 - decay * decay) * float(self._random.standard_normal())
        tick = self.coin.tick_size
        # Rounded to ten digits: a multiple of 0.1 should read as one.
        self.mark_price = round(max(tick, round(index_price * (1.0 + self._basis) / tick) * tick), 10)
        share = min(1.0, seconds / FUNDING_INTERVAL_S)
        self.funding_rate += share * (0.0001 + self._basis - self.funding_rate)

    def _before_liquidation(self, prints: list[Print]) -> None:
        """What happens at the new mark before positions are liquidated: nothing here."""

    def _liquidate(self, prints: list[Print]) -> list[Liquidated]:
        """Liquidated lots are taken over, half by new positions and half by the other side taking profit."""
        closed: list[Liquidated] = []
        for book, other, side in ((self.longs, self.shorts, "long"), (self.shorts, self.longs, "short")):
            for position in book.liquidate(self.mark_price):
                closed.append(Liquidated(side, position))  # type: ignore[arg-type]
                other_closes = other.close_lots(position.lots // 2, self._random)
                opener = book.open(position.lots - other_closes, self.mark_price, self._leverage())
                prints.append(print_of(position.lots, -book.side, book.side, opener))
        return closed

    def _turn_over(self, seconds: float, prints: list[Print]) -> None:
        """Positions change hands: the open interest stays, the entry and the leverage are new."""
        for book in (self.longs, self.shorts):
            for _ in range(self._random.poisson(book.count * seconds / self._position_life_s())):
                lots = book.close_one(self._random)
                if book.count > 2 * self._positions_per_side:  # many small rests have piled up
                    lots += book.close_one(self._random)
                if lots:
                    opener = book.open(lots, self.mark_price, self._leverage())
                    prints.append(print_of(lots, self._side(), book.side, opener))

    def _grow(self, seconds: float, prints: list[Print]) -> None:
        """Both sides open or both close, with a pull towards the usual open interest."""
        for _ in range(self._random.poisson(self._positions_per_side * seconds / self._position_life_s())):
            size = self._target_lots / self._positions_per_side * self._random.lognormal(-0.5, 1.0)
            lots = max(1, int(size))
            gap = 1.0 - self.open_interest_lots / self._target_lots
            if self._random.random() < 0.5 + 2.0 * gap:
                buyer = self.longs.open(lots, self.mark_price, self._leverage())
                seller = self.shorts.open(lots, self.mark_price, self._leverage())
                prints.append(Print(lots, self._side(), buyer, seller))
            else:
                lots = min(lots, self.open_interest_lots)
                self.longs.close_lots(lots, self._random)
                self.shorts.close_lots(lots, self._random)
                if lots:
                    prints.append(Print(lots, self._side()))

    def _background(self, seconds: float, volatility_factor: float, change: float) -> tuple[int, int]:
        coin = self.coin
        usual = self._lots_of(coin.daily_volume_usd * self.venue.share * seconds / 86_400.0, self.mark_price)
        lots = int(usual * volatility_factor * self._random.lognormal(-0.125, 0.5))
        # Takers push in the direction of the move, more so the larger it is against an ordinary one.
        ordinary = coin.annual_volatility * sqrt(seconds / 3.15e7)
        lean = max(-0.35, min(0.35, 0.15 * change / ordinary))
        bought = 0.5 + lean + 0.1 * float(self._random.standard_normal())
        return lots, int(lots * min(1.0, max(0.0, bought)))

    def _lots_of(self, usd: float, price: float) -> float:
        """Lots of a notional at a price, not rounded."""
        if self.inverse_lot_usd is not None:
            return usd / self.inverse_lot_usd
        return usd / price / self.coin.lot_size_base

    def _leverage(self) -> float:
        return float(self._leverages[np.searchsorted(self._leverage_edges, self._random.random())])

    def _side(self) -> int:
        return 1 if self._random.random() < 0.5 else -1
