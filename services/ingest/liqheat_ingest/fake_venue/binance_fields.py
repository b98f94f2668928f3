"""Binance's words for a USDⓈ-M market: instruments, tickers, marks."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.fake_venue.day_stats import DAY_MS, DayStatsCache
from liqheat_ingest.fake_venue.funding_schedule import next_funding_ms
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.venue_server import VenueServer

#: A perpetual "delivers" in the year 2100.
_NEVER_MS = 4_133_404_800_000


class BinanceFields:
    """The same figures for REST answers and streams.

    Parameters
    ----------
    server : VenueServer
        Tells the time.
    """

    def __init__(self, server: VenueServer) -> None:
        self._server = server
        self._days = DayStatsCache()

    def middle(self, one: FakeInstrument) -> int:
        """Middle of the book: the mark, in ticks."""
        return max(2, round(one.mark_price / one.market.coin.tick_size))

    def ticker(self, one: FakeInstrument) -> dict[str, Any]:
        """The event of ``@ticker``."""
        now_ms = self._server.now_ms
        day = self._days.of(one, self._server.world.now_ms)
        last = one.trades[-1] if one.trades else None
        average = day.value / day.volume if day.volume else day.open
        return {
            "e": "24hrTicker",
            "E": now_ms,
            "s": one.symbol,
            "p": one.price_text(one.last_ticks - day.open),
            "P": f"{100.0 * (one.last_ticks / day.open - 1.0):.3f}",
            "w": one.venue_price_text(average * one.market.coin.tick_size, 2),
            "c": one.price_text(one.last_ticks),
            "Q": one.quantity_text(last.lots if last else 0),
            "o": one.price_text(day.open),
            "h": one.price_text(max(day.high, one.last_ticks)),
            "l": one.price_text(min(day.low, one.last_ticks)),
            "v": one.quantity_text(day.volume),
            "q": f"{self.quote_volume(one, day.value):.2f}",
            "O": now_ms - DAY_MS,
            "C": now_ms,
            "F": max(1, one.next_number - day.prints),
            "L": one.next_number - 1,
            "n": day.prints,
        }

    def mini_ticker(self, one: FakeInstrument) -> dict[str, Any]:
        """The event of ``@miniTicker``."""
        ticker = self.ticker(one)
        return {"e": "24hrMiniTicker", **{key: ticker[key] for key in ("E", "s", "c", "o", "h", "l", "v", "q")}}

    def rest_ticker(self, one: FakeInstrument) -> dict[str, Any]:
        """A row of ``ticker/24hr``."""
        ticker = self.ticker(one)
        names = {
            "symbol": "s", "priceChange": "p", "priceChangePercent": "P", "weightedAvgPrice": "w", "lastPrice": "c",
            "lastQty": "Q", "openPrice": "o", "highPrice": "h", "lowPrice": "l", "volume": "v", "quoteVolume": "q",
            "openTime": "O", "closeTime": "C", "firstId": "F", "lastId": "L", "count": "n",
        }  # fmt: skip
        return {long: ticker[short] for long, short in names.items()}

    def mark(self, one: FakeInstrument) -> dict[str, Any]:
        """The event of ``@markPrice``."""
        return {
            "e": "markPriceUpdate",
            "E": self._server.now_ms,
            "s": one.symbol,
            "p": one.venue_price_text(one.mark_price, 2),
            "P": one.venue_price_text(one.index_price, 2),
            "i": one.venue_price_text(one.index_price, 2),
            "r": f"{one.funding_rate:.8f}",
            "T": next_funding_ms(self._server.now_ms),
        }

    def premium_index(self, one: FakeInstrument) -> dict[str, Any]:
        """A row of ``premiumIndex``."""
        mark = self.mark(one)
        return {
            "symbol": one.symbol,
            "markPrice": mark["p"],
            "indexPrice": mark["i"],
            "estimatedSettlePrice": mark["P"],
            "lastFundingRate": mark["r"],
            "interestRate": "0.00010000",
            "nextFundingTime": mark["T"],
            "time": mark["E"],
        }

    def quote_volume(self, one: FakeInstrument, value_lots_ticks: float) -> float:
        """Value in the quote currency."""
        return value_lots_ticks * one.listing.quantity_step * one.listing.tick_size

    def instrument(self, one: FakeInstrument) -> dict[str, Any]:
        """A row of ``exchangeInfo``."""
        listing = one.listing
        tick = f"{listing.tick_size:.{listing.price_decimals}f}"
        step = f"{listing.quantity_step:.{listing.quantity_decimals}f}"
        return {
            "symbol": one.symbol,
            "pair": one.symbol,
            "contractType": "PERPETUAL",
            "deliveryDate": _NEVER_MS,
            "onboardDate": one.listed_at_ms,
            "status": "TRADING",
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": listing.base,
            "quoteAsset": listing.quote,
            "marginAsset": listing.settle,
            "pricePrecision": listing.price_decimals,
            "quantityPrecision": listing.quantity_decimals,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": [],
            "settlePlan": 0,
            "triggerProtect": "0.0500",
            "liquidationFee": "0.012000",
            "marketTakeBound": "0.30",
            "filters": [
                {
                    "minPrice": tick,
                    "maxPrice": one.price_text(10_000_000),
                    "filterType": "PRICE_FILTER",
                    "tickSize": tick,
                },
                *(
                    {"stepSize": step, "filterType": kind, "maxQty": one.quantity_text(1_000_000), "minQty": step}
                    for kind in ("LOT_SIZE", "MARKET_LOT_SIZE")
                ),
                {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
                {"limit": 10, "filterType": "MAX_NUM_ALGO_ORDERS"},
                {"notional": "5", "filterType": "MIN_NOTIONAL"},
                {
                    "multiplierDown": "0.8500",
                    "multiplierUp": "1.1500",
                    "multiplierDecimal": "4",
                    "filterType": "PERCENT_PRICE",
                },
            ],
            "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
            "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        }
