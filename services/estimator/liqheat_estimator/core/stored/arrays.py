"""Large arrays beside the header.

Of each row of an array only the range from its first to its last non-zero cell is kept. The bytes of all numbers of a
size are sorted by their place in the number: most cells are rounded to single precision, so the low bytes of doubles
are zeros in a row, which compress to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Header = dict[str, Any]
Array = NDArray[Any]


class ArrayWriter:
    """Collects rows of arrays; what ``put`` returns goes into the header."""

    def __init__(self) -> None:
        self._rows: list[Array] = []

    def put(self, array: Array) -> Header:
        """Keep an array; only rows of numbers of 1, 4 or 8 bytes."""
        if array.size == 0:
            return {"shape": list(array.shape), "dtype": array.dtype.str, "start": [], "end": []}
        rows = array.reshape(-1, array.shape[-1])
        filled = rows != 0
        some = filled.any(axis=1)
        starts = np.where(some, filled.argmax(axis=1), 0)
        ends = np.where(some, rows.shape[1] - filled[:, ::-1].argmax(axis=1), 0)
        self._rows += [row[start:end] for row, start, end in zip(rows, starts, ends, strict=True) if end > start]
        return {"shape": list(array.shape), "dtype": array.dtype.str, "start": starts.tolist(), "end": ends.tolist()}

    def body(self) -> bytes:
        """All rows: 3 counts of bytes, then the rows of each size with their bytes sorted by place."""
        parts = [[row for row in self._rows if row.itemsize == size] for size in _SIZES]
        blocks = [_sorted_bytes(rows, size) for rows, size in zip(parts, _SIZES, strict=True)]
        counts = b"".join(len(block).to_bytes(4, "little") for block in blocks)
        return counts + b"".join(blocks)


_SIZES = (8, 4, 1)


def _sorted_bytes(rows: list[Array], size: int) -> bytes:
    raw = np.frombuffer(b"".join(row.tobytes() for row in rows), dtype=np.uint8)
    return raw.reshape(-1, size).T.tobytes()


class ArrayReader:
    """Takes the arrays out again, in the order in which they were put."""

    def __init__(self, body: memoryview) -> None:
        self._blocks: dict[int, bytes] = {}
        self._positions = dict.fromkeys(_SIZES, 0)
        start = 4 * len(_SIZES)
        for place, size in enumerate(_SIZES):
            length = int.from_bytes(body[4 * place : 4 * place + 4], "little")
            raw = np.frombuffer(body[start : start + length], dtype=np.uint8)
            self._blocks[size] = raw.reshape(size, -1).T.tobytes()
            start += length

    def take(self, header: Header) -> Array:
        """The next array, which was put with this header."""
        array = np.zeros(header["shape"], dtype=header["dtype"])
        if array.size == 0:
            return array
        rows = array.reshape(-1, array.shape[-1])
        size = array.itemsize
        for row, start, end in zip(rows, header["start"], header["end"], strict=True):
            position, length = self._positions[size], (end - start) * size
            row[start:end] = np.frombuffer(self._blocks[size][position : position + length], dtype=array.dtype)
            self._positions[size] = position + length
        return array


def plain(source: Any, names: tuple[str, ...]) -> Header:
    """Attributes that JSON can hold, by name."""
    return {name: getattr(source, name) for name in names}


def restore(target: Any, header: Header, names: tuple[str, ...]) -> None:
    """Set attributes from a header."""
    for name in names:
        setattr(target, name, header[name])
