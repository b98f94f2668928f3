"""Time of the story: real time, or faster."""

from __future__ import annotations


class StoryClock:
    """Milliseconds of the story at a second of the server's monotonic clock.

    Parameters
    ----------
    start_ms : int
        Time of the story at ``started_s``.
    started_s : float
        Monotonic clock when it began.
    speed : float
        Seconds of the story in a second.

    Examples
    --------
    >>> StoryClock(1_000, 5.0, 2.0).at(5.5)
    2000
    """

    def __init__(self, start_ms: int, started_s: float, speed: float) -> None:
        self._start_ms = start_ms
        self._started_s = started_s
        self.speed = speed

    def at(self, monotonic_s: float) -> int:
        """Time of the story."""
        return self._start_ms + int((monotonic_s - self._started_s) * 1_000.0 * self.speed)
