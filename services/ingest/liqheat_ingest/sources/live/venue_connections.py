"""All WebSocket connections of a venue: topics spread over them, taken up and left while running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from liqheat_ingest.readings import Market
from liqheat_ingest.sources.live.backoff import Backoff
from liqheat_ingest.sources.live.connection import Connection
from liqheat_ingest.sources.live.connection_plan import place, spread
from liqheat_ingest.sources.live.exchanges import ExchangePort
from liqheat_ingest.sources.live.feed_watch import Stream
from liqheat_ingest.sources.live.options import LiveOptions
from liqheat_ingest.sources.live.rate_budget import RateBudget
from liqheat_ingest.sources.live.venue_intake import VenueIntake
from liqheat_ingest.sources.live.venues.feed import Topic, VenueFeed

FIRST_PAUSE_S = 0.2


@dataclass
class Hooks:
    """What a venue asks of the source and tells it.

    Attributes
    ----------
    on_up, on_down : callable
        Streams of a venue flow (again), or were lost since a time.
    """

    now_ms: Callable[[], int]
    random: Callable[[], float]
    say: Callable[[str], None]
    on_up: Callable[[str, list[Stream]], None]
    on_down: Callable[[str, list[Stream], int], None]


class VenueConnections:
    """The connections of one venue, each kept by a task.

    Attributes
    ----------
    taps : dict
        By address, the connection that its messages go to.
    """

    def __init__(self, feed: VenueFeed, intake: VenueIntake, options: LiveOptions, hooks: Hooks) -> None:
        self._feed = feed
        self._intake = intake
        self._options = options
        self._hooks = hooks
        self._connects = RateBudget(feed.connects)
        self._number = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._port: ExchangePort | None = None
        self.all: list[Connection] = []
        self.taps: dict[str, Connection] = {}

    def use(self, port: ExchangePort) -> None:
        """The exchange that dials."""
        self._port = port

    def open(self, topics: Sequence[Topic]) -> None:
        """Open as many connections as the topics need."""
        for part in spread(topics, self._feed.topics_per_connection):
            self._open(part)

    def add(self, topics: Sequence[Topic]) -> None:
        """Subscribe to more, on connections with room where there are some; topics of all bring them already."""
        for connection in self.all:
            for topic in topics:
                if topic.is_of_all and topic.name in connection.topics:
                    connection.carry(topic)
        topics = [topic for topic in topics if not topic.is_of_all]
        loads = [(connection.address, len(connection.topics)) for connection in self.all]
        placed, left = place(topics, loads, self._feed.topics_per_connection)
        for index, part in placed.items():
            self.all[index].add(part)
        self.open(left)

    def leave(self, markets: Collection[Market]) -> None:
        """Unsubscribe from markets."""
        for connection in self.all:
            connection.shed(markets)
            gone = [
                name
                for name, topic in connection.topics.items()
                if not topic.is_of_all and topic.streams and all(stream.market in markets for stream in topic.streams)
            ]
            if gone:
                connection.remove(gone)

    def renew(self, stream: Stream) -> None:
        """Subscribe to a stream again, for a new snapshot."""
        for connection in self.all:
            for name, topic in connection.topics.items():
                if stream in topic.streams:
                    connection.renew(name)

    async def close(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _open(self, topics: list[Topic]) -> None:
        hooks, venue = self._hooks, self._feed.venue
        assert self._port is not None
        connection = Connection(
            self._feed,
            self._port,
            self._intake,
            topics[0].address,
            self._number,
            topics,
            connects=self._connects,
            backoff=Backoff(FIRST_PAUSE_S, self._options.longest_backoff_s, hooks.random),
            now_ms=hooks.now_ms,
            say=hooks.say,
            on_up=lambda streams: hooks.on_up(venue, streams),
            on_down=lambda streams, from_ms: hooks.on_down(venue, streams, from_ms),
            patience=self._options.patience,
        )
        self._number += 1
        self.all.append(connection)
        self.taps[connection.url] = connection
        self._tasks.append(asyncio.create_task(connection.run(), name=f"{venue} {connection.url}"))
