"""OKX's words for a swap: instruments, tickers, open interest, tiers. Amounts are numbers of contracts."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.fake_venue.day_stats import DayStatsCache
from liqheat_ingest.fake_venue.funding_schedule import FUNDING_MS, next_funding_ms
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeLiquidation
from liqheat_ingest.fake_venue.venue_server import VenueServer


def underlying(one: FakeInstrument) -> str:
    """Name of the index and of the family: the swap's without its last part."""
    return one.symbol.removesuffix("-SWAP")


class OkxFields:
    """The same figures for REST answers and channels.

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

    def ticker(self, one: FakeInstrument) -> dict[str, str]:
        """An entry of ``tickers``."""
        day = self._days.of(one, self._server.world.now_ms)
        bid, bid_lots, ask, ask_lots = one.book.top(self.middle(one))
        last = one.trades[-1].lots if one.trades else 0
        average = day.value / day.volume if day.volume else day.open
        return {
            "instType": "SWAP",
            "instId": one.symbol,
            "last": one.price_text(one.last_ticks),
            "lastSz": one.quantity_text(last),
            "askPx": one.price_text(ask),
            "askSz": one.quantity_text(ask_lots),
            "bidPx": one.price_text(bid),
            "bidSz": one.quantity_text(bid_lots),
            "open24h": one.price_text(day.open),
            "high24h": one.price_text(max(day.high, one.last_ticks)),
            "low24h": one.price_text(min(day.low, one.last_ticks)),
            "sodUtc0": one.price_text(day.open),
            "sodUtc8": one.price_text(day.open),
            "volCcy24h": f"{one.quantity_base(day.volume, average):.4f}",
            "vol24h": one.quantity_text(day.volume),
            "ts": str(self._server.now_ms),
        }

    def mark_price(self, one: FakeInstrument) -> dict[str, str]:
        """An entry of ``mark-price``."""
        return {
            "instType": "SWAP",
            "instId": one.symbol,
            "markPx": one.venue_price_text(one.mark_price, 1),
            "ts": str(self._server.now_ms),
        }

    def index_ticker(self, one: FakeInstrument) -> dict[str, str]:
        """An entry of ``index-tickers``: under the name of the underlying."""
        day = self._days.of(one, self._server.world.now_ms)
        return {
            "instId": underlying(one),
            "idxPx": one.venue_price_text(one.index_price, 1),
            "high24h": one.price_text(day.high),
            "low24h": one.price_text(day.low),
            "open24h": one.price_text(day.open),
            "sodUtc0": one.price_text(day.open),
            "sodUtc8": one.price_text(day.open),
            "ts": str(self._server.now_ms),
        }

    def open_interest(self, one: FakeInstrument) -> dict[str, str]:
        """An entry of ``open-interest``: contracts, coins and USD."""
        ticks = one.mark_price / one.market.coin.tick_size
        lots = one.open_interest_lots
        return {
            "instType": "SWAP",
            "instId": one.symbol,
            "oi": one.quantity_text(lots),
            "oiCcy": f"{one.quantity_base(lots, ticks):.8f}",
            "oiUsd": f"{one.value_quote(lots, ticks):.8f}",
            "ts": str(self._server.now_ms),
        }

    def funding_rate(self, one: FakeInstrument) -> dict[str, str]:
        """An entry of ``funding-rate``."""
        next_ms = next_funding_ms(self._server.now_ms)
        return {
            "formulaType": "noRate",
            "fundingRate": f"{one.funding_rate:.16f}",
            "fundingTime": str(next_ms),
            "impactValue": "",
            "instId": one.symbol,
            "instType": "SWAP",
            "interestRate": "0.0001",
            "maxFundingRate": "0.00375",
            "method": "current_period",
            "minFundingRate": "-0.00375",
            "nextFundingRate": "",
            "nextFundingTime": str(next_ms + FUNDING_MS),
            "premium": f"{one.funding_rate - 0.0001:.16f}",
            "settFundingRate": f"{one.funding_rate:.16f}",
            "settState": "settled",
            "ts": str(self._server.now_ms),
        }

    def liquidation(self, one: FakeInstrument, closed: list[FakeLiquidation]) -> dict[str, Any]:
        """An entry of ``liquidation-orders``: several details, the newest first; ``side`` is that of the order."""
        details = [
            {
                "bkLoss": "0",
                "bkPx": one.price_text(liquidation.bankruptcy_ticks),
                "ccy": "",
                "posSide": "long" if liquidation.side > 0 else "short",
                "side": "sell" if liquidation.side > 0 else "buy",
                "sz": one.quantity_text(liquidation.lots),
                "ts": str(self._server.told(liquidation.time_ms)),
            }
            for liquidation in reversed(closed)
        ]
        name = underlying(one)
        return {"details": details, "instFamily": name, "instId": one.symbol, "instType": "SWAP", "uly": name}

    def instrument(self, one: FakeInstrument) -> dict[str, Any]:
        """An entry of ``instruments``."""
        listing = one.listing
        step = f"{listing.quantity_step:.{listing.quantity_decimals}f}"
        largest = one.quantity_text(1_000_000)
        return {
            "alias": "",
            "baseCcy": "",
            "category": "1",
            "ctMult": "1",
            "ctType": "inverse" if listing.is_inverse else "linear",
            "ctVal": f"{listing.contract_size:.12g}",
            "ctValCcy": "USD" if listing.is_inverse else listing.base,
            "expTime": "",
            "instFamily": underlying(one),
            "instId": one.symbol,
            "instType": "SWAP",
            "lever": f"{listing.max_leverage:.0f}",
            "listTime": str(one.listed_at_ms),
            "lotSz": step,
            "maxIcebergSz": largest,
            "maxLmtSz": largest,
            "maxMktSz": largest,
            "maxStopSz": largest,
            "maxTriggerSz": largest,
            "maxTwapSz": largest,
            "minSz": step,
            "optType": "",
            "quoteCcy": "",
            "ruleType": "normal",
            "settleCcy": listing.settle,
            "state": "live" if one.is_listed else "suspend",
            "stk": "",
            "tickSz": f"{listing.tick_size:.{listing.price_decimals}f}",
            "uly": underlying(one),
        }

    def position_tiers(self, one: FakeInstrument) -> list[dict[str, str]]:
        """The tiers of a swap: bounds in contracts, and a tier's rate holds for the whole position."""
        rows, least = [], "0"
        for number, tier in enumerate(one.market.longs.tiers, start=1):
            cap = tier.notional_cap_usd
            contracts = cap / one.listing.contract_size if cap is not None else 1e9
            most = f"{contracts:.12g}"
            rows.append(
                {
                    "baseMaxLoan": "",
                    "imr": f"{1.0 / tier.max_leverage:.8g}",
                    "instFamily": underlying(one),
                    "instId": "",
                    "maxLever": f"{tier.max_leverage:.8g}",
                    "maxSz": most,
                    "minSz": least,
                    "mmr": f"{tier.maintenance_margin_rate:.8g}",
                    "optMgnFactor": "0",
                    "quoteMaxLoan": "",
                    "tier": str(number),
                    "uly": underlying(one),
                }
            )
            least = most
        return rows


def spot_instrument() -> dict[str, str]:
    """One spot pair, which is no swap."""
    size = "9999999999"
    return {
        "alias": "", "baseCcy": "BTC", "category": "1", "ctMult": "", "ctType": "", "ctVal": "", "ctValCcy": "",
        "expTime": "", "instFamily": "", "instId": "BTC-USDT", "instType": "SPOT", "lever": "10",
        "listTime": "1548133413000", "lotSz": "0.00000001", "maxIcebergSz": size, "maxLmtSz": size,
        "maxMktSz": "1000000", "maxStopSz": "1000000", "maxTriggerSz": size, "maxTwapSz": size, "minSz": "0.00001",
        "optType": "", "quoteCcy": "USDT", "ruleType": "normal", "settleCcy": "", "state": "live", "stk": "",
        "tickSz": "0.1", "uly": "",
    }  # fmt: skip
