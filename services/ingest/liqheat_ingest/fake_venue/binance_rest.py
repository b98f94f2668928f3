"""Binance USDⓈ-M futures: public market data over REST."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.binance_fields import BinanceFields
from liqheat_ingest.fake_venue.funding_schedule import funding_times
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import (
    BOUGHT,
    BOUGHT_VALUE,
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    OPEN_INTEREST,
    PRINTS,
    VALUE,
    VOLUME,
)
from liqheat_ingest.fake_venue.venue_server import VenueError, VenueServer, positive_int, time_of

_INTERVALS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
_PERIODS_MS = {name: ms for name, ms in _INTERVALS_MS.items() if name not in ("1m", "3m", "8h")}
#: History that ``/futures/data`` gives at most.
_DATA_MS = 30 * 86_400_000


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
        get(app, "/fapi/v1/klines", self._klines, _klines_weight)
        get(app, "/fapi/v1/markPriceKlines", self._price_klines, _klines_weight)
        get(app, "/fapi/v1/indexPriceKlines", self._price_klines, _klines_weight)
        get(app, "/fapi/v1/premiumIndex", self._premium_index, lambda request: _by_symbol(request, 1, 10))
        get(app, "/fapi/v1/fundingRate", self._funding_rate)
        get(app, "/fapi/v1/fundingInfo", lambda _: [], 0)
        get(app, "/fapi/v1/ticker/24hr", self._ticker_24hr, lambda request: _by_symbol(request, 1, 40))
        get(app, "/fapi/v1/ticker/price", self._ticker_price, lambda request: _by_symbol(request, 1, 2))
        get(app, "/fapi/v1/ticker/bookTicker", self._book_ticker, lambda request: _by_symbol(request, 2, 5))
        get(app, "/fapi/v1/openInterest", self._open_interest)
        get(app, "/fapi/v1/leverageBracket", self._needs_a_key)
        get(app, "/futures/data/openInterestHist", self._open_interest_history)
        for name in ("globalLongShortAccountRatio", "topLongShortAccountRatio", "topLongShortPositionRatio"):
            get(app, f"/futures/data/{name}", self._account_ratio)

    def _market(self, request: web.Request, name: str = "symbol") -> FakeInstrument:
        symbol = request.query.get(name)
        if symbol is None:
            raise _error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        found = self._server.world.find("binance", symbol)
        if found is None:
            raise _error(-1121, "Invalid symbol.")
        return found

    def _one_or_all(self, request: web.Request, row: Any) -> Any:
        if "symbol" in request.query:
            return row(self._market(request))
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
        one = self._market(request)
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
        one = self._market(request)
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
        one = self._market(request)
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

    def _klines(self, request: web.Request) -> Any:
        one = self._market(request)
        interval_ms, found = self._candles(one, request)
        fields = self._fields
        return [
            [
                at_ms,
                *(one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)),
                one.quantity_text(row[VOLUME]),
                at_ms + interval_ms - 1,
                f"{fields.quote_volume(one, row[VALUE]):.5f}",
                int(row[PRINTS]),
                one.quantity_text(row[BOUGHT]),
                f"{fields.quote_volume(one, row[BOUGHT_VALUE]):.5f}",
                "0",
            ]
            for at_ms, row in found
        ]

    def _price_klines(self, request: web.Request) -> Any:
        one = self._market(request, "pair" if "pair" in request.query else "symbol")
        interval_ms, found = self._candles(one, request)
        prices = (OPEN, HIGH, LOW, CLOSE)
        return [
            [
                at_ms,
                *(one.price_text(int(row[column])) for column in prices),
                "0",
                at_ms + interval_ms - 1,
                "0",
                interval_ms // 1_000,
                "0",
                "0",
                "0",
            ]
            for at_ms, row in found
        ]

    def _candles(self, one: FakeInstrument, request: web.Request) -> tuple[int, list[tuple[int, list[float]]]]:
        """Oldest first: from ``startTime`` on, or the newest."""
        interval_ms = _INTERVALS_MS.get(request.query.get("interval", ""))
        if interval_ms is None:
            raise _error(-1120, "Invalid interval.")
        limit = positive_int(request, "limit", 500, 1500)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        start_ms = time_of(request, "startTime")
        first_ms = end_ms - limit * interval_ms if start_ms is None else start_ms
        if start_ms is not None:
            end_ms = min(end_ms, start_ms + limit * interval_ms)
        times, rows = one.bars.candles(interval_ms, first_ms, end_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))
        return interval_ms, found[:limit] if start_ms is not None else found[-limit:]

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
        one = self._market(request)
        lots = one.open_interest_lots
        return {"openInterest": one.quantity_text(lots), "symbol": one.symbol, "time": self._server.now_ms}

    def _open_interest_history(self, request: web.Request) -> Any:
        """Oldest first; without a start the newest. A row tells what stood at its time."""
        one = self._market(request)
        step_ms = _PERIODS_MS.get(request.query.get("period", ""))
        if step_ms is None:
            raise _error(-1130, "Data sent for parameter 'period' is not valid.")
        limit = positive_int(request, "limit", 30, 500)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        start_ms = time_of(request, "startTime")
        if start_ms is not None and start_ms < now_ms - _DATA_MS:
            raise _error(-1130, "parameter 'startTime' is invalid.")
        first_ms = end_ms - limit * step_ms if start_ms is None else start_ms
        times, rows = one.bars.candles(step_ms, first_ms - step_ms, end_ms - step_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))
        # With a start and an end, Binance answers with the newest rows of that span.
        return [
            {
                "symbol": one.symbol,
                "sumOpenInterest": f"{row[OPEN_INTEREST] * one.listing.quantity_step:.8f}",
                "sumOpenInterestValue": f"{one.value_quote(row[OPEN_INTEREST], row[CLOSE]):.8f}",
                "CMCCirculatingSupply": "0.00000000",
                "timestamp": at_ms + step_ms,
            }
            for at_ms, row in found[-limit:]
        ]

    def _funding_rate(self, request: web.Request) -> Any:
        one = self._market(request)
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
        one = self._market(request)
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


def _error(code: int, message: str) -> VenueError:
    return VenueError(400, {"code": code, "msg": message})


def _by_symbol(request: web.Request, one: int, all_of_them: int) -> int:
    return one if "symbol" in request.query else all_of_them


def _depth_weight(request: web.Request) -> int:
    limit = positive_int(request, "limit", 500, 1000)
    return next(weight for most, weight in ((50, 2), (100, 5), (500, 10), (1000, 20)) if limit <= most)


def _klines_weight(request: web.Request) -> int:
    limit = positive_int(request, "limit", 500, 1500)
    return next(weight for most, weight in ((99, 1), (499, 2), (1000, 5), (1500, 10)) if limit <= most)
