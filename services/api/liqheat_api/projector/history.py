"""Values that grow: cluster events, liquidations, and the columns of the heatmap."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import defaultdict

import orjson

from liqheat_api.columns import chunk as chunks
from liqheat_api.columns.retention import CHUNK_COLUMNS, chunk_index, chunks_kept
from liqheat_api.projector import views
from liqheat_api.projector.messages import InvalidMessageError, Message
from liqheat_api.projector.projection import Appending, Batch, parse_each
from liqheat_api.projector.store import Command
from liqheat_shared.contracts.heatmap_columns import (
    LEVEL_FLOOR_USD,
    LEVEL_RATIO,
    TIMEFRAME_MS,
    HeatmapColumn,
    Timeframe,
)
from liqheat_shared.contracts.liquidation_clusters import LiquidationClusterEvent
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.realised_liquidations import RealisedLiquidation
from liqheat_shared.contracts.topics import LIQUIDATION_CLUSTERS, REALISED_LIQUIDATIONS, heatmap_columns_topic
from liqheat_shared.redis_keys import RedisKeys

Packed = tuple[Message, chunks.Column]


class ClusterEvents(Appending):
    """Lifecycle events: nothing to keep but the stream that clients follow."""

    topic = LIQUIDATION_CLUSTERS

    def slot(self, message: Message) -> str:
        return f"cluster-events|{message.coin}"

    async def append(self, messages: list[Message], batch: Batch) -> list[Command]:
        if not batch.publish:
            return []
        return [
            self.event("cluster-event", event.coin, event.scope, event.model_dump_json().encode())
            for event in parse_each(LiquidationClusterEvent, messages, batch)
        ]


class Liquidations(Appending):
    """The last liquidations of a coin and their totals."""

    topic = REALISED_LIQUIDATIONS

    def slot(self, message: Message) -> str:
        return f"liquidations|{message.coin}"

    async def append(self, messages: list[Message], batch: Batch) -> list[Command]:
        parsed = parse_each(RealisedLiquidation, messages, batch)
        if not parsed:
            return []
        key = self.keys.liquidations(parsed[-1].coin)
        return [("SET", key, views.liquidations_view(await batch.values.value(key), parsed))]


class Columns(Appending):
    """Closed columns of one timeframe, merged into their chunks."""

    merges = True

    def __init__(self, keys: RedisKeys, events_kept: int, timeframe: Timeframe) -> None:
        super().__init__(keys, events_kept)
        self.timeframe: Timeframe = timeframe
        self.topic = heatmap_columns_topic(timeframe)

    def slot(self, message: Message) -> str:
        return f"columns|{self.timeframe}|{message.coin}"

    async def append(self, messages: list[Message], batch: Batch) -> list[Command]:
        by_chunk: dict[tuple[str, str], list[Packed]] = defaultdict(list)
        commands: list[Command] = []
        for message in messages:
            try:
                column = views.parse(HeatmapColumn, message)
                packed = pack_column(column, self.timeframe)
            except InvalidMessageError as error:
                batch.refuse(message, str(error))
                continue
            key = self.keys.columns(column.coin, column.scope, self.timeframe)
            by_chunk[key, str(chunk_index(self.timeframe, column.open_time_ms))].append((message, packed))
            if batch.publish:
                commands.append(self._announcement(column))
        for (key, index), data in zip(by_chunk, await batch.values.hash_values(list(by_chunk)), strict=True):
            # In a thread: at a full hour hundreds of chunks of 3 ms each would hold up the grids.
            merged = await asyncio.to_thread(add_columns, data, by_chunk[key, index], batch)
            commands.append(("HSET", key, index, merged))
        commands += [("TRIM", key, chunks_kept(self.timeframe)) for key in dict.fromkeys(key for key, _ in by_chunk)]
        return commands

    def _announcement(self, column: HeatmapColumn) -> Command:
        place = {"coin": column.coin, "scope": column.scope}
        time = {"timeframe": column.timeframe, "open_time_ms": column.open_time_ms}
        return self.event("column", column.coin, column.scope, orjson.dumps(place | time))


def add_columns(data: bytes | None, packed: list[Packed], batch: Batch) -> bytes:
    """Bytes of a chunk with these columns in it, but for those that do not fit. Unreadable bytes are begun anew."""
    try:
        chunk = chunks.decode(data) if data else chunks.EMPTY
    except chunks.BadChunkError:
        chunk = chunks.EMPTY
    try:
        return chunks.encode(chunks.merge(chunk, [column for _, column in packed]))
    except chunks.BadChunkError:
        for message, column in packed:
            try:
                chunk = chunks.merge(chunk, [column])
            except chunks.BadChunkError as error:
                batch.refuse(message, str(error))
        return chunks.encode(chunk)


def pack_column(column: HeatmapColumn, timeframe: Timeframe) -> chunks.Column:
    """A column as it is put into a chunk.

    Raises
    ------
    InvalidMessageError
        It does not fit: another timeframe, time, bin width or level scale than the chunks have.
    """
    span_ms = TIMEFRAME_MS[timeframe]
    if column.timeframe != timeframe or column.open_time_ms % span_ms:
        raise InvalidMessageError(f"{column.timeframe} column from {column.open_time_ms} is none of {timeframe}")
    if (column.bin_width, column.level_floor_usd, column.level_ratio) != (BIN_WIDTH, LEVEL_FLOOR_USD, LEVEL_RATIO):
        raise InvalidMessageError("bin_width, level_floor_usd or level_ratio is not the contract's")
    long_levels, short_levels = _levels("long_levels", column.long_levels), _levels("short_levels", column.short_levels)
    if len(long_levels) != len(short_levels):
        raise InvalidMessageError(f"long_levels has {len(long_levels)} bins, short_levels {len(short_levels)}")
    if abs(column.first_bin) > chunks.MAX_ABSOLUTE_BIN:
        raise InvalidMessageError(f"first_bin: {column.first_bin} is no price")
    candle = column.candle
    return chunks.Column(
        slot=column.open_time_ms // span_ms % CHUNK_COLUMNS,
        first_bin=column.first_bin,
        long_levels=long_levels,
        short_levels=short_levels,
        candle=None if candle is None else tuple(getattr(candle, name) for name in chunks.CANDLE_FIELDS),
        incomplete=column.incomplete,
    )


def _levels(name: str, text: str) -> bytes:
    try:
        levels = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidMessageError(f"{name}: no base64: {error}") from error
    if len(levels) > chunks.MAX_BINS:
        raise InvalidMessageError(f"{name}: {len(levels)} bins, more than {chunks.MAX_BINS}")
    return levels
