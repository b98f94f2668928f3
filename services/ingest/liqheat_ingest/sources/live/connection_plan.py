"""Which topics go on which connection: within the venue's limits, stable while markets come and go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from zlib import crc32

from liqheat_ingest.sources.live.venues.feed import Topic


def shard_of(coin: str, shards: int) -> int:
    """The shard that owns a coin: the same in every process and release.

    >>> [shard_of(coin, 3) for coin in ("BTC", "ETH", "SOL", "DOGE")]
    [2, 2, 2, 1]
    """
    return crc32(coin.encode()) % shards


def spread(topics: Sequence[Topic], per_connection: int) -> list[list[Topic]]:
    """Topics by connection: of each address as few connections as needed, filled evenly.

    Parameters
    ----------
    per_connection : int
        Most topics on one connection.

    Examples
    --------
    >>> topics = [Topic("public", str(n), str(n), ()) for n in range(5)]
    >>> [[topic.name for topic in connection] for connection in spread(topics, 2)]
    [['0', '3'], ['1', '4'], ['2']]
    """
    addresses: dict[str, list[Topic]] = {}
    for topic in topics:
        addresses.setdefault(topic.address, []).append(topic)
    found: list[list[Topic]] = []
    for of_address in addresses.values():
        count = -(-len(of_address) // per_connection)
        # Round robin: the busy markets come first in the list and are so shared out.
        found += [of_address[number::count] for number in range(count)]
    return found


def place(
    new: Iterable[Topic], loads: Sequence[tuple[str, int]], per_connection: int
) -> tuple[dict[int, list[Topic]], list[Topic]]:
    """Where the topics of a new listing go: onto connections with room, and what is left for new ones.

    Parameters
    ----------
    loads : sequence of (str, int)
        Address and number of topics of each connection there is.

    Returns
    -------
    tuple
        Topics by index of the connection, and topics for which there is no room.
    """
    counts = [count for _, count in loads]
    placed: dict[int, list[Topic]] = {}
    left: list[Topic] = []
    for topic in new:
        fitting = [i for i, (address, _) in enumerate(loads) if address == topic.address and counts[i] < per_connection]
        if not fitting:
            left.append(topic)
            continue
        index = min(fitting, key=lambda i: counts[i])
        counts[index] += 1
        placed.setdefault(index, []).append(topic)
    return placed, left


def chunks(topics: Sequence[Topic], per_request: int) -> list[list[Topic]]:
    """Topics by subscription request."""
    return [list(topics[at : at + per_request]) for at in range(0, len(topics), per_request)]
