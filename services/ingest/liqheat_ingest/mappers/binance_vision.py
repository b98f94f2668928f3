"""Pure mapper of Binance Vision CSV rows: ``metrics``, ``klines`` and ``fundingRate``.

Metrics are open interest every five minutes; klines are prices. Neither alone is a candle of the log: ``CandleJoiner``
makes those. A candle is known at its end and a metric at its time, never before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.rows import EARLIEST_US, BadRow, Mapped, MapRow, finite, not_negative, positive, show
from liqheat_ingest.readings import Fact, Item, Market

METRICS_HEADER = (
    b"create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
    b"sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio"
)
KLINES_HEADERS = (
    (
        b"open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        b"taker_buy_volume,taker_buy_quote_volume,ignore"
    ),
    (
        b"open_time,open,high,low,close,volume,close_time,quote_asset_volume,number_of_trades,"
        b"taker_buy_base_asset_volume,taker_buy_quote_asset_volume,ignore"
    ),
)
FUNDING_HEADER = b"calc_time,funding_interval_hours,last_funding_rate"

FIVE_MINUTES_MS = 300_000
#: Metrics come up to a few seconds after their time.
METRIC_TOLERANCE_MS = 30_000
HOUR_MS = 3_600_000
_TIME = re.compile(rb"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)")


class PriceCandle(NamedTuple):
    """A kline: prices in the coin, not yet joined with open interest."""

    receive_time_ms: int
    market: Market
    end_ms: int
    interval_ms: int
    fields: dict[str, Any]


class OpenInterestPoint(NamedTuple):
    """A row of metrics: open interest of one side, and the price it was valued at."""

    receive_time_ms: int
    market: Market
    end_ms: int
    price: float
    open_interest_base: float


def metrics(spec: InstrumentSpec, symbol: bytes) -> MapRow:
    """Mapper of metrics rows of one market.

    Examples
    --------
    >>> from liqheat_ingest.instruments import find_instrument
    >>> map_row = metrics(find_instrument("binance", "BTCUSDT"), b"BTCUSDT")
    >>> _, point = map_row(b"2025-12-01 00:05:02,BTCUSDT,2.0,180000.0,,,,".split(b","))
    >>> point.end_ms % 300_000, point.price, point.open_interest_base
    (0, 90000.0, 2.0)
    """

    def map_row(row: list[bytes]) -> Mapped:
        if len(row) != 8:
            raise BadRow(f"8 columns expected, {len(row)} found")
        if row[1] != symbol:
            raise BadRow(f"symbol is {show(row[1])} in a file of {symbol.decode()}")
        time_ms = utc_ms(row[0])
        contracts = positive(row[2], "sum_open_interest")
        venue_price = positive(row[3], "sum_open_interest_value") / (contracts * spec.contract_size)
        quantity = spec.quantity_base(contracts, venue_price)
        nearest = round(time_ms / FIVE_MINUTES_MS) * FIVE_MINUTES_MS
        end_ms = nearest if abs(nearest - time_ms) <= METRIC_TOLERANCE_MS else time_ms
        point = OpenInterestPoint(max(time_ms, end_ms), spec.market, end_ms, spec.price(venue_price), quantity)
        return point.receive_time_ms * 1000, point

    return map_row


def klines(spec: InstrumentSpec) -> MapRow:
    """Mapper of kline rows of one market. Times are in milliseconds or, in newer files, microseconds."""

    def map_row(row: list[bytes]) -> Mapped:
        if len(row) != 12:
            raise BadRow(f"12 columns expected, {len(row)} found")
        open_ms, close_ms = _milliseconds(row[0], "open_time"), _milliseconds(row[6], "close_time")
        interval_ms = close_ms + 1 - open_ms
        if not 0 < interval_ms <= 24 * HOUR_MS:
            raise BadRow(f"close_time {show(row[6])} is not within a day after open_time {show(row[0])}")
        prices = [positive(row[i], name) for i, name in ((1, "open"), (2, "high"), (3, "low"), (4, "close"))]
        opened, high, low, close = (spec.price(price) for price in prices)
        if not low <= min(opened, close) <= max(opened, close) <= high:
            raise BadRow("a candle needs low <= open, close <= high")
        fields = {"open": opened, "high": high, "low": low, "close": close}
        for name, column in (("volume_base", 5), ("taker_buy_base", 9)):
            amount = not_negative(row[column], name) if row[column] else None
            fields[name] = None if amount is None else spec.quantity_base(amount, prices[3])  # type: ignore[assignment]
        return close_ms * 1000, PriceCandle(close_ms, spec.market, close_ms + 1, interval_ms, fields)

    return map_row


def funding_rate(spec: InstrumentSpec) -> MapRow:
    """Mapper of funding rows of one market: a ticker that knows nothing but the rate that was paid."""

    def map_row(row: list[bytes]) -> Mapped:
        if len(row) != 3:
            raise BadRow(f"3 columns expected, {len(row)} found")
        time_ms = _milliseconds(row[0], "calc_time")
        next_ms = time_ms + round(positive(row[1], "funding_interval_hours") * HOUR_MS)
        rate = finite(row[2], "last_funding_rate")
        fields = {"funding_rate": rate, "next_funding_time_ms": next_ms}
        return time_ms * 1000, Fact(time_ms, spec.market, time_ms, "ticker", fields, None)

    return map_row


class CandleJoiner:
    """Turns klines and open-interest points, in order of time, into candles of the log.

    A kline waits for the point at its end where its market has metrics at all. A point without a kline becomes a
    five-minute candle from the last price to its own: metrics tell no high and low.

    Parameters
    ----------
    with_metrics : set of Market
        Markets that have a metrics file.
    """

    def __init__(self, with_metrics: frozenset[Market]) -> None:
        self._with_metrics = with_metrics
        self._held: dict[Market, PriceCandle] = {}
        self._last: dict[Market, tuple[int, float]] = {}

    def join(self, items: Iterable[Any]) -> Iterator[Item]:
        """Candles and whatever else comes by, in order."""
        for item in items:
            if self._held:
                yield from self._overdue(item.receive_time_ms)
            if item.__class__ is OpenInterestPoint:
                yield self._point(item)
            elif item.__class__ is not PriceCandle:
                yield item
            else:
                earlier = self._held.pop(item.market, None)
                if earlier is not None:
                    yield self._candle(earlier, earlier.receive_time_ms, None)
                if item.market in self._with_metrics:
                    self._held[item.market] = item
                else:
                    yield self._candle(item, item.receive_time_ms, None)
        yield from self._overdue(1 << 62)

    def _overdue(self, now_ms: int) -> list[Item]:
        late = [c for c in self._held.values() if now_ms > c.end_ms + METRIC_TOLERANCE_MS]
        for candle in late:
            del self._held[candle.market]
        return [self._candle(candle, candle.receive_time_ms, None) for candle in late]

    def _candle(self, candle: PriceCandle, receive_ms: int, open_interest: float | None) -> Fact:
        fields = {
            "open_time_ms": candle.end_ms - candle.interval_ms,
            "interval_ms": candle.interval_ms,
            **candle.fields,
            "open_interest_base": open_interest,
        }
        self._last[candle.market] = (candle.end_ms, candle.fields["close"])
        return Fact(receive_ms, candle.market, candle.end_ms, "candle", fields, None)

    def _point(self, point: OpenInterestPoint) -> Fact:
        held = self._held.get(point.market)
        if held is not None and held.end_ms == point.end_ms:
            del self._held[point.market]
            return self._candle(held, point.receive_time_ms, point.open_interest_base)
        last_ms, last_price = self._last.get(point.market, (0, 0.0))
        opened = last_price if point.end_ms - last_ms <= 2 * FIVE_MINUTES_MS else point.price
        prices = {
            "open": opened,
            "high": max(opened, point.price),
            "low": min(opened, point.price),
            "close": point.price,
            "volume_base": None,
            "taker_buy_base": None,
        }
        candle = PriceCandle(point.receive_time_ms, point.market, point.end_ms, FIVE_MINUTES_MS, prices)
        return self._candle(candle, point.receive_time_ms, point.open_interest_base)


def utc_ms(text: bytes) -> int:
    """Milliseconds of a UTC time written ``YYYY-MM-DD HH:MM:SS``.

    >>> utc_ms(b"2025-12-01 00:05:00")
    1764547500000
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadRow(f"create_time is no UTC time: {show(text)}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise BadRow(f"create_time is no UTC time: {show(text)}")
    # Days since 1970 in the proleptic Gregorian calendar, with years that begin in March.
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month - 3) % 12) + 2) // 5 + day - 1
    days = 365 * shifted + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000


def _milliseconds(text: bytes, column: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise BadRow(f"{column} is no whole number: {show(text)}") from None
    value = value // 1000 if value > EARLIEST_US // 10 else value
    if not 1_000_000_000_000 < value < 10_000_000_000_000:
        raise BadRow(f"{column} is no time in milliseconds: {show(text)}")
    return value
