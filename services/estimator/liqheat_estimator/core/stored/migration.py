"""States of earlier versions become states of this version: no position is lost and none is invented.

Version 2 knew nothing of throttled feeds, nor when feeds were heard and positions confirmed: what is new
starts as in a new state (positions are confirmed by the market's last event), everything else stays.

Version 1 had 12 leverage classes, whole bins instead of log prices, no learning and no record. Its layout: 4 bytes
length of the header, the header as JSON, then the rows of the large arrays one after the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cramjam
import numpy as np
import orjson

from liqheat_estimator.core.bins import Floats, Integers, log_bins
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import LONG, SHORT, WINDOW_BINS, EstimatorParameters
from liqheat_estimator.core.position_map import PositionMap
from liqheat_estimator.core.stored.arrays import Array, ArrayReader, ArrayWriter, Header
from liqheat_estimator.core.stored.coin import dump_state, read_state, state_header
from liqheat_estimator.core.stored.market import dump_market

#: Leverage classes of version 1.
LEVERAGES_1: Final = (2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 75.0, 125.0)


def migrate_from_2(body: bytes, coin: str) -> bytes:
    """Bytes of this version from bytes of version 2."""
    raw = memoryview(bytes(cramjam.zstd.decompress(body)))
    end = 4 + int.from_bytes(raw[:4], "little")
    header = state_header(CoinState(coin), ArrayWriter()) | orjson.loads(raw[4:end])
    header["markets"] = [_completed(entry) for entry in header["markets"]]
    for record in header["accuracy"]["open"]:
        record.setdefault("hidden_usd", [0.0, 0.0])
    return dump_state(read_state(header, ArrayReader(raw[end:]), coin))


def _completed(old: Header) -> Header:
    """A market of version 2 with the fields of this one; what it did not have is as in a new market."""
    fresh = dump_market(MarketState(old["venue"], old["symbol"]), ArrayWriter())
    header = fresh | old
    for part in ("learning", "ledger"):
        header[part] = fresh[part] | old[part]
    header["measured"] = [[*position, old["last_event_ms"]] for position in old["measured"]]
    return header


class _RowReader(ArrayReader):
    """Takes arrays out of rows that lie one after the other."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._position = 0

    def take(self, header: Header) -> Array:
        array = np.zeros(header["shape"], dtype=header["dtype"])
        if array.size == 0:
            return array
        rows = array.reshape(-1, array.shape[-1])
        for row, start, end in zip(rows, header["start"], header["end"], strict=True):
            size = (end - start) * array.itemsize
            row[start:end] = np.frombuffer(self._body[self._position : self._position + size], dtype=array.dtype)
            self._position += size
        return array


def migrate_from_1(body: bytes, coin: str, parameters: EstimatorParameters) -> bytes:
    """Bytes of this version from bytes of version 1.

    Each old class's positions go to the new class whose liquidations lie nearest on that market, where they stand.
    What is learned starts from the prior, the record of the map starts empty.

    Raises
    ------
    ValueError
        The state has other classes than version 1 had.
    """
    raw = memoryview(bytes(cramjam.zstd.decompress(body)))
    end = 4 + int.from_bytes(raw[:4], "little")
    # What version 1 did not have is as in a new state.
    header = state_header(CoinState(coin), ArrayWriter()) | orjson.loads(raw[4:end])
    header["markets"] = [_market_header(entry) for entry in header["markets"]]
    state = read_state(header, _RowReader(raw[end:]), coin)
    for market in state.markets.values():
        if market.map is not None:
            market.map = _reclassed(market.map, market, parameters)
    return dump_state(state)


def _market_header(old: Header) -> Header:
    """Fields of this version; what version 1 did not have is as in a new market."""
    header = dump_market(MarketState(old["venue"], old["symbol"]), ArrayWriter())
    header |= {name: value for name, value in old.items() if name in header}
    if old["mark_price"] is not None:
        header["mark_at"] = log_bins(old["mark_price"])
        # The bins that the mark had been in were emptied: longs stand below the lowest, shorts above the highest.
        header["swept_low"] = min(float(old["swept_low_bin"]), header["mark_at"])
        header["swept_high"] = max(float(old["swept_high_bin"] + 1), header["mark_at"])
    header["measured"] = [
        [account, side, quantity_base, None if place is None else place + 0.5, old["last_event_ms"]]
        for account, side, quantity_base, place in old["measured"]
    ]
    return header


def _reclassed(old: PositionMap, market: MarketState, parameters: EstimatorParameters) -> PositionMap:
    count = old.scale.shape[1]
    if count != len(LEVERAGES_1):
        raise ValueError(f"the state of version 1 has {count} leverage classes, not {len(LEVERAGES_1)}")
    new = PositionMap(len(parameters.leverages), old.first_bin + WINDOW_BINS // 2)
    seeded = np.zeros_like(new.total)
    places = _nearest_classes(market, parameters)
    for side in (LONG, SHORT):
        for layer in range(count):
            place, scale = places[side, layer], old.scale[side, layer]
            new.mass[side, place] += old.mass[side, layer] * scale
            new.tail_mass[side, place] += old.tail_mass[side, layer] * scale
            new.tail_moment[side, place] += old.tail_moment[side, layer] * scale
            new.total[side, place] += old.total[side, layer]
            seeded[side, place] += old.total[side, layer] * old.seed_share[side, layer]
    new.seed_share = np.divide(seeded, new.total, out=np.zeros_like(seeded), where=new.total > 0)
    return new


def _nearest_classes(market: MarketState, parameters: EstimatorParameters) -> Integers:
    """For each side and old class the new class of the nearest distance, in proportion: shape (2, old classes)."""
    count = len(LEVERAGES_1)
    shares, half_lives = (1 / count,) * count, (1.0,) * count  # they have no say in distances
    classes = replace(parameters, leverages=LEVERAGES_1, open_interest_shares=shares, half_life_hours=half_lives)
    old_distances = _log_distances(market.stressed_shifts(classes, 0.0))
    new_distances = _log_distances(market.stressed_shifts(parameters, 0.0))
    nearest: Integers = np.abs(old_distances[:, :, None] - new_distances[:, None, :]).argmin(axis=2)
    return nearest


def _log_distances(shifts: Floats) -> Floats:
    logs: Floats = np.log(np.abs(shifts))
    return logs
