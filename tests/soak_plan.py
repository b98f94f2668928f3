"""What dies when during a soak: drawn once from a seed, so that a run can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

VENUES = ("binance", "bybit", "okx", "hyperliquid")
#: Every so many disconnects, all venues are cut at once and not one alone.
ALL_AT_ONCE = 20


class Act(NamedTuple):
    """Something that dies, so many seconds after the start."""

    at_s: float
    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How often what dies, spread evenly with jitter over the seconds of the run.

    Attributes
    ----------
    disconnects : int
        Cut connections: those of one venue, every twentieth time of all; reset or closed, in turn.
    venue_restarts : int
        A venue's sockets are cut, and nothing of it answers for three seconds.
    outages_s : tuple of float
        The same, so long: what is longer than two minutes is told by candles.
    stalls : int
        A venue's sockets stay open and say nothing for eight seconds.
    refusals : int
        A venue answers 429 to every request for four seconds.
    """

    seconds: float
    disconnects: int
    venue_restarts: int = 0
    broker_restarts: int = 0
    ingest_restarts: int = 0
    stalls: int = 0
    refusals: int = 0
    outages_s: tuple[float, ...] = ()
    coins: int = 2
    seed: int = 1

    def acts(self) -> list[Act]:
        """All of them, in their order."""
        drawn = random.Random(self.seed)
        found: list[Act] = []

        def spread(kind: str, count: int, fields_of: Any) -> None:
            for number in range(count):
                at_s = self.seconds * (number + drawn.uniform(0.1, 0.9)) / count
                found.append(Act(at_s, kind, fields_of(number)))

        def cut(number: int) -> dict[str, Any]:
            venue = "*" if number % ALL_AT_ONCE == ALL_AT_ONCE - 1 else drawn.choice(VENUES)
            return {"venue": venue, "kind": ("reset", "clean")[number % 2]}

        def in_turn(**fields: Any) -> Any:
            return lambda number: {"venue": VENUES[number % len(VENUES)], **fields}

        spread("disconnect", self.disconnects, cut)
        spread("restart", self.venue_restarts, in_turn(seconds=3))
        spread("stall", self.stalls, in_turn(seconds=8))
        spread("throttle", self.refusals, in_turn(seconds=4, status=429, retry_after_s=4))
        spread("outage", len(self.outages_s), lambda n: {"venue": VENUES[n % 4], "seconds": self.outages_s[n]})
        spread("broker", self.broker_restarts, lambda _: {})
        spread("ingest", self.ingest_restarts, lambda _: {})
        return sorted(found, key=lambda act: act.at_s)


#: A simulated minute in seconds: about what a connection takes to be dialled, subscribed to and refilled.
MINUTE_S = 1.2
#: 24 simulated hours: a disconnect a minute, a venue restart an hour, a broker restart every three hours, an ingest
#: restart every four. Two outages last longer than two real minutes, so that candles have to tell them.
DAY = Plan(
    seconds=1_440 * MINUTE_S,
    disconnects=1_440,
    venue_restarts=24,
    broker_restarts=8,
    ingest_restarts=6,
    stalls=12,
    refusals=12,
    outages_s=(150.0, 150.0),
)


@dataclass
class Done:
    """What was done so far, for people to see."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str) -> None:
        """One more."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
