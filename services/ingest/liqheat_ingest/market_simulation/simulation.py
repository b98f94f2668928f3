"""All simulated coins at all simulated venues, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liqheat_ingest.margin_tables import margin_table
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.market_step import MarketStep, TrueDensity
from liqheat_ingest.market_simulation.price_path import PricePath
from liqheat_ingest.market_simulation.profiles import COINS, VENUES, CoinProfile, VenueProfile


class StepOf(NamedTuple):
    """A step of one market, the index price behind it, and the market's state at its end."""

    market: SimulatedMarket
    index_price: float
    step: MarketStep
    open_interest_base: float
    funding_rate: float


class Simulation:
    """Deterministic for a seed, the coins, the venues and the lengths of the steps.

    Parameters
    ----------
    seed : int
        Each coin has generators of its own, so leaving one out does not change the others.

    Examples
    --------
    >>> simulation = Simulation(seed=7, coins=("BTC",))
    >>> steps = simulation.step(60.0)
    >>> [(step.market.coin.coin, step.market.venue.venue) for step in steps]
    [('BTC', 'sim-alpha'), ('BTC', 'sim-beta')]
    >>> market = simulation.market("BTC", "sim-alpha")
    >>> market.longs.total_lots == market.shorts.total_lots
    True
    """

    def __init__(self, seed: int, coins: Sequence[str] = tuple(COINS), venues: Sequence[VenueProfile] = VENUES) -> None:
        self._paths: list[tuple[CoinProfile, PricePath, list[SimulatedMarket]]] = []
        for coin in coins:
            profile = COINS[coin]
            seeds = [int.from_bytes(coin.encode(), "big"), seed]
            path_seed, *market_seeds = np.random.SeedSequence(seeds).spawn(1 + len(venues))
            path = PricePath(profile.price, profile.annual_volatility, np.random.default_rng(path_seed))
            markets = [
                SimulatedMarket(
                    profile, venue, margin_table(venue.venue, coin, is_inverse=False).tiers, np.random.default_rng(s)
                )
                for venue, s in zip(venues, market_seeds, strict=True)
            ]
            self._paths.append((profile, path, markets))

    @property
    def markets(self) -> list[SimulatedMarket]:
        """All markets, coin by coin."""
        return [market for _, _, markets in self._paths for market in markets]

    def market(self, coin: str, venue: str) -> SimulatedMarket:
        """One market. Raises KeyError where there is none."""
        for market in self.markets:
            if (market.coin.coin, market.venue.venue) == (coin, venue):
                return market
        raise KeyError(f"no simulated market {coin} at {venue}")

    def true_density(self, coin: str, venue: str) -> TrueDensity:
        """The true liquidation map of a market now."""
        return self.market(coin, venue).true_density()

    def step(self, seconds: float) -> list[StepOf]:
        """Let time pass. Forced orders of a step move the price of the next."""
        results: list[StepOf] = []
        for profile, path, markets in self._paths:
            index_price = path.advance(seconds)
            for market in markets:
                step = market.step(index_price, seconds, path.volatility_factor)
                results.append(StepOf(market, index_price, step, market.open_interest_base, market.funding_rate))
                forced = sum(
                    (-1 if liquidated.side == "long" else 1) * liquidated.position.lots
                    for liquidated in step.liquidated
                )
                if forced:
                    path.push(forced * profile.lot_size_base * step.mark_price, profile.daily_volume_usd)
        return results
