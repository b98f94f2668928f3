"""What goes to Kafka."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """A message for Kafka.

    Attributes
    ----------
    due_ms : int
        Data time from which it may leave: a replay at real-time speed waits for it.
    rows : int
        Rows of the source in it; 0 for what ingest itself adds (instrument, heartbeat).
    """

    due_ms: int
    topic: str
    key: str
    value: bytes
    venue: str
    type: str
    rows: int
