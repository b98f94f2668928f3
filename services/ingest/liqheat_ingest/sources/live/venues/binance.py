"""Binance USDⓈ-M futures.

Sources: developers.binance.com, USDⓈ-M futures, general info and websocket market streams (read 2026-05): 2,400 weight
a minute, 1,000 requests of ``/futures/data`` in 5 minutes, 10 inbound messages a second and connection, 1,024 streams
and 24 hours a connection, 300 connections in 5 minutes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from liqheat_ingest.readings import Market, Trade
from liqheat_ingest.sources.live.feed_watch import Stream
from liqheat_ingest.sources.live.rate_budget import RateLimit
from liqheat_ingest.sources.live.venues.feed import (
    HOUR_MS,
    MINUTE_MS,
    Acknowledgement,
    Listed,
    Poll,
    Request,
    Topic,
    VenueFeed,
    number_in,
    pages,
)

#: Most that one call of ``aggTrades`` answers.
TRADES_A_PAGE = 1_000
_INTERVALS = {MINUTE_MS: "1m", 5 * MINUTE_MS: "5m", HOUR_MS: "1h"}
#: ``/futures/data`` tells the last month only.
OPEN_INTEREST_DAYS_MS = 29 * 24 * HOUR_MS


class BinanceFeed(VenueFeed):
    """Trades by ``aggTrade``; marks and liquidations of all symbols in one stream each; open interest by REST."""

    venue = "binance"
    exchange_id = "binanceusdm"
    hosts = ("fapi.binance.com",)
    limits: ClassVar = {
        "rest": RateLimit(2_400, MINUTE_MS),
        "futures-data": RateLimit(1_000, 5 * MINUTE_MS, burst_ms=60_000),
    }
    connects = RateLimit(300, 5 * MINUTE_MS, share=0.5, burst_ms=20_000)
    topics_per_connection = 200
    topics_per_request = 100
    requests_per_second = 4.0
    counts_trades = True
    tells_trades_forward = True

    def url(self, exchange: Any, address: str, number: int) -> str:
        return f"{exchange.get_ws_url('linear', address)}/{number}"

    def topics(self, markets: Sequence[Listed], with_book: Collection[Market]) -> list[Topic]:
        tickers = tuple(Stream(listed.market, "ticker") for listed in markets)
        liquidations = tuple(Stream(listed.market, "liquidations") for listed in markets)
        found = [
            _topic("market", "!markPrice@arr@1s", tickers),
            _topic("market", "!forceOrder@arr", liquidations),
            _topic("market", "!contractInfo", ()),
        ]
        for listed in markets:
            stream = Stream(listed.market, "trades")
            found.append(_topic("market", f"{listed.symbol.lower()}@aggTrade", (stream,)))
        for listed in markets:
            if listed.market in with_book:
                name = f"{listed.symbol.lower()}@depth@500ms"
                found.append(_topic("public", name, (Stream(listed.market, "book-depth"),)))
        return found

    def subscribe(self, topics: Sequence[Topic], request_id: int, *, undo: bool = False) -> dict[str, Any]:
        method = "UNSUBSCRIBE" if undo else "SUBSCRIBE"
        return {"method": method, "params": [topic.argument for topic in topics], "id": request_id}

    def is_data(self, message: Any) -> bool:
        # An acknowledgement has an id and neither event nor stream; all market-wide streams are lists.
        return message.__class__ is list or (message.__class__ is dict and ("e" in message or "stream" in message))

    def acknowledgement(self, message: Any) -> Acknowledgement | None:
        if not isinstance(message, dict) or "id" not in message:
            return None
        error = message.get("error")
        return Acknowledgement((), str(message["id"]), None if error is None else str(error))

    def server_time(self) -> Request:
        return _rest("time", {}, 1)

    def time_in(self, answer: Any) -> int:
        return int(answer["serverTime"])

    def instruments(self) -> list[Request]:
        return [_rest("exchangeInfo", {}, 1)]

    def symbols_in(self, answer: Any) -> set[str]:
        return {str(row["symbol"]) for row in answer["symbols"]}

    def ranking(self) -> list[Request]:
        # Open interest is one symbol a call; the volume of all is one call, and orders coins nearly the same.
        return [_rest("ticker/24hr", {}, 40)]

    def ranked(self, request: Request, answer: Any) -> dict[str, float]:  # noqa: ARG002
        # A day's volume is a few times the open interest; a quarter keeps the venues' figures comparable.
        rows = [row for row in answer if isinstance(row, dict) and "symbol" in row]
        return {str(row["symbol"]): number_in(row, "quoteVolume") / 4 for row in rows}

    def polls(self, markets: Sequence[Listed], is_major: Any, with_book: Collection[Market]) -> list[Poll]:
        found = []
        for listed in markets:
            every_s = 5.0 if is_major(listed.market.coin) else 45.0
            request = _rest("openInterest", {"symbol": listed.symbol}, 1)
            found.append(Poll(request, every_s, (Stream(listed.market, "open-interest"),)))
        # Differences alone make no book: a snapshot begins it, and ends what was left behind in it.
        books = [listed for listed in markets if listed.market in with_book]
        return found + [Poll(self.book_snapshot(listed), 300.0, ()) for listed in books]

    def book_snapshot(self, listed: Listed) -> Request:
        return _rest("depth", {"symbol": listed.symbol, "limit": 1000}, 20)

    def candles(self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int) -> list[Request]:
        found = []
        for start, end in pages(from_ms, to_ms, interval_ms, 1000):
            count = -(-(end - start) // interval_ms)
            weight = 1 if count < 100 else 2 if count < 500 else 5
            span = {"startTime": start, "endTime": end - 1, "limit": max(1, count)}
            parameters = {"symbol": listed.symbol, "interval": _INTERVALS[interval_ms]} | span
            found.append(_rest("klines", parameters, weight))
        return found

    def open_interest_history(
        self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int, now_ms: int
    ) -> list[Request]:
        from_ms = max(from_ms, now_ms - OPEN_INTEREST_DAYS_MS)
        fixed = {"symbol": listed.symbol, "period": _INTERVALS[interval_ms], "limit": 500}
        path = "/futures/data/openInterestHist"
        spans = [{"startTime": start, "endTime": end} for start, end in pages(from_ms, to_ms, interval_ms, 499)]
        return [Request("openInterestHist", "fapiData", "GET", fixed | span, 1, "futures-data", path) for span in spans]

    def recent_trades(self, listed: Listed, after_id: str | None, from_ms: int) -> Request | None:
        where: dict[str, Any] = {"startTime": from_ms} if after_id is None else {"fromId": int(after_id) + 1}
        return _rest("aggTrades", {"symbol": listed.symbol, "limit": TRADES_A_PAGE} | where, 20)

    def more_trades(self, listed: Listed, page: Sequence[Trade], after_id: str | None) -> Request | None:  # noqa: ARG002
        if len(page) < TRADES_A_PAGE:
            return None
        last = max(int(trade.trade_id or 0) for trade in page)
        return self.recent_trades(listed, str(last), 0)


def _topic(address: str, name: str, streams: tuple[Stream, ...]) -> Topic:
    return Topic(address, name, name, streams, is_of_all=name.startswith("!"))


def _rest(path: str, parameters: dict[str, Any], weight: float) -> Request:
    return Request(path, "fapiPublic", "GET", parameters, weight, "rest", f"/fapi/v1/{path}")
