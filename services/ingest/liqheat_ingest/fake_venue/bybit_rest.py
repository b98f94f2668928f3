"""Bybit v5 public market data over REST: linear and inverse perpetuals."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError, positive_int, time_of
from liqheat_ingest.fake_venue.bybit_fields import BybitFields
from liqheat_ingest.fake_venue.funding_schedule import funding_times
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, OPEN, OPEN_INTEREST, VALUE, VOLUME
from liqheat_ingest.fake_venue.venue_server import VenueServer

_INTERVALS_MS = {
    **{str(minutes): minutes * 60_000 for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": 86_400_000,
    "W": 604_800_000,
}
_OPEN_INTEREST_MS = {
    "5min": 300_000, "15min": 900_000, "30min": 1_800_000, "1h": 3_600_000, "4h": 14_400_000, "1d": 86_400_000,
}  # fmt: skip
RISK_LIMIT_PAGE = 15  # symbols


class BybitRest:
    """Answers of Bybit's market endpoints.

    Parameters
    ----------
    server : VenueServer
        Whose markets they are.
    fields : BybitFields
        Shared with the streams, so that both tell the same.
    """

    def __init__(self, server: VenueServer, fields: BybitFields) -> None:
        self._server = server
        self._fields = fields

    def add_routes(self, app: web.Application) -> None:
        """Register all paths."""
        paths = {
            "time": self._time,
            "instruments-info": self._instruments,
            "tickers": self._tickers,
            "kline": self._kline,
            "mark-price-kline": self._price_kline,
            "index-price-kline": self._price_kline,
            "orderbook": self._order_book,
            "recent-trade": self._recent_trades,
            "open-interest": self._open_interest,
            "funding/history": self._funding_history,
            "risk-limit": self._risk_limit,
            "account-ratio": self._account_ratio,
        }
        for path, handler in paths.items():
            self._server.get(app, f"/v5/market/{path}", handler)

    def _result(self, result: dict[str, Any]) -> dict[str, Any]:
        return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self._server.now_ms}

    def _error(self, code: int, message: str) -> VenueError:
        body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": self._server.now_ms}
        return VenueError(200, body)

    def _category(self, request: web.Request) -> str:
        category = request.query.get("category", "")
        if category not in ("linear", "inverse", "spot", "option"):
            raise self._error(10001, "Illegal category")
        return category

    def _market(self, request: web.Request) -> FakeInstrument:
        inverse = self._category(request) == "inverse"
        symbol = request.query.get("symbol", "")
        found = self._server.world.find("bybit", symbol)
        if found is None or found.listing.is_inverse != inverse:
            raise self._error(10001, "params error: symbol invalid")
        return found

    def _markets(self, request: web.Request) -> list[FakeInstrument]:
        category = self._category(request)
        if category in ("spot", "option"):
            return []
        if request.query.get("symbol"):
            return [self._market(request)]
        return [one for one in self._server.listed() if one.listing.is_inverse == (category == "inverse")]

    def _time(self, _request: web.Request) -> Any:
        now_ms = self._server.now_ms
        return self._result({"timeSecond": str(now_ms // 1000), "timeNano": str(now_ms * 1_000_000)})

    def _instruments(self, request: web.Request) -> Any:
        category = self._category(request)
        status = request.query.get("status", "Trading")
        if category == "spot":
            return self._result({"category": category, "list": self._fields.spot_instruments()})
        found = self._markets(request) if status == "Trading" else []
        limit = positive_int(request, "limit", 500, 1000)
        start = _cursor(request)
        page = found[start : start + limit]
        more = _cursor_text(start + limit) if start + limit < len(found) else ""
        rows = [self._fields.instrument(one) for one in page]
        return self._result({"category": category, "list": rows, "nextPageCursor": more})

    def _tickers(self, request: web.Request) -> Any:
        rows = [self._fields.rest_ticker(one) for one in self._markets(request)]
        return self._result({"category": self._category(request), "list": rows})

    def _kline(self, request: web.Request) -> Any:
        one = self._market(request)
        rows = []
        for start_ms, row in self._candles(one, request):
            rows.append([str(start_ms), *_prices(one, row), one.quantity_text(row[VOLUME]), self._turnover(one, row)])
        return self._kline_result(request, one, rows)

    def _price_kline(self, request: web.Request) -> Any:
        one = self._market(request)
        rows = [[str(start_ms), *_prices(one, row)] for start_ms, row in self._candles(one, request)]
        return self._kline_result(request, one, rows)

    def _kline_result(self, request: web.Request, one: FakeInstrument, rows: list[Any]) -> Any:
        return self._result({"symbol": one.symbol, "category": request.query["category"], "list": rows})

    def _candles(self, one: FakeInstrument, request: web.Request) -> list[tuple[int, Any]]:
        """Newest first; where more match than the limit, the newest of them."""
        interval_ms = _INTERVALS_MS.get(request.query.get("interval", ""))
        if interval_ms is None:
            raise self._error(10001, "Invalid period!")
        limit = positive_int(request, "limit", 200, 1000)
        end_ms = time_of(request, "end") or self._server.world.now_ms
        start_ms = time_of(request, "start")
        if start_ms is None:
            start_ms = end_ms - limit * interval_ms
        elif request.query.get("end") is None:
            end_ms = min(end_ms, start_ms + (limit - 1) * interval_ms)
        start_ms -= start_ms % interval_ms
        times, rows = one.bars.candles(interval_ms, start_ms, min(end_ms, self._server.world.now_ms) + 1)
        found = list(zip(times, rows.tolist(), strict=True))
        return found[::-1][:limit]

    def _turnover(self, one: FakeInstrument, row: list[float]) -> str:
        return self._fields.turnover_text(one, row[VOLUME], row[VALUE])

    def _order_book(self, request: web.Request) -> Any:
        one = self._market(request)
        middle = self._fields.middle(one)
        bids, asks = one.book.levels(middle, positive_int(request, "limit", 25, 500))
        now_ms = self._server.now_ms
        return self._result(
            {
                "s": one.symbol,
                "b": [[one.price_text(p), one.quantity_text(q)] for p, q in bids],
                "a": [[one.price_text(p), one.quantity_text(q)] for p, q in asks],
                "ts": now_ms,
                "u": one.book.number % 100_000_000,
                "seq": self._fields.sequence(one.book.number),
                "cts": now_ms,
            }
        )

    def _recent_trades(self, request: web.Request) -> Any:
        one = self._market(request)
        newest = list(one.trades)[::-1][: positive_int(request, "limit", 500, 1000)]
        rows = [
            {
                "execId": self._fields.trade_id(one, trade.number),
                "symbol": one.symbol,
                "price": one.price_text(trade.price_ticks),
                "size": one.quantity_text(trade.lots),
                "side": "Buy" if trade.side > 0 else "Sell",
                "time": str(self._server.told(trade.time_ms)),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(self._fields.sequence(trade.number)),
            }
            for trade in newest
        ]
        return self._result({"category": request.query["category"], "list": rows})

    def _open_interest(self, request: web.Request) -> Any:
        one = self._market(request)
        step_ms = _OPEN_INTEREST_MS.get(request.query.get("intervalTime", ""))
        if step_ms is None:
            raise self._error(10001, "Invalid intervalTime")
        limit = positive_int(request, "limit", 50, 200)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        start_ms = time_of(request, "startTime") or one.bars.history_start_ms
        # A row tells what stood at its time: the close of the interval before.
        times, rows = one.bars.candles(step_ms, start_ms - step_ms, end_ms - step_ms + 1)
        found = list(zip(times, rows[:, OPEN_INTEREST].tolist(), strict=True))[::-1]
        start = _cursor(request)
        page = found[start : start + limit]
        more = _cursor_text(start + limit) if start + limit < len(found) else ""
        rows_out = [
            {
                "openInterest": f"{2.0 * lots * one.listing.quantity_step:.8f}",
                "singleOpenInterest": one.quantity_text(lots),
                "timestamp": str(at_ms + step_ms),
            }
            for at_ms, lots in page
        ]
        category = request.query["category"]
        return self._result({"symbol": one.symbol, "category": category, "list": rows_out, "nextPageCursor": more})

    def _funding_history(self, request: web.Request) -> Any:
        one = self._market(request)
        now_ms = self._server.world.now_ms
        start_ms = time_of(request, "startTime") or one.bars.history_start_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        times = funding_times(max(start_ms, one.bars.history_start_ms), end_ms)[::-1]
        rows = [
            {
                "symbol": one.symbol,
                "fundingRate": f"{one.funding_rate:.8f}",
                "fundingRateTimestamp": str(at_ms),
            }
            for at_ms in times[: positive_int(request, "limit", 200, 200)]
        ]
        return self._result({"category": request.query["category"], "list": rows})

    def _risk_limit(self, request: web.Request) -> Any:
        """All tiers of a symbol, or of the next fifteen symbols."""
        found = self._markets(request)
        start = _cursor(request)
        page = found[start : start + RISK_LIMIT_PAGE]
        more = _cursor_text(start + RISK_LIMIT_PAGE) if start + RISK_LIMIT_PAGE < len(found) else ""
        rows = [row for one in page for row in self._fields.risk_limits(one)]
        return self._result({"category": self._category(request), "list": rows, "nextPageCursor": more})

    def _account_ratio(self, request: web.Request) -> Any:
        one = self._market(request)
        longs, shorts = one.market.longs.count, one.market.shorts.count
        share = longs / max(1, longs + shorts)
        now_ms = self._server.now_ms
        row = {
            "symbol": one.symbol,
            "buyRatio": f"{share:.4f}",
            "sellRatio": f"{1.0 - share:.4f}",
            "timestamp": str(now_ms - now_ms % 300_000),
        }
        return self._result({"list": [row], "nextPageCursor": ""})


def _prices(one: FakeInstrument, row: list[float]) -> list[str]:
    return [one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)]


def _cursor(request: web.Request) -> int:
    text = request.query.get("cursor", "")
    _, _, start = text.partition("page:")
    return int(start) if start.isdigit() else 0


def _cursor_text(start: int) -> str:
    return f"page:{start}"
