"""Silence of a connection, counted only while somebody listened. Pure: every time is an argument."""

from __future__ import annotations


class AttendedSilence:
    """How long a connection has been silent, as far as we can know.

    A process that got no processor time for twenty seconds, or was stopped, finds its sockets full of frames that it
    has not read yet: by the clock the connection was silent, and giving it up would throw them away. So each look adds
    the time since the one before, but no more than a punctual look would have.

    Parameters
    ----------
    most_a_look_ms : int
        What one look adds at most; somewhat above the time between two punctual looks.

    Examples
    --------
    >>> silence = AttendedSilence(most_a_look_ms=1_000)
    >>> silence.begin(0)
    >>> silence.looked(500), silence.milliseconds
    (False, 500)
    >>> silence.looked(40_000), silence.milliseconds  # stopped for 39.5 s: the frames of that time are still unread
    (True, 1500)
    >>> silence.heard(); silence.looked(40_500), silence.milliseconds
    (False, 0)
    >>> silence.looked(41_000), silence.milliseconds
    (False, 500)
    """

    def __init__(self, most_a_look_ms: int) -> None:
        self._most_a_look_ms = most_a_look_ms
        self._looked_ms = 0
        self._heard = False
        #: Silent for so long, as of the last look.
        self.milliseconds = 0

    def begin(self, now_ms: int) -> None:
        """The connection stands since now."""
        self._looked_ms, self._heard, self.milliseconds = now_ms, False, 0

    def heard(self) -> None:
        """A frame came."""
        self._heard = True

    def looked(self, now_ms: int) -> bool:
        """Count what has passed since the last look; whether this one came so late that it can tell little."""
        passed_ms = max(0, now_ms - self._looked_ms)
        self._looked_ms = now_ms
        if self._heard:
            self._heard, self.milliseconds = False, 0
        else:
            self.milliseconds += min(passed_ms, self._most_a_look_ms)
        return passed_ms > self._most_a_look_ms
