"""Pure mapper of Tardis CSV rows: ``trades``, ``liquidations`` and ``derivative_ticker``.

``timestamp`` is the venue's time, ``local_timestamp`` the recorder's, both in microseconds. Amounts are the venue's own
units and become units of the coin here. The side of a trade is the taker's. The side of a liquidation is that of the
forced ORDER (``buy``: a short was liquidated), which Tardis has made the same for all venues.
"""

from __future__ import annotations

from math import inf

from liqheat_ingest.instruments import LIQUIDATION_FEEDS, InstrumentSpec
from liqheat_ingest.mappers.rows import (
    DAY_US,
    EARLIEST_US,
    LATEST_US,
    BadRow,
    Mapped,
    MapRow,
    Resolve,
    finite,
    not_negative,
    positive,
    show,
    time_us,
)
from liqheat_ingest.readings import Fact, Trade

TRADES_HEADER = b"exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
#: Word for word the header of trades: only the file's name tells them apart.
LIQUIDATIONS_HEADER = TRADES_HEADER
TICKER_HEADER = (
    b"exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,"
    b"predicted_funding_rate,open_interest,last_price,index_price,mark_price"
)
_AGGRESSOR = {b"buy": "b", b"sell": "s"}
_LIQUIDATED = {b"buy": "short", b"sell": "long"}
#: Which price the venue's feed prints.
_PRICE_KIND = {"binance": "average", "bybit": "bankruptcy", "okx": "bankruptcy"}


def trades(resolve: Resolve) -> MapRow:
    """Mapper of trade rows.

    Examples
    --------
    >>> from liqheat_ingest.instruments import find_instrument
    >>> map_row = trades(lambda exchange, symbol: find_instrument(exchange.decode(), symbol.decode()))
    >>> row = b"hyperliquid,BTC,1781222400013000,1781222400020000,,sell,63621.0,0.00012".split(b",")
    >>> received_us, trade = map_row(row)
    >>> received_us, trade.event_time_ms, trade.aggressor, trade.price
    (1781222400020000, 1781222400013, 's', 63621.0)
    """

    def map_row(row: list[bytes]) -> Mapped:
        # One expression of cheap checks for good rows; only a bad one pays for finding out what is wrong with it.
        try:
            exchange, symbol, event, local, trade_id, side, price_text, amount_text = row
            spec = resolve(exchange, symbol)
            if spec is None:
                return None
            event_us, local_us = int(event), int(local)
            price, amount = float(price_text), float(amount_text)
            aggressor = _AGGRESSOR[side]
            if not (
                0.0 < price < inf
                and 0.0 <= amount < inf
                and EARLIEST_US < local_us < LATEST_US
                and -DAY_US < local_us - event_us < DAY_US
            ):
                raise BadRow("value out of range")
        except (BadRow, ValueError, KeyError):
            raise _explain(row, resolve) from None
        if spec.is_inverse or spec.contract_size != 1.0 or spec.price_multiplier != 1.0:
            amount = spec.quantity_base(amount, price)
            price = spec.price(price)
        identifier = trade_id.decode("ascii", "replace") if trade_id else None
        trade = Trade(local_us // 1000, spec.market, event_us // 1000, price, amount, aggressor, identifier)
        return local_us, trade

    return map_row


def liquidations(resolve: Resolve) -> MapRow:
    """Mapper of liquidation rows."""

    def map_row(row: list[bytes]) -> Mapped:
        spec, event_us, local_us = _head(row, 8, resolve)
        if spec is None:
            return None
        if row[5] not in _LIQUIDATED:
            raise BadRow(f"side is neither buy nor sell: {show(row[5])}")
        venue_price = positive(row[6], "price")
        price = spec.price(venue_price)
        quantity = spec.quantity_base(not_negative(row[7], "amount"), venue_price)
        fields = {
            "liquidated_side": _LIQUIDATED[row[5]],
            "price": price,
            "price_kind": _PRICE_KIND.get(spec.market.venue, "order"),
            "quantity_base": quantity,
            "notional_usd": price * quantity,
            "feed_completeness": LIQUIDATION_FEEDS.get(spec.market.venue, "unknown"),
            "liquidation_id": row[4].decode("ascii", "replace") or None,
        }
        fact = Fact(local_us // 1000, spec.market, event_us // 1000, "liquidation", fields, "liquidations")
        return local_us, fact

    return map_row


def derivative_ticker(resolve: Resolve) -> MapRow:
    """Mapper of derivative-ticker rows. An empty column is unknown, never 0."""

    def map_row(row: list[bytes]) -> Mapped:
        spec, event_us, local_us = _head(row, 11, resolve)
        if spec is None:
            return None
        last, index, mark = (
            positive(row[column], name) if row[column] else None
            for column, name in ((8, "last_price"), (9, "index_price"), (10, "mark_price"))
        )
        fields = {
            "mark_price": None if mark is None else spec.price(mark),
            "index_price": None if index is None else spec.price(index),
            "last_price": None if last is None else spec.price(last),
            "open_interest_base": _open_interest(spec, row[7], mark or last or index),
            "funding_rate": finite(row[5], "funding_rate") if row[5] else None,
            "next_funding_time_ms": time_us(row[4], "funding_timestamp") // 1000 if row[4] else None,
        }
        return local_us, Fact(local_us // 1000, spec.market, event_us // 1000, "ticker", fields, "ticker")

    return map_row


def _open_interest(spec: InstrumentSpec, text: bytes, venue_price: float | None) -> float | None:
    if not text:
        return None
    contracts = not_negative(text, "open_interest")
    if venue_price is None:
        return None if spec.is_inverse else spec.quantity_base(contracts, 1.0)
    return spec.quantity_base(contracts, venue_price)


def _head(row: list[bytes], columns: int, resolve: Resolve) -> tuple[InstrumentSpec | None, int, int]:
    if len(row) != columns:
        raise BadRow(f"{columns} columns expected, {len(row)} found")
    spec = resolve(row[0], row[1])
    if spec is None:
        return None, 0, 0
    event_us, local_us = time_us(row[2], "timestamp"), time_us(row[3], "local_timestamp")
    if not -DAY_US < local_us - event_us < DAY_US:
        raise BadRow("timestamp and local_timestamp are more than a day apart")
    return spec, event_us, local_us


def _explain(row: list[bytes], resolve: Resolve) -> BadRow:
    """Say what is wrong with a row of trades, checking column by column."""
    try:
        _head(row, 8, resolve)
        if row[5] not in _AGGRESSOR:
            raise BadRow(f"side is neither buy nor sell: {show(row[5])}")
        positive(row[6], "price")
        not_negative(row[7], "amount")
    except BadRow as fault:
        return fault
    return BadRow("the row can't be read")
