"""When a message may leave: data time against the wall clock."""

from __future__ import annotations

from math import inf


class Pacer:
    """Maps data time to wall time at a constant speed. Pure: the wall time is an argument.

    Parameters
    ----------
    speed : float
        Data seconds a second; ``inf``: never wait.
    data_anchor_ms : int or None
        Data time that belongs to the wall anchor; None: the due time first asked for. What is due before the anchor
        (a history) never waits.
    wall_anchor_ms : int or None
        None: the wall time first asked with.

    Examples
    --------
    >>> pacer = Pacer(60.0)
    >>> pacer.delay_s(120_000, wall_ms=5_000_000), pacer.delay_s(180_000, wall_ms=5_000_250)
    (0.0, 0.75)
    """

    def __init__(self, speed: float, data_anchor_ms: int | None = None, wall_anchor_ms: int | None = None) -> None:
        if not speed > 0:
            raise ValueError(f"a speed must be positive, not {speed}")
        self._speed = speed
        self._data_ms = data_anchor_ms
        self._wall_ms = wall_anchor_ms

    def delay_s(self, due_ms: int, wall_ms: int) -> float:
        """Seconds to wait until a message that is due at this data time may leave."""
        if self._speed == inf:
            return 0.0
        if self._wall_ms is None:
            self._wall_ms = wall_ms
        if self._data_ms is None:
            self._data_ms = due_ms
        return max(0.0, ((due_ms - self._data_ms) / self._speed - (wall_ms - self._wall_ms)) / 1000.0)


def parse_speed(text: str) -> float:
    """A speed as people write it: ``1``, ``60``, ``2.5x`` or ``max``.

    >>> parse_speed("60x"), parse_speed("max")
    (60.0, inf)
    """
    if text == "max":
        return inf
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        raise ValueError(f"a speed is a number or max, not {text!r}") from None
    if not 0 < speed < inf:
        raise ValueError(f"a speed must be positive and finite, not {text!r}")
    return speed
