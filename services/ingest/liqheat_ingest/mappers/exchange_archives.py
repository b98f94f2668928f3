"""Pure mapper of the trade files that Bybit and OKX give away: one row a trade, no receive time.

- Bybit (public.bybit.com/trading): ``timestamp`` in seconds with a fraction, ``side`` of the taker, ``size`` in the
  base coin (inverse: USD); columns after ``foreignNotional`` are not read.
- OKX (historical data): ``created_time`` in milliseconds, ``side`` of the taker, ``size`` in CONTRACTS for swaps. Its
  days end at 16:00 UTC.

Layouts as published files and their readers of 2023 to 2026 have them; the venues document neither. A trade is taken as
received when it happened.
"""

from __future__ import annotations

from liqheat_ingest.mappers.rows import BadRow, Mapped, MapRow, Resolve, positive, show, time_us
from liqheat_ingest.readings import Trade

BYBIT_HEADER = b"timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional"
OKX_HEADERS = (
    b"instrument_name,trade_id,side,price,size,created_time",
    b"instrument_name,trade_id,side,price,size,created_time,source",
)
_AGGRESSOR = {b"Buy": "b", b"Sell": "s", b"buy": "b", b"sell": "s"}


def bybit_trades(resolve: Resolve) -> MapRow:
    """Mapper of Bybit's rows.

    Examples
    --------
    >>> from liqheat_ingest.instruments import find_instrument
    >>> map_row = bybit_trades(lambda exchange, symbol: find_instrument(exchange.decode(), symbol.decode()))
    >>> row = b"1736899200.2345,BTCUSDT,Sell,0.014,96500.1,ZeroMinusTick,5b7c1e52,1.35e+11,0.014,1351.0014".split(b",")
    >>> received_us, trade = map_row(row)
    >>> received_us, trade.aggressor, trade.price, trade.quantity_base
    (1736899200234500, 's', 96500.1, 0.014)
    """

    def map_row(row: list[bytes]) -> Mapped:
        if len(row) < 10:
            raise BadRow(f"10 columns expected, {len(row)} found")
        spec = resolve(b"bybit", row[1])
        if spec is None:
            return None
        at_us = _seconds(row[0])
        price, amount = positive(row[4], "price"), positive(row[3], "size")
        trade = Trade(
            at_us // 1000,
            spec.market,
            at_us // 1000,
            spec.price(price),
            spec.quantity_base(amount, price),
            _side(row[2]),
            row[6].decode("ascii", "replace") or None,
        )
        return at_us, trade

    return map_row


def okx_trades(resolve: Resolve) -> MapRow:
    """Mapper of OKX's rows."""

    def map_row(row: list[bytes]) -> Mapped:
        if len(row) not in (6, 7):
            raise BadRow(f"6 or 7 columns expected, {len(row)} found")
        spec = resolve(b"okex-swap", row[0])
        if spec is None:
            return None
        at_us = time_us(row[5] + b"000", "created_time")
        price, contracts = positive(row[3], "price"), positive(row[4], "size")
        trade = Trade(
            at_us // 1000,
            spec.market,
            at_us // 1000,
            spec.price(price),
            spec.quantity_base(contracts, price),
            _side(row[2]),
            row[1].decode("ascii", "replace") or None,
        )
        return at_us, trade

    return map_row


def _side(text: bytes) -> str:
    if text not in _AGGRESSOR:
        raise BadRow(f"side is neither buy nor sell: {show(text)}")
    return _AGGRESSOR[text]


def _seconds(text: bytes) -> int:
    """Seconds with a fraction, exactly, as microseconds."""
    whole, _, fraction = text.partition(b".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()):
        raise BadRow(f"timestamp is no number of seconds: {show(text)}")
    return time_us(whole + fraction[:6].ljust(6, b"0"), "timestamp")
