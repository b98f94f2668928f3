"""Bybit v5, linear and inverse perpetuals.

Sources: bybit-exchange.github.io v5 (read 2026-05): 600 REST requests in 5 seconds, 500 connections in 5 minutes,
21,000 characters of topics a connection, ``ping`` every 20 s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from liqheat_ingest.readings import Market
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

_KLINE_INTERVALS = {MINUTE_MS: "1", 5 * MINUTE_MS: "5", HOUR_MS: "60"}
_INTEREST_INTERVALS = {5 * MINUTE_MS: "5min", HOUR_MS: "1h"}
BOOK_LEVELS = 200


class BybitFeed(VenueFeed):
    """Everything by WebSocket: the ticker holds mark, index, funding and open interest."""

    venue = "bybit"
    exchange_id = "bybit"
    hosts = ("api.bybit.com",)
    # A quarter of the limit: 30 requests a second are plenty.
    limits: ClassVar = {"rest": RateLimit(600, 5_000, share=0.25, burst_ms=5_000)}
    connects = RateLimit(500, 5 * MINUTE_MS, share=0.5, burst_ms=10_000)
    topics_per_connection = 400
    topics_per_request = 100
    requests_per_second = 4.0
    #: "access too frequent": ten minutes, says the documentation; a forbidden country has the same status.
    ban_status, ban_s = 403, 600.0

    def url(self, exchange: Any, address: str, number: int) -> str:
        return f"{exchange.implode_hostname(exchange.urls['api']['ws']['public'][address])}#{number}"

    def topics(self, markets: Sequence[Listed], with_book: Collection[Market]) -> list[Topic]:
        found = []
        for name, stream in (("publicTrade", "trades"), ("tickers", "ticker"), ("allLiquidation", "liquidations")):
            found += [_topic(listed, f"{name}.{listed.symbol}", stream) for listed in markets]
        chosen = [listed for listed in markets if listed.market in with_book]
        return found + [_topic(listed, f"orderbook.{BOOK_LEVELS}.{listed.symbol}", "book-depth") for listed in chosen]

    def subscribe(self, topics: Sequence[Topic], request_id: int, *, undo: bool = False) -> dict[str, Any]:
        operation = "unsubscribe" if undo else "subscribe"
        return {"op": operation, "req_id": str(request_id), "args": [topic.argument for topic in topics]}

    def is_data(self, message: Any) -> bool:
        return message.__class__ is dict and "topic" in message

    def acknowledgement(self, message: Any) -> Acknowledgement | None:
        if not isinstance(message, dict) or message.get("op") != "subscribe":
            return None
        problem = None if message.get("success") is True else str(message.get("ret_msg"))
        return Acknowledgement((), str(message.get("req_id")), problem)

    def server_time(self) -> Request:
        return _rest("time", {})

    def time_in(self, answer: Any) -> int:
        return int(answer["result"]["timeNano"]) // 1_000_000

    def instruments(self) -> list[Request]:
        return [_rest("instruments-info", {"category": name, "limit": 1000}) for name in ("linear", "inverse")]

    def symbols_in(self, answer: Any) -> set[str]:
        return {str(row["symbol"]) for row in answer["result"]["list"]}

    def next_page(self, request: Request, answer: Any) -> Request | None:
        try:
            cursor = answer["result"]["nextPageCursor"]
        except (KeyError, TypeError):
            return None
        if not cursor or request.parameters.get("cursor") == cursor:
            return None
        return request._replace(parameters=request.parameters | {"cursor": cursor})

    def margin_tiers(self, markets: Sequence[Listed]) -> list[Request]:
        return [_rest("risk-limit", {"category": category_of(listed), "symbol": listed.symbol}) for listed in markets]

    def ranking(self) -> list[Request]:
        return [_rest("tickers", {"category": name}) for name in ("linear", "inverse")]

    def ranked(self, request: Request, answer: Any) -> dict[str, float]:  # noqa: ARG002
        rows = answer["result"]["list"]
        return {str(row["symbol"]): number_in(row, "openInterestValue") for row in rows if "symbol" in row}

    def polls(self, markets: Sequence[Listed], is_major: Any, with_book: Collection[Market]) -> list[Poll]:  # noqa: ARG002
        return []

    def candles(self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int) -> list[Request]:
        fixed = {"category": category_of(listed), "symbol": listed.symbol, "interval": _KLINE_INTERVALS[interval_ms]}
        return [
            _rest("kline", fixed | {"start": start, "end": end - 1, "limit": 1000})
            for start, end in pages(from_ms, to_ms, interval_ms, 1000)
        ]

    def open_interest_history(
        self,
        listed: Listed,
        interval_ms: int,
        from_ms: int,
        to_ms: int,
        now_ms: int,  # noqa: ARG002
    ) -> list[Request]:
        if listed.spec.is_inverse:
            return []  # told in USD of a time whose price it does not tell
        fixed = {"category": category_of(listed), "symbol": listed.symbol}
        fixed["intervalTime"] = _INTEREST_INTERVALS[interval_ms]
        return [
            _rest("open-interest", fixed | {"startTime": start, "endTime": end, "limit": 200})
            for start, end in pages(from_ms, to_ms, interval_ms, 199)
        ]

    def recent_trades(self, listed: Listed, after_id: str | None, from_ms: int) -> Request | None:  # noqa: ARG002
        return _rest("recent-trade", {"category": category_of(listed), "symbol": listed.symbol, "limit": 1000})


def category_of(listed: Listed) -> str:
    """Bybit's category, which is also its WebSocket address."""
    return "inverse" if listed.spec.is_inverse else "linear"


def _topic(listed: Listed, name: str, stream: str) -> Topic:
    return Topic(category_of(listed), name, name, (Stream(listed.market, stream),))


def _rest(name: str, parameters: dict[str, Any]) -> Request:
    return Request(f"v5/market/{name}", "public", "GET", parameters, 1, "rest", f"/v5/market/{name}")
