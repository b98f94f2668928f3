"""Margin tiers of the fake venues: what their REST answers say is what the simulated positions obey."""

from __future__ import annotations

from liqheat_ingest.fake_venue.instrument import Listing
from liqheat_ingest.margin_tables import Tier, margin_table, tiers
from liqheat_ingest.market_simulation.profiles import CoinProfile

#: Notional cap as part of the coin's open interest, maintenance-margin rate relative to the first, and leverage.
_STEPS = ((0.0005, 1.0), (0.002, 2.0), (0.01, 4.0), (0.04, 8.0), (None, 16.0))
_MAX_LEVERAGE = {"BTC": 100.0, "ETH": 100.0, "SOL": 75.0}


def venue_tiers(venue: str, profile: CoinProfile) -> tuple[Tier, ...]:
    """Tiers of a linear market, in USD.

    Binance (whose table is not public) and Hyperliquid have those of ``margin_tables``; Bybit and OKX invented ones
    of the usual shape, so a reader has to take them from the venue.

    Examples
    --------
    >>> from liqheat_ingest.fake_venue.coins import coin_profiles
    >>> btc = coin_profiles(1)[0]
    >>> [(t.notional_cap_usd, t.maintenance_margin_rate, t.max_leverage) for t in venue_tiers("bybit", btc)][:2]
    [(3000000.0, 0.005, 100.0), (12000000.0, 0.01, 50.0)]
    """
    if venue not in ("bybit", "okx"):
        return margin_table(venue, profile.coin, is_inverse=False).tiers
    leverage = _MAX_LEVERAGE.get(profile.coin, 50.0)
    if venue == "okx":
        leverage = min(leverage, 75.0)
    steps = []
    for share, factor in _STEPS:
        cap = None if share is None else max(20_000.0, float(f"{share * profile.open_interest_usd:.2g}"))
        steps.append((cap, 0.5 / leverage * factor, leverage / factor))
    return tiers(*steps)


def market_tiers(listing: Listing, profile: CoinProfile) -> tuple[Tier, ...]:
    """Tiers of a market; bounds in the unit in which its venue writes them.

    USD for a linear market and coins for an inverse one; at OKX, whose bounds are sizes, coins if linear and USD if
    inverse.
    """
    linear = venue_tiers(listing.venue, profile)
    by_size = listing.venue == "okx"
    if listing.is_inverse == by_size:
        return linear
    steps = []
    for tier in linear:
        cap = None if tier.notional_cap_usd is None else float(f"{tier.notional_cap_usd / profile.price:.2g}")
        steps.append((cap, tier.maintenance_margin_rate, tier.max_leverage))
    return tiers(*steps)
