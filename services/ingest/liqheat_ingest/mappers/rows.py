"""What the file mappers share: a row is a list of byte strings, a bad one raises with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite
from typing import Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_shared.contracts.dead_letters import Reason

DAY_US = 86_400_000_000
#: 2001 to 2286: a time in seconds, milliseconds or nanoseconds can't pass for microseconds.
EARLIEST_US, LATEST_US = 1_000_000_000_000_000, 10_000_000_000_000_000

#: Finds the market of (exchange, symbol); None: the market was left out on purpose. Raises UnknownMarket.
Resolve = Callable[[bytes, bytes], InstrumentSpec | None]
#: Receive time in microseconds and the item of a row; None: the row belongs to a market that was left out.
Mapped = tuple[int, Any] | None
MapRow = Callable[[list[bytes]], Mapped]


class BadRow(ValueError):  # noqa: N818 - a verdict on the input, not an error of ours
    """A row that can't be read; the message says which column and why."""

    reason: Reason = "broken-line"


class UnknownMarket(BadRow):
    """The row is of a market that is no perpetual with known units."""

    reason: Reason = "unknown-market"


class OutOfOrder(BadRow):
    """The row's time does not fit between its neighbours'."""

    reason: Reason = "out-of-order"


def positive(text: bytes, column: str) -> float:
    """A price: finite and above zero."""
    try:
        value = float(text)
    except ValueError:
        raise BadRow(f"{column} is no number: {show(text)}") from None
    if not 0.0 < value < inf:
        raise BadRow(f"{column} must be positive and finite: {show(text)}")
    return value


def not_negative(text: bytes, column: str) -> float:
    """An amount: finite and at least zero."""
    try:
        value = float(text)
    except ValueError:
        raise BadRow(f"{column} is no number: {show(text)}") from None
    if not 0.0 <= value < inf:
        raise BadRow(f"{column} must be finite and not negative: {show(text)}")
    return value


def finite(text: bytes, column: str) -> float:
    """Any finite number."""
    try:
        value = float(text)
    except ValueError:
        raise BadRow(f"{column} is no number: {show(text)}") from None
    if not isfinite(value):
        raise BadRow(f"{column} must be finite: {show(text)}")
    return value


def time_us(text: bytes, column: str) -> int:
    """A time in microseconds."""
    try:
        value = int(text)
    except ValueError:
        raise BadRow(f"{column} is no whole number: {show(text)}") from None
    if not EARLIEST_US < value < LATEST_US:
        raise BadRow(f"{column} is no time in microseconds: {show(text)}")
    return value


def show(text: bytes) -> str:
    """A short printable form of a field."""
    return repr(text[:60].decode("utf-8", "replace"))
