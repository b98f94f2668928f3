"""Chunks of columns: what goes in comes out, in whatever order it came, and as the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_api.columns import chunk as chunks
from liqheat_api.columns.heatmap import assemble
from liqheat_api.columns.retention import CHUNK_COLUMNS, RETENTION_MS, chunk_index, chunk_span_ms, chunks_kept
from liqheat_api.projector.history import add_columns
from liqheat_api.projector.messages import Fence, Message
from liqheat_api.projector.projection import Batch
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS

finite = st.floats(allow_nan=False, allow_infinity=False)
candles = st.none() | st.tuples(*[finite] * len(chunks.CANDLE_FIELDS))


@st.composite
def columns(draw: st.DrawFn) -> chunks.Column:
    bins = draw(st.integers(0, 12))
    return chunks.Column(
        slot=draw(st.integers(0, CHUNK_COLUMNS - 1)),
        first_bin=draw(st.integers(-30, 30)),
        long_levels=draw(st.binary(min_size=bins, max_size=bins)),
        short_levels=draw(st.binary(min_size=bins, max_size=bins)),
        candle=draw(candles),
        incomplete=draw(st.booleans()),
    )


many = st.lists(columns(), max_size=20, unique_by=lambda column: column.slot)


def cells(first_bin: int, levels: bytes) -> dict[int, int]:
    return {first_bin + i: level for i, level in enumerate(levels) if level}


def contents(chunk: chunks.Chunk) -> dict[int, tuple[object, ...]]:
    """Columns of a chunk by slot, read cell by cell."""
    found = {}
    for place, slot in enumerate(chunk.slots.tolist()):
        candle = tuple(chunk.candles[:, place].tolist()) if chunk.has_candle[place] else None
        planes = (chunk.long_levels[:, place].tobytes(), chunk.short_levels[:, place].tobytes())
        found[slot] = (
            *(cells(chunk.first_bin, plane) for plane in planes),
            candle,
            bool(chunk.incomplete[place]),
        )
    return found


def expected(sent: list[chunks.Column]) -> dict[int, tuple[object, ...]]:
    return {
        column.slot: (
            cells(column.first_bin, column.long_levels),
            cells(column.first_bin, column.short_levels),
            column.candle,
            column.incomplete,
        )
        for column in sent
    }


@given(many)
def test_round_trip(sent: list[chunks.Column]) -> None:
    back = chunks.decode(chunks.encode(chunks.merge(chunks.EMPTY, sent)))
    assert contents(back) == expected(sent)
    assert back.slots.tolist() == sorted(column.slot for column in sent)


@given(many, st.randoms(use_true_random=False), st.integers(1, 7))
def test_order_and_batches_do_not_matter(sent: list[chunks.Column], random: object, size: int) -> None:
    at_once = chunks.encode(chunks.merge(chunks.EMPTY, sent))
    shuffled = list(sent)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    stored = chunks.encode(chunks.EMPTY)
    for start in range(0, len(shuffled), size):
        stored = chunks.encode(chunks.merge(chunks.decode(stored), shuffled[start : start + size]))
    assert stored == at_once


@given(many, columns())
def test_a_column_replaces_the_one_in_its_slot(sent: list[chunks.Column], newer: chunks.Column) -> None:
    chunk = chunks.merge(chunks.merge(chunks.EMPTY, sent), [newer])
    assert contents(chunk) == expected(sent) | expected([newer])


@given(st.lists(st.tuples(st.integers(0, 4 * CHUNK_COLUMNS), columns()), max_size=25), st.data())
@settings(max_examples=60)
def test_a_heatmap_is_its_columns(sent: list[tuple[int, chunks.Column]], data: st.DataObject) -> None:
    span_ms = TIMEFRAME_MS["1h"]
    by_number = {number: chunks.Column(number % CHUNK_COLUMNS, *_rest(column)) for number, column in dict(sent).items()}
    found: dict[int, bytes] = {}
    for number, column in by_number.items():
        index = chunk_index("1h", number * span_ms)
        before = chunks.decode(found[index]) if index in found else chunks.EMPTY
        found[index] = chunks.encode(chunks.merge(before, [column]))
    low, high = sorted(data.draw(st.tuples(st.integers(0, 520), st.integers(0, 520))))
    last = data.draw(st.integers(1, 30))
    result = assemble("1h", found, low * span_ms, high * span_ms, last)
    numbers = sorted(number for number in by_number if low <= number < high)[-last:]
    assert result.open_time_ms.tolist() == [number * span_ms for number in numbers]
    for place, number in enumerate(numbers):
        column = by_number[number]
        assert cells(result.first_bin, result.long_levels[:, place].tobytes()) == cells(
            column.first_bin, column.long_levels
        )
        assert cells(result.first_bin, result.short_levels[:, place].tobytes()) == cells(
            column.first_bin, column.short_levels
        )


def _rest(column: chunks.Column) -> tuple[int, bytes, bytes, tuple[float, ...] | None, bool]:
    return column.first_bin, column.long_levels, column.short_levels, column.candle, column.incomplete


def wide(slot: int, first_bin: int) -> chunks.Column:
    return chunks.Column(slot, first_bin, b"\x01", b"\x01", None, incomplete=False)


def test_an_absurd_range_is_refused_and_the_rest_kept() -> None:
    with pytest.raises(chunks.BadChunkError, match="more than 16384 in one chunk"):
        chunks.merge(chunks.EMPTY, [wide(0, 0), wide(1, chunks.MAX_BINS)])
    refused = []
    batch = Batch({}, {}, None, lambda message, why: refused.append((message.offset, why)))  # type: ignore[arg-type]
    messages = [Message("t", 0, offset, "BTC", b"", Fence(1, offset, 1)) for offset in range(3)]
    packed = list(zip(messages, [wide(0, 0), wide(1, chunks.MAX_BINS), wide(2, 5)], strict=True))
    assert contents(chunks.decode(add_columns(None, packed, batch))).keys() == {0, 2}
    assert [offset for offset, _ in refused] == [1]


@pytest.mark.parametrize("damage", [b"", b"LQC1", b"LQC2" + bytes(30), b"LQC1" + bytes(30)])
def test_other_bytes_are_no_chunk(damage: bytes) -> None:
    with pytest.raises(chunks.BadChunkError):
        chunks.decode(damage)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_damaged_bytes_never_pass_as_another_shape(at: int, garbage: bytes) -> None:
    data = bytearray(chunks.encode(chunks.merge(chunks.EMPTY, [wide(slot, slot) for slot in range(9)])))
    at %= len(data)
    data[at : at + len(garbage)] = garbage
    try:
        chunk = chunks.decode(bytes(data))
    except chunks.BadChunkError:
        return
    assert chunk.long_levels.shape == chunk.short_levels.shape
    assert chunk.long_levels.shape[1] == len(chunk.slots) == len(chunk.flags) == chunk.candles.shape[1]


def test_the_retention_is_kept_whatever_part_of_the_newest_chunk_is_filled() -> None:
    for timeframe, retention_ms in RETENTION_MS.items():
        kept_ms = chunks_kept(timeframe) * chunk_span_ms(timeframe)
        assert retention_ms <= kept_ms < retention_ms + chunk_span_ms(timeframe)


def test_levels_are_bin_major() -> None:
    sent = [chunks.Column(slot, 7, bytes([1 + slot, 11 + slot]), bytes(2), None, incomplete=False) for slot in (0, 1)]
    chunk = chunks.merge(chunks.EMPTY, sent)
    assert chunk.long_levels.tobytes() == bytes([1, 2, 11, 12])
    assert np.array_equal(chunk.short_levels, np.zeros((2, 2)))
