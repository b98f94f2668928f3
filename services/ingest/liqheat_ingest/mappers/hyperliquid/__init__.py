"""Hyperliquid perpetuals, and the positions of accounts, which are public.

Traps: ``B`` is a taker who bought, ``A`` one who sold. ``activeAssetCtx`` carries no time of its own. Funding is per
hour. ``kPEPE`` is a thousand PEPE. Trades name both ``users``: those are the accounts whose positions can be asked for.
There is no public feed of liquidations. Tables of tiers are shared: a market names one by its id, and an id below 50
stands for one tier of that leverage.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.instrument_table import Wanted, every_market
from liqheat_ingest.mappers.book_depth import OrderBooks
from liqheat_ingest.mappers.fields import BadMessage, show
from liqheat_ingest.mappers.hyperliquid import market_data, meta, positions
from liqheat_ingest.mappers.hyperliquid.accounts import trade_accounts
from liqheat_ingest.mappers.mapper import Format, Handler, VenueMapper
from liqheat_ingest.raw import REST, RawMessage

FORMATS = (
    Format(
        0,
        {
            "trades": Handler("trades", market_data.trades),
            "activeAssetCtx": Handler("ticker", market_data.active_context),
            "l2Book": Handler("book-depth", market_data.book),
            "candle": Handler("candles", market_data.candle),
            "candleSnapshot": Handler("candles", market_data.candle_history),
            "meta": Handler("instruments", meta.instruments),
            "metaAndAssetCtxs": Handler("ticker", meta.instruments_and_contexts),
            "clearinghouseState": Handler("positions", positions.account_state),
        },
    ),
)
_PASSED_OVER = frozenset({"subscriptionResponse", "pong", "allMids", "bbo", "perpDexs", "spotMeta", "notification"})


class HyperliquidMapper(VenueMapper):
    """Hyperliquid's messages and answers."""

    venue = "hyperliquid"
    formats = FORMATS

    def __init__(self, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> None:
        super().__init__(wanted, repeat_unknown=repeat_unknown)
        self.books = OrderBooks()
        self.positions = positions.KnownPositions()

    def kind_of(self, raw: RawMessage) -> str | None:
        kind = self._kind(raw)
        return None if kind in _PASSED_OVER else kind

    def _kind(self, raw: RawMessage) -> str | None:
        data = raw.data
        if raw.channel.startswith(REST):
            asked = parse_qs(urlsplit(raw.channel.removeprefix(REST)).query).get("type", [""])[0]
            if data.__class__ is dict and "error" in data:
                raise BadMessage("invalid-field", f"the venue refused: {show(data['error'])}")
            return {"recentTrades": "trades"}.get(asked, asked)
        if data.__class__ is dict:
            channel = data.get("channel")
            if channel == "error":
                raise BadMessage("invalid-field", f"the venue refused: {show(data.get('data'))}")
            if channel.__class__ is str:
                return channel
            for name, kind in (("universe", "meta"), ("assetPositions", "clearinghouseState"), ("levels", "l2Book")):
                if name in data:
                    return kind
        elif data.__class__ is list:
            return _kind_of_list(data)
        raise BadMessage("unknown-type", "neither a channel nor an answer that is known")


def _kind_of_list(data: list[Any]) -> str | None:
    """What an answer is about where the request is not known."""
    if not data:
        return None
    first = data[0]
    if first.__class__ is dict:
        for name, kind in (("universe", "metaAndAssetCtxs"), ("tid", "trades"), ("i", "candleSnapshot")):
            if name in first:
                return kind
    raise BadMessage("unknown-type", "an answer that is not known")


def mapper(wanted: Wanted, *, repeat_unknown: bool = False) -> HyperliquidMapper:
    """A new mapper."""
    return HyperliquidMapper(wanted, repeat_unknown=repeat_unknown)


__all__ = ["HyperliquidMapper", "mapper", "trade_accounts"]
