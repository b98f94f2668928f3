"""Hyperliquid perpetuals.

Sources: hyperliquid.gitbook.io, rate limits and user limits, info endpoint, websocket subscriptions (read 2026-05):
REST weight 1,200 a minute (``info`` 20, ``clearinghouseState``, ``l2Book``, ``allMids`` 2, candles one more for each
60), 1,000 subscriptions an address, 2,000 WebSocket messages a minute.
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

_INTERVALS = {MINUTE_MS: "1m", 5 * MINUTE_MS: "5m", HOUR_MS: "1h"}
PUBLIC = "public"
#: With this many significant figures the book's 20 levels reach about 2 % from the price instead of a few dollars.
BOOK_FIGURES = 3


class HyperliquidFeed(VenueFeed):
    """Trades with the accounts of both sides, asset contexts with mark, oracle, funding and open interest."""

    venue = "hyperliquid"
    exchange_id = "hyperliquid"
    hosts = ("api.hyperliquid.xyz",)
    limits: ClassVar = {"rest": RateLimit(1_200, MINUTE_MS, burst_ms=10_000)}
    connects = RateLimit(100, MINUTE_MS, share=0.5, burst_ms=10_000)
    topics_per_connection = 250
    topics_per_request = 1
    requests_per_second = 25.0

    def url(self, exchange: Any, address: str, number: int) -> str:
        return f"{exchange.implode_hostname(exchange.urls['api']['ws'][address])}#{number}"

    def topics(self, markets: Sequence[Listed], with_book: Collection[Market]) -> list[Topic]:
        found = [_topic(listed, {"type": "trades", "coin": listed.symbol}, "trades") for listed in markets]
        found += [_topic(listed, {"type": "activeAssetCtx", "coin": listed.symbol}, "ticker") for listed in markets]
        return found + [
            _topic(listed, {"type": "l2Book", "coin": listed.symbol, "nSigFigs": BOOK_FIGURES}, "book-depth")
            for listed in markets
            if listed.market in with_book
        ]

    def subscribe(self, topics: Sequence[Topic], request_id: int, *, undo: bool = False) -> dict[str, Any]:  # noqa: ARG002
        [topic] = topics
        return {"method": "unsubscribe" if undo else "subscribe", "subscription": topic.argument}

    def is_data(self, message: Any) -> bool:
        return message.__class__ is dict and message.get("channel") in _DATA

    def acknowledgement(self, message: Any) -> Acknowledgement | None:
        if not isinstance(message, dict):
            return None
        data = message.get("data")
        if message.get("channel") == "subscriptionResponse" and isinstance(data, dict):
            subscription = data.get("subscription") or {}
            return Acknowledgement((_name(subscription),), None, None)
        if message.get("channel") == "error":
            return Acknowledgement((), None, str(data)[:300])
        return None

    def server_time(self) -> Request:
        return _info({"type": "l2Book", "coin": "BTC"}, 2)

    def time_in(self, answer: Any) -> int:
        return int(answer["time"])

    def instruments(self) -> list[Request]:
        return [_info({"type": "metaAndAssetCtxs"}, 20)]

    def symbols_in(self, answer: Any) -> set[str]:
        return {str(asset["name"]) for asset in answer[0]["universe"]}

    def ranking(self) -> list[Request]:
        return self.instruments()

    def ranked(self, request: Request, answer: Any) -> dict[str, float]:  # noqa: ARG002
        meta, contexts = answer
        return {
            str(asset["name"]): number_in(context, "openInterest") * number_in(context, "markPx")
            for asset, context in zip(meta["universe"], contexts, strict=False)
        }

    def polls(self, markets: Sequence[Listed], is_major: Any, with_book: Collection[Market]) -> list[Poll]:  # noqa: ARG002
        return []

    def candles(self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int) -> list[Request]:
        found = []
        for start, end in pages(from_ms, to_ms, interval_ms, 5000):
            span = {"startTime": start, "endTime": end - 1}
            what = {"coin": listed.symbol, "interval": _INTERVALS[interval_ms]} | span
            found.append(_info({"type": "candleSnapshot", "req": what}, 20 + (end - start) / interval_ms / 60))
        return found

    def open_interest_history(
        self,
        listed: Listed,  # noqa: ARG002
        interval_ms: int,  # noqa: ARG002
        from_ms: int,  # noqa: ARG002
        to_ms: int,  # noqa: ARG002
        now_ms: int,  # noqa: ARG002
    ) -> list[Request]:
        return []

    def account(self, account: str) -> Request:
        """The positions of an account."""
        return _info({"type": "clearinghouseState", "user": account}, 2)


_DATA = frozenset({"trades", "activeAssetCtx", "l2Book", "allMids", "candle"})


def _topic(listed: Listed, argument: dict[str, Any], stream: str) -> Topic:
    return Topic(PUBLIC, _name(argument), argument, (Stream(listed.market, stream),))


def _name(subscription: dict[str, Any]) -> str:
    return f"{subscription.get('type')}:{subscription.get('coin')}"


def _info(parameters: dict[str, Any], weight: float) -> Request:
    return Request("info", "public", "POST", parameters, weight, "rest", "/info")
