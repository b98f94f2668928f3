"""The only place where liqheat reads a wall clock. Cores never import it: they get time as an argument."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000_000
