"""Request weights in fixed windows, as the venues count them."""

from __future__ import annotations


class WeightWindow:
    """Sum of weights in the window that runs.

    Parameters
    ----------
    limit : int
        Weight that a window may reach.
    window_s : float
        Its length; windows begin at multiples of it.

    Examples
    --------
    >>> window = WeightWindow(limit=3, window_s=60.0)
    >>> window.spend(0.0, 2), window.spend(1.0, 2), window.used, window.spend(60.0, 2)
    (True, False, 4, True)
    """

    def __init__(self, limit: int, window_s: float) -> None:
        self.limit = limit
        self.window_s = window_s
        self.used = 0
        self._window = -1

    def spend(self, now_s: float, weight: int) -> bool:
        """Count a request; whether it was within the limit."""
        window = int(now_s // self.window_s)
        if window != self._window:
            self._window, self.used = window, 0
        self.used += weight
        return self.used <= self.limit

    def seconds_left(self, now_s: float) -> float:
        """Until the next window."""
        return self.window_s - now_s % self.window_s
