"""Positions of accounts: exact, with the liquidation price that the venue computes.

An account's state lists its open positions only, so one that is no longer listed was closed. The closed ones are told
as positions of size zero, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.mappers.fields import BadMessage, choice, items_of, member, number, positive, show, text, time_ms
from liqheat_ingest.mappers.hyperliquid.accounts import is_address
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped

if TYPE_CHECKING:
    from liqheat_ingest.mappers.hyperliquid import HyperliquidMapper

#: Accounts whose positions are remembered; the least recently asked for goes first.
MAX_ACCOUNTS = 20_000
#: A mark may have passed a liquidation price by so much before the position is gone from the state.
BEYOND_TOLERANCE = 0.1
_MODES = {"cross": "cross", "isolated": "isolated"}

Open = dict[str, tuple[InstrumentSpec, dict[str, Any]]]


class KnownPositions:
    """Open positions by account, in the order in which the accounts were heard of last. Bounded."""

    def __init__(self, max_accounts: int = MAX_ACCOUNTS) -> None:
        self._max = max_accounts
        self._accounts: dict[str, tuple[int, Open]] = {}

    def take(self, account: str, time_ms: int, positions: Open) -> Open:
        """Note what is open now; returns what no longer is. Raises BadMessage for a state older than the last."""
        last_ms, before = self._accounts.pop(account, (0, {}))
        if time_ms < last_ms:
            self._accounts[account] = last_ms, before
            raise BadMessage("out-of-order", f"a state of {time_ms} after one of {last_ms}")
        if positions:
            self._accounts[account] = time_ms, positions
            if len(self._accounts) > self._max:
                del self._accounts[next(iter(self._accounts))]
        return {symbol: entry for symbol, entry in before.items() if symbol not in positions}

    def __len__(self) -> int:
        return len(self._accounts)


def account_state(mapper: HyperliquidMapper, raw: RawMessage, out: list[Mapped]) -> None:
    """``clearinghouseState``: names no account, so the request must."""
    account = parse_qs(urlsplit(raw.channel.partition(":")[2]).query).get("user", [""])[0].lower()
    if not is_address(account):
        raise BadMessage("invalid-field", "user is not in the request, and the answer does not repeat it")
    event_ms = time_ms(member(raw.data, "time"), "time", raw.receive_time_ms)
    positions: Open = {}
    whole = True

    def one(entry: Any) -> Fact | None:
        nonlocal whole
        try:
            position = member(entry, "position")
            symbol = text(position, "coin")
            spec = mapper.find(symbol, "coin")
            if spec is None:
                return None
            fields = position_fields(spec, account, position)
        except BadMessage as fault:
            whole = whole and fault.reason == "unknown-market"
            raise
        positions[symbol] = spec, fields
        return Fact(raw.receive_time_ms, spec.market, event_ms, "on-chain-position", fields, None)

    mapper.each(raw, "positions", items_of(raw.data, "assetPositions"), one, out)
    if not whole:
        return  # a position that could not be read is not one that was closed
    for spec, fields in mapper.positions.take(account, event_ms, positions).values():
        closed = fields | {"quantity_base": 0.0, "liquidation_price": None}
        out.append(Fact(raw.receive_time_ms, spec.market, event_ms, "on-chain-position", closed, None))


def position_fields(spec: InstrumentSpec, account: str, position: Any) -> dict[str, Any]:
    """Fields of ``on-chain-position``. ``szi`` is signed; ``liquidationPx`` null: the margin covers any price."""
    signed = number(member(position, "szi"), "szi")
    if signed == 0.0:
        raise BadMessage("zero-size", "szi is zero")
    entry = positive(member(position, "entryPx"), "entryPx")
    told = member(position, "liquidationPx")
    liquidation = None if told is None else positive(told, "liquidationPx")
    leverage = member(position, "leverage")
    side = "long" if signed > 0 else "short"
    value = positive(member(position, "positionValue"), "positionValue")
    mark = value / abs(signed)
    beyond = 0.0 if liquidation is None else (liquidation / mark - 1.0) * (1.0 if signed > 0 else -1.0)
    if beyond > BEYOND_TOLERANCE:
        raise BadMessage("invalid-field", f"a {side} at a mark of {mark:g} is not liquidated at {show(told)} only")
    return {
        "account": account,
        "side": side,
        "quantity_base": spec.quantity_base(abs(signed), entry),
        "entry_price": spec.price(entry),
        "liquidation_price": None if liquidation is None else spec.price(liquidation),
        "leverage": positive(member(leverage, "value"), "leverage"),
        "margin_mode": choice(leverage, "type", _MODES),
    }


def cross_liquidation_price(
    mark_price: float,
    signed_quantity: float,
    account_value: float,
    maintenance_margin: float,
    maintenance_margin_rate: float,
) -> float | None:
    """The venue's formula of a cross position's liquidation price: ``LP = P - s M / q / (1 - m s)``.

    Parameters
    ----------
    mark_price : float
        ``P``.
    signed_quantity : float
        ``s q``: below zero for a short.
    account_value : float
        Of the cross account, in USD (of an isolated position: its margin with its unrealised profit).
    maintenance_margin : float
        Required for ALL positions of the account at the mark, in USD; ``M`` is what is left above it.
    maintenance_margin_rate : float
        ``m`` of the position.

    Returns
    -------
    float or None
        None: no positive price liquidates it.

    Examples
    --------
    A short of 5,983 JUP worth 1,967.68904 USD in an account of 14,762.60 USD, greatest leverage 10 (2026-10-04):

    >>> mark = 1967.68904 / 5983
    >>> round(cross_liquidation_price(mark, -5983, 14762.6, 0.05 * 1967.68904, 0.05), 6)
    2.663147
    """
    side = 1.0 if signed_quantity > 0 else -1.0
    available = account_value - maintenance_margin
    price = mark_price - side * available / abs(signed_quantity) / (1.0 - maintenance_margin_rate * side)
    return price if price > 0 else None
