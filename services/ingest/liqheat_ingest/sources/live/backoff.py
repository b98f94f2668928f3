"""How long to wait before the next try: doubling, capped, with jitter so that many clients don't come at once."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Pauses between tries. Pure: the randomness is an argument.

    Parameters
    ----------
    first_s, longest_s : float
        Bounds of the pause before jitter.
    random : callable
        Uniform numbers in [0, 1).

    Examples
    --------
    >>> backoff = Backoff(0.5, 30.0, lambda: 0.5)
    >>> [backoff.next_s() for _ in range(3)]
    [0.375, 0.75, 1.5]
    >>> backoff.reset(); backoff.next_s()
    0.375
    """

    def __init__(self, first_s: float, longest_s: float, random: Callable[[], float]) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._random = random
        self.tries = 0

    def next_s(self) -> float:
        """The pause before the next try: half of the full pause, and up to as much again by chance."""
        full = min(self._longest_s, self._first_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return full * (0.5 + 0.5 * self._random())

    def reset(self) -> None:
        """It worked: the next pause is a short one again."""
        self.tries = 0
