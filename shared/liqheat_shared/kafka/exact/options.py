"""What a stage can be told about its running; services fill it from their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class StageOptions:
    """How a stage runs.

    Attributes
    ----------
    stage : {"estimator", "clusterer"}
    input_topic : str
        Without prefix.
    instance_id : str or None
        Static group membership: a restarted worker gets its partitions back at once. Two processes with one id
        replace each other for ever; the fencing keeps the state right, and the assignment counter shows it.
    session_timeout_seconds : float
        After this silence of a worker the group gives its partitions away.
    checkpoint_interval_seconds : float
        What a crash makes a worker do again.
    max_pending_messages : int
        So many messages of a partition since its last checkpoint force one.
    dead_letter_share, dead_letters_in_a_row
        Limits of a partition; see :class:`DeadLetterLimit`.
    """

    stage: Literal["estimator", "clusterer"]
    input_topic: str
    instance_id: str | None
    session_timeout_seconds: float
    checkpoint_interval_seconds: float
    max_pending_messages: int
    dead_letter_share: float
    dead_letters_in_a_row: int
