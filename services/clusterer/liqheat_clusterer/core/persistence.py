"""State to bytes and back: scalars as sorted JSON, arrays as they lie in memory, compressed. Exact to the last bit."""

from __future__ import annotations

import struct
from dataclasses import fields
from typing import Any

import cramjam
import numpy as np
import orjson
from numpy.typing import NDArray

from liqheat_clusterer.core.base_rates import BaseRates, Window
from liqheat_clusterer.core.coin_clusters import CoinClusters
from liqheat_clusterer.core.magnets import HourlyVolume
from liqheat_clusterer.core.parameters import Parameters
from liqheat_clusterer.core.scope_clusters import ScopeClusters
from liqheat_clusterer.core.time_averages import TimeAverages
from liqheat_clusterer.core.tracked_cluster import TrackedCluster
from liqheat_shared.folding import Origin

COMPRESSION_LEVEL = 1
_HEADER = struct.Struct("<I")
_SCOPE_SCALARS = (
    "quantile_floor_usd",
    "next_detection_ms",
    "next_sample_ms",
    "last_grid_ms",
    "last_set",
    "last_set_ms",
    "last_set_mark_bin",
    "last_magnets",
    "last_magnets_ms",
    "last_bias",
)
_COIN_SCALARS = ("last_time_ms", "minted", "event_count", "restart_reason", "rejected_events")
_CLUSTER_SCALARS = tuple(field.name for field in fields(TrackedCluster) if field.name != "density")
Document = dict[str, Any]


class _Arrays:
    """Arrays beside a JSON document, which names them by number."""

    def __init__(self, body: bytes = b"", layout: list[tuple[str, list[int]]] | None = None) -> None:
        self.parts: list[bytes] = []
        self.layout: list[tuple[str, list[int]]] = []
        self.loaded: list[NDArray[Any]] = []
        offset = 0
        for dtype, shape in layout or []:
            count = int(np.prod(shape))
            array = np.frombuffer(body, dtype=dtype, count=count, offset=offset).reshape(shape).copy()
            offset += array.nbytes
            self.loaded.append(array)

    def put(self, array: NDArray[Any]) -> int:
        self.parts.append(np.ascontiguousarray(array).tobytes())
        self.layout.append((array.dtype.str, list(array.shape)))
        return len(self.layout) - 1

    def get(self, number: int) -> NDArray[Any]:
        return self.loaded[number]


def dump_state(state: CoinClusters) -> bytes:
    """Bytes of a coin's state: the same state gives the same bytes."""
    arrays = _Arrays()
    document = {
        "coin": {name: getattr(state, name) for name in _COIN_SCALARS},
        "last_origin": None if state.last_origin is None else list(state.last_origin),
        "rates": _dump_rates(state.rates, arrays),
        "volume": [state.volume.decayed_usd, state.volume.observed_ms, state.volume.last_time_ms],
        "scopes": {name: _dump_scope(state.scopes[name], arrays) for name in sorted(state.scopes)},
    }
    head = orjson.dumps({"document": document, "layout": arrays.layout}, option=orjson.OPT_SORT_KEYS)
    raw = b"".join([_HEADER.pack(len(head)), head, *arrays.parts])
    return bytes(cramjam.zstd.compress(raw, level=COMPRESSION_LEVEL))


def load_state(body: bytes, coin: str, parameters: Parameters) -> CoinClusters:
    """State from :func:`dump_state`.

    Raises
    ------
    ValueError
        The bytes are no state, or are of other parameters.
    """
    try:
        raw = bytes(cramjam.zstd.decompress(body))
        (length,) = _HEADER.unpack_from(raw)
        content = orjson.loads(raw[_HEADER.size : _HEADER.size + length])
        arrays = _Arrays(raw[_HEADER.size + length :], content["layout"])
    except (cramjam.DecompressionError, struct.error, orjson.JSONDecodeError, KeyError) as error:
        raise ValueError(f"state of {coin}: {type(error).__name__}: {error}") from error
    document = content["document"]
    state = CoinClusters(coin, parameters)
    _set(state, document["coin"])
    origin = document["last_origin"]
    state.last_origin = None if origin is None else Origin(*origin)
    _load_rates(state.rates, document["rates"], arrays)
    state.volume = HourlyVolume()
    state.volume.decayed_usd, state.volume.observed_ms, state.volume.last_time_ms = document["volume"]
    for name, scope in document["scopes"].items():
        state.scopes[name] = _load_scope(scope, arrays, parameters)
    return state


def _set(target: Any, values: Document) -> None:
    for name, value in values.items():
        setattr(target, name, value)


def _dump_rates(rates: BaseRates, arrays: _Arrays) -> Document:
    rows = [
        (float(window.start_ms), window.price, _or_nan(window.sigma_1h), window.high, window.low)
        for window in rates.windows
    ]
    return {
        "counts": arrays.put(rates.counts),
        "windows": arrays.put(np.array(rows, dtype=np.float64).reshape(len(rows), 5)),
        "next_start_ms": rates.next_start_ms,
        "last_time_ms": rates.last_time_ms,
    }


def _load_rates(rates: BaseRates, document: Document, arrays: _Arrays) -> None:
    counts = arrays.get(document["counts"])
    if counts.shape != rates.counts.shape:
        raise ValueError(f"base rates of shape {counts.shape}, expected {rates.counts.shape}: other horizons")
    rates.counts = counts
    rates.windows = [
        Window(int(start), price, None if sigma != sigma else sigma, high, low)
        for start, price, sigma, high, low in arrays.get(document["windows"]).tolist()
    ]
    rates.next_start_ms = document["next_start_ms"]
    rates.last_time_ms = document["last_time_ms"]


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _dump_scope(scope: ScopeClusters, arrays: _Arrays) -> Document:
    averages, masses = scope.averages, scope.masses
    return {
        "scalars": {name: getattr(scope, name) for name in _SCOPE_SCALARS},
        "consumed_usd": scope.consumed_usd,
        "clusters": [_dump_cluster(cluster, arrays) for cluster in scope.clusters],
        "reacting": [_dump_cluster(cluster, arrays) for cluster in scope.reacting],
        "averages": {
            "first_bin": averages.first_bin,
            "observed_ms": averages.observed_ms,
            "last_sample_ms": averages.last_sample_ms,
            "width_bins": averages.width_bins,
        },
        "mean": arrays.put(averages.mean),
        "masses": {"day_numbers": masses.day_numbers, "first_time_ms": masses.first_time_ms},
        "mass_counts": arrays.put(masses.counts),
    }


def _load_scope(document: Document, arrays: _Arrays, parameters: Parameters) -> ScopeClusters:
    scope = ScopeClusters(parameters)
    _set(scope, document["scalars"])
    consumed = document["consumed_usd"]
    scope.consumed_usd = None if consumed is None else (consumed[0], consumed[1])
    scope.clusters = [_load_cluster(cluster, arrays) for cluster in document["clusters"]]
    scope.reacting = [_load_cluster(cluster, arrays) for cluster in document["reacting"]]
    scope.averages = TimeAverages()
    _set(scope.averages, document["averages"])
    scope.averages.mean = arrays.get(document["mean"])
    counts = arrays.get(document["mass_counts"])
    if counts.shape != scope.masses.counts.shape:
        raise ValueError(f"mass histogram of shape {counts.shape}, expected {scope.masses.counts.shape}: other days")
    _set(scope.masses, document["masses"])
    scope.masses.counts = counts
    return scope


def _dump_cluster(cluster: TrackedCluster, arrays: _Arrays) -> Document:
    document = {name: getattr(cluster, name) for name in _CLUSTER_SCALARS}
    document["density"] = arrays.put(cluster.density)
    return document


def _load_cluster(document: Document, arrays: _Arrays) -> TrackedCluster:
    return TrackedCluster(**{**document, "density": arrays.get(document["density"])})
