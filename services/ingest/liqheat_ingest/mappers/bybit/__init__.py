"""Bybit v5, linear and inverse perpetuals.

Traps: a liquidation's side is that of the POSITION (Buy: a long was liquidated); its price is the bankruptcy price.
``openInterest`` counts both sides, ``singleOpenInterest`` (from 2026-06-11 on) one. Spot uses the same topics and
symbols on another address. An inverse contract is 1 USD.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.instrument_table import Wanted, every_market
from liqheat_ingest.mappers.book_depth import OrderBooks
from liqheat_ingest.mappers.bybit import answers, streams
from liqheat_ingest.mappers.fields import BadMessage, show
from liqheat_ingest.mappers.mapper import Format, Handler, VenueMapper
from liqheat_ingest.mappers.ticker_state import TickerStates
from liqheat_ingest.raw import REST, RawMessage

#: 2026-06-11 00:00 UTC: Bybit's announcement "Update to the Open Interest (OI) calculation method".
SINGLE_SIDED_FROM_MS = 1_781_136_000_000

FORMATS = (
    Format(
        0,
        {
            "publicTrade": Handler("trades", streams.trades),
            "allLiquidation": Handler("liquidations", streams.all_liquidations),
            "liquidation": Handler("liquidations", streams.liquidation_before_2025),
            "tickers": Handler("ticker", streams.tickers_of_both_sides),
            "orderbook": Handler("book-depth", streams.order_book),
            "kline": Handler("candles", streams.klines),
            "/v5/market/instruments-info": Handler("instruments", answers.instruments),
            "/v5/market/risk-limit": Handler("instruments", answers.risk_limits),
            "/v5/market/tickers": Handler("ticker", answers.tickers_of_both_sides),
            "/v5/market/kline": Handler("candles", answers.klines),
            "/v5/market/open-interest": Handler("open-interest", answers.open_interest_of_both_sides),
            "/v5/market/recent-trade": Handler("trades", answers.recent_trades),
        },
    ),
    Format(
        SINGLE_SIDED_FROM_MS,
        {
            "tickers": Handler("ticker", streams.tickers),
            "/v5/market/tickers": Handler("ticker", answers.tickers),
            "/v5/market/open-interest": Handler("open-interest", answers.open_interest),
        },
    ),
)
_PASSED_OVER = ("spot", "option", "spread")
_OPERATIONS = frozenset({"subscribe", "unsubscribe", "ping", "pong", "auth"})


class BybitMapper(VenueMapper):
    """Bybit's messages and answers."""

    venue = "bybit"
    formats = FORMATS

    def __init__(self, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> None:
        super().__init__(wanted, repeat_unknown=repeat_unknown)
        self.tickers = TickerStates()
        self.books = OrderBooks()
        self._channels: dict[str, tuple[str, str]] = {}

    def kind_of(self, raw: RawMessage) -> str | None:
        data = raw.data
        if data.__class__ is not dict:
            raise BadMessage("not-an-object", f"Bybit sends objects, not {show(data)}")
        topic = data.get("topic")
        path, category = self._channel(raw.channel)
        if path.rpartition("/")[2] in _PASSED_OVER or category in _PASSED_OVER:
            return None
        if path.startswith("/v5/market/"):
            return path
        if topic.__class__ is str:
            return topic.partition(".")[0]
        if "result" in data and "retCode" in data:
            answers.refuse_error(data)
            return _kind_of_answer(data["result"])
        operation = data.get("op")
        if operation.__class__ is str and operation in _OPERATIONS:
            return None
        raise BadMessage("unknown-type", "neither a topic nor an answer that is known")

    def _channel(self, channel: str) -> tuple[str, str]:
        """Path and category of a channel; remembered, as there are few."""
        known = self._channels.get(channel)
        if known is None:
            parts = urlsplit(channel.partition(":")[2])
            category = parse_qs(parts.query).get("category", [""])[0] if channel.startswith(REST) else ""
            known = parts.path, category
            if len(self._channels) < 10_000:
                self._channels[channel] = known
        return known


def _kind_of_answer(result: Any) -> str | None:
    """What an answer is about where the request is not known."""
    if result.__class__ is not dict or result.get("list").__class__ is not list:
        raise BadMessage("unknown-type", "an answer without a list")
    if result.get("category") in _PASSED_OVER:
        return None
    if not result["list"]:
        return None
    first = result["list"][0]
    if first.__class__ is list:
        return "/v5/market/kline"
    for name, path in _TELLING:
        if first.__class__ is dict and name in first:
            return path
    raise BadMessage("unknown-type", "an answer that is not known")


_TELLING = (
    ("contractType", "/v5/market/instruments-info"),
    ("riskLimitValue", "/v5/market/risk-limit"),
    ("indexPrice", "/v5/market/tickers"),
    ("execId", "/v5/market/recent-trade"),
    ("timestamp", "/v5/market/open-interest"),
)


def mapper(wanted: Wanted, *, repeat_unknown: bool = False) -> BybitMapper:
    """A new mapper."""
    return BybitMapper(wanted, repeat_unknown=repeat_unknown)
