"""Binance USDⓈ-M perpetuals (and the streams of COIN-M, whose contracts are 100 or 10 USD).

Traps: ``forceOrder`` gives the side of the liquidation ORDER (SELL: a long was liquidated), its size is ``z``, what was
filled in all (``l`` is the last fill only), and at most one a second for each symbol is pushed. ``m`` of a trade says
that the BUYER was the maker, so the taker sold. A book takes a snapshot from REST that changes must reach over.
Margin brackets are public only when they change (``!contractInfo``).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from liqheat_ingest.instrument_table import Wanted, every_market
from liqheat_ingest.mappers.binance import answers, books, instruments, streams
from liqheat_ingest.mappers.binance.payload import payload
from liqheat_ingest.mappers.book_depth import OrderBooks
from liqheat_ingest.mappers.fields import BadMessage, show
from liqheat_ingest.mappers.mapper import Format, Handler, VenueMapper
from liqheat_ingest.raw import REST, RawMessage

FORMATS = (
    Format(
        0,
        {
            "aggTrade": Handler("trades", streams.aggregate_trades),
            "forceOrder": Handler("liquidations", streams.force_orders),
            "markPriceUpdate": Handler("ticker", streams.mark_prices),
            "24hrTicker": Handler("last-price", streams.last_prices),
            "24hrMiniTicker": Handler("last-price", streams.last_prices),
            "kline": Handler("candles", streams.klines),
            "depthUpdate": Handler("book-depth", books.changes),
            "depth-top": Handler("book-depth", books.top),
            "contractInfo": Handler("instruments", instruments.contract_info),
            "/fapi/v1/exchangeInfo": Handler("instruments", instruments.exchange_info),
            "/fapi/v1/leverageBracket": Handler("instruments", instruments.leverage_brackets),
            "brackets-page": Handler("instruments", instruments.public_brackets),
            "/fapi/v1/depth": Handler("book-depth", books.snapshot),
            "/fapi/v1/openInterest": Handler("open-interest", answers.open_interest),
            "/futures/data/openInterestHist": Handler("open-interest", answers.open_interest_history),
            "/fapi/v1/klines": Handler("candles", answers.klines),
            "/fapi/v1/aggTrades": Handler("trades", answers.aggregate_trades),
            "/fapi/v1/premiumIndex": Handler("ticker", answers.premium_index),
            "/fapi/v1/ticker/24hr": Handler("last-price", answers.last_prices),
        },
    ),
)
#: Events that say nothing that is mapped.
_PASSED_OVER = frozenset({"bookTicker", "compositeIndex", "assetIndexUpdate", "continuous_kline", "tradingSession"})
_PASSED_OVER_PATHS = frozenset({"/fapi/v1/ping", "/fapi/v1/time", "/fapi/v1/fundingInfo"})
#: What the names of an event's streams hold.
_STREAMS = {
    "aggTrade": "@aggTrade",
    "forceOrder": "forceOrder",
    "markPriceUpdate": "markPrice",
    "24hrTicker": "ticker",
    "24hrMiniTicker": "miniTicker",
    "kline": "@kline",
    "depthUpdate": "@depth",
    "contractInfo": "contractInfo",
}
_TOP_OF_BOOK = re.compile(r"@depth(5|10|20)(@|$)")
#: A field that tells what an answer is about where the request is not known.
_TELLING = (
    ("sumOpenInterest", "/futures/data/openInterestHist"),
    ("lastFundingRate", "/fapi/v1/premiumIndex"),
    ("openInterest", "/fapi/v1/openInterest"),
    ("priceChangePercent", "/fapi/v1/ticker/24hr"),
    ("brackets", "/fapi/v1/leverageBracket"),
    ("lastUpdateId", "/fapi/v1/depth"),
    ("exchangeFilters", "/fapi/v1/exchangeInfo"),
)


class BinanceMapper(VenueMapper):
    """Binance's messages and answers."""

    venue = "binance"
    formats = FORMATS

    def __init__(self, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> None:
        super().__init__(wanted, repeat_unknown=repeat_unknown)
        self.books = OrderBooks()
        self._paths: dict[str, str] = {}

    def kind_of(self, raw: RawMessage) -> str | None:
        path = self._path(raw.channel)
        if path:
            if path in _PASSED_OVER_PATHS:
                return None
            return "brackets-page" if path.endswith("/common/brackets") else path
        data = payload(raw)
        first = data[0] if data.__class__ is list and data else data
        if first.__class__ is dict:
            event = first.get("e")
            if event.__class__ is str:
                return None if event in _PASSED_OVER else self._event_kind(event, raw.data)
            if "id" in first and first.get("result", first) is None:
                return None  # acknowledges a subscription
            for name, found in _TELLING:
                if name in first:
                    return found
            if "code" in first and "msg" in first:
                raise BadMessage("invalid-field", f"the venue refused: {show(first['code'])} {show(first['msg'])}")
        elif data == []:
            return None
        raise BadMessage("unknown-type", "neither an event nor an answer that is known")

    def _event_kind(self, event: str, data: Any) -> str:
        """An event's kind. The stream's name, where it is there, has to go with it: it alone tells whole books."""
        if data.__class__ is dict and "stream" in data:
            stream = data["stream"]
            if stream.__class__ is not str or _STREAMS.get(event, "") not in stream:
                raise BadMessage("unknown-type", f"an event {event} of a stream {show(stream)}")
            if event == "depthUpdate" and _TOP_OF_BOOK.search(stream):
                return "depth-top"
        return event

    def _path(self, channel: str) -> str:
        """Path of a REST channel, empty for others; remembered, as there are few."""
        if not channel.startswith(REST):
            return ""
        known = self._paths.get(channel)
        if known is None:
            known = urlsplit(channel.removeprefix(REST)).path
            if len(self._paths) < 10_000:
                self._paths[channel] = known
        return known


def mapper(wanted: Wanted, *, repeat_unknown: bool = False) -> BinanceMapper:
    """A new mapper."""
    return BinanceMapper(wanted, repeat_unknown=repeat_unknown)
