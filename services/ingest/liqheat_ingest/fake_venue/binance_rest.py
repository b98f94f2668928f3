"""Binance USDⓈ-M futures: public market data over REST."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError, positive_int, time_of
from liqheat_ingest.fake_venue.binance_fields import BinanceFields
from liqheat_ingest.fake_venue.binance_history import (
    BinanceHistory,
    binance_market,
    klines_weight,
)
from liqheat_ingest.fake_venue.funding_schedule import funding_times
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeTrade
from liqheat_ingest.fake_venue.venue_server import VenueServer


class BinanceRest:
    """Answers of the market endpoints.

    Parameters
    ----------
    server : VenueServer
        Whose markets they are.
    fields : BinanceFields
        Shared with the streams.
    """

    def __init__(self, server: VenueServer, fields: BinanceFields) -> None:
        self._server = server
        self._fields = fields

    def add_routes(self, app: web.Application) -> None:
        """Register all paths with their weights."""
        get = self._server.get
        get(app, "/fapi/v1/ping", lambda _: {})
        get(app, "/fapi/v1/time", lambda _: {"serverTime": self._server.now_ms})
        get(app, "/fapi/v1/exchangeInfo", self._exchange_info)
        get(app, "/fapi/v1/depth", self._depth, _depth_weight)
        get(app, "/fapi/v1/trades", self._trades, 5)
        get(app, "/fapi/v1/aggTrades", self._agg_trades, 20)
        history = BinanceHistory(self._server, self._fields)
        get(app, "/fapi/v1/klines", history.klines, klines_weight)
        get(app, "/fapi/v1/markPriceKlines", history.price_klines, klines_weight)
        get(app, "/fapi/v1/indexPriceKlines", history.price_klines, klines_weight)
        get(app, "/fapi/v1/premiumIndex", self._premium_index, lambda request: _by_symbol(request, 1, 10))
        get(app, "/fapi/v1/fundingRate", self._funding_rate)
        get(app, "/fapi/v1/fundingInfo", lambda _: [], 0)
        get(app, "/fapi/v1/ticker/24hr", self._ticker_24hr, lambda request: _by_symbol(request, 1, 40))
        get(app, "/fapi/v1/ticker/price", self._ticker_price, lambda request: _by_symbol(request, 1, 2))
        get(app, "/fapi/v1/ticker/bookTicker", self._book_ticker, lambda request: _by_symbol(request, 2, 5))
        get(app, "/fapi/v1/openInterest", self._open_interest)
        get(app, "/fapi/v1/leverageBracket", self._needs_a_key)
        get(app, "/futures/data/openInterestHist", history.open_interest)
        for name in ("globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio"):
            get(app, f"/futures/data/{name}", self._account_ratio)

    def _one_or_all(self, request: web.Request, row: Any) -> Any:
        if "symbol" in request.query:
            return row(binance_market(self._server, request))
        return [row(one) for one in self._server.listed()]

    def _exchange_info(self, _request: web.Request) -> Any:
        minute = {"interval": "MINUTE", "intervalNum": 1}
        return {
            "timezone": "UTC",
            "serverTime": self._server.now_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", **minute, "limit": 2400},
                {"rateLimitType": "ORDERS", **minute, "limit": 1200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [self._fields.instrument(one) for one in self._server.listed()],
        }

    def _depth(self, request: web.Request) -> Any:
        one = binance_market(self._server, request)
        bids, asks = one.book.levels(self._fields.middle(one), positive_int(request, "limit", 500, 1000))
        now_ms = self._server.now_ms
        return {
            "lastUpdateId": one.book.number,
            "E": now_ms,
            "T": now_ms - 3,
            "bids": [[one.price_text(p), one.quantity_text(q)] for p, q in bids],
            "asks": [[one.price_text(p), one.quantity_text(q)] for p, q in asks],
        }

    def _trades(self, request: web.Request) -> Any:
        one = binance_market(self._server, request)
        rows = []
        for trade in list(one.trades)[-positive_int(request, "limit", 500, 1000) :]:
            value = one.value_quote(trade.lots, trade.price_ticks)
            rows.append(
                {
                    "id": trade.number,
                    "price": one.price_text(trade.price_ticks),
                    "qty": one.quantity_text(trade.lots),
                    "quoteQty": f"{value:.2f}",
                    "time": self._server.told(trade.time_ms),
                    "isBuyerMaker": trade.side < 0,
                }
            )
        return rows

    def _agg_trades(self, request: web.Request) -> Any:
        """By id, by time, or the newest."""
        one = binance_market(self._server, request)
        limit = positive_int(request, "limit", 500, 1000)
        from_id, start_ms, end_ms = (time_of(request, name) for name in ("fromId", "startTime", "endTime"))
        found = list(one.trades)
        if from_id is not None:
            found = [trade for trade in found if trade.number >= from_id][:limit]
        elif start_ms is not None or end_ms is not None:
            least, most = start_ms or 0, end_ms or self._server.now_ms
            found = [trade for trade in found if least <= self._server.told(trade.time_ms) <= most][:limit]
        return [self._agg_trade(one, trade) for trade in found[-limit:]]

    def _agg_trade(self, one: FakeInstrument, trade: FakeTrade) -> dict[str, Any]:
        return {
            "a": trade.number,
            "p": one.price_text(trade.price_ticks),
            "q": one.quantity_text(trade.lots),
            "f": trade.number,
            "l": trade.number,
            "T": self._server.told(trade.time_ms),
            "m": trade.side < 0,
        }

    def _premium_index(self, request: web.Request) -> Any:
        return self._one_or_all(request, self._fields.premium_index)

    def _ticker_24hr(self, request: web.Request) -> Any:
        return self._one_or_all(request, self._fields.rest_ticker)

    def _ticker_price(self, request: web.Request) -> Any:
        return self._one_or_all(
            request,
            lambda one: {
                "symbol": one.symbol,
                "price": one.price_text(one.last_ticks),
                "time": self._server.now_ms,
            },
        )

    def _book_ticker(self, request: web.Request) -> Any:
        def row(one: FakeInstrument) -> dict[str, Any]:
            bid, bid_lots, ask, ask_lots = one.book.top(self._fields.middle(one))
            return {
                "symbol": one.symbol,
                "bidPrice": one.price_text(bid),
                "bidQty": one.quantity_text(bid_lots),
                "askPrice": one.price_text(ask),
                "askQty": one.quantity_text(ask_lots),
                "time": self._server.now_ms,
                "lastUpdateId": one.book.number,
            }

        return self._one_or_all(request, row)

    def _open_interest(self, request: web.Request) -> Any:
        one = binance_market(self._server, request)
        lots = one.open_interest_lots
        return {"openInterest": one.quantity_text(lots), "symbol": one.symbol, "time": self._server.now_ms}

    def _funding_rate(self, request: web.Request) -> Any:
        one = binance_market(self._server, request)
        now_ms = self._server.world.now_ms
        start_ms = time_of(request, "startTime") or one.bars.history_start_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        times = funding_times(max(start_ms, one.bars.history_start_ms), end_ms)
        return [
            {
                "symbol": one.symbol,
                "fundingTime": at_ms,
                "fundingRate": f"{one.funding_rate:.8f}",
                "markPrice": one.venue_price_text(one.mark_price, 2),
            }
            for at_ms in times[-positive_int(request, "limit", 100, 1000) :]
        ]

    def _account_ratio(self, request: web.Request) -> Any:
        one = binance_market(self._server, request)
        longs, shorts = one.market.longs.count, one.market.shorts.count
        share = longs / max(1, longs + shorts)
        now_ms = self._server.now_ms
        return [
            {
                "symbol": one.symbol,
                "longAccount": f"{share:.4f}",
                "longShortRatio": f"{longs / max(1, shorts):.4f}",
                "shortAccount": f"{1.0 - share:.4f}",
                "timestamp": now_ms - now_ms % 300_000,
            }
        ]

    def _needs_a_key(self, _request: web.Request) -> Any:
        raise VenueError(401, {"code": -2014, "msg": "API-key format invalid."})


def _by_symbol(request: web.Request, one: int, all_of_them: int) -> int:
    return one if "symbol" in request.query else all_of_them


def _depth_weight(request: web.Request) -> int:
    limit = positive_int(request, "limit", 500, 1000)
    return next(weight for most, weight in ((50, 2), (100, 5), (500, 10), (1000, 20)) if limit <= most)
