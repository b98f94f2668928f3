"""The Faust table whose changelog is written in fencing transactions instead of by Faust's own producer.

Faust awaits ``on_rebalance`` of every table before it recovers anything. There the changelog partitions are opened,
which fences a predecessor, and read. Faust is told that nothing remains to be recovered: its own recovery would wait
for the offset of the last commit marker, which no consumer ever gets.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import TP

#: Called with the input partitions that this worker now has; returns the end offset of each changelog partition.
OpenPartitions = Callable[[list[int]], Awaitable[dict[int, int]]]


class ExactTable(faust.Table[bytes, bytes]):
    """Registers the changelog with Faust and hands its partitions to the worker at every rebalance."""

    source_topic: str
    open_partitions: OpenPartitions
    ends: dict[int, int]

    async def on_rebalance(self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], *args: Any) -> None:
        """Open what is assigned; all of it anew, because a worker that was away can't know what happened."""
        await super().on_rebalance(assigned, revoked, newly_assigned, *args)
        numbers = sorted(tp.partition for tp in assigned if tp.topic == self.source_topic)
        self.ends = await self.open_partitions(numbers)

    def persisted_offset(self, tp: TP) -> int | None:
        """Faust counts offsets of the last record, so the end is one beyond."""
        end = self.ends.get(tp.partition)
        return None if end is None else end - 1
