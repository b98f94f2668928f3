"""OKX swaps, linear and inverse.

Sources: okx.com docs-v5 (read 2026-07): 3 connections a second, 480 subscription requests an hour and connection, a
connection idle for 30 s is cut; open interest of all swaps in one call, 20 calls in 2 s.
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

_INTERVALS = {MINUTE_MS: "1m", 5 * MINUTE_MS: "5m", HOUR_MS: "1H"}
PUBLIC = "public"


class OkxFeed(VenueFeed):
    """Trades, marks, funding and liquidations by WebSocket; open interest of all swaps in one REST call."""

    venue = "okx"
    exchange_id = "okx"
    hosts = ("www.okx.com",)
    # The tightest of the endpoints used allows 5 calls in 2 s (history of open interest, margin tiers).
    limits: ClassVar = {
        "rest": RateLimit(20, 2_000, share=0.8, burst_ms=400),
        "slow": RateLimit(5, 2_000, share=0.8, burst_ms=400),
    }
    connects = RateLimit(3, 1_000, share=0.66, burst_ms=400)
    topics_per_connection = 240
    topics_per_request = 60
    requests_per_second = 2.0
    longest_silence_ms: ClassVar = {"ticker": 60_000}
    counts_trades = True

    def url(self, exchange: Any, address: str, number: int) -> str:
        return f"{exchange.get_url('trades', address)}#{number}"

    def topics(self, markets: Sequence[Listed], with_book: Collection[Market]) -> list[Topic]:
        liquidations = tuple(Stream(listed.market, "liquidations") for listed in markets)
        argument = {"channel": "liquidation-orders", "instType": "SWAP"}
        found = [Topic(PUBLIC, "liquidation-orders", argument, liquidations, is_of_all=True)]
        for channel, stream in (("trades", "trades"), ("mark-price", "ticker"), ("funding-rate", "funding")):
            found += [_topic(listed, channel, stream) for listed in markets]
        return found + [_topic(listed, "books", "book-depth") for listed in markets if listed.market in with_book]

    def subscribe(self, topics: Sequence[Topic], request_id: int, *, undo: bool = False) -> dict[str, Any]:  # noqa: ARG002
        return {"op": "unsubscribe" if undo else "subscribe", "args": [topic.argument for topic in topics]}

    def is_data(self, message: Any) -> bool:
        return message.__class__ is dict and "data" in message and "arg" in message

    def acknowledgement(self, message: Any) -> Acknowledgement | None:
        if not isinstance(message, dict):
            return None
        event = message.get("event")
        if event == "subscribe":
            argument = message.get("arg") or {}
            return Acknowledgement((_name(str(argument.get("channel")), argument.get("instId")),), None, None)
        if event == "error":
            return Acknowledgement((), None, f"{message.get('code')}: {message.get('msg')}"[:300])
        return None

    def server_time(self) -> Request:
        return _rest("public/time", {}, 1)

    def time_in(self, answer: Any) -> int:
        return int(answer["data"][0]["ts"])

    def instruments(self) -> list[Request]:
        return [_rest("public/instruments", {"instType": "SWAP"}, 1)]

    def symbols_in(self, answer: Any) -> set[str]:
        return {str(row["instId"]) for row in answer["data"]}

    def margin_tiers(self, markets: Sequence[Listed]) -> list[Request]:
        fixed = {"instType": "SWAP", "tdMode": "isolated"}
        families = sorted({listed.symbol.removesuffix("-SWAP") for listed in markets})
        return [_rest("public/position-tiers", fixed | {"instFamily": family}, 1, "slow") for family in families]

    def ranking(self) -> list[Request]:
        return [_rest("public/open-interest", {"instType": "SWAP"}, 1)]

    def ranked(self, request: Request, answer: Any) -> dict[str, float]:  # noqa: ARG002
        return {str(row["instId"]): number_in(row, "oiUsd") for row in answer["data"] if "instId" in row}

    def polls(self, markets: Sequence[Listed], is_major: Any, with_book: Collection[Market]) -> list[Poll]:  # noqa: ARG002
        streams = tuple(Stream(listed.market, "open-interest") for listed in markets)
        return [Poll(_rest("public/open-interest", {"instType": "SWAP"}, 1), 5.0, streams)]

    def candles(self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int) -> list[Request]:
        fixed = {"instId": listed.symbol, "bar": _INTERVALS[interval_ms], "limit": 100}
        # after and before name the ends of the page, both exclusive.
        return [
            _rest("market/history-candles", fixed | {"before": start - 1, "after": end}, 1)
            for start, end in pages(from_ms, to_ms, interval_ms, 100)
        ]

    def open_interest_history(
        self,
        listed: Listed,
        interval_ms: int,
        from_ms: int,
        to_ms: int,
        now_ms: int,  # noqa: ARG002
    ) -> list[Request]:
        fixed = {"instId": listed.symbol, "period": _INTERVALS[interval_ms], "limit": 100}
        return [
            _rest("rubik/stat/contracts/open-interest-history", fixed | {"begin": start, "end": end}, 1, "slow")
            for start, end in pages(from_ms, to_ms, interval_ms, 99)
        ]

    def recent_trades(self, listed: Listed, after_id: str | None, from_ms: int) -> Request | None:  # noqa: ARG002
        return _rest("market/trades", {"instId": listed.symbol, "limit": 500}, 1)

    def more_trades(self, listed: Listed, page: Sequence[Trade], after_id: str | None) -> Request | None:
        """The last 500 were not enough: backward from the oldest of them, a hundred at a time."""
        if not page or after_id is None:
            return None
        oldest = min(int(trade.trade_id or 0) for trade in page)
        if oldest <= int(after_id) + 1:
            return None
        return _rest("market/history-trades", {"instId": listed.symbol, "after": oldest, "limit": 100}, 1)


def _topic(listed: Listed, channel: str, stream: str) -> Topic:
    argument = {"channel": channel, "instId": listed.symbol}
    return Topic(PUBLIC, _name(channel, listed.symbol), argument, (Stream(listed.market, stream),))


def _name(channel: str, symbol: Any) -> str:
    return channel if symbol is None else f"{channel}:{symbol}"


def _rest(path: str, parameters: dict[str, Any], weight: float, limit: str = "rest") -> Request:
    return Request(path, "public", "GET", parameters, weight, limit, f"/api/v5/{path}")
