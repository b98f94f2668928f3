"""Which markets each venue lists, under which names and in which units: multipliers, contracts, inverse ones."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from liqheat_ingest.fake_venue.instrument import Listing
from liqheat_ingest.market_simulation.profiles import CoinProfile, VenueProfile

#: The venues and their part of a coin's open interest.
VENUE_PROFILES = {
    "binance": VenueProfile("binance", 0.40, 0, "throttled"),
    "bybit": VenueProfile("bybit", 0.25, 0, "complete"),
    "okx": VenueProfile("okx", 0.22, 0, "throttled"),
    "hyperliquid": VenueProfile("hyperliquid", 0.13, 0, "complete"),
}
VENUES = tuple(VENUE_PROFILES)

_THOUSANDS = frozenset({"PEPE", "SHIB", "BONK", "FLOKI", "LUNC"})
_BYBIT_INVERSE = frozenset({"BTC", "ETH", "SOL", "XRP"})
_OKX_INVERSE_CONTRACT_USD = {"BTC": 100.0, "ETH": 10.0, "SOL": 10.0}
#: Part of the linear market's size that the inverse one has.
INVERSE_SHARE = 0.15


class Units(NamedTuple):
    """Names and units that a venue chose for a coin."""

    symbol: str
    base: str
    multiplier: float = 1.0
    contract_size: float = 1.0
    inverse_lot_contracts: float | None = None


def listings(venue: str, profile: CoinProfile, max_leverage: float) -> list[Listing]:
    """The markets of a coin at a venue: a linear one, and an inverse one where the venue has it.

    Examples
    --------
    >>> from liqheat_ingest.fake_venue.coins import coin_profiles
    >>> btc, eth, sol, xrp, doge, pepe = coin_profiles(6)
    >>> [listing.symbol for listing in listings("bybit", btc, 100.0)]
    ['BTCUSDT', 'BTCUSD']
    >>> [(x.symbol, x.base, x.multiplier) for x in listings("hyperliquid", pepe, 10.0)]
    [('kPEPE', 'kPEPE', 1000.0)]
    >>> okx = listings("okx", btc, 100.0)[0]
    >>> okx.symbol, okx.contract_size, okx.quantity_step
    ('BTC-USDT-SWAP', 0.01, 0.1)
    """
    return [_listing(venue, profile, units, max_leverage) for units in _units(venue, profile)]


def _units(venue: str, profile: CoinProfile) -> list[Units]:
    coin = profile.coin
    if venue == "binance":
        base = f"1000{coin}" if coin in _THOUSANDS else coin
        return [Units(f"{base}USDT", base, 1000.0 if coin in _THOUSANDS else 1.0)]
    if venue == "bybit":
        base = coin
        if coin in _THOUSANDS:
            base = "SHIB1000" if coin == "SHIB" else f"1000{coin}"
        markets = [Units(f"{base}USDT", base, 1000.0 if coin in _THOUSANDS else 1.0)]
        if coin in _BYBIT_INVERSE:
            markets.append(Units(f"{coin}USD", coin, inverse_lot_contracts=1.0))
        return markets
    if venue == "okx":
        # A contract of at least ten lots, so that amounts come in tenths of a contract as well.
        markets = [Units(f"{coin}-USDT-SWAP", coin, contract_size=_scaled(profile.lot_size_base, 10.0))]
        if coin in _OKX_INVERSE_CONTRACT_USD:
            size = _OKX_INVERSE_CONTRACT_USD[coin]
            markets.append(Units(f"{coin}-USD-SWAP", coin, contract_size=size, inverse_lot_contracts=1.0))
        return markets
    name = f"k{coin}" if coin in _THOUSANDS else coin
    return [Units(name, name, 1000.0 if coin in _THOUSANDS else 1.0)]


def _listing(venue: str, profile: CoinProfile, units: Units, max_leverage: float) -> Listing:
    tick_size = _scaled(profile.tick_size, units.multiplier)
    inverse = units.inverse_lot_contracts is not None
    step = units.inverse_lot_contracts
    if step is None:
        step = _scaled(profile.lot_size_base, 1.0 / (units.multiplier * units.contract_size))
    quote = "USD" if inverse else ("USDC" if venue == "hyperliquid" else "USDT")
    return Listing(
        venue=venue,
        symbol=units.symbol,
        coin=profile.coin,
        base=units.base,
        quote=quote,
        settle=profile.coin if inverse else quote,
        is_inverse=inverse,
        multiplier=units.multiplier,
        contract_size=units.contract_size,
        tick_size=tick_size,
        price_decimals=decimals(tick_size),
        quantity_step=step,
        quantity_decimals=decimals(step),
        max_leverage=max_leverage,
    )


def _scaled(value: float, factor: float) -> float:
    """A power of ten stays one: 1e-09 times 1000 is 1e-06."""
    return float(f"{value * factor:.12g}")


def decimals(step: float) -> int:
    """Digits after the point that multiples of a step need.

    >>> decimals(0.001), decimals(1.0), decimals(1e-06)
    (3, 0, 6)
    """
    exponent = Decimal(str(step)).normalize().as_tuple().exponent
    return max(0, -int(exponent))
