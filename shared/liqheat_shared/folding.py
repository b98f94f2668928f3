"""What a fold is: the pure core of the estimator and the clusterer, as their Kafka shell sees it.

A fold is ``state, event -> outputs``. It reads no clock and no environment, so the same log gives the same outputs at
any speed, on any machine, after any crash.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from liqheat_shared.contracts.dead_letters import Reason

State = TypeVar("State")
Event = TypeVar("Event")


class Rejected(Exception):  # noqa: N818 - it is a verdict on the input, not an error of ours
    """An input that can't be used. Raised before any state is changed; the shell dead-letters it and goes on."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Emission:
    """An output of a fold, before the shell gives it its coordinates.

    Attributes
    ----------
    topic : str
        Name without prefix.
    kind : str
        Becomes the field ``kind`` and a part of ``event_id``.
    value : Mapping
        All fields of the contract but ``kind`` and the coordinates (``event_id``, ``log_epoch``,
        ``source_partition``, ``source_offset``, ``sequence``). One-dimensional numpy arrays stand for lists.
    key : str or None
        Message key; None: the coin.
    """

    topic: str
    kind: str
    value: Mapping[str, Any]
    key: str | None = None


class Origin(NamedTuple):
    """Where the input of a second stage comes from: coordinates in ``market-events-v1`` and its dense sequence."""

    log_epoch: int
    source_partition: int
    source_offset: int
    sequence: int


class Measure(NamedTuple):
    """A gauge's value from the states of a worker, by the name of the catalogue; labels in the catalogue's order."""

    gauge: str
    labels: tuple[str, ...]
    value: float


class Fold(ABC, Generic[State, Event]):
    """One stage. All methods are deterministic; none keeps anything outside ``state``."""

    stage: ClassVar[Literal["estimator", "clusterer"]]
    #: Changes when the layout of the dumped state does.
    state_version: ClassVar[int]
    #: Earlier versions that :meth:`migrate` reads. A state of any other version is refused.
    migrates_from: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def decode(self, value: bytes, coin: str, append_time_ms: int) -> Event:
        """Read a message. ``append_time_ms`` is the broker's log-append time of it. Raises :class:`Rejected`."""

    @abstractmethod
    def new(self, coin: str) -> State:
        """State of a coin that nothing is known about."""

    @abstractmethod
    def load(self, body: bytes, coin: str) -> State:
        """State from :meth:`dump`, equal to the last bit."""

    def migrate(self, version: int, body: bytes, coin: str) -> bytes:
        """Bytes of this version from bytes that a version of ``migrates_from`` dumped. Deterministic, like all else."""
        raise NotImplementedError(f"{type(self).__name__} reads no state of version {version}")

    @abstractmethod
    def dump(self, state: State) -> bytes:
        """Bytes of the state: the same state gives the same bytes."""

    @abstractmethod
    def fold(self, state: State, event: Event) -> list[Emission]:
        """Apply one event to the state and return what it causes, in order.

        Raises :class:`Rejected` before any change of the state. Any other exception makes the shell undo the event
        and quarantine the coin.
        """

    @abstractmethod
    def origin(self, event: Event) -> Origin | None:
        """Coordinates that the message itself carries (second stage); None: the message is the source."""

    @abstractmethod
    def rejected(self, state: State, reason: Reason) -> None:
        """Note in the state that an input of the coin was dead-lettered."""

    @abstractmethod
    def history_lost(self, state: State, first_offset: int, last_offset: int) -> None:
        """Note in the state that the broker deleted these offsets before they were folded; the coin starts cold."""

    def measures(self, states: Iterable[State]) -> list[Measure]:  # noqa: ARG002 - most stages have none
        """What an operator should see of all coins together. The shell asks for it between checkpoints."""
        return []

    @abstractmethod
    def releases_quarantine(self, event: Event) -> bool:
        """Whether the event is an operator's order to fold this coin again."""

    @abstractmethod
    def quarantine_released(self, state: State) -> None:
        """Note in the state that events were skipped while the coin was quarantined."""
