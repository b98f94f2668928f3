"""``liqheat redis``: refill Redis from Kafka, and say what it holds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from liqheat_api.projector.app import consumers
from liqheat_api.projector.counters import Counters
from liqheat_api.projector.store import Store
from liqheat_api.settings import ProjectorSettings
from liqheat_shared.metrics import Metrics

#: Keys that belong to no coin.
NO_COIN = "(shared)"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run_action(action: str, settings: ProjectorSettings) -> int:
    """Do ``rebuild`` or ``info``; returns the exit code."""
    try:
        if action == "rebuild":
            invalid = await rebuild(settings, _say)
            _say(f"rebuilt; {invalid} messages could not be projected")
            return 0
        return _say_memory(await memory_by_coin(settings), settings.redis_key_prefix)
    except (RedisError, KafkaError, OSError) as error:
        sys.stderr.write(f"liqheat redis {action}: {type(error).__name__}: {error}\n")
        return 1


def _say_memory(found: dict[str, tuple[int, int]], prefix: str) -> int:
    for coin, (keys, size) in found.items():
        _say(f"{coin:<20} {keys:>6} keys {size / 1e6:>9.2f} MB")
    if not found:
        sys.stderr.write(f"nothing under {prefix}\n")
    return 0 if found else 1


async def rebuild(settings: ProjectorSettings, say: Callable[[str], None]) -> int:
    """Delete everything under the prefix and project all topics from their beginnings; returns messages refused.

    A projector that runs meanwhile notices, begins again too, and both write the same.

    Raises
    ------
    RedisError, KafkaError
        One of them is not there.
    """
    store = Store(settings)
    counters = Counters(Metrics("projector"))
    readers = consumers(settings, store, counters, grouped=False)
    try:
        await store.redis.ping()
        for reader in readers:
            await reader.start()
        say(f"{await store.clear()} keys deleted")
        ends = [await reader.ends() for reader in readers]
        say(f"{sum(sum(end.values()) for end in ends)} offsets to read")
        await asyncio.gather(*(reader.run(until=end) for reader, end in zip(readers, ends, strict=True)))
    finally:
        for reader in readers:
            await reader.stop()
        await store.close()
    return counters.invalid


async def memory_by_coin(settings: ProjectorSettings) -> dict[str, tuple[int, int]]:
    """Coin to (keys, bytes), as Redis accounts for them."""
    store = Store(settings)
    found: dict[str, tuple[int, int]] = {}
    try:
        redis, prefix = store.redis, settings.redis_key_prefix
        async for raw in redis.scan_iter(match=prefix + "*", count=500):
            name = raw.decode().removeprefix(prefix)
            size = await redis.memory_usage(raw, samples=0) or 0
            coin = name.split(":")[1] if ":" in name else NO_COIN
            keys, total = found.get(coin, (0, 0))
            found[coin] = (keys + 1, total + size)
    finally:
        await store.close()
    return dict(sorted(found.items()))
