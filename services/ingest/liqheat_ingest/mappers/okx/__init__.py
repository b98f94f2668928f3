"""OKX swaps, linear and inverse.

Traps: every size is a number of CONTRACTS (``ctVal`` × ``ctMult`` of the instrument; without it a size is up to 1,000
times off, so a swap whose contract is not known is refused). A liquidation message holds several ``details``, gives
the side of the ORDER, and its channel "doesn't represent the total". Tier bounds are contracts, and a tier's rate holds
for the whole position. An index has the name of its underlying, not of a swap.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from liqheat_ingest.instrument_table import Wanted, every_market
from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.book_depth import OrderBooks
from liqheat_ingest.mappers.fields import BadMessage, show
from liqheat_ingest.mappers.mapper import Format, Handler, VenueMapper
from liqheat_ingest.mappers.okx import books, instruments, market_data, prices
from liqheat_ingest.raw import REST, RawMessage

#: From here on books are numbered (``seqId``); before, only a checksum told a loss. The day itself is not established:
#: a capture of 2022-05 has no numbers, clients of 2023-04 read them. Since 2026-06-23 the checksum is always 0.
NUMBERED_BOOKS_FROM_MS = 1_672_531_200_000

FORMATS = (
    Format(
        0,
        {
            "trades": Handler("trades", market_data.trades),
            "liquidation-orders": Handler("liquidations", market_data.liquidations),
            "candle": Handler("candles", market_data.candles),
            "mark-price": Handler("ticker", prices.mark_prices),
            "index-tickers": Handler("index-price", prices.index_prices),
            "open-interest": Handler("open-interest", prices.open_interest),
            "open-interest-history": Handler("open-interest", prices.open_interest_history),
            "funding-rate": Handler("funding", prices.funding_rates),
            "tickers": Handler("last-price", prices.last_prices),
            "books": Handler("book-depth", books.with_checksum),
            "books5": Handler("book-depth", books.whole_books),
            "books-answer": Handler("book-depth", books.fetched),
            "instruments": Handler("instruments", instruments.instruments),
            "position-tiers": Handler("instruments", instruments.position_tiers),
        },
    ),
    Format(NUMBERED_BOOKS_FROM_MS, {"books": Handler("book-depth", books.numbered)}),
)
_CHANNELS = {
    "trades-all": "trades",
    "books-l2-tbt": "books",
    "books50-l2-tbt": "books",
    "bbo-tbt": None,
    "estimated-price": None,
    "price-limit": None,
    "status": None,
}
_PATHS = {
    "/api/v5/public/instruments": "instruments",
    "/api/v5/public/position-tiers": "position-tiers",
    "/api/v5/public/open-interest": "open-interest",
    "/api/v5/public/mark-price": "mark-price",
    "/api/v5/public/funding-rate": "funding-rate",
    "/api/v5/public/liquidation-orders": "liquidation-orders",
    "/api/v5/rubik/stat/contracts/open-interest-history": "open-interest-history",
    "/api/v5/market/index-tickers": "index-tickers",
    "/api/v5/market/tickers": "tickers",
    "/api/v5/market/candles": "candle",
    "/api/v5/market/history-candles": "candle",
    "/api/v5/market/trades": "trades",
    "/api/v5/market/history-trades": "trades",
    "/api/v5/market/books": "books-answer",
    "/api/v5/public/time": None,
}
#: A field that tells what an answer is about where the request is not known.
_TELLING = (
    ("ctVal", "instruments"),
    ("mmr", "position-tiers"),
    ("details", "liquidation-orders"),
    ("oi", "open-interest"),
    ("markPx", "mark-price"),
    ("fundingRate", "funding-rate"),
    ("idxPx", "index-tickers"),
    ("tradeId", "trades"),
    ("lastSz", "tickers"),
)
#: Spot pairs, futures and options: what is no swap by its name.
_NO_SWAP = re.compile(r"[A-Za-z0-9]+-[A-Za-z0-9_]+(-\d{6}(-[\d.]+-[CP])?)?")


class OkxMapper(VenueMapper):
    """OKX's messages and answers."""

    venue = "okx"
    formats = FORMATS

    def __init__(self, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> None:
        super().__init__(wanted, repeat_unknown=repeat_unknown)
        self.books = OrderBooks(columns=4)
        self.checked_books = books.ChecksumBooks()
        #: Last mark price by instrument, in the venue's units: turns tier bounds into USD.
        self.mark_prices: dict[str, float] = {}
        #: Swaps by the name of their index.
        self.swaps_of_index: dict[str, set[str]] = {}
        self._kinds: dict[str, str | None] = {}

    def kind_of(self, raw: RawMessage) -> str | None:
        data = raw.data
        if data.__class__ is not dict:
            raise BadMessage("not-an-object", f"OKX sends objects, not {show(data)}")
        if raw.channel.startswith(REST):
            return self._kind_of_path(raw.channel)
        if "event" in data:
            if data["event"] == "error":
                raise BadMessage(
                    "invalid-field", f"the venue refused: {show(data.get('code'))} {show(data.get('msg'))}"
                )
            return None
        argument = data.get("arg")
        if argument.__class__ is dict:
            channel = argument.get("channel")
            if channel.__class__ is str:
                if channel.startswith("candle"):
                    return "candle"
                return _CHANNELS.get(channel, channel)
        elif "code" in data and data.get("data").__class__ is list:
            return _kind_of_answer(data["data"])
        raise BadMessage("unknown-type", "neither a channel nor an answer that is known")

    def find(self, symbol: Any, name: str = "instId") -> InstrumentSpec | None:
        """How to read an instrument; those that are no swaps by their name are passed over."""
        if symbol.__class__ is str and not symbol.endswith("-SWAP") and _NO_SWAP.fullmatch(symbol):
            return None
        return super().find(symbol, name)

    def _kind_of_path(self, channel: str) -> str | None:
        if channel not in self._kinds:
            path = urlsplit(channel.removeprefix(REST)).path
            kind = _PATHS.get(path, path)
            if len(self._kinds) >= 10_000:
                return kind
            self._kinds[channel] = kind
        return self._kinds[channel]


def _kind_of_answer(entries: list[Any]) -> str | None:
    if not entries:
        return None
    first = entries[0]
    for name, kind in _TELLING:
        if first.__class__ is dict and name in first:
            return kind
    raise BadMessage("unknown-type", "an answer that is not known")


def mapper(wanted: Wanted, *, repeat_unknown: bool = False) -> OkxMapper:
    """A new mapper."""
    return OkxMapper(wanted, repeat_unknown=repeat_unknown)
