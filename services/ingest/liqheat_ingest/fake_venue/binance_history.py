"""Candles and open interest of Binance's past."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError, positive_int, time_of
from liqheat_ingest.fake_venue.binance_fields import BinanceFields
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.minute_bars import (
    BOUGHT,
    BOUGHT_VALUE,
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    OPEN_INTEREST,
    PRINTS,
    VALUE,
    VOLUME,
)
from liqheat_ingest.fake_venue.venue_server import VenueServer

_INTERVALS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000, "2h": 7_200_000,
    "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000, "1d": 86_400_000,
}  # fmt: skip
_PERIODS_MS = {name: ms for name, ms in _INTERVALS_MS.items() if name not in ("1m", "3m", "8h")}
#: History that ``/futures/data`` gives at most.
_DATA_MS = 30 * 86_400_000


class BinanceHistory:
    """Answers about the past.

    Parameters
    ----------
    server : VenueServer
        Whose markets they are.
    fields : BinanceFields
        Shared with the streams.
    """

    def __init__(self, server: VenueServer, fields: BinanceFields) -> None:
        self._server = server
        self._fields = fields

    def klines(self, request: web.Request) -> Any:
        """``klines``."""
        one = binance_market(self._server, request)
        interval_ms, found = self._candles(one, request)
        fields = self._fields
        return [
            [
                at_ms,
                *(one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)),
                one.quantity_text(row[VOLUME]),
                at_ms + interval_ms - 1,
                f"{fields.quote_volume(one, row[VALUE]):.5f}",
                int(row[PRINTS]),
                one.quantity_text(row[BOUGHT]),
                f"{fields.quote_volume(one, row[BOUGHT_VALUE]):.5f}",
                "0",
            ]
            for at_ms, row in found
        ]

    def price_klines(self, request: web.Request) -> Any:
        """Mark and index klines: amounts are zero."""
        one = binance_market(self._server, request, "pair" if "pair" in request.query else "symbol")
        interval_ms, found = self._candles(one, request)
        prices = (OPEN, HIGH, LOW, CLOSE)
        return [
            [
                at_ms,
                *(one.price_text(int(row[column])) for column in prices),
                "0",
                at_ms + interval_ms - 1,
                "0",
                interval_ms // 1_000,
                "0",
                "0",
                "0",
            ]
            for at_ms, row in found
        ]

    def _candles(self, one: FakeInstrument, request: web.Request) -> tuple[int, list[tuple[int, list[float]]]]:
        """Oldest first: from ``startTime`` on, or the newest."""
        interval_ms = _INTERVALS_MS.get(request.query.get("interval", ""))
        if interval_ms is None:
            raise binance_error(-1120, "Invalid interval.")
        limit = positive_int(request, "limit", 500, 1500)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        start_ms = time_of(request, "startTime")
        first_ms = end_ms - limit * interval_ms if start_ms is None else start_ms
        if start_ms is not None:
            end_ms = min(end_ms, start_ms + limit * interval_ms)
        times, rows = one.bars.candles(interval_ms, first_ms, end_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))
        return interval_ms, found[:limit] if start_ms is not None else found[-limit:]

    def open_interest(self, request: web.Request) -> Any:
        """Oldest first; without a start the newest. A row tells what stood at its time."""
        one = binance_market(self._server, request)
        step_ms = _PERIODS_MS.get(request.query.get("period", ""))
        if step_ms is None:
            raise binance_error(-1130, "Data sent for parameter 'period' is not valid.")
        limit = positive_int(request, "limit", 30, 500)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "endTime") or now_ms, now_ms)
        start_ms = time_of(request, "startTime")
        if start_ms is not None and start_ms < now_ms - _DATA_MS:
            raise binance_error(-1130, "parameter 'startTime' is invalid.")
        first_ms = end_ms - limit * step_ms if start_ms is None else start_ms
        times, rows = one.bars.candles(step_ms, first_ms - step_ms, end_ms - step_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))
        # With a start and an end, Binance answers with the newest rows of that span.
        return [
            {
                "symbol": one.symbol,
                "sumOpenInterest": f"{row[OPEN_INTEREST] * one.listing.quantity_step:.8f}",
                "sumOpenInterestValue": f"{one.value_quote(row[OPEN_INTEREST], row[CLOSE]):.8f}",
                "CMCCirculatingSupply": "0.00000000",
                "timestamp": at_ms + step_ms,
            }
            for at_ms, row in found[-limit:]
        ]


def binance_market(server: VenueServer, request: web.Request, name: str = "symbol") -> FakeInstrument:
    """The market that a request names. Raises VenueError in the venue's words."""
    symbol = request.query.get(name)
    if symbol is None:
        raise binance_error(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    found = server.world.find("binance", symbol)
    if found is None:
        raise binance_error(-1121, "Invalid symbol.")
    return found


def binance_error(code: int, message: str) -> VenueError:
    """An error in Binance's words."""
    return VenueError(400, {"code": code, "msg": message})


def klines_weight(request: web.Request) -> int:
    """By the number of candles."""
    limit = positive_int(request, "limit", 500, 1500)
    return next(weight for most, weight in ((99, 1), (499, 2), (1000, 5), (1500, 10)) if limit <= most)
