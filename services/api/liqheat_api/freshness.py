"""How old the map of a coin is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(slots=True)
class Seen:
    """The latest grid of a coin, and when this process first saw it."""

    event_time_ms: int
    valid_for_ms: int
    phase: str
    first_seen_ms: int


class Freshness:
    """Ages by coin.

    A live map is as old as its data. Replayed and simulated data are from another time: there the age counts from
    when the grid came.

    Parameters
    ----------
    now_ms : callable
        The clock.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._seen: dict[str, Seen] = {}

    def saw(self, entry: Mapping[str, Any]) -> None:
        """Note an entry of ``/v1/coins``."""
        before = self._seen.get(entry["coin"])
        event_time_ms, phase = int(entry["event_time_ms"]), str(entry["phase"])
        if before is None or (before.event_time_ms, before.phase) != (event_time_ms, phase):
            valid_for_ms = int(entry["valid_until_ms"]) - event_time_ms
            self._seen[entry["coin"]] = Seen(event_time_ms, valid_for_ms, phase, self._now_ms())

    def age_ms(self, coin: str) -> int | None:
        """Age of the coin's map; None: there is none."""
        seen = self._seen.get(coin)
        if seen is None:
            return None
        since_ms = seen.event_time_ms if seen.phase == "live" else seen.first_seen_ms
        return max(0, self._now_ms() - since_ms)

    def state(self, coin: str) -> Literal["ok", "stale"]:
        """``stale`` from the end of the grid's validity, or where there is no grid."""
        age_ms, seen = self.age_ms(coin), self._seen.get(coin)
        return "ok" if seen is not None and age_ms is not None and age_ms <= seen.valid_for_ms else "stale"

    def coins(self) -> list[str]:
        """Coins that were seen."""
        return sorted(self._seen)
