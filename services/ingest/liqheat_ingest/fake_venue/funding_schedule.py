"""When funding is paid: every eight hours from midnight UTC."""

from __future__ import annotations

FUNDING_MS = 28_800_000


def next_funding_ms(now_ms: int) -> int:
    """The next time of payment.

    >>> next_funding_ms(1_800_000_000_000)
    1800000000000
    >>> next_funding_ms(1_799_999_999_999)
    1800000000000
    """
    return -(-now_ms // FUNDING_MS) * FUNDING_MS


def funding_times(from_ms: int, to_ms: int) -> list[int]:
    """Times of payment in [from_ms, to_ms], oldest first.

    >>> funding_times(0, 28_800_000)
    [0, 28800000]
    """
    return list(range(next_funding_ms(from_ms), to_ms + 1, FUNDING_MS))
