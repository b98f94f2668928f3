"""The whole state of a coin as bytes.

Layout, compressed with zstd: 4 bytes little-endian length of the header, the header as JSON with sorted keys, then the
large arrays (``arrays.py``). Floats in the header survive, since JSON carries their shortest exact form. Lists, not
objects, hold what has an order.
"""

from __future__ import annotations

import cramjam
import numpy as np
import orjson

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.columns import OpenColumn, PendingCandles, ScopeColumns
from liqheat_estimator.core.liquidations import LiquidationTotals
from liqheat_estimator.core.market_state import Suspicion
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.stored.accuracy import dump_accuracy, load_accuracy
from liqheat_estimator.core.stored.arrays import ArrayReader, ArrayWriter, Header, plain, restore
from liqheat_estimator.core.stored.market import SUSPICION_FIELDS, dump_market, load_market
from liqheat_estimator.core.volatility import AverageTrueRange, Volatility

COMPRESSION_LEVEL = 1
_COIN_FIELDS = (
    "clock_ms",
    "cumulative_volume_delta_usd",
    "last_price",
    "classes_minute",
    "stressed_minute",
    "live_phase",
    "duplicates",
    "rejected_events",
    "incomplete_until_ms",
    "history_lost_ms",
    "clusterer_released",
    "reported_share",
)
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


def dump_state(state: CoinState) -> bytes:
    """Bytes of a state."""
    arrays = ArrayWriter()
    text = orjson.dumps(state_header(state, arrays), option=orjson.OPT_SORT_KEYS)
    body = b"".join([len(text).to_bytes(4, "little"), text, arrays.body()])
    return bytes(cramjam.zstd.compress(body, level=COMPRESSION_LEVEL))


def state_header(state: CoinState, arrays: ArrayWriter) -> Header:
    """Everything but the large arrays."""
    return plain(state, _COIN_FIELDS) | {
        "cursors": [[*key, *cursor] for key, cursor in state.cursors.items()],
        "interval": plain(state.interval, _BAR_FIELDS),
        "volatility": plain(state.volatility, _VOLATILITY_FIELDS),
        "average_true_range": plain(state.average_true_range, _RANGE_FIELDS),
        "clock_suspicion": plain(state.clock_suspicion, SUSPICION_FIELDS),
        "liquidation_totals": _dump_totals(state.liquidation_totals),
        "markets": [dump_market(market, arrays) for market in state.markets.values()],
        "columns": [[scope, _dump_columns(columns, arrays)] for scope, columns in state.columns.items()],
        "accuracy": dump_accuracy(state.accuracy, arrays),
    }


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
    arrays = ArrayReader(raw[end:])
    state = read_state(header, arrays, coin)
    for market in state.markets.values():
        if market.map is not None and market.map.scale.shape[1] != layers:
            raise ValueError(f"the state has {market.map.scale.shape[1]} leverage classes, the model {layers}")
    return state


def read_state(header: Header, arrays: ArrayReader, coin: str) -> CoinState:
    """The state of a header, whatever layers it has."""
    state = CoinState(coin)
    restore(state, header, _COIN_FIELDS)
    state.cursors = {(venue, symbol): (epoch, sequence) for venue, symbol, epoch, sequence in header["cursors"]}
    state.interval = PriceBar(**header["interval"])
    state.volatility = Volatility(**header["volatility"])
    state.average_true_range = AverageTrueRange(**header["average_true_range"])
    state.clock_suspicion = Suspicion(**header["clock_suspicion"])
    state.liquidation_totals = _load_totals(header["liquidation_totals"])
    for entry in header["markets"]:
        market = load_market(entry, arrays)
        state.markets[market.venue, market.symbol] = market
    state.columns = {scope: _load_columns(entry, arrays) for scope, entry in header["columns"]}
    state.accuracy = load_accuracy(header["accuracy"], arrays)
    return state


# ---- columns and totals


def _dump_columns(columns: ScopeColumns, arrays: ArrayWriter) -> Header:
    pending = columns.pending
    return {
        "bar": plain(columns.bar, _BAR_FIELDS),
        "cumulative_volume_delta_usd": columns.cumulative_volume_delta_usd,
        "sampled_ms": columns.sampled_ms,
        "pending": None if pending is None else [pending.end_ms, pending.span_ms, plain(pending.bar, _BAR_FIELDS)],
        "levels": [
            plain(level, _COLUMN_FIELDS)
            | {"bar": plain(level.bar, _BAR_FIELDS), "usd_minutes": arrays.put(level.usd_minutes)}
            for level in columns.levels
        ],
    }


def _load_columns(header: Header, arrays: ArrayReader) -> ScopeColumns:
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


def _load_level(header: Header, arrays: ArrayReader) -> OpenColumn:
    level = OpenColumn(bar=PriceBar(**header["bar"]))
    restore(level, header, _COLUMN_FIELDS)
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
