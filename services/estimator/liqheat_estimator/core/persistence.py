"""State of a coin as bytes, exact to the last bit: the same state gives the same bytes, and the bytes the same state.

Layout, compressed with zstd: 4 bytes little-endian length of the header, the header as JSON with sorted keys, then the
large arrays raw. Of each row of an array only the range from its first to its last non-zero cell is kept. Floats in
the header survive, since JSON carries their shortest exact form. Lists, not objects, hold what has an order.
"""

from __future__ import annotations

from typing import Any

import cramjam
import numpy as np
import orjson
from numpy.typing import NDArray

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.columns import OpenColumn, PendingCandles, ScopeColumns
from liqheat_estimator.core.ledger import Ledger
from liqheat_estimator.core.liquidations import LiquidationTotals
from liqheat_estimator.core.market_state import MarketState, Suspicion
from liqheat_estimator.core.measured_positions import MeasuredPosition, MeasuredPositions
from liqheat_estimator.core.position_map import PositionMap
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.volatility import AverageTrueRange, Volatility
from liqheat_estimator.core.volume_profile import VolumeProfile
from liqheat_shared.contracts.market_events import Instrument

COMPRESSION_LEVEL = 1
Header = dict[str, Any]
Array = NDArray[Any]

_MARKET_FIELDS = (
    "venue",
    "symbol",
    "volume_known",
    "has_trades",
    "mark_price",
    "mark_at",
    "mark_is_reported",
    "reported_mark_ms",
    "mark_to_last",
    "last_price",
    "index_price",
    "swept_low",
    "swept_high",
    "open_interest_base",
    "flow_ms",
    "flows",
    "is_seeded",
    "last_event_ms",
    "backfill_id",
    "incomplete_until_ms",
)
_COIN_FIELDS = (
    "clock_ms",
    "cumulative_volume_delta_usd",
    "last_price",
    "classes_minute",
    "duplicates",
    "rejected_events",
    "incomplete_until_ms",
    "history_lost_ms",
    "clusterer_released",
)
_LEDGER_FIELDS = ("deposited_base", "consumed_base", "closed_base", "consumed_usd")
_SUSPICION_FIELDS = ("count", "first_ms", "low", "high")
_BAR_FIELDS = ("open", "high", "low", "close", "volume_usd", "taker_buy_usd", "liquidated_usd", "consumed_usd")
_VOLATILITY_FIELDS = ("minute", "price", "variance_sum", "weight", "returns")
_RANGE_FIELDS = ("value", "bars", "last_close")
_COLUMN_FIELDS = (
    "open_ms",
    "minutes",
    "first_bin",
    "open_interest_usd",
    "cumulative_volume_delta_usd",
    "incomplete",
)
_MAP_ARRAYS = ("scale", "tail_mass", "tail_moment", "total", "seed_share")


class _ArrayWriter:
    """Collects rows of arrays; what it returns goes into the header."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def put(self, array: Array) -> Header:
        if array.size == 0:
            return {"shape": list(array.shape), "dtype": array.dtype.str, "start": [], "end": []}
        rows = array.reshape(-1, array.shape[-1])
        filled = rows != 0
        some = filled.any(axis=1)
        starts = np.where(some, filled.argmax(axis=1), 0)
        ends = np.where(some, rows.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
        self.parts += [row[start:end].tobytes() for row, start, end in zip(rows, starts, ends, strict=True)]
        return {"shape": list(array.shape), "dtype": array.dtype.str, "start": starts.tolist(), "end": ends.tolist()}


class _ArrayReader:
    """Takes the arrays out again, in the order in which they were put."""

    def __init__(self, body: memoryview) -> None:
        self.body = body
        self.position = 0

    def take(self, header: Header) -> Array:
        array = np.zeros(header["shape"], dtype=header["dtype"])
        if array.size == 0:
            return array
        rows = array.reshape(-1, array.shape[-1])
        for row, start, end in zip(rows, header["start"], header["end"], strict=True):
            size = (end - start) * array.itemsize
            row[start:end] = np.frombuffer(self.body[self.position : self.position + size], dtype=array.dtype)
            self.position += size
        return array


def dump_state(state: CoinState) -> bytes:
    """Bytes of a state."""
    arrays = _ArrayWriter()
    header = _plain(state, _COIN_FIELDS) | {
        "cursors": [[*key, *cursor] for key, cursor in state.cursors.items()],
        "interval": _plain(state.interval, _BAR_FIELDS),
        "volatility": _plain(state.volatility, _VOLATILITY_FIELDS),
        "average_true_range": _plain(state.average_true_range, _RANGE_FIELDS),
        "clock_suspicion": _plain(state.clock_suspicion, _SUSPICION_FIELDS),
        "liquidation_totals": _dump_totals(state.liquidation_totals),
        "markets": [_dump_market(market, arrays) for market in state.markets.values()],
        "columns": [[scope, _dump_columns(columns, arrays)] for scope, columns in state.columns.items()],
    }
    text = orjson.dumps(header, option=orjson.OPT_SORT_KEYS)
    body = b"".join([len(text).to_bytes(4, "little"), text, *arrays.parts])
    return bytes(cramjam.zstd.compress(body, level=COMPRESSION_LEVEL))


def load_state(body: bytes, coin: str, layers: int) -> CoinState:
    """The state that :func:`dump_state` wrote.

    Raises
    ------
    ValueError
        The state has another number of layers than the model: start a new log epoch, or keep the parameters.
    """
    raw = memoryview(bytes(cramjam.zstd.decompress(body)))
    end = 4 + int.from_bytes(raw[:4], "little")
    header = orjson.loads(raw[4:end])
    arrays = _ArrayReader(raw[end:])
    state = CoinState(coin)
    _restore(state, header, _COIN_FIELDS)
    state.cursors = {(venue, symbol): (epoch, sequence) for venue, symbol, epoch, sequence in header["cursors"]}
    state.interval = PriceBar(**header["interval"])
    state.volatility = Volatility(**header["volatility"])
    state.average_true_range = AverageTrueRange(**header["average_true_range"])
    state.clock_suspicion = Suspicion(**header["clock_suspicion"])
    state.liquidation_totals = _load_totals(header["liquidation_totals"])
    for entry in header["markets"]:
        market = _load_market(entry, arrays)
        if market.map is not None and market.map.scale.shape[1] != layers:
            raise ValueError(f"the state has {market.map.scale.shape[1]} leverage classes, the model {layers}")
        state.markets[market.venue, market.symbol] = market
    state.columns = {scope: _load_columns(entry, arrays) for scope, entry in header["columns"]}
    return state


def _plain(source: Any, names: tuple[str, ...]) -> Header:
    return {name: getattr(source, name) for name in names}


def _restore(target: Any, header: Header, names: tuple[str, ...]) -> None:
    for name in names:
        setattr(target, name, header[name])


# ---- markets


def _dump_market(market: MarketState, arrays: _ArrayWriter) -> Header:
    return _plain(market, _MARKET_FIELDS) | {
        "map": None if market.map is None else _dump_map(market.map, arrays),
        "measured": [[account, *position] for account, position in market.measured.accounts.items()],
        "measured_base": market.measured.quantity_base,
        "ledger": _plain(market.ledger, _LEDGER_FIELDS),
        "instrument": None if market.instrument is None else market.instrument.model_dump(mode="json"),
        "traded": [market.traded.first_bin, market.traded.quantity_base.tolist()],
        "stream_seen_ms": list(market.stream_seen_ms.items()),
        "interrupted": list(market.interrupted.items()),
        "suspicion": _plain(market.suspicion, _SUSPICION_FIELDS),
    }


def _load_market(header: Header, arrays: _ArrayReader) -> MarketState:
    market = MarketState(header["venue"], header["symbol"])
    _restore(market, header, _MARKET_FIELDS)
    market.map = None if header["map"] is None else _load_map(header["map"], arrays)
    market.measured = _load_measured(header)
    market.ledger = Ledger(**header["ledger"])
    market.instrument = None if header["instrument"] is None else Instrument.model_validate(header["instrument"])
    first_bin, quantities = header["traded"]
    market.traded = VolumeProfile(first_bin, np.array(quantities, dtype=np.float64))
    market.stream_seen_ms = dict(header["stream_seen_ms"])
    market.interrupted = dict(header["interrupted"])
    market.suspicion = Suspicion(**header["suspicion"])
    return market


def _load_measured(header: Header) -> MeasuredPositions:
    measured = MeasuredPositions()
    for account, side, quantity_base, bin_index in header["measured"]:
        measured.accounts[account] = MeasuredPosition(side, quantity_base, bin_index)
        measured.counts[side] += 1
    measured.quantity_base = header["measured_base"]
    return measured


def _dump_map(positions: PositionMap, arrays: _ArrayWriter) -> Header:
    header = {name: getattr(positions, name).tolist() for name in _MAP_ARRAYS}
    return header | {"first_bin": positions.first_bin, "mass": arrays.put(positions.mass)}


def _load_map(header: Header, arrays: _ArrayReader) -> PositionMap:
    positions = PositionMap(len(header["scale"][0]), 0)
    positions.first_bin = header["first_bin"]
    positions.mass = arrays.take(header["mass"])
    for name in _MAP_ARRAYS:
        setattr(positions, name, np.array(header[name], dtype=np.float64))
    return positions


# ---- columns and totals


def _dump_columns(columns: ScopeColumns, arrays: _ArrayWriter) -> Header:
    pending = columns.pending
    return {
        "bar": _plain(columns.bar, _BAR_FIELDS),
        "cumulative_volume_delta_usd": columns.cumulative_volume_delta_usd,
        "sampled_ms": columns.sampled_ms,
        "pending": None if pending is None else [pending.end_ms, pending.span_ms, _plain(pending.bar, _BAR_FIELDS)],
        "levels": [
            _plain(level, _COLUMN_FIELDS)
            | {"bar": _plain(level.bar, _BAR_FIELDS), "usd_minutes": arrays.put(level.usd_minutes)}
            for level in columns.levels
        ],
    }


def _load_columns(header: Header, arrays: _ArrayReader) -> ScopeColumns:
    columns = ScopeColumns(
        bar=PriceBar(**header["bar"]),
        cumulative_volume_delta_usd=header["cumulative_volume_delta_usd"],
        sampled_ms=header["sampled_ms"],
        levels=[_load_level(entry, arrays) for entry in header["levels"]],
    )
    if header["pending"] is not None:
        end_ms, span_ms, bar = header["pending"]
        columns.pending = PendingCandles(end_ms, span_ms, PriceBar(**bar))
    return columns


def _load_level(header: Header, arrays: _ArrayReader) -> OpenColumn:
    level = OpenColumn(bar=PriceBar(**header["bar"]))
    _restore(level, header, _COLUMN_FIELDS)
    level.usd_minutes = arrays.take(header["usd_minutes"])
    return level


def _dump_totals(totals: LiquidationTotals) -> Header:
    slots = np.flatnonzero(totals.minute >= 0)
    return {
        "latest": totals.latest,
        "slots": slots.tolist(),
        "minute": totals.minute[slots].tolist(),
        "amount": totals.amount[:, slots].tolist(),
    }


def _load_totals(header: Header) -> LiquidationTotals:
    totals = LiquidationTotals(latest=header["latest"])
    totals.minute[header["slots"]] = header["minute"]
    totals.amount[:, header["slots"]] = np.array(header["amount"], dtype=np.float64).reshape(3, -1)
    return totals
