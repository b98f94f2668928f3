"""The projector's side of Redis: reads, and writes that are atomic, fenced and repeatable.

Every write carries the position that its Kafka partition is at afterwards, and is applied together with it or not at
all. So whatever becomes of a process, what lies below a position is in this Redis; and where a Redis was emptied or
fell back to an older state, its positions fell back with it, and the next write is refused with ``gap``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from liqheat_api.projector.messages import Fence
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.redis_keys import RedisKeys

log = logging.getLogger(__name__)

T = TypeVar("T")
Command = tuple[str | bytes | int, ...]
Reply = Literal["ok", "gap", "conflict"]

#: First wait after a failed call; doubles up to ``projector_backoff_max_ms``.
FIRST_BACKOFF_SECONDS = 0.05
APPLY_SCRIPT = (Path(__file__).parent / "apply.lua").read_text()
CLEAR_SCRIPT = (Path(__file__).parent / "clear.lua").read_text()


@dataclass(slots=True)
class Writes:
    """What a batch changes.

    Attributes
    ----------
    commands : list of tuple
        Redis commands, and ``("TRIM", key, n)``: drop the fields of a hash of chunks that lie more than n behind
        the newest.
    fences : dict
        Field of the fences' hash to the new fence.
    stale : int
        Messages that were not newer than what is there.
    """

    commands: list[Command] = field(default_factory=list)
    fences: dict[str, Fence] = field(default_factory=dict)
    stale: int = 0


class Store:
    """A connection to Redis that waits out its absence.

    Parameters
    ----------
    on_problem : callable
        Told a sentence when Redis does not answer, and None when it does again.
    """

    def __init__(self, settings: ProjectorSettings, on_problem: Callable[[str | None], None] = lambda _: None) -> None:
        url = settings.redis_url.get_secret_value()
        timeout_seconds = settings.projector_redis_timeout_ms / 1000
        self.keys = RedisKeys(settings.redis_key_prefix)
        self.redis: Redis = Redis.from_url(
            url,
            protocol=2,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            max_connections=16,
            retry=Retry(NoBackoff(), 0),
        )
        parts = urlsplit(url)
        self.address = f"{parts.hostname}:{parts.port or 6379}"
        self._apply = self.redis.register_script(APPLY_SCRIPT)
        self._clear = self.redis.register_script(CLEAR_SCRIPT)
        self._max_backoff_seconds = settings.projector_backoff_max_ms / 1000
        self._on_problem = on_problem
        self._away = False

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose()

    async def persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Result of a call, tried again until Redis answers. What it does must be repeatable."""
        wait_seconds = FIRST_BACKOFF_SECONDS
        while True:
            try:
                result = await call()
            except (RedisError, OSError) as error:
                self._report(f"Redis at {self.address} does not answer: {type(error).__name__}: {error}")
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(2 * wait_seconds, self._max_backoff_seconds)
            else:
                self._report(None)
                return result

    def _report(self, problem: str | None) -> None:
        if (problem is not None) != self._away:
            self._away = problem is not None
            log.warning("%s; trying again", problem) if problem else log.info("Redis at %s answers", self.address)
        self._on_problem(problem)

    async def positions(self, fields: list[str]) -> list[int | None]:
        """Positions of ``topic/partition``; None where nothing of it was written."""
        values = await self.persist(lambda: self._hmget(self.keys.positions, fields))
        return [None if value is None else int(value) for value in values]

    async def fences(self, fields: list[str]) -> dict[str, Fence | None]:
        """Fences by field; None where nothing was written."""
        values = await self.persist(lambda: self._hmget(self.keys.fences, fields))
        pairs = zip(fields, values, strict=True)
        return {name: None if value is None else Fence.parse(value.decode()) for name, value in pairs}

    async def hash_values(self, wanted: list[tuple[str, str]]) -> list[bytes | None]:
        """Values of (key, field), in one round trip."""

        async def read() -> list[bytes | None]:
            pipeline = self.redis.pipeline(transaction=False)
            for key, name in wanted:
                pipeline.hget(key, name)
            return cast("list[bytes | None]", await pipeline.execute())

        return await self.persist(read)

    async def value(self, key: str) -> bytes | None:
        """Value of a string."""

        async def read() -> bytes | None:
            return cast("bytes | None", await self.redis.get(key))

        return await self.persist(read)

    async def apply(
        self, position_field: str, start: int | None, end: int, before: Mapping[str, Fence | None], writes: Writes
    ) -> Reply:
        """Do the writes of a batch, all or nothing.

        Returns
        -------
        str
            ``ok``; ``gap``: Redis holds less of the partition than ``start``, it lost data; ``conflict``: a fence is
            not what ``before`` says, read again and decide again.
        """
        arguments: list[str | bytes | int] = [position_field, -1 if start is None else start, end, len(writes.fences)]
        for name, fence in writes.fences.items():
            old = before.get(name)
            arguments += [name, old.text() if old else "", fence.text()]
        for command in writes.commands:
            arguments += [len(command), *command]
        keys = [self.keys.positions, self.keys.fences]
        reply: bytes = await self.persist(lambda: self._apply(keys=keys, args=arguments))
        return cast("Reply", reply.decode())

    async def reset_position(self, position_field: str) -> None:
        """Forget a position: the partition was made anew and its offsets start again."""
        await self.persist(lambda: self.redis.hdel(self.keys.positions, position_field))

    async def clear(self) -> int:
        """Delete every key of the prefix at once, so that no write falls between; returns how many there were."""
        keep = [self.keys.projector_status]
        pattern = self.keys.prefix + "*"
        return int(await self.persist(lambda: self._clear(keys=keep, args=[pattern])))

    async def set_status(self, value: bytes, expires_seconds: int) -> None:
        """Publish the projector's status, without waiting for a Redis that is away."""
        await self.redis.set(self.keys.projector_status, value, ex=expires_seconds)

    async def _hmget(self, key: str, fields: Iterable[str]) -> list[Any]:
        names = list(fields)
        return await cast("Awaitable[list[Any]]", self.redis.hmget(key, names)) if names else []
