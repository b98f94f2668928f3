"""Reads of the view that the projector keeps in Redis."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from liqheat_api.problems import ProblemError, bad_parameter, unknown_coin
from liqheat_api.settings import ApiSettings
from liqheat_shared.redis_keys import RedisKeys

#: Id and fields of an entry of a stream.
Entry = tuple[str, dict[bytes, bytes]]


class View:
    """What the api knows: nothing but Redis.

    Every method raises ``redis.exceptions.RedisError`` where Redis does not answer in time.
    """

    def __init__(self, settings: ApiSettings) -> None:
        timeout_seconds = settings.api_redis_timeout_ms / 1000
        self.keys = RedisKeys(settings.redis_key_prefix)
        self._url = settings.redis_url.get_secret_value()
        self.redis = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                self._url,
                protocol=2,
                max_connections=settings.api_redis_connections,
                timeout=timeout_seconds,
                socket_timeout=timeout_seconds,
                socket_connect_timeout=timeout_seconds,
                retry=Retry(NoBackoff(), 1),
            )
        )

    def follower(self, block_seconds: float) -> Redis:
        """A connection of its own that waits in the server for new entries."""
        return Redis.from_url(
            self._url,
            protocol=2,
            max_connections=1,
            socket_timeout=block_seconds + 5,
            socket_connect_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self.redis.aclose()
        await self.redis.connection_pool.disconnect()

    async def ping(self) -> None:
        """Ask whether Redis is there."""
        await self.redis.ping()

    async def coins(self) -> dict[str, dict[str, Any]]:
        """Entries of ``/v1/coins`` by coin."""
        raw = await cast("Awaitable[dict[bytes, bytes]]", self.redis.hgetall(self.keys.coins))
        return {coin.decode(): orjson.loads(entry) for coin, entry in raw.items()}

    async def coin(self, coin: str) -> dict[str, Any]:
        """Entry of one coin; raises the 404 that names the coins there are."""
        raw = await cast("Awaitable[bytes | None]", self.redis.hget(self.keys.coins, coin))
        if raw is None:
            raise unknown_coin(coin, await self.coins())
        return cast("dict[str, Any]", orjson.loads(raw))

    async def scoped(self, key: str, coin: str, scope: str) -> bytes | None:
        """Value of a scope in a hash of the coin; raises the 404 or 422 for a coin or scope that is not there."""
        value = await cast("Awaitable[bytes | None]", self.redis.hget(key, scope))
        if value is None:
            await self.check_scope(coin, scope)
        return value

    async def check_scope(self, coin: str, scope: str) -> dict[str, Any]:
        """Entry of the coin; raises the 404 or 422 for a coin or scope that is not there."""
        entry = await self.coin(coin)
        if scope not in entry["scopes"]:
            raise bad_parameter("scope", scope, entry["scopes"])
        return entry

    async def require_grid(self, coin: str, scope: str) -> bytes:
        """Bytes of ``/v1/grids``."""
        value = await self.scoped(self.keys.grids(coin), coin, scope)
        if value is None:
            raise ProblemError(503, f"The map of {coin} in {scope} is being rebuilt. Try again in a moment.")
        return value

    async def value_of(self, key: str, field: str) -> bytes | None:
        """Value of a field of a hash."""
        return await cast("Awaitable[bytes | None]", self.redis.hget(key, field))

    async def value(self, key: str) -> bytes | None:
        """Value of a string."""
        return cast("bytes | None", await self.redis.get(key))

    async def entries(self, key: str, after: str | None, until: str, count: int) -> list[Entry]:
        """Entries of a stream after an id (None: from the oldest), rising, up to and with another."""
        start = "-" if after is None else f"({after}"
        return _entries(await self.redis.xrange(key, min=start, max=until, count=count))

    async def last_entry_id(self, redis: Redis, key: str) -> str | None:
        """Id of the newest entry of a stream."""
        newest = _entries(await redis.xrevrange(key, count=1))
        return newest[0][0] if newest else None

    async def chunk_indexes(self, key: str) -> list[int]:
        """Indexes of the chunks of columns there are, rising."""
        names = await cast("Awaitable[list[bytes]]", self.redis.hkeys(key))
        return sorted(int(name) for name in names)

    async def chunks(self, key: str, indexes: list[int]) -> dict[int, bytes]:
        """Bytes of those chunks that are there."""
        if not indexes:
            return {}
        names = [str(index) for index in indexes]
        values = await cast("Awaitable[list[bytes | None]]", self.redis.hmget(key, names))
        return {index: value for index, value in zip(indexes, values, strict=True) if value is not None}


def _entries(raw: Any) -> list[Entry]:
    return [(entry_id.decode(), fields) for entry_id, fields in raw or ()]


def new_entries(reply: Any) -> dict[str, list[Entry]]:
    """Reply of XREAD: key to its new entries."""
    return {key.decode(): _entries(raw) for key, raw in reply or ()}
