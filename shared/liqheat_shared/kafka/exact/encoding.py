"""JSON of outputs, at the price of what changed.

Most seconds leave most of a map as it was, and formatting a thousand numbers costs more than folding the event. So the
JSON of an array that can't be written to is kept as long as the array lives.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson


class Encoder:
    """Encodes documents that hold numpy arrays.

    Examples
    --------
    >>> encoder = Encoder()
    >>> encoder.encode({"long_usd": np.array([1, 2, 3])})
    b'{"long_usd":[1,2,3]}'
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], orjson.Fragment]] = {}

    def encode(self, document: Mapping[str, Any]) -> bytes:
        """The document as JSON."""
        return orjson.dumps(document, default=self._other)

    def _other(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{type(value).__name__} has no JSON")
        if value.flags.writeable:
            return _fragment(value)
        name = id(value)
        known = self._known.get(name)
        if known is not None and known[0]() is value:
            return known[1]
        fragment = _fragment(value)
        self._known[name] = weakref.ref(value, lambda _: self._known.pop(name, None)), fragment
        return fragment


def _fragment(array: np.ndarray[Any, Any]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY))
