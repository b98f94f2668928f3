"""One market as a venue lists it, and what the venue has published of it so far."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from liqheat_ingest.fake_venue.minute_bars import MinuteBars
from liqheat_ingest.fake_venue.order_book import FakeOrderBook
from liqheat_ingest.market_simulation.market import SimulatedMarket

RECENT_TRADES = 1_000


class FakeTrade(NamedTuple):
    """A trade with the venue's running number. ``side`` +1: the taker bought. Accounts are the simulator's codes."""

    number: int
    time_ms: int
    price_ticks: int
    lots: int
    side: int
    buyer: int
    seller: int


class FakeLiquidation(NamedTuple):
    """A position that the mark has closed. ``side`` +1: a long."""

    time_ms: int
    side: int
    lots: int
    bankruptcy_ticks: int
    fill_ticks: int


class Listing(NamedTuple):
    """How a venue writes a market: names, units and digits.

    Attributes
    ----------
    symbol : str
        The venue's own.
    base, quote, settle : str
        As the venue names them, ``1000PEPE`` included.
    multiplier : float
        Units of the coin in one unit of the base.
    contract_size : float
        Base units in one contract if linear, USD if inverse; amounts are in contracts.
    tick_size, quantity_step : float
        In the venue's units: a tick and a lot of the simulation.
    """

    venue: str
    symbol: str
    coin: str
    base: str
    quote: str
    settle: str
    is_inverse: bool
    multiplier: float
    contract_size: float
    tick_size: float
    price_decimals: int
    quantity_step: float
    quantity_decimals: int
    max_leverage: float


@dataclass(slots=True, eq=False)
class FakeInstrument:
    """A listing, its market and what subscribers can know of it now."""

    listing: Listing
    market: SimulatedMarket
    bars: MinuteBars
    book: FakeOrderBook
    listed_at_ms: int
    is_listed: bool = True
    last_ticks: int = 0
    mark_price: float = 0.0
    index_price: float = 0.0
    open_interest_lots: int = 0
    funding_rate: float = 0.0001
    next_number: int = 1
    first_live_number: int = 1
    liquidations: int = 0
    recent_liquidations: deque[FakeLiquidation] = field(default_factory=lambda: deque(maxlen=100))
    trades: deque[FakeTrade] = field(default_factory=lambda: deque(maxlen=RECENT_TRADES))

    @property
    def symbol(self) -> str:
        """The venue's own."""
        return self.listing.symbol

    def price_text(self, ticks: int) -> str:
        """A price in the venue's digits."""
        return f"{ticks * self.listing.tick_size:.{self.listing.price_decimals}f}"

    def venue_price_text(self, coin_price: float, more_digits: int = 0) -> str:
        """A price of the coin, not on a tick, in the venue's unit."""
        return f"{coin_price * self.listing.multiplier:.{self.listing.price_decimals + more_digits}f}"

    def quantity_text(self, lots: float) -> str:
        """An amount in the venue's unit and digits."""
        return f"{lots * self.listing.quantity_step:.{self.listing.quantity_decimals}f}"

    def quantity_base(self, lots: float, price_ticks: float) -> float:
        """Units of the venue's base in so many lots."""
        listing = self.listing
        if listing.is_inverse:
            return lots * listing.quantity_step * listing.contract_size / (price_ticks * listing.tick_size)
        return lots * listing.quantity_step * listing.contract_size

    def value_quote(self, lots: float, price_ticks: float) -> float:
        """Value of so many lots in the quote currency."""
        return self.quantity_base(lots, price_ticks) * price_ticks * self.listing.tick_size
