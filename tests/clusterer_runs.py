"""Drives the clusterer's fold over synthetic maps and checks every output against its contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.parameters import Parameters
from liqheat_shared.contracts.topics import LIQUIDATION_CLUSTERS, TOPICS
from liqheat_shared.folding import Emission
from synthetic_grids import START_MS, GridSettings, MapBuilder, build_grid, encode_grid

#: Of each kind: what may have come directly before it in the life of one cluster. None: nothing.
AFTER_FORMED = {"formed", "grown", "shrunk", "split", "approached", "touched", "consumed"}
LEGAL_BEFORE: dict[str, set[str | None]] = {
    "formed": {None},
    "split": {"formed"},
    "grown": set(AFTER_FORMED),
    "shrunk": set(AFTER_FORMED),
    "approached": set(AFTER_FORMED),
    "touched": set(AFTER_FORMED),
    "consumed": {"touched", "consumed"},
    "swept": {"touched", "consumed"},
    "merged": set(AFTER_FORMED),
    "expired": set(AFTER_FORMED),
    "reaction": {"swept"},
}


class Run:
    """A fold over a sequence of grids, with everything it put out."""

    def __init__(self, parameters: Parameters | None = None, settings: GridSettings | None = None) -> None:
        self.fold = ClustererFold(parameters)
        self.settings = settings or GridSettings()
        self.state = self.fold.new(self.settings.coin)
        self.time_ms = START_MS
        self.sequence = 0
        self.values: list[tuple[str, dict[str, Any]]] = []
        self.sequences: dict[str, int] = {}
        self.last_event: dict[str, str] = {}

    def step(self, maps: dict[str, MapBuilder] | MapBuilder, milliseconds: int = 1_000, **changes: Any) -> list[dict]:
        """Fold the map after some time; returns the cluster events of this grid."""
        self.time_ms += milliseconds
        self.sequence += 1
        maps = {"aggregated": maps} if isinstance(maps, MapBuilder) else maps
        grid = build_grid(self.time_ms, self.sequence, maps, self.settings.but(**changes))
        return self.apply(encode_grid(grid))

    def apply(self, message: bytes) -> list[dict]:
        """Fold a message; returns its cluster events, all outputs checked."""
        event = self.fold.decode(message, self.settings.coin, self.time_ms)
        emissions = self.fold.fold(self.state, event)
        values = [(emission.topic, self.checked(emission, self.fold.origin(event))) for emission in emissions]
        self.values += values
        return [value for topic, value in values if topic == LIQUIDATION_CLUSTERS]

    def steps(self, builder: MapBuilder, seconds: int, change: Callable[[int], None] | None = None) -> list[dict]:
        """A grid a second; ``change`` may move the map before each. Returns all cluster events."""
        events: list[dict] = []
        for second in range(seconds):
            if change is not None:
                change(second)
            events += self.step(builder)
        return events

    def checked(self, emission: Emission, origin: Any) -> dict[str, Any]:
        """The output as a consumer reads it, after the strict check of its contract and of its order of life."""
        counter = f"{emission.topic}/{emission.key}"
        self.sequences[counter] = self.sequences.get(counter, 0) + 1
        value = {
            "event_id": f"{origin.log_epoch}-{origin.source_partition}-{origin.source_offset}-{emission.kind}-0",
            "kind": emission.kind,
            "log_epoch": origin.log_epoch,
            "source_partition": origin.source_partition,
            "source_offset": origin.source_offset,
            "sequence": self.sequences[counter],
            **emission.value,
        }
        read: dict[str, Any] = orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
        TOPICS[emission.topic].adapter.validate_python(read, extra="forbid")
        if emission.topic == LIQUIDATION_CLUSTERS:
            self.check_order(read)
        elif emission.kind == "set":
            assert emission.key == f"{self.settings.coin}|{read['scope']}"
            assert read["events_until_sequence"] == self.sequences.get(f"{LIQUIDATION_CLUSTERS}/None", 0)
            distances = [abs(cluster["distance_fraction"]) for cluster in read["clusters"]]
            assert len({cluster["cluster_id"] for cluster in read["clusters"]}) == len(distances)
        return read

    def check_order(self, event: dict[str, Any]) -> None:
        """The state machine of a cluster's life; an identity that ended never comes back."""
        name, kind = event["cluster"]["cluster_id"], event["kind"]
        before = self.last_event.get(name)
        assert before in LEGAL_BEFORE[kind], f"{name}: {kind} after {before}"
        self.last_event[name] = kind

    def clusters(self, scope: str = "aggregated") -> list[dict[str, Any]]:
        """Clusters of the last set."""
        for topic, value in reversed(self.values):
            if topic == "cluster-sets-v1" and value["scope"] == scope:
                return list(value["clusters"])
        return []

    def last(self, topic: str) -> dict[str, Any]:
        """The last value of a topic."""
        return next(value for name, value in reversed(self.values) if name == topic)


def kinds(events: list[dict]) -> list[str]:
    """Kinds of events, in order."""
    return [event["kind"] for event in events]
