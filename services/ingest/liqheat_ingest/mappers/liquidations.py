"""Liquidations of the venues, as ``liquidation`` events."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact


def liquidation_fact(
    raw: RawMessage,
    spec: InstrumentSpec,
    event_time_ms: int,
    liquidated_side: str,
    venue_price: float,
    amount: float,
    price_kind: str,
    feed_completeness: str,
    liquidation_id: str | None = None,
) -> Fact:
    """The ``liquidation`` event.

    Parameters
    ----------
    liquidated_side : str
        ``long`` or ``short``: of the POSITION. Bybit tells that; Binance and OKX tell the side of the order.
    venue_price, amount : float
        As the venue writes them: a price of its base, an amount in base or contracts.
    price_kind, feed_completeness : str
        As in the contract.
    """
    price = spec.price(venue_price)
    quantity = spec.quantity_base(amount, venue_price)
    fields: dict[str, Any] = {
        "liquidated_side": liquidated_side,
        "price": price,
        "price_kind": price_kind,
        "quantity_base": quantity,
        "notional_usd": price * quantity,
        "feed_completeness": feed_completeness,
        "liquidation_id": liquidation_id,
    }
    return Fact(raw.receive_time_ms, spec.market, event_time_ms, "liquidation", fields, "liquidations")
