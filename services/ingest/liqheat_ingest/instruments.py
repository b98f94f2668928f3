"""The instrument table: which (venue, symbol) is which coin, and how its prices and amounts are to be read.

Everything downstream speaks of ONE unit of the coin: ``1000PEPE`` and ``kPEPE`` are PEPE with a price multiplier of
1,000, amounts in contracts become amounts of the coin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from liqheat_ingest.margin_tables import MarginTable, margin_table
from liqheat_ingest.readings import Market
from liqheat_shared.contracts.market_events import LiquidationFeedKind

#: Longest first: 1000000MOG must not be read as 1000 times 000MOG.
_MULTIPLIERS = (("1000000", 1_000_000.0), ("1M", 1_000_000.0), ("10000", 10_000.0), ("1000", 1_000.0))
#: Hyperliquid writes thousands with a small k, and only for these.
_K_COINS = frozenset({"PEPE", "SHIB", "BONK", "FLOKI", "LUNC", "DOGS", "NEIRO"})
_COIN = re.compile(r"[A-Z0-9]{1,20}")
_LINEAR = re.compile(r"([A-Z0-9]+?)(USDT|USDC|FDUSD)")
_BYBIT_USDC = re.compile(r"([A-Z0-9]+)PERP")
_BINANCE_INVERSE = re.compile(r"([A-Z0-9]+)USD_PERP")
_BYBIT_INVERSE = re.compile(r"([A-Z0-9]+)USD")
#: Base units of one contract of OKX's linear swaps, as far as they are known here.
_OKX_CONTRACT_SIZE = {"BTC-USDT-SWAP": 0.01, "ETH-USDT-SWAP": 0.1, "SOL-USDT-SWAP": 1.0}
#: What part of its liquidations each venue's public feed carries, as the venue's documentation says.
LIQUIDATION_FEEDS: dict[str, LiquidationFeedKind] = {
    "binance": "throttled",  # forceOrder: the largest of each symbol and second
    "bybit": "complete",  # allLiquidation: every one, each 500 ms
    "okx": "partial",  # liquidation-orders: "does not represent the total number"
    "hyperliquid": "none",
}


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """How to read one market.

    Attributes
    ----------
    market : Market
        Coin, venue and unified symbol.
    contract_size : float
        Base units a contract if linear, USD a contract if inverse.
    price_multiplier : float
        Units of the coin in one unit of the venue's base, 1000 for 1000PEPE.
    margin : MarginTable or None
        The venue's own margin tiers, where it told them; None: the shipped table.
    liquidation_feed : str or None
        What part of the liquidations the source carries; None: as ``LIQUIDATION_FEEDS`` says of the venue.
    """

    market: Market
    quote: str
    is_inverse: bool = False
    contract_size: float = 1.0
    price_multiplier: float = 1.0
    tick_size: float | None = None
    taker_fee_rate: float | None = None
    margin: MarginTable | None = None
    liquidation_feed: LiquidationFeedKind | None = None

    def price(self, venue_price: float) -> float:
        """Price of one unit of the coin.

        >>> PEPE = InstrumentSpec(Market("PEPE", "binance", "1000PEPE/USDT:USDT"), "USDT", price_multiplier=1000.0)
        >>> PEPE.price(0.02)
        2e-05
        """
        return venue_price / self.price_multiplier

    def quantity_base(self, amount: float, venue_price: float) -> float:
        """Units of the coin in an amount as the venue writes it.

        >>> btc = InstrumentSpec(Market("BTC", "binance", "BTC/USD:BTC"), "USD", is_inverse=True, contract_size=100.0)
        >>> btc.quantity_base(5, 50_000.0)
        0.01
        """
        if self.is_inverse:
            return amount * self.contract_size / venue_price
        return amount * self.contract_size * self.price_multiplier


def split_multiplier(base: str) -> tuple[str, float]:
    """Coin and price multiplier of a venue's base asset.

    >>> split_multiplier("1000PEPE"), split_multiplier("1INCH"), split_multiplier("SHIB1000")
    (('PEPE', 1000.0), ('1INCH', 1.0), ('SHIB', 1000.0))
    """
    for prefix, multiplier in _MULTIPLIERS:
        rest = base.removeprefix(prefix)
        if rest != base and rest[:1].isalpha():
            return rest, multiplier
        # Bybit writes SHIB1000 as well.
        if prefix.isdigit() and base.endswith(prefix) and base[: -len(prefix)].isalpha():
            return base[: -len(prefix)], multiplier
    return base, 1.0


def coin_of_base(base: str, bases: Collection[str]) -> tuple[str, float]:
    """Coin and price multiplier of a base asset among all that the venue lists.

    Where it lists both ``BOB`` and ``1000000BOB`` these are two assets, and the longer name is a coin of its own.

    >>> coin_of_base("1000000BOB", {"BOB", "1000000BOB"}), coin_of_base("1000PEPE", {"1000PEPE"})
    (('1000000BOB', 1.0), ('PEPE', 1000.0))
    """
    coin, multiplier = split_multiplier(base)
    return (base, 1.0) if multiplier != 1.0 and coin in bases else (coin, multiplier)


def is_coin(name: str) -> bool:
    """Whether the contracts allow the name.

    >>> is_coin("BTC"), is_coin("kPEPE"), is_coin("")
    (True, False, False)
    """
    return _COIN.fullmatch(name) is not None


def _linear(venue: str, base: str, quote: str, contract_size: float = 1.0) -> InstrumentSpec:
    coin, multiplier = split_multiplier(base)
    market = Market(coin, venue, f"{base}/{quote}:{quote}")
    return InstrumentSpec(market, quote, contract_size=contract_size, price_multiplier=multiplier)


def _inverse(venue: str, coin: str, contract_size_usd: float) -> InstrumentSpec:
    market = Market(coin, venue, f"{coin}/USD:{coin}")
    return InstrumentSpec(market, "USD", is_inverse=True, contract_size=contract_size_usd)


def _hyperliquid(symbol: str) -> InstrumentSpec | None:
    if symbol[:1] == "k" and symbol[1:] in _K_COINS:
        market = Market(symbol[1:], "hyperliquid", f"{symbol.upper()}/USDC:USDC")
        return InstrumentSpec(market, "USDC", price_multiplier=1000.0)
    if not _COIN.fullmatch(symbol):
        return None
    market = Market(symbol, "hyperliquid", f"{symbol}/USDC:USDC")
    return InstrumentSpec(market, "USDC")


def _binance(symbol: str) -> InstrumentSpec | None:
    if match := _BINANCE_INVERSE.fullmatch(symbol):
        return _inverse("binance", match[1], 100.0 if match[1] == "BTC" else 10.0)
    if match := _LINEAR.fullmatch(symbol):
        return _linear("binance", match[1], match[2])
    return None


def _bybit(symbol: str) -> InstrumentSpec | None:
    if match := _LINEAR.fullmatch(symbol):
        return _linear("bybit", match[1], match[2])
    if match := _BYBIT_USDC.fullmatch(symbol):
        return _linear("bybit", match[1], "USDC")
    if match := _BYBIT_INVERSE.fullmatch(symbol):
        return _inverse("bybit", match[1], 1.0)
    return None


def _okx(symbol: str) -> InstrumentSpec | None:
    size = _OKX_CONTRACT_SIZE.get(symbol)
    return None if size is None else _linear("okx", symbol.split("-")[0], "USDT", contract_size=size)


#: Names that data vendors give the venues' perpetual markets.
_RULES: dict[str, Callable[[str], InstrumentSpec | None]] = {
    "hyperliquid": _hyperliquid,
    "binance": _binance,
    "binance-futures": _binance,
    "binance-delivery": _binance,
    "bybit": _bybit,
    "okex-swap": _okx,
}


def find_instrument(exchange: str, symbol: str) -> InstrumentSpec | None:
    """The market that a vendor calls so, or None: no perpetual whose units are known.

    Parameters
    ----------
    exchange : str
        As data files name it, e.g. ``binance-futures``.
    symbol : str
        The venue's own symbol, e.g. ``1000PEPEUSDT``, ``kPEPE``, ``BTCUSD_PERP``.

    Examples
    --------
    >>> find_instrument("binance-futures", "1000PEPEUSDT").market
    Market(coin='PEPE', venue='binance', symbol='1000PEPE/USDT:USDT')
    >>> find_instrument("hyperliquid", "kPEPE").price_multiplier
    1000.0
    >>> find_instrument("binance-futures", "BTCUSDT_240628") is None
    True
    """
    rule = _RULES.get(exchange)
    spec = rule(symbol) if rule is not None else None
    return spec if spec is not None and is_coin(spec.market.coin) else None


def shipped_margin(spec: InstrumentSpec, time_ms: int | None = None) -> MarginTable:
    """The margin table that is shipped for a market, of a time; None: the newest."""
    return margin_table(spec.market.venue, spec.market.coin, spec.is_inverse, time_ms, spec.quote)


def instrument_fields(spec: InstrumentSpec) -> dict[str, Any]:
    """Fields of the ``instrument`` event of a market, without the envelope."""
    table = spec.margin or shipped_margin(spec)
    return {
        "quote": spec.quote,
        "is_inverse": spec.is_inverse,
        "contract_size": spec.contract_size,
        "price_multiplier": spec.price_multiplier,
        "tick_size": spec.tick_size,
        "taker_fee_rate": spec.taker_fee_rate,
        "liquidation_feed": spec.liquidation_feed or LIQUIDATION_FEEDS.get(spec.market.venue),
        "margin_tiers": [tier._asdict() for tier in table.tiers],
        "tiers_valid_from_ms": table.valid_from_ms,
        "tiers_source": table.source,
    }
