"""What the shell remembers about one coin and about one partition."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from liqheat_shared.folding import Origin, Rejected


@dataclass(slots=True)
class Entry:
    """A message as it was applied, kept until the next dump so that a fold that raises can be undone."""

    offset: int
    raw: bytes
    event: Any
    rejection: Rejected | None
    origin: Origin
    lost: list[tuple[int, int]]
    raised: str | None = None


@dataclass(slots=True)
class Slot:
    """One coin.

    Attributes
    ----------
    label : int
        Offset of the last message folded (or skipped on purpose).
    last_input : Origin or None
        Of a second stage: coordinates of the last input accepted.
    source : list or None
        (log epoch, partition, offset) of the last source event, whose outputs ``ordinals`` counts by kind.
    sequences : dict
        Last sequence by "topic/key".
    quarantine : dict or None
        Why the coin is not folded.
    losses_seen : int
        How many lost ranges of the partition it was told of.
    unreadable_inputs : int
        Rejected messages since the last input whose sequence is known.
    """

    label: int = -1
    last_input: Origin | None = None
    source: list[int] | None = None
    ordinals: dict[str, int] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    quarantine: dict[str, Any] | None = None
    losses_seen: int = 0
    unreadable_inputs: int = 0
    state: Any = None
    journal: list[Entry] = field(default_factory=list)

    def bookkeeping(self) -> dict[str, Any]:
        """Everything but the fold's state, as JSON."""
        return {
            "last_input": None if self.last_input is None else list(self.last_input),
            "source": self.source,
            "ordinals": self.ordinals,
            "sequences": self.sequences,
            "quarantine": self.quarantine,
            "losses_seen": self.losses_seen,
            "unreadable_inputs": self.unreadable_inputs,
        }

    @classmethod
    def restored(cls, label: int, bookkeeping: dict[str, Any], state: Any) -> Slot:
        """A slot from what :meth:`bookkeeping` gave."""
        last_input = bookkeeping["last_input"]
        return cls(
            label=label,
            last_input=None if last_input is None else Origin(*last_input),
            source=bookkeeping["source"],
            ordinals=bookkeeping["ordinals"],
            sequences=bookkeeping["sequences"],
            quarantine=bookkeeping["quarantine"],
            losses_seen=bookkeeping["losses_seen"],
            unreadable_inputs=bookkeeping["unreadable_inputs"],
            state=state,
        )


@dataclass(slots=True)
class LostRange:
    """Offsets that the broker deleted before they were folded.

    ``new_group``: the group had never been here, so nothing was lost that it ever had a claim to.
    """

    first: int
    last: int
    new_group: bool


@dataclass(slots=True)
class Partition:
    """One partition of the input.

    Attributes
    ----------
    next_offset : int
        The next message expected.
    highest : int
        Highest offset folded; above ``next_offset - 1`` after Faust went back.
    records : dict
        Last known changelog record of each key, restored or dumped.
    dirty : dict
        Slots changed since the last dump.
    to_dump : dict
        Slots that the running checkpoint still has to dump.
    dumped : set
        Keys dumped and not yet written.
    ahead_since : float or None
        Monotonic time since which only messages beyond the next one have come.
    deliveries : deque
        (offset, future) of outputs that are not known to be delivered.
    """

    number: int
    next_offset: int
    has_position: bool
    highest: int = -1
    lost: list[LostRange] = field(default_factory=list)
    records: dict[bytes, bytes] = field(default_factory=dict)
    slots: dict[bytes, Slot] = field(default_factory=dict)
    dirty: dict[bytes, Slot] = field(default_factory=dict)
    to_dump: dict[bytes, Slot] = field(default_factory=dict)
    dumped: set[bytes] = field(default_factory=set)
    deliveries: deque[tuple[int, Any]] = field(default_factory=deque)
    pending: int = 0
    ahead_since: float | None = None
