"""Hyperliquid's words for a perpetual: universe, contexts, books, candles, trades."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.fake_venue.accounts import address
from liqheat_ingest.fake_venue.day_stats import DayStatsCache
from liqheat_ingest.fake_venue.instrument import FakeInstrument, FakeTrade
from liqheat_ingest.fake_venue.minute_bars import CLOSE, HIGH, LOW, OPEN, PRINTS, VOLUME
from liqheat_ingest.fake_venue.venue_server import VenueServer

BOOK_LEVELS = 20
#: Numbers of trades are spread over 50 bits, as the venue's are; an odd factor makes it one to one.
_TRADE_IDS = 1 << 50
_TRADE_FACTOR = 0x1F3D5B79ABCDEF


class HyperliquidFields:
    """The same figures for answers and channels.

    Parameters
    ----------
    server : VenueServer
        Tells the time.
    """

    def __init__(self, server: VenueServer) -> None:
        self._server = server
        self._days = DayStatsCache()
        #: Ids of the tables of tiers, by the tiers themselves. Ids below 50 are single tiers of that leverage.
        self._tables: dict[tuple[tuple[float, float], ...], int] = {}

    def middle(self, one: FakeInstrument) -> int:
        """Middle of the book: the mark, in ticks."""
        return max(2, round(one.mark_price / one.market.coin.tick_size))

    def meta(self) -> dict[str, Any]:
        """The answer to ``meta``."""
        listed = self._server.listed()
        universe = [
            {
                "szDecimals": one.listing.quantity_decimals,
                "name": one.symbol,
                "maxLeverage": int(one.listing.max_leverage),
                "marginTableId": self._margin_table_id(one),
            }
            for one in listed
        ]
        tables: list[Any] = [[level, _single_tier(level)] for level in (3, 5, 10, 20, 25, 40, 50)]
        for steps, number in self._tables.items():
            rows = [{"lowerBound": f"{floor:.1f}", "maxLeverage": int(level)} for floor, level in steps]
            tables.append([number, {"description": f"tiered {int(steps[0][1])}x", "marginTiers": rows}])
        return {"universe": universe, "marginTables": tables, "collateralToken": 0}

    def _margin_table_id(self, one: FakeInstrument) -> int:
        steps = tuple((tier.notional_floor_usd, tier.max_leverage) for tier in one.market.longs.tiers)
        if len(steps) == 1:
            return int(steps[0][1])
        return self._tables.setdefault(steps, 51 + len(self._tables))

    def context(self, one: FakeInstrument) -> dict[str, Any]:
        """What ``metaAndAssetCtxs`` and ``activeAssetCtx`` tell of a market. Funding is per hour."""
        day = self._days.of(one, self._server.world.now_ms)
        bid, _, ask, _ = one.book.top(self.middle(one))
        mark = one.venue_price_text(one.mark_price, 1)
        return {
            "funding": f"{one.funding_rate / 8.0:.10f}",
            "openInterest": one.quantity_text(one.open_interest_lots),
            "prevDayPx": one.price_text(day.open),
            "dayNtlVlm": f"{one.value_quote(1.0, 1.0) * day.value:.6f}",
            "premium": f"{one.mark_price / one.index_price - 1.0:.8f}",
            "oraclePx": one.venue_price_text(one.index_price, 1),
            "markPx": mark,
            "midPx": one.venue_price_text((bid + ask) / 2.0 * one.market.coin.tick_size, 1),
            "impactPxs": [one.price_text(bid), one.price_text(ask)],
            "dayBaseVlm": one.quantity_text(day.volume),
        }

    def trade(self, one: FakeInstrument, trade: FakeTrade) -> dict[str, Any]:
        """A trade, with buyer and seller."""
        return {
            "coin": one.symbol,
            "side": "B" if trade.side > 0 else "A",
            "px": one.price_text(trade.price_ticks),
            "sz": one.quantity_text(trade.lots),
            "time": self._server.told(trade.time_ms),
            "hash": f"0x{trade.number * 0x9E3779B97F4A7C15 % (1 << 256):064x}",
            "tid": trade_id(trade.number),
            "users": [address(trade.buyer), address(trade.seller)],
        }

    def book(self, one: FakeInstrument) -> dict[str, Any]:
        """The best twenty levels of each side."""
        sides = one.book.levels(self.middle(one), BOOK_LEVELS)
        return {
            "coin": one.symbol,
            "time": self._server.now_ms,
            "levels": [[_level(one, p, q) for p, q in side] for side in sides],
        }

    def best(self, one: FakeInstrument) -> dict[str, Any]:
        """The best level of each side."""
        bids, asks = one.book.levels(self.middle(one), 1)
        sides = [_level(one, *bids[0]), _level(one, *asks[0])]
        return {"coin": one.symbol, "time": self._server.now_ms, "bbo": sides}

    def middle_text(self, one: FakeInstrument) -> str:
        """The middle price."""
        return one.venue_price_text(self.middle(one) * one.market.coin.tick_size, 1)

    def candle(
        self, one: FakeInstrument, interval: str, length_ms: int, at_ms: int, row: list[float]
    ) -> dict[str, Any]:
        """A candle."""
        told_ms = self._server.told(at_ms)
        return {
            "t": told_ms,
            "T": told_ms + length_ms - 1,
            "s": one.symbol,
            "i": interval,
            "o": one.price_text(int(row[OPEN])),
            "c": one.price_text(int(row[CLOSE])),
            "h": one.price_text(int(row[HIGH])),
            "l": one.price_text(int(row[LOW])),
            "v": one.quantity_text(row[VOLUME]),
            "n": int(row[PRINTS]),
        }


def trade_id(number: int) -> int:
    """The venue's id of the trade of that number.

    >>> trade_id(1) != trade_id(2), trade_id(1) < 2**50
    (True, True)
    """
    return number * _TRADE_FACTOR % _TRADE_IDS


def _level(one: FakeInstrument, ticks: int, lots: int) -> dict[str, Any]:
    return {"px": one.price_text(ticks), "sz": one.quantity_text(lots), "n": 1 + lots % 7}


def _single_tier(leverage: int) -> dict[str, Any]:
    return {"description": "", "marginTiers": [{"lowerBound": "0.0", "maxLeverage": leverage}]}
