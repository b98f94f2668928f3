"""How far the venue's clock is from ours: by the answer to a call whose both ends we timed. Pure."""

from __future__ import annotations

from collections import deque


class ClockSkew:
    """The venue's time minus ours, in milliseconds, from the least delayed of the last measurements.

    Examples
    --------
    >>> skew = ClockSkew()
    >>> skew.measured(sent_ms=1_000, received_ms=1_100, venue_ms=2_050)
    >>> skew.measured(sent_ms=2_000, received_ms=2_900, venue_ms=3_800)  # slow, so it says little
    >>> skew.milliseconds
    1000.0
    """

    def __init__(self, kept: int = 8) -> None:
        self._measured: deque[tuple[int, float]] = deque(maxlen=kept)

    def measured(self, sent_ms: int, received_ms: int, venue_ms: int) -> None:
        """Add a measurement: the venue's time lies between sending and receiving, in the middle as far as we know."""
        self._measured.append((received_ms - sent_ms, venue_ms - (sent_ms + received_ms) / 2))

    @property
    def milliseconds(self) -> float | None:
        """The venue's clock minus ours; None: not measured."""
        return min(self._measured)[1] if self._measured else None
