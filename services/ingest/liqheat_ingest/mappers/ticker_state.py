"""The last known ticker of each market, for venues that send only what has changed."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.instruments import InstrumentSpec

#: Fields of the ``ticker`` event in the venue's units; ``open_interest`` is one side, in contracts.
NAMES = ("mark_price", "index_price", "last_price", "open_interest", "funding_rate", "next_funding_time_ms")
_LAST = frozenset({"last_price"})


class TickerStates:
    """Merges changes by symbol. A field that was never told stays None."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}

    def merge(self, symbol: str, changes: dict[str, Any], *, afresh: bool = False) -> bool:
        """Take what a message says; whether anything but the last price is news (trades tell that one already)."""
        state = self._states.get(symbol)
        if state is None or afresh:
            state = self._states[symbol] = dict.fromkeys(NAMES)
        changed = {name for name, value in changes.items() if state[name] != value}
        state.update(changes)
        return afresh or bool(changed - _LAST)

    def mark_price(self, symbol: str) -> float | None:
        """The last mark price in the venue's units."""
        state = self._states.get(symbol)
        return None if state is None else state["mark_price"]

    def fields(self, symbol: str, spec: InstrumentSpec) -> dict[str, Any]:
        """Fields of the ``ticker`` event from all that is known of a symbol."""
        return ticker_fields(spec, **self._states[symbol])


def ticker_fields(
    spec: InstrumentSpec,
    *,
    mark_price: float | None = None,
    index_price: float | None = None,
    last_price: float | None = None,
    open_interest: float | None = None,
    funding_rate: float | None = None,
    next_funding_time_ms: int | None = None,
) -> dict[str, Any]:
    """Fields of the ``ticker`` event from values in the venue's units.

    Open interest of an inverse market is counted in USD, so it takes a price to know it in the coin; without one it is
    None.
    """
    price = mark_price or last_price or index_price
    quantity: float | None = None
    if open_interest is not None and (price is not None or not spec.is_inverse):
        quantity = spec.quantity_base(open_interest, price or 1.0)
    return {
        "mark_price": None if mark_price is None else spec.price(mark_price),
        "index_price": None if index_price is None else spec.price(index_price),
        "last_price": None if last_price is None else spec.price(last_price),
        "open_interest_base": quantity,
        "funding_rate": funding_rate,
        "next_funding_time_ms": next_funding_time_ms,
    }
