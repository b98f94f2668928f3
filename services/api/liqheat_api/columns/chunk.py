"""A chunk: neighbouring closed columns of one coin, scope and timeframe, as arrays and as bytes.

Layout of the bytes, all numbers little-endian: ``b"LQC1"``, then zstd of

    header     n columns (u16), bins (u16), first_bin (i32), payload check: length of what follows (u32)
    slots      n x u16   place of each column in its chunk, rising
    flags      n x u8    bit 0: incomplete, bit 1: has a candle
    candles    fields x 8 x n   float64 split into byte planes
    levels     long, then short: bins x n   u8, bin-major: a bin hardly changes from column to column

The same columns give the same bytes, in whatever order and batches they came.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import cramjam
import numpy as np
import numpy.typing as npt

from liqheat_api.columns.retention import CHUNK_COLUMNS

MAGIC = b"LQC1"
#: 1 ms for 128 columns of 1,300 bins. Level 6 saves 7 % in three times the time; coding the levels as differences in
#: time saves nothing at this level.
ZSTD_LEVEL = 3
#: A map that spans e^16 in price is no map; without a bound one absurd column would fill the memory.
MAX_BINS = 16_384
MAX_ABSOLUTE_BIN = 100_000

#: Order of the rows of ``Chunk.candles``, the names are those of the contract.
CANDLE_FIELDS = (
    "open",
    "high",
    "low",
    "close",
    "volume_usd",
    "taker_buy_usd",
    "cumulative_volume_delta_usd",
    "open_interest_usd",
    "liquidated_long_usd",
    "liquidated_short_usd",
    "consumed_long_usd",
    "consumed_short_usd",
)

_HEADER = struct.Struct("<HHiI")
_INCOMPLETE, _HAS_CANDLE = 1, 2

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class BadChunkError(ValueError):
    """The bytes are no chunk, or the columns do not fit in one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One closed column.

    Attributes
    ----------
    slot : int
        Place in the chunk, 0 to ``CHUNK_COLUMNS - 1``.
    candle : tuple of float or None
        By ``CANDLE_FIELDS``.
    """

    slot: int
    first_bin: int
    long_levels: bytes
    short_levels: bytes
    candle: tuple[float, ...] | None
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Columns of a chunk in arrays.

    Attributes
    ----------
    slots : ndarray of uint16, shape (n,)
        Rising.
    flags : ndarray of uint8, shape (n,)
    candles : ndarray of float64, shape (len(CANDLE_FIELDS), n)
        Zero where a column has no candle: see ``has_candle``.
    first_bin : int
    long_levels, short_levels : ndarray of uint8, shape (bins, n)
    """

    slots: npt.NDArray[np.uint16]
    flags: Bytes
    candles: Floats
    first_bin: int
    long_levels: Bytes
    short_levels: Bytes

    @property
    def incomplete(self) -> npt.NDArray[np.bool_]:
        """Per column: whether part of its interval was not observed."""
        return (self.flags & _INCOMPLETE).astype(np.bool_)

    @property
    def has_candle(self) -> npt.NDArray[np.bool_]:
        """Per column: whether a price was seen in it."""
        return (self.flags & _HAS_CANDLE).astype(np.bool_)


EMPTY = Chunk(
    slots=np.empty(0, np.uint16),
    flags=np.empty(0, np.uint8),
    candles=np.empty((len(CANDLE_FIELDS), 0), np.float64),
    first_bin=0,
    long_levels=np.empty((0, 0), np.uint8),
    short_levels=np.empty((0, 0), np.uint8),
)


def merge(chunk: Chunk, columns: Iterable[Column]) -> Chunk:
    """The chunk with these columns in it; a column replaces an earlier one in the same slot.

    Raises
    ------
    BadChunkError
        Together they would span more than ``MAX_BINS`` bins.
    """
    new = {column.slot: column for column in columns}
    kept = ~np.isin(chunk.slots, np.fromiter(new, np.uint16, len(new)))
    slots = np.concatenate([chunk.slots[kept], np.fromiter(new, np.uint16, len(new))])
    order = np.argsort(slots, kind="stable")
    low, high = _bin_range(chunk, new.values())
    old_count, shape = int(kept.sum()), (high - low, len(slots))
    long_levels, short_levels = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    rows = slice(chunk.first_bin - low, chunk.first_bin - low + len(chunk.long_levels))
    if len(chunk.long_levels):
        long_levels[rows, :old_count] = chunk.long_levels[:, kept]
        short_levels[rows, :old_count] = chunk.short_levels[:, kept]
    flags, candles = np.zeros(len(slots), np.uint8), np.zeros((len(CANDLE_FIELDS), len(slots)))
    flags[:old_count], candles[:, :old_count] = chunk.flags[kept], chunk.candles[:, kept]
    for place, column in enumerate(new.values(), start=old_count):
        start = column.first_bin - low
        long_levels[start : start + len(column.long_levels), place] = np.frombuffer(column.long_levels, np.uint8)
        short_levels[start : start + len(column.short_levels), place] = np.frombuffer(column.short_levels, np.uint8)
        flags[place] = _INCOMPLETE * column.incomplete + _HAS_CANDLE * (column.candle is not None)
        if column.candle is not None:
            candles[:, place] = column.candle
    merged = Chunk(slots[order], flags[order], candles[:, order], low, long_levels[:, order], short_levels[:, order])
    return _trimmed(merged)


def _bin_range(chunk: Chunk, columns: Iterable[Column]) -> tuple[int, int]:
    lows, highs = [], []
    if len(chunk.long_levels):
        lows.append(chunk.first_bin)
        highs.append(chunk.first_bin + len(chunk.long_levels))
    for column in columns:
        bins = max(len(column.long_levels), len(column.short_levels))
        if bins:
            lows.append(column.first_bin)
            highs.append(column.first_bin + bins)
    if not lows:
        return 0, 0
    low, high = min(lows), max(highs)
    if high - low > MAX_BINS:
        raise BadChunkError(f"bins {low} to {high} are {high - low} bins, more than {MAX_BINS} in one chunk")
    return low, high


def _trimmed(chunk: Chunk) -> Chunk:
    """Without empty bins at the edges, so that the bytes depend on the map and not on how it was sent."""
    filled = np.flatnonzero(chunk.long_levels.any(axis=1) | chunk.short_levels.any(axis=1))
    low, high = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    return Chunk(
        chunk.slots,
        chunk.flags,
        chunk.candles,
        chunk.first_bin + low if len(filled) else 0,
        chunk.long_levels[low:high],
        chunk.short_levels[low:high],
    )


def encode(chunk: Chunk) -> bytes:
    """Bytes of a chunk. The same chunk gives the same bytes.

    Examples
    --------
    >>> column = Column(3, 11000, bytes([1, 2]), bytes([0, 9]), None, incomplete=False)
    >>> decode(encode(merge(EMPTY, [column]))).first_bin
    11000
    """
    n, bins = len(chunk.slots), len(chunk.long_levels)
    candles = np.ascontiguousarray(chunk.candles, "<f8")
    planes = candles.view(np.uint8).reshape(len(CANDLE_FIELDS), n, 8).transpose(0, 2, 1)
    body = b"".join(
        (
            chunk.slots.astype("<u2").tobytes(),
            chunk.flags.tobytes(),
            planes.tobytes(),
            chunk.long_levels.tobytes(),
            chunk.short_levels.tobytes(),
        )
    )
    payload = _HEADER.pack(n, bins, chunk.first_bin, len(body)) + body
    return MAGIC + bytes(cramjam.zstd.compress(payload, level=ZSTD_LEVEL))


def decode(data: bytes) -> Chunk:
    """Chunk from its bytes.

    Raises
    ------
    BadChunkError
        They are no chunk.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise BadChunkError(f"a chunk starts with {MAGIC!r}, not {data[:4]!r}")
    try:
        payload = bytes(cramjam.zstd.decompress(data[len(MAGIC) :]))
        n, bins, first_bin, length = _HEADER.unpack_from(payload)
    except (cramjam.DecompressionError, struct.error) as error:
        raise BadChunkError(f"no chunk: {error}") from error
    sizes = (2 * n, n, len(CANDLE_FIELDS) * 8 * n, bins * n, bins * n)
    if n > CHUNK_COLUMNS or length != sum(sizes) or len(payload) != _HEADER.size + length:
        raise BadChunkError(f"a chunk of {n} columns and {bins} bins has {sum(sizes)} bytes, not {length}")
    parts, start = [], _HEADER.size
    for size in sizes:
        parts.append(np.frombuffer(payload, np.uint8, size, start))
        start += size
    planes = parts[2].reshape(len(CANDLE_FIELDS), 8, n).transpose(0, 2, 1)
    return Chunk(
        slots=parts[0].view("<u2").astype(np.uint16),
        flags=parts[1],
        candles=np.ascontiguousarray(planes).reshape(-1).view("<f8").reshape(len(CANDLE_FIELDS), n).astype(np.float64),
        first_bin=first_bin,
        long_levels=parts[3].reshape(bins, n),
        short_levels=parts[4].reshape(bins, n),
    )
