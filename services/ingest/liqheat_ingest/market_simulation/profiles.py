"""What the simulated coins and venues are like: round figures near those of large perpetuals."""

from __future__ import annotations

from typing import Literal, NamedTuple


class CoinProfile(NamedTuple):
    """A coin of the simulation.

    Attributes
    ----------
    annual_volatility : float
        Standard deviation of the log return over a year.
    open_interest_usd : float
        One side, all venues together, at the start.
    daily_volume_usd : float
        All venues together, on an average day.
    lot_size_base : float
        Smallest amount. Positions are whole numbers of lots, so sums are exact.
    prints_per_second : float
        Average number of trade prints a venue.
    """

    coin: str
    price: float
    annual_volatility: float
    open_interest_usd: float
    daily_volume_usd: float
    lot_size_base: float
    tick_size: float
    prints_per_second: float


class VenueProfile(NamedTuple):
    """A venue of the simulation. The names say that nobody can trade there."""

    venue: str
    share: float
    latency_ms: int
    liquidation_feed: Literal["complete", "throttled"]


COINS: dict[str, CoinProfile] = {
    profile.coin: profile
    for profile in (
        CoinProfile("BTC", 97_000.0, 0.45, 6.0e9, 2.0e10, 0.001, 0.1, 6.0),
        CoinProfile("ETH", 3_400.0, 0.65, 3.0e9, 1.2e10, 0.001, 0.01, 5.0),
        CoinProfile("SOL", 190.0, 0.80, 1.2e9, 4.0e9, 0.01, 0.001, 3.0),
        CoinProfile("AVAX", 28.0, 0.90, 2.0e8, 5.0e8, 0.1, 0.0001, 1.0),
        CoinProfile("DOGE", 0.24, 0.95, 5.0e8, 1.5e9, 1.0, 0.000001, 2.0),
    )
}

VENUES: tuple[VenueProfile, ...] = (
    VenueProfile("sim-alpha", 0.6, 5, "complete"),
    VenueProfile("sim-beta", 0.4, 15, "throttled"),
)

#: Leverage at opening and how often, by notional. High leverage dies early, so what stands is lower: about a third up
#: to 3x, half from there to 7x, a sixth above, as measured on chain.
LEVERAGE_MIX: tuple[tuple[float, float], ...] = (
    (2.0, 0.16),
    (3.0, 0.17),
    (4.0, 0.14),
    (5.0, 0.30),
    (8.0, 0.06),
    (10.0, 0.07),
    (20.0, 0.06),
    (40.0, 0.04),
)
