"""Reading typed fields of a venue's JSON: a value is what the venue documents, or the message says what is wrong.

Venues send numbers as text (``"65114.20"``) or as numbers; both are read. ``True``, ``"NaN"``, an empty text and a
number that no market has are refused. An *optional* field may be absent, null or empty, which is None; one that is
there and wrong is refused all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

from liqheat_shared.contracts.dead_letters import Reason

#: 2001 to 2286: seconds, microseconds and nanoseconds can't pass for milliseconds.
EARLIEST_MS, LATEST_MS = 1_000_000_000_000, 10_000_000_000_000
#: No price, amount or notional of a market is beyond these; products of two stay finite.
SMALLEST, LARGEST = 1e-18, 1e18
#: A venue's clock may be ahead of ours by so much.
FUTURE_TOLERANCE_MS = 60_000


class BadMessage(ValueError):  # noqa: N818 - a verdict on the input, not an error of ours
    """What a venue sent can't be used; the text says which field and why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


def member(owner: Any, name: str) -> Any:
    """A field that must be there."""
    if owner.__class__ is not dict:
        raise BadMessage("not-an-object", f"an object with {name} expected, {show(owner)} found")
    try:
        return owner[name]
    except KeyError:
        raise BadMessage("invalid-field", f"{name} is missing") from None


def items_of(owner: Any, name: str) -> list[Any]:
    """A field that must be a list."""
    value = member(owner, name)
    if value.__class__ is not list:
        raise BadMessage("invalid-field", f"{name} is no list: {show(value)}")
    return value


def as_list(value: Any, name: str) -> list[Any]:
    """The value itself, which must be a list."""
    if value.__class__ is not list:
        raise BadMessage("invalid-field", f"{name} is no list: {show(value)}")
    return value


def row(value: Any, columns: int, name: str) -> list[Any]:
    """A list of at least so many columns, as venues write candles and book levels."""
    if value.__class__ is not list or len(value) < columns:
        raise BadMessage("invalid-field", f"{name}: a list of {columns} columns expected, {show(value)} found")
    return value


def number(value: Any, name: str) -> float:
    """Any finite number."""
    if value.__class__ is str and "_" not in value:
        try:
            result = float(value)
        except ValueError:
            raise BadMessage("invalid-field", f"{name} is no number: {show(value)}") from None
    elif value.__class__ is float or value.__class__ is int:
        result = value if -LARGEST < value < LARGEST or value.__class__ is float else inf
    else:
        raise BadMessage("invalid-field", f"{name} is no number: {show(value)}")
    if not isfinite(result):
        raise BadMessage("not-finite", f"{name} is not finite: {show(value)}")
    return float(result)


def positive(value: Any, name: str) -> float:
    """A price: above zero."""
    result = number(value, name)
    if not SMALLEST < result < LARGEST:
        raise BadMessage("invalid-field", f"{name} must be positive: {show(value)}")
    return result


def not_negative(value: Any, name: str) -> float:
    """An amount that may be zero."""
    result = number(value, name)
    if not 0.0 <= result < LARGEST:
        raise BadMessage("invalid-field", f"{name} must not be negative: {show(value)}")
    return result


def size(value: Any, name: str) -> float:
    """The size of something that happened: a zero is named as such."""
    result = not_negative(value, name)
    if result == 0.0:
        raise BadMessage("zero-size", f"{name} is zero")
    return result


def text(owner: Any, name: str, longest: int = 100) -> str:
    """A text that is not empty."""
    value = member(owner, name)
    if value.__class__ is not str or not 0 < len(value) <= longest:
        raise BadMessage("invalid-field", f"{name} is no text of 1 to {longest} characters: {show(value)}")
    return value


def texts_of(entries: list[Any], name: str) -> set[str]:
    """All texts that entries have in a field; what is wrong with an entry is for later."""
    return {str(e[name]) for e in entries if e.__class__ is dict and e.get(name).__class__ is str}


def flag(owner: Any, name: str) -> bool:
    """True or false, nothing that only looks like it."""
    value = member(owner, name)
    if value is not True and value is not False:
        raise BadMessage("invalid-field", f"{name} is neither true nor false: {show(value)}")
    return value


def choice(owner: Any, name: str, choices: Mapping[str, str]) -> str:
    """One of a venue's words, in ours."""
    value = member(owner, name)
    if value.__class__ is str and value in choices:
        return choices[value]
    raise BadMessage("invalid-field", f"{name} is none of {', '.join(choices)}: {show(value)}")


def whole(value: Any, name: str) -> int:
    """A whole number, as a number or a text of digits."""
    if value.__class__ is int:
        return value
    if value.__class__ is str and len(value) <= 20 and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise BadMessage("invalid-field", f"{name} is no whole number: {show(value)}")


def number_id(value: Any, name: str) -> str:
    """An id that is a number, written as one or as a text of digits."""
    if value.__class__ is int and value >= 0:
        return str(value)
    if value.__class__ is str and value.isascii() and value.isdigit() and len(value) <= 30:
        return str(value)
    raise BadMessage("invalid-field", f"{name} is no number of an id: {show(value)}")


def time_ms(value: Any, name: str, receive_time_ms: int) -> int:
    """A time in milliseconds that is not in the future as we know it."""
    result = whole(value, name)
    if not EARLIEST_MS <= result < LATEST_MS:
        raise BadMessage("invalid-field", f"{name} is no time in milliseconds: {show(value)}")
    if result > receive_time_ms + FUTURE_TOLERANCE_MS:
        ahead_s = (result - receive_time_ms) / 1000
        raise BadMessage("from-the-future", f"{name} is {ahead_s:.0f} s ahead of the time it was received: {result}")
    return result


def coming_time_ms(value: Any, name: str) -> int:
    """A time that may lie ahead, as that of the next funding."""
    result = whole(value, name)
    if not EARLIEST_MS <= result < LATEST_MS:
        raise BadMessage("invalid-field", f"{name} is no time in milliseconds: {show(value)}")
    return result


def has(owner: Any, name: str) -> bool:
    """Whether an optional field says anything: absent, null and an empty text do not."""
    if owner.__class__ is not dict:
        raise BadMessage("not-an-object", f"an object expected, {show(owner)} found")
    value = owner.get(name)
    return value is not None and value != ""


def show(value: Any) -> str:
    """A short printable form."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
