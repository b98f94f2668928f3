"""From bytes to an event. Batches of trades, the bulk of the log, take a fast path that accepts what the model does."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
import orjson
from pydantic import ValidationError

from liqheat_estimator.core.bins import Floats
from liqheat_shared.contracts.base import Phase
from liqheat_shared.contracts.market_events import (
    MARKET_EVENT,
    MAX_TRADES_PER_MESSAGE,
    BackfillBracket,
    BookDepth,
    Candle,
    Control,
    FeedStatus,
    Heartbeat,
    Instrument,
    Liquidation,
    OnChainPosition,
    Ticker,
    Trades,
)
from liqheat_shared.folding import Rejected

SCHEMA_VERSION = 1
EVENT_TYPES = frozenset(
    {
        "trades",
        "ticker",
        "liquidation",
        "book-depth",
        "on-chain-position",
        "instrument",
        "candle",
        "heartbeat",
        "feed-interrupted",
        "feed-resumed",
        "backfill-started",
        "backfill-finished",
        "control",
    }
)
#: How far a clock may run ahead of the one that receives: the venue's of ours, ours of the broker's.
MAX_AHEAD_MS = 2_000
#: Up to this many trades plain Python is faster than arrays.
FEW_TRADES = 16

_TIME_END_MS = 10_000_000_000_000
_COIN = re.compile(r"[A-Z0-9]{1,20}")
_VENUE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PHASES = frozenset({"live", "backfill", "replay", "simulated"})
_NUMBERS = frozenset({float, int})
_INTEGERS = frozenset({int})
_STRINGS = frozenset({str})
_BOUGHT = ord("b")


@dataclass(slots=True)
class TradeBatch:
    """A batch of trades with its sums. Prices in quote currency, quantities in the coin."""

    coin: str
    venue: str
    symbol: str
    phase: Phase
    event_time_ms: int
    receive_time_ms: int
    ingest_epoch: int
    sequence: int
    price: Floats
    quantity_base: Floats
    open: float
    high: float
    low: float
    close: float
    total_base: float
    notional_usd: float
    taker_buy_usd: float
    refilled: bool = False
    type: Literal["trades"] = "trades"

    @property
    def volume_weighted_price(self) -> float:
        """Average price by quantity; the last price where all quantities are zero."""
        return self.notional_usd / self.total_base if self.total_base > 0 else self.close


OtherEvent = (
    Ticker
    | Liquidation
    | BookDepth
    | OnChainPosition
    | Instrument
    | Candle
    | Heartbeat
    | FeedStatus
    | BackfillBracket
    | Control
)
Event = TradeBatch | OtherEvent


def decode_event(value: bytes, coin: str, append_time_ms: int) -> Event:
    """Read a message of ``market-events-v1`` as the contract says, in strict mode: no string stands for a number.

    Parameters
    ----------
    coin : str
        Key of the message.
    append_time_ms : int
        The broker's time of it; live events are held against it.

    Raises
    ------
    Rejected
        With reason not-json, not-finite, not-an-object, unknown-schema-version, unknown-type, invalid-field, wrong-key
        or from-the-future.
    """
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        _refuse_text(value, error)
    if type(document) is not dict:
        raise Rejected("not-an-object", f"the message is a JSON {type(document).__name__}")
    version = document.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version != SCHEMA_VERSION:
        raise Rejected("unknown-schema-version", f"schema_version {str(version)[:50]!r}, known is {SCHEMA_VERSION}")
    kind = document.get("type")
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        raise Rejected("unknown-type", f"type {str(kind)[:50]!r}")
    trades = _decode_trades(document) if kind == "trades" else None
    event: Event = _decode_by_model(document) if trades is None else trades
    if event.coin != coin:
        raise Rejected("wrong-key", f"coin {event.coin} in a message with key {coin}")
    _check_clocks(event, append_time_ms)
    return event


def _check_clocks(event: Event, append_time_ms: int) -> None:
    if event.event_time_ms > event.receive_time_ms + MAX_AHEAD_MS:
        ahead = event.event_time_ms - event.receive_time_ms
        raise Rejected("from-the-future", f"event_time_ms is {ahead} ms after receive_time_ms")
    if event.phase == "live" and event.receive_time_ms > append_time_ms + MAX_AHEAD_MS:
        ahead = event.receive_time_ms - append_time_ms
        raise Rejected("from-the-future", f"receive_time_ms is {ahead} ms after the broker's time")


def _refuse_text(value: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    def constant(name: str) -> NoReturn:
        raise Rejected("not-finite", f"{name} in the message")

    def number(text: str) -> float:
        read = float(text)
        if read in (float("inf"), float("-inf")):
            raise Rejected("not-finite", f"{text[:50]} is beyond what a number can hold")
        return read

    with contextlib.suppress(ValueError, RecursionError):
        json.loads(value, parse_constant=constant, parse_float=number)
    raise Rejected("not-json", str(error)[:300])


def _decode_by_model(document: dict[str, Any]) -> Event:
    try:
        event = MARKET_EVENT.validate_python(document, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "message"
        raise Rejected("invalid-field", f"{place}: {first['msg']}"[:500]) from None
    if isinstance(event, Trades):
        return _batch(event.model_dump(), event.price, event.quantity_base, event.aggressor_side)
    return event


def _decode_trades(document: dict[str, Any]) -> TradeBatch | None:
    """A batch that is certainly valid, else None: then the model decides and says what is wrong."""
    get = document.get
    price, quantity, offsets, sides = get("price"), get("quantity_base"), get("time_offset_ms"), get("aggressor_side")
    if not (type(price) is list and type(quantity) is list and type(offsets) is list and type(sides) is str):
        return None
    count = len(price)
    if not 1 <= count <= MAX_TRADES_PER_MESSAGE or not count == len(quantity) == len(offsets) == len(sides):
        return None
    if not (_NUMBERS.issuperset(map(type, price)) and _NUMBERS.issuperset(map(type, quantity))):
        return None
    if not _INTEGERS.issuperset(map(type, offsets)) or max(offsets) > 0 or sides.strip("bs"):
        return None
    if not _envelope_is_valid(document) or not _ids_are_valid(get("trade_id"), count):
        return None
    if type(get("refilled", False)) is not bool:
        return None
    if not (min(price) > 0 and min(quantity) >= 0):
        return None
    return _batch(document, price, quantity, sides)


def _ids_are_valid(ids: Any, count: int) -> bool:
    return ids is None or (type(ids) is list and len(ids) == count and _STRINGS.issuperset(map(type, ids)))


def _envelope_is_valid(document: dict[str, Any]) -> bool:
    get = document.get
    coin, venue, symbol, phase = get("coin"), get("venue"), get("symbol"), get("phase")
    if not (type(coin) is str and type(venue) is str and type(symbol) is str and type(phase) is str):
        return False
    if not (_COIN.fullmatch(coin) and _VENUE.fullmatch(venue) and 1 <= len(symbol) <= 60 and phase in _PHASES):
        return False
    event_time, receive_time = get("event_time_ms"), get("receive_time_ms")
    epoch, sequence = get("ingest_epoch"), get("sequence")
    if not _INTEGERS.issuperset((type(event_time), type(receive_time), type(epoch), type(sequence))):
        return False
    times_fit = 0 <= event_time < _TIME_END_MS and 0 <= receive_time < _TIME_END_MS  # type: ignore[operator]
    return bool(times_fit and epoch >= 0 and sequence >= 0)  # type: ignore[operator]


def _batch(document: dict[str, Any], price: list[float], quantity: list[float], sides: str) -> TradeBatch:
    prices = np.array(price, dtype=np.float64)
    quantities = np.array(quantity, dtype=np.float64)
    if len(price) <= FEW_TRADES:
        total, notional, bought = _sums_of_few(price, quantity, sides)
    else:
        total, notional, bought = _sums(prices, quantities, sides)
    return TradeBatch(
        coin=document["coin"],
        venue=document["venue"],
        symbol=document["symbol"],
        phase=document["phase"],
        event_time_ms=document["event_time_ms"],
        receive_time_ms=document["receive_time_ms"],
        ingest_epoch=document["ingest_epoch"],
        sequence=document["sequence"],
        price=prices,
        quantity_base=quantities,
        open=float(price[0]),
        high=float(max(price)),
        low=float(min(price)),
        close=float(price[-1]),
        total_base=total,
        notional_usd=notional,
        taker_buy_usd=bought,
        refilled=document.get("refilled", False),
    )


def _sums_of_few(price: list[float], quantity: list[float], sides: str) -> tuple[float, float, float]:
    """Total quantity, notional, notional that takers bought: faster than arrays for a handful of trades."""
    total = notional = bought = 0.0
    for each_price, each_quantity, side in zip(price, quantity, sides, strict=True):
        value = float(each_price) * float(each_quantity)
        total += each_quantity
        notional += value
        if side == "b":
            bought += value
    return total, notional, bought


def _sums(prices: Floats, quantities: Floats, sides: str) -> tuple[float, float, float]:
    """The same with arrays."""
    with np.errstate(over="ignore"):  # an infinite notional is refused later, by name
        notional = prices * quantities
        bought = np.frombuffer(sides.encode(), dtype=np.uint8) == _BOUGHT
        sums = np.add.reduce(quantities), np.add.reduce(notional), np.add.reduce(notional, where=bought)
    total, value, bought_value = sums
    return float(total), float(value), float(bought_value)
