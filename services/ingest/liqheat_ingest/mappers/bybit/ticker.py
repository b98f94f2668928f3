"""The fields of Bybit's tickers, the same on the WebSocket and in answers."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.mappers.fields import BadMessage, coming_time_ms, has, not_negative, number, positive

_PRICES = {"markPrice": "mark_price", "indexPrice": "index_price", "lastPrice": "last_price"}
#: A snapshot that lacks one of these is of another format, even though each may be empty.
EXPECTED = ("markPrice", "indexPrice", "openInterest", "fundingRate", "nextFundingTime")


def ticker_changes(data: dict[str, Any]) -> dict[str, Any]:
    """What an object says, in the venue's units. Open interest is that of one side."""
    changes = _changes(data)
    if has(data, "singleOpenInterest"):
        changes["open_interest"] = not_negative(data["singleOpenInterest"], "singleOpenInterest")
    elif has(data, "openInterest"):
        raise BadMessage("invalid-field", "openInterest counts both sides, and singleOpenInterest is missing")
    return changes


def ticker_changes_of_both_sides(data: dict[str, Any]) -> dict[str, Any]:
    """The same before 2026-06-11: ``openInterest`` was told for longs and shorts together."""
    changes = _changes(data)
    if has(data, "openInterest"):
        changes["open_interest"] = not_negative(data["openInterest"], "openInterest") / 2
    return changes


def require_all(data: dict[str, Any]) -> None:
    """A whole ticker names every field that is read here."""
    for name in EXPECTED:
        if name not in data:
            raise BadMessage("invalid-field", f"{name} is missing")


def _changes(data: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {ours: positive(data[name], name) for name, ours in _PRICES.items() if has(data, name)}
    if has(data, "fundingRate"):
        changes["funding_rate"] = number(data["fundingRate"], "fundingRate")
    if has(data, "nextFundingTime"):
        changes["next_funding_time_ms"] = coming_time_ms(data["nextFundingTime"], "nextFundingTime")
    return changes
