"""Candles of the venues, as ``candle`` events."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.fields import EARLIEST_MS, LATEST_MS, BadMessage
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
_UNITS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}


def interval_ms(name: str) -> int:
    """Length of an interval as venues write it: ``5m``, ``1H``, ``1D``, and Bybit's minutes ``5`` or ``D``.

    >>> interval_ms("5m"), interval_ms("1H"), interval_ms("60"), interval_ms("D")
    (300000, 3600000, 3600000, 86400000)
    """
    if name == "D":
        return DAY_MS
    digits, unit = (name, "m") if name.isdigit() else (name[:-1].removesuffix("in"), name[-1:].lower())
    if name.endswith("min"):
        digits, unit = name[:-3], "m"
    if not digits.isdigit() or unit not in _UNITS or name.endswith("M"):
        raise BadMessage("invalid-field", f"no interval of a candle: {name[:20]!r}")
    length = int(digits) * _UNITS[unit]
    if not 0 < length <= DAY_MS:
        raise BadMessage("invalid-field", f"candles of up to a day are read, not of {name[:20]!r}")
    return length


def candle_fact(
    raw: RawMessage,
    spec: InstrumentSpec,
    open_time_ms: int,
    length_ms: int,
    prices: list[float],
    volume_base: float | None,
    taker_buy_base: float | None,
) -> Fact | None:
    """The ``candle`` event; None while it is open: only closed candles are history.

    Parameters
    ----------
    prices : list of float
        Open, high, low, close as the venue writes them.
    volume_base, taker_buy_base : float or None
        In the coin.
    """
    if not EARLIEST_MS <= open_time_ms < LATEST_MS:
        raise BadMessage("invalid-field", f"no time in milliseconds: {open_time_ms}")
    if not 0 < length_ms <= DAY_MS or open_time_ms % MINUTE_MS or length_ms % MINUTE_MS:
        raise BadMessage("invalid-field", f"a candle of {length_ms} ms from {open_time_ms} is none of whole minutes")
    opened, high, low, close = (spec.price(price) for price in prices)
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise BadMessage("invalid-field", "a candle needs low <= open, close <= high")
    if taker_buy_base is not None and volume_base is not None and taker_buy_base > volume_base * (1 + 1e-9):
        raise BadMessage("invalid-field", f"takers bought {taker_buy_base:g} of a volume of {volume_base:g}")
    end_ms = open_time_ms + length_ms
    if end_ms > raw.receive_time_ms:
        return None
    fields: dict[str, Any] = {
        "open_time_ms": open_time_ms,
        "interval_ms": length_ms,
        "open": opened,
        "high": high,
        "low": low,
        "close": close,
        "volume_base": volume_base,
        "taker_buy_base": taker_buy_base,
        "open_interest_base": None,
    }
    return Fact(raw.receive_time_ms, spec.market, end_ms, "candle", fields, None)
