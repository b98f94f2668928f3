"""Follows Redis for all clients of this process, and reads each changed value once, however many want it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable
from typing import Any, cast

import orjson
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from liqheat_api.accuracy.gauges import AccuracyGauges
from liqheat_api.freshness import Freshness
from liqheat_api.problems import ProblemError
from liqheat_api.stream.mailbox import Mailbox
from liqheat_api.stream.missed import ENTRIES_A_READ, concerns, fact_of, put_missed
from liqheat_api.view import Entry, View, new_entries
from liqheat_shared.cancellation import end_tasks

log = logging.getLogger(__name__)

BLOCK_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 2.0
FRESHNESS_SECONDS = 2.0
STOP_SECONDS = 2.0
BEGIN = "0-0"
#: In the order in which a client that connects gets them.
VALUES = ("grid", "clusters", "magnets")


class Hub:
    """One reader of the streams, many mailboxes.

    Parameters
    ----------
    facts_kept : int
        Facts held for a slow client.
    """

    def __init__(
        self,
        view: View,
        freshness: Freshness,
        *,
        max_clients: int,
        facts_kept: int,
        clients: Gauge,
        dropped: Counter,
        grid_age: Gauge,
        accuracy: AccuracyGauges,
    ) -> None:
        self.view, self.freshness = view, freshness
        self._accuracy = accuracy
        self.max_clients, self.facts_kept = max_clients, facts_kept
        self.last_event_id = BEGIN
        self.problem: str | None = "the stream was not read yet"
        #: Why this process should be restarted, if it should.
        self.failure: str | None = None
        self._clients_gauge, self._dropped, self._grid_age = clients, dropped, grid_age
        self._boxes: dict[str, set[Mailbox]] = defaultdict(set)
        self._count = 0
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []

    # ---- life

    def start(self) -> None:
        """Follow Redis in the background."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="follow Redis"),
            asyncio.create_task(self._watch_freshness(), name="watch freshness"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failure = self.problem = f"following Redis failed: {task.exception()!r}"
            log.error("%s", self.failure, exc_info=task.exception())

    def close_clients(self) -> None:
        """End all streams and refuse new ones: the process ends."""
        self._closed = True
        for boxes in self._boxes.values():
            for box in boxes:
                box.close()

    async def stop(self) -> None:
        """End."""
        self.close_clients()
        await end_tasks(self._tasks, STOP_SECONDS)

    # ---- clients

    async def open(self, coin: str, scope: str, last_event_id: str | None) -> tuple[Mailbox, str]:
        """A mailbox with the present values in it, and what happened since the event the client names.

        Returns
        -------
        Mailbox
        str
            The id that the client's own place starts from.

        Raises
        ------
        ProblemError
            There are too many clients, or no such coin or scope.
        """
        if self._closed or self._count >= self.max_clients:
            raise ProblemError(503, f"This server holds {self._count} event streams, and takes no more now.")
        await self.view.check_scope(coin, scope)
        if self._closed:
            raise ProblemError(503, "This server is stopping, and takes no more event streams.")
        box = Mailbox(coin, scope, self.facts_kept)
        self._boxes[coin].add(box)
        self._count += 1
        self._clients_gauge.set(self._count)
        try:
            place = self.last_event_id
            if last_event_id is not None:
                await put_missed(self.view, box, last_event_id, place, self.facts_kept)
            await self._put_values([(kind, coin, scope) for kind in VALUES], [box])
        except BaseException:
            self.leave(box)
            raise
        return box, place if last_event_id is None or box.needs_resync else last_event_id

    def leave(self, box: Mailbox) -> None:
        """The client is gone."""
        box.close()
        boxes = self._boxes.get(box.coin, set())
        if box in boxes:
            boxes.discard(box)
            if not boxes:
                del self._boxes[box.coin]
            self._count -= 1
            self._clients_gauge.set(self._count)
            self._dropped.inc(box.dropped)

    # ---- the reader

    async def _follow(self) -> None:
        backoff_seconds = 0.05
        redis: Redis | None = None
        places: dict[str, str] | None = None
        while True:
            try:
                redis = redis or self.view.follower(BLOCK_SECONDS)
                if places is None:
                    places = await self._ends(redis)
                if self.problem is not None:
                    self.problem = None
                    await self._refresh_all()
                reply = await redis.xread(cast("Any", places), count=ENTRIES_A_READ, block=int(BLOCK_SECONDS * 1000))
                backoff_seconds = 0.05
                await self._distribute(reply, places)
            except (RedisError, OSError) as error:
                if self.problem is None:
                    log.warning("Redis does not answer: %s; trying again", error)
                self.problem = f"Redis does not answer: {type(error).__name__}"
                if redis is not None:
                    with contextlib.suppress(RedisError, OSError):
                        await redis.aclose()
                    redis = None
                await asyncio.sleep(backoff_seconds)
                backoff_seconds = min(2 * backoff_seconds, MAX_BACKOFF_SECONDS)

    async def _ends(self, redis: Redis) -> dict[str, str]:
        places = {}
        for key in (self.view.keys.events, self.view.keys.notices):
            places[key] = await self.view.last_entry_id(redis, key) or BEGIN
        self.last_event_id = places[self.view.keys.events]
        return places

    async def _distribute(self, reply: Any, places: dict[str, str]) -> None:
        changed: dict[tuple[str, str, str], None] = {}
        for key, entries in new_entries(reply).items():
            for entry in entries:
                if key == self.view.keys.events:
                    self._put_fact(entry, changed)
                else:
                    self._note_change(entry[1], changed)
            places[key] = entries[-1][0]
        self.last_event_id = places[self.view.keys.events]
        if changed:
            await self._put_values(list(changed))

    def _note_change(self, fields: dict[bytes, bytes], changed: dict[tuple[str, str, str], None]) -> None:
        coin = fields[b"coin"].decode()
        wanted = {box.scope for box in self._boxes.get(coin, ())}
        for scope in sorted(wanted.intersection(fields[b"scopes"].decode().split(","))):
            changed[fields[b"kind"].decode(), coin, scope] = None

    def _put_fact(self, entry: Entry, changed: dict[tuple[str, str, str], None]) -> None:
        _, fields = entry
        for box in self._boxes.get(fields[b"coin"].decode(), ()):
            if not concerns(fields, box):
                continue
            if fields[b"kind"] == b"resync":
                box.resync()
                changed.update(((kind, box.coin, box.scope), None) for kind in VALUES)
            else:
                box.put_fact(fact_of(entry))

    async def _put_values(self, wanted: list[tuple[str, str, str]], boxes: Iterable[Mailbox] | None = None) -> None:
        """Read values by (kind, coin, scope) in one round trip and put them where they are wanted."""
        keys = {"grid": self.view.keys.grids, "clusters": self.view.keys.clusters, "magnets": self.view.keys.magnets}
        pipeline = self.view.redis.pipeline(transaction=False)
        for kind, coin, scope in wanted:
            pipeline.hget(keys[kind](coin), scope)
        coins = list(dict.fromkeys(coin for _, coin, _ in wanted))
        for coin in coins:
            pipeline.hget(self.view.keys.coins, coin)
        values = await cast("Awaitable[list[bytes | None]]", pipeline.execute())
        for entry in values[len(wanted) :]:
            if entry is not None:
                self.freshness.saw(orjson.loads(entry))
        for (kind, coin, scope), value in zip(wanted, values, strict=False):
            if value is None:
                continue
            for box in boxes if boxes is not None else self._boxes.get(coin, ()):
                if box.scope == scope:
                    box.put_value(kind, value)

    async def _refresh_all(self) -> None:
        """After an absence: what was missed meanwhile is in the values, and facts may be lost."""
        for boxes in list(self._boxes.values()):
            for box in boxes:
                box.resync()
        followed = {(box.coin, box.scope) for boxes in self._boxes.values() for box in boxes}
        if followed:
            await self._put_values([(kind, coin, scope) for coin, scope in sorted(followed) for kind in VALUES])

    async def _watch_freshness(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                for entry in (await self.view.coins()).values():
                    self.freshness.saw(entry)
                await self._accuracy.refresh()
            for coin in self.freshness.coins():
                age_ms = self.freshness.age_ms(coin)
                if age_ms is not None:
                    self._grid_age.labels(coin).set(age_ms / 1000)
            await asyncio.sleep(FRESHNESS_SECONDS)
