"""Bybit's words for a market: instruments, tickers, tiers, ids."""

from __future__ import annotations

from typing import Any
from zlib import crc32

from liqheat_ingest.fake_venue.coins import coin_profiles
from liqheat_ingest.fake_venue.day_stats import DayStatsCache
from liqheat_ingest.fake_venue.funding_schedule import next_funding_ms
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.venue_server import VenueServer

#: Bybit also lists these on its spot market, one under the id of an inverse perpetual: ids alone are ambiguous.
_SPOT = (("BTCUSDT", "BTC", "USDT"), ("ETHUSDT", "ETH", "USDT"), ("BTCUSD", "BTC", "USD"))


class BybitFields:
    """The same figures for REST answers and streams.

    Parameters
    ----------
    server : VenueServer
        Tells the time.
    """

    def __init__(self, server: VenueServer) -> None:
        self._server = server
        self._days = DayStatsCache()
        self._prefixes: dict[str, str] = {}

    def middle(self, one: FakeInstrument) -> int:
        """Middle of the book: the mark, in ticks."""
        return max(2, round(one.mark_price / one.market.coin.tick_size))

    def trade_id(self, one: FakeInstrument, number: int) -> str:
        """A UUID whose last twelve digits are the running number."""
        prefix = self._prefixes.get(one.symbol)
        if prefix is None:
            prefix = self._prefixes[one.symbol] = f"{crc32(one.symbol.encode()):08x}-11ee-5000-8000-"
        return f"{prefix}{number:012x}"

    def sequence(self, number: int) -> int:
        """A cross sequence: rises, with holes."""
        return 700_000_000_000 + self._server.world.now_ms % 10_000_000_000 + number % 7

    def turnover_text(self, one: FakeInstrument, lots: float, value_lots_ticks: float) -> str:
        """Value of a volume in the quote currency, for an inverse market in the coin."""
        listing = one.listing
        if listing.is_inverse:
            ticks = value_lots_ticks / lots if lots else 1.0
            return f"{one.quantity_base(lots, ticks):.8f}"
        return f"{value_lots_ticks * listing.quantity_step * listing.tick_size:.4f}"

    def ticker(self, one: FakeInstrument) -> dict[str, str]:
        """All fields of the ticker stream."""
        day = self._days.of(one, self._server.world.now_ms)
        bid, bid_lots, ask, ask_lots = one.book.top(self.middle(one))
        single = one.open_interest_lots
        value = one.value_quote(single, one.mark_price / one.market.coin.tick_size)
        if one.listing.is_inverse:
            value /= one.mark_price
        return {
            "symbol": one.symbol,
            "tickDirection": _tick_direction(one),
            "price24hPcnt": f"{one.last_ticks / day.open - 1.0:.6f}",
            "lastPrice": one.price_text(one.last_ticks),
            "prevPrice24h": one.price_text(day.open),
            "highPrice24h": one.price_text(max(day.high, one.last_ticks)),
            "lowPrice24h": one.price_text(min(day.low, one.last_ticks)),
            "prevPrice1h": one.price_text(day.open_1h),
            "markPrice": one.venue_price_text(one.mark_price),
            "indexPrice": one.venue_price_text(one.index_price),
            "openInterest": one.quantity_text(2 * single),
            "openInterestValue": f"{2.0 * value:.2f}",
            "turnover24h": self.turnover_text(one, day.volume, day.value),
            "volume24h": one.quantity_text(day.volume),
            "fundingIntervalHour": "8",
            "fundingCap": "0.005",
            "singleOpenInterest": one.quantity_text(single),
            "singleOpenInterestValue": f"{value:.2f}",
            "nextFundingTime": str(next_funding_ms(self._server.now_ms)),
            "fundingRate": f"{one.funding_rate:.8f}",
            "bid1Price": one.price_text(bid),
            "bid1Size": one.quantity_text(bid_lots),
            "ask1Price": one.price_text(ask),
            "ask1Size": one.quantity_text(ask_lots),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def rest_ticker(self, one: FakeInstrument) -> dict[str, str]:
        """A row of the tickers endpoint."""
        row = self.ticker(one)
        del row["tickDirection"]
        return {**row, "predictedDeliveryPrice": "", "basisRate": "", "deliveryFeeRate": "", "deliveryTime": "0"}

    def instrument(self, one: FakeInstrument) -> dict[str, Any]:
        """A row of instruments-info."""
        listing = one.listing
        tick = f"{listing.tick_size:.{listing.price_decimals}f}"
        step = f"{listing.quantity_step:.{listing.quantity_decimals}f}"
        largest = one.quantity_text(1_000_000)
        return {
            "symbol": one.symbol,
            "contractType": "InversePerpetual" if listing.is_inverse else "LinearPerpetual",
            "status": "Trading",
            "baseCoin": listing.base,
            "quoteCoin": listing.quote,
            "launchTime": str(one.listed_at_ms),
            "deliveryTime": "0",
            "deliveryFeeRate": "",
            "priceScale": str(listing.price_decimals),
            "leverageFilter": {
                "minLeverage": "1",
                "maxLeverage": f"{listing.max_leverage:.2f}",
                "leverageStep": "0.01",
            },
            "priceFilter": {"minPrice": tick, "maxPrice": one.price_text(10_000_000), "tickSize": tick},
            "lotSizeFilter": {
                "maxOrderQty": largest,
                "minOrderQty": step,
                "qtyStep": step,
                "postOnlyMaxOrderQty": largest,
                "maxMktOrderQty": largest,
                "minNotionalValue": "5",
            },
            "unifiedMarginTrade": True,
            "fundingInterval": 480,
            "settleCoin": listing.settle,
            "copyTrading": "both",
            "upperFundingRate": "0.005",
            "lowerFundingRate": "-0.005",
            "isPreListing": False,
            "preListingInfo": None,
            "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
            "displayName": "",
            "symbolType": "",
            "forbidUplWithdrawal": False,
            "symbolId": crc32(one.symbol.encode()) % 10_000,
        }

    def spot_instruments(self) -> list[dict[str, Any]]:
        """A few spot pairs, whose ids are also those of perpetuals."""
        known = {profile.coin for profile in coin_profiles(2)}
        return [_spot_instrument(*pair) for pair in _SPOT if pair[1] in known]

    def risk_limits(self, one: FakeInstrument) -> list[dict[str, Any]]:
        """The tiers of a market; bounds in USD, of an inverse market in the coin. The last has a bound as well."""
        tiers = one.market.longs.tiers
        rows = []
        for number, tier in enumerate(tiers, start=1):
            cap = tier.notional_cap_usd
            if cap is None:
                cap = 10.0 * tier.notional_floor_usd or 1e9
            amount = tier.maintenance_amount_usd
            rows.append(
                {
                    "id": number,
                    "symbol": one.symbol,
                    "riskLimitValue": f"{cap:.10g}",
                    "maintenanceMargin": f"{tier.maintenance_margin_rate:.8g}",
                    "initialMargin": f"{1.0 / tier.max_leverage:.8g}",
                    "isLowestRisk": int(number == 1),
                    "maxLeverage": f"{tier.max_leverage:.2f}",
                    "mmDeduction": f"{amount:.10g}" if amount else "",
                }
            )
        return rows


def _tick_direction(one: FakeInstrument) -> str:
    if len(one.trades) < 2:
        return "ZeroPlusTick"
    before, last = one.trades[-2].price_ticks, one.trades[-1].price_ticks
    return tick_direction(before, last)


def tick_direction(before: int, last: int) -> str:
    """Bybit's word for a change of price."""
    if last > before:
        return "PlusTick"
    return "MinusTick" if last < before else "ZeroPlusTick"


def _spot_instrument(symbol: str, base: str, quote: str) -> dict[str, Any]:
    return {
        "symbolId": crc32(symbol.encode()) % 2_000,
        "symbol": symbol,
        "baseCoin": base,
        "quoteCoin": quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.0000001",
            "minOrderQty": "0.000001",
            "maxOrderQty": "230",
            "minOrderAmt": "5",
            "maxOrderAmt": "8000000",
            "maxLimitOrderQty": "230",
            "maxMarketOrderQty": "120",
            "postOnlyMaxLimitOrderSize": "1150",
        },
        "priceFilter": {"tickSize": "0.1"},
        "riskParameters": {"priceLimitRatioX": "0.005", "priceLimitRatioY": "0.01"},
        "symbolType": "",
        "xstockMultiplier": "1",
    }
