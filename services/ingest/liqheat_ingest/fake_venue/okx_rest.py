"""OKX v5 public data over REST: linear and inverse swaps."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from liqheat_ingest.fake_venue.answers import VenueError, positive_int, time_of
from liqheat_ingest.fake_venue.funding_schedule import funding_times
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, OPEN, OPEN_INTEREST, VALUE, VOLUME
from liqheat_ingest.fake_venue.okx_fields import OkxFields, spot_instrument, underlying
from liqheat_ingest.fake_venue.venue_server import VenueServer

_BARS_MS = {
    "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1H": 3_600_000, "2H": 7_200_000,
    "4H": 14_400_000, "6Hutc": 21_600_000, "12Hutc": 43_200_000, "1Dutc": 86_400_000,
}  # fmt: skip
_PERIODS_MS = {"5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1H": 3_600_000, "4H": 14_400_000, "1D": 86_400_000}
_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
NO_INSTRUMENT = "51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist."


class OkxRest:
    """Answers of the public endpoints.

    Parameters
    ----------
    server : VenueServer
        Whose markets they are.
    fields : OkxFields
        Shared with the channels.
    """

    def __init__(self, server: VenueServer, fields: OkxFields) -> None:
        self._server = server
        self._fields = fields

    def add_routes(self, app: web.Application) -> None:
        """Register all paths."""
        fields = self._fields
        paths = {
            "public/time": lambda _: [{"ts": str(self._server.now_ms)}],
            "public/instruments": self._instruments,
            "public/open-interest": self._rows(fields.open_interest),
            "public/mark-price": self._rows(fields.mark_price),
            "public/funding-rate": self._rows(fields.funding_rate),
            "public/funding-rate-history": self._funding_history,
            "public/position-tiers": self._position_tiers,
            "public/liquidation-orders": self._liquidations,
            "market/tickers": self._rows(fields.ticker),
            "market/ticker": self._rows(fields.ticker),
            "market/index-tickers": self._index_tickers,
            "market/candles": self._candles,
            "market/history-candles": self._candles,
            "market/mark-price-candles": self._price_candles,
            "market/history-mark-price-candles": self._price_candles,
            "market/index-candles": self._price_candles,
            "market/history-index-candles": self._price_candles,
            "market/trades": self._trades,
            "market/history-trades": self._trades,
            "market/books": self._books,
            "rubik/stat/contracts/open-interest-history": self._open_interest_history,
        }
        for path, handler in paths.items():
            self._server.get(app, f"/api/v5/{path}", _wrapped(handler))

    def _market(self, request: web.Request) -> FakeInstrument:
        name = request.query.get("instId", "")
        if not name:
            raise okx_error("50014", "Parameter instId can not be empty.")
        found = self._server.world.find("okx", name)
        if found is None and not name.endswith("-SWAP"):
            found = self._server.world.find("okx", f"{name}-SWAP")
        if found is None:
            raise okx_error(*NO_INSTRUMENT)
        return found

    def _type(self, request: web.Request) -> str:
        kind = request.query.get("instType", "")
        if kind not in _TYPES:
            raise okx_error("51000", "Parameter instType error")
        return kind

    def _markets(self, request: web.Request) -> list[FakeInstrument]:
        if request.query.get("instId"):
            return [self._market(request)]
        if self._type(request) != "SWAP":
            return []
        family = request.query.get("instFamily") or request.query.get("uly")
        return [one for one in self._server.listed() if family in (None, underlying(one))]

    def _rows(self, row: Any) -> Any:
        return lambda request: [row(one) for one in self._markets(request)]

    def _instruments(self, request: web.Request) -> Any:
        if self._type(request) == "SPOT":
            return [spot_instrument()]
        return [self._fields.instrument(one) for one in self._markets(request)]

    def _index_tickers(self, request: web.Request) -> Any:
        """By name, or all with a quote currency."""
        if request.query.get("instId"):
            return [self._fields.index_ticker(self._market(request))]
        quote = request.query.get("quoteCcy", "USDT")
        return [self._fields.index_ticker(one) for one in self._server.listed() if one.listing.quote == quote]

    def _position_tiers(self, request: web.Request) -> Any:
        families = (request.query.get("instFamily") or request.query.get("uly") or "").split(",")
        if self._type(request) != "SWAP" or families == [""]:
            raise okx_error("51000", "Parameter uly or instFamily error")
        if request.query.get("tdMode") not in ("cross", "isolated"):
            raise okx_error("51000", "Parameter tdMode error")
        found = [one for one in self._server.listed() if underlying(one) in families]
        return [row for one in found for row in self._fields.position_tiers(one)]

    def _liquidations(self, request: web.Request) -> Any:
        return [
            self._fields.liquidation(one, list(one.recent_liquidations))
            for one in self._markets(request)
            if one.recent_liquidations
        ]

    def _candles(self, request: web.Request) -> Any:
        one = self._market(request)
        rows = []
        for at_ms, row, is_closed in self._found_candles(one, request):
            average = row[VALUE] / row[VOLUME] if row[VOLUME] else row[CLOSE]
            rows.append(
                [
                    str(at_ms),
                    *(one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)),
                    one.quantity_text(row[VOLUME]),
                    f"{one.quantity_base(row[VOLUME], average):.8f}",
                    f"{one.value_quote(row[VOLUME], average):.4f}",
                    is_closed,
                ]
            )
        return rows

    def _price_candles(self, request: web.Request) -> Any:
        one = self._market(request)
        return [
            [str(at_ms), *(one.price_text(int(row[column])) for column in (OPEN, HIGH, LOW, CLOSE)), is_closed]
            for at_ms, row, is_closed in self._found_candles(one, request)
        ]

    def _found_candles(self, one: FakeInstrument, request: web.Request) -> list[tuple[int, list[float], str]]:
        """Newest first: older than ``after``, newer than ``before``."""
        bar = request.query.get("bar", "1m")
        bar_ms = _BARS_MS.get(bar)
        if bar_ms is None:
            raise okx_error("51000", "Parameter bar error")
        limit = positive_int(request, "limit", 100, 300)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "after") or now_ms + 1, now_ms + 1)
        before_ms = time_of(request, "before")
        start_ms = end_ms - limit * bar_ms if before_ms is None else before_ms + 1
        times, rows = one.bars.candles(bar_ms, start_ms, end_ms)
        found = [
            (at_ms, row, "1" if at_ms + bar_ms <= now_ms else "0")
            for at_ms, row in zip(times, rows.tolist(), strict=True)
            if at_ms < end_ms
        ]
        return found[::-1][:limit]

    def _trades(self, request: web.Request) -> Any:
        """Newest first; ``after`` and ``before`` are trade ids."""
        one = self._market(request)
        after, before = time_of(request, "after"), time_of(request, "before")
        found = [
            trade
            for trade in reversed(one.trades)
            if (after is None or trade.number < after) and (before is None or trade.number > before)
        ]
        return [
            {
                "instId": one.symbol,
                "side": "buy" if trade.side > 0 else "sell",
                "sz": one.quantity_text(trade.lots),
                "px": one.price_text(trade.price_ticks),
                "tradeId": str(trade.number),
                "ts": str(self._server.told(trade.time_ms)),
                "source": "0",
            }
            for trade in found[: positive_int(request, "limit", 100, 500)]
        ]

    def _books(self, request: web.Request) -> Any:
        one = self._market(request)
        bids, asks = one.book.levels(self._fields.middle(one), positive_int(request, "sz", 1, 400))
        return [
            {
                "asks": [[one.price_text(p), one.quantity_text(q), "0", "1"] for p, q in asks],
                "bids": [[one.price_text(p), one.quantity_text(q), "0", "1"] for p, q in bids],
                "ts": str(self._server.now_ms),
                "seqId": one.book.number,
            }
        ]

    def _open_interest_history(self, request: web.Request) -> Any:
        """Newest first: contracts, coins, USD. A row tells what stood at its time."""
        one = self._market(request)
        step_ms = _PERIODS_MS.get(request.query.get("period", "5m"))
        if step_ms is None:
            raise okx_error("51000", "Parameter period error")
        limit = positive_int(request, "limit", 100, 100)
        now_ms = self._server.world.now_ms
        end_ms = min(time_of(request, "end") or now_ms, now_ms)
        start_ms = time_of(request, "begin") or end_ms - limit * step_ms
        times, rows = one.bars.candles(step_ms, start_ms - step_ms, end_ms - step_ms + 1)
        found = list(zip(times, rows.tolist(), strict=True))[::-1][:limit]
        return [
            [
                str(at_ms + step_ms),
                one.quantity_text(row[OPEN_INTEREST]),
                f"{one.quantity_base(row[OPEN_INTEREST], row[CLOSE]):.4f}",
                f"{one.value_quote(row[OPEN_INTEREST], row[CLOSE]):.4f}",
            ]
            for at_ms, row in found
        ]

    def _funding_history(self, request: web.Request) -> Any:
        one = self._market(request)
        times = funding_times(one.bars.history_start_ms, self._server.world.now_ms)[::-1]
        return [
            {
                "fundingRate": f"{one.funding_rate:.16f}",
                "fundingTime": str(at_ms),
                "instId": one.symbol,
                "instType": "SWAP",
                "method": "current_period",
                "realizedRate": f"{one.funding_rate:.16f}",
            }
            for at_ms in times[: positive_int(request, "limit", 100, 400)]
        ]


def okx_error(code: str, message: str) -> VenueError:
    """An error in OKX's words; most come with status 200."""
    return VenueError(200, {"code": code, "data": [], "msg": message})


def _wrapped(handler: Any) -> Any:
    return lambda request: {"code": "0", "data": handler(request), "msg": ""}
