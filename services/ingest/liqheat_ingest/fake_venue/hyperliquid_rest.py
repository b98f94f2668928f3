"""Hyperliquid's info endpoint: one path, the question in the body."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from liqheat_ingest.fake_venue.answers import BODY, VenueError
from liqheat_ingest.fake_venue.hyperliquid_accounts import clearinghouse_state
from liqheat_ingest.fake_venue.hyperliquid_fields import HyperliquidFields
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.venue_server import VenueServer

INTERVALS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
MAX_CANDLES = 5_000
_HOUR_MS = 3_600_000
_LIGHT = ("l2Book", "allMids", "clearinghouseState", "spotClearinghouseState", "exchangeStatus")
_USER = re.compile(r"0x[0-9a-fA-F]{40}")


class HyperliquidRest:
    """Answers of ``POST /info``.

    Parameters
    ----------
    server : VenueServer
        Whose markets they are.
    fields : HyperliquidFields
        Shared with the channels.
    """

    def __init__(self, server: VenueServer, fields: HyperliquidFields) -> None:
        self._server = server
        self._fields = fields
        self._answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "meta": lambda question: fields.meta() if _is_main(question) else _empty_meta(),
            "metaAndAssetCtxs": self._meta_and_contexts,
            "spotMeta": lambda _: _spot()[0],
            "spotMetaAndAssetCtxs": lambda _: _spot(),
            "perpDexs": lambda _: [None],
            "allMids": lambda _: {one.symbol: fields.middle_text(one) for one in server.listed()},
            "clearinghouseState": self._account,
            "candleSnapshot": self._candles,
            "fundingHistory": self._funding,
            "l2Book": lambda question: fields.book(self._market(question)),
            "recentTrades": self._recent_trades,
            "exchangeStatus": lambda _: {"specialStatuses": None, "time": server.now_ms},
        }

    def add_routes(self, app: web.Application) -> None:
        """Register the path."""
        self._server.post(app, "/info", self._info, self._weight)

    def _info(self, request: web.Request) -> Any:
        question = _question(request)
        answer = self._answers.get(str(question.get("type")))
        if answer is None:
            raise _not_understood()
        return answer(question)

    def _weight(self, request: web.Request) -> int:
        """Two for the light questions, else twenty, and more for long answers."""
        question = _question(request)
        kind = question.get("type")
        if kind in _LIGHT:
            return 2
        if kind != "candleSnapshot":
            return 20
        asked = question.get("req")
        if not isinstance(asked, dict):
            raise _not_understood()
        length_ms = INTERVALS_MS.get(str(asked.get("interval")), 60_000)
        span_ms = _time(asked, "endTime", self._server.now_ms) - _time(asked, "startTime", 0)
        return 20 + int(min(MAX_CANDLES, max(0, span_ms) // length_ms)) // 60

    def _market(self, question: dict[str, Any]) -> FakeInstrument:
        found = self._server.world.find("hyperliquid", str(question.get("coin", "")))
        if found is None:
            # The venue's own answer to an unknown coin.
            raise VenueError(500, None)
        return found

    def _meta_and_contexts(self, question: dict[str, Any]) -> Any:
        if not _is_main(question):
            return [_empty_meta(), []]
        return [self._fields.meta(), [self._fields.context(one) for one in self._server.listed()]]

    def _account(self, question: dict[str, Any]) -> Any:
        user = question.get("user")
        if not isinstance(user, str) or not _USER.fullmatch(user):
            raise _not_understood()
        return clearinghouse_state(self._server, user)

    def _candles(self, question: dict[str, Any]) -> Any:
        """Oldest first, the newest 5,000 of the span."""
        asked = question.get("req")
        if not isinstance(asked, dict) or asked.get("interval") not in INTERVALS_MS:
            raise _not_understood()
        one = self._market(asked)
        interval = str(asked["interval"])
        length_ms = INTERVALS_MS[interval]
        now_ms = self._server.world.now_ms
        end_ms = min(_time(asked, "endTime", now_ms), now_ms)
        times, rows = one.bars.candles(length_ms, _time(asked, "startTime", 0) - length_ms + 1, end_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))[-MAX_CANDLES:]
        return [self._fields.candle(one, interval, length_ms, at_ms, row) for at_ms, row in found]

    def _funding(self, question: dict[str, Any]) -> Any:
        """Every hour."""
        one = self._market(question)
        now_ms = self._server.world.now_ms
        start_ms = max(_time(question, "startTime", 0), one.bars.history_start_ms)
        end_ms = min(_time(question, "endTime", now_ms), now_ms)
        first_ms = -(-start_ms // _HOUR_MS) * _HOUR_MS
        return [
            {
                "coin": one.symbol,
                "fundingRate": f"{one.funding_rate / 8.0:.10f}",
                "premium": f"{one.mark_price / one.index_price - 1.0:.8f}",
                "time": at_ms,
            }
            for at_ms in list(range(first_ms, end_ms + 1, _HOUR_MS))[:500]
        ]

    def _recent_trades(self, question: dict[str, Any]) -> Any:
        """Newest first."""
        one = self._market(question)
        return [self._fields.trade(one, trade) for trade in list(one.trades)[:-101:-1]]


def _question(request: web.Request) -> dict[str, Any]:
    try:
        question = orjson.loads(request[BODY])
    except orjson.JSONDecodeError:
        question = None
    if not isinstance(question, dict):
        raise _not_understood()
    return question


def _not_understood() -> VenueError:
    return VenueError(422, "Failed to deserialize the JSON body into the target type")


def _time(asked: dict[str, Any], name: str, otherwise: int) -> int:
    value = asked.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _not_understood()
    return int(value)


def _is_main(question: dict[str, Any]) -> bool:
    """The venue's own perpetuals, not those of a builder."""
    return not question.get("dex")


def _empty_meta() -> dict[str, Any]:
    return {"universe": [], "marginTables": [], "collateralToken": 0}


def _spot() -> list[Any]:
    """One spot pair, which is no perpetual."""
    token = {"isCanonical": True, "evmContract": None, "fullName": None}
    tokens = [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
        },
        {
            "name": "PURR",
            "szDecimals": 0,
            "weiDecimals": 5,
            "index": 1,
            "tokenId": "0xc1fb593aeffbeb02f85e0308e9956a90",
        },
    ]
    universe = [{"tokens": [1, 0], "name": "PURR/USDC", "index": 0, "isCanonical": True}]
    context = {
        "prevDayPx": "0.20432",
        "dayNtlVlm": "8906.0",
        "markPx": "0.14",
        "midPx": "0.209265",
        "circulatingSupply": "600000000.0",
        "coin": "PURR/USDC",
    }
    return [{"tokens": [one | token for one in tokens], "universe": universe}, [context]]
