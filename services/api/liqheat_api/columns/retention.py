"""How many columns lie in a chunk, and how many chunks are kept."""

from __future__ import annotations

from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, Timeframe

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

#: Columns in a chunk. A column that closes rewrites its chunk (2 ms at 128 columns of 700 bins); a larger chunk
#: compresses better and costs more to rewrite.
CHUNK_COLUMNS = 128

RETENTION_MS: dict[Timeframe, int] = {
    "1m": 26 * _HOUR_MS,
    "5m": 8 * _DAY_MS,
    "15m": 15 * _DAY_MS,
    "1h": 100 * _DAY_MS,
    "4h": 400 * _DAY_MS,
    "12h": 400 * _DAY_MS,
    "1d": 800 * _DAY_MS,
}


def chunk_span_ms(timeframe: Timeframe) -> int:
    """Time that one chunk covers."""
    return CHUNK_COLUMNS * TIMEFRAME_MS[timeframe]


def chunk_index(timeframe: Timeframe, open_time_ms: int) -> int:
    """Index of the chunk that a column lies in, counted from 1970.

    >>> chunk_index("1m", 128 * 60_000 - 1), chunk_index("1m", 128 * 60_000)
    (0, 1)
    """
    return open_time_ms // chunk_span_ms(timeframe)


def chunks_kept(timeframe: Timeframe) -> int:
    """Chunks behind the newest one that are kept: enough for the retention, whatever part of the newest is filled.

    >>> chunks_kept("1m")
    13
    """
    return -(-RETENTION_MS[timeframe] // chunk_span_ms(timeframe))
