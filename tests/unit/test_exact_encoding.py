"""Kept JSON is the JSON: whatever is encoded, in whatever order, and after arrays came and went."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_shared.kafka.exact.encoding import Encoder


@given(st.lists(st.tuples(st.lists(st.integers(0, 10**9), max_size=5), st.booleans()), max_size=20))
def test_as_without_keeping(parts: list[tuple[list[int], bool]]) -> None:
    encoder = Encoder()
    kept: list[Any] = []
    for numbers, keep in parts:
        array = np.array(numbers, dtype=np.int64)
        array.setflags(write=False)
        document = {"a": array, "b": array[1:], "n": np.int64(3), "f": np.float64(0.5)}
        wanted = {"a": numbers, "b": numbers[1:], "n": 3, "f": 0.5}
        for _ in range(2):
            assert orjson.loads(encoder.encode(document)) == wanted
        if keep:
            kept.append(array)


def test_what_can_be_written_to_is_formatted_anew() -> None:
    encoder, array = Encoder(), np.array([1, 2])
    assert encoder.encode({"a": array}) == b'{"a":[1,2]}'
    array[0] = 7
    assert encoder.encode({"a": array}) == b'{"a":[7,2]}'


def test_nothing_is_kept_longer_than_its_array() -> None:
    encoder = Encoder()
    for n in range(100):
        array = np.array([n])
        array.setflags(write=False)
        encoder.encode({"a": array})
    del array
    gc.collect()
    assert encoder._known == {}


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        Encoder().encode({"a": object()})
