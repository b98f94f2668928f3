"""What happens to one message: no I/O and no waiting, so that every rule can be tested on its own."""

from __future__ import annotations

import base64
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from liqheat_shared.contracts.dead_letters import Reason
from liqheat_shared.contracts.topics import DEAD_LETTERS
from liqheat_shared.folding import Emission, Fold, Origin, Rejected
from liqheat_shared.kafka.exact.encoding import Encoder
from liqheat_shared.kafka.exact.slots import Entry, LostRange, Partition, Slot
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY, StoredState, check_version, pack, unpack

_COIN = re.compile(rb"[A-Z0-9]{1,20}")
#: Slot for messages of no known coin, so that a flood of invented keys can't fill the memory.
STRANGERS_KEY = b"\x00strangers"
RAW_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the input topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    append_time_ms: int


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """An output with its identity, ready to be sent."""

    topic: str
    key: bytes
    value: bytes
    partition: int


@dataclass(slots=True)
class Counts:
    """What an engine did since it was made."""

    folded: int = 0
    skipped: int = 0
    repeated_inputs: int = 0
    sequence_holes: int = 0
    rewound: int = 0
    quarantined: int = 0
    rejected: int = 0
    outputs: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)


class Engine:
    """Applies messages to the slots of partitions.

    Parameters
    ----------
    fold : Fold
        The pure core.
    input_topic : str
        Named in dead letters.
    log_epoch : int
        Of ``market-events-v1``; a second stage reads it from its input.
    """

    def __init__(self, fold: Fold[Any, Any], input_topic: str, log_epoch: int) -> None:
        self.fold = fold
        self.input_topic = input_topic
        self.log_epoch = log_epoch
        self.counts = Counts()
        self._encoder = Encoder()

    # ---- partitions

    def open(self, number: int, records: dict[bytes, bytes]) -> Partition:
        """A partition from its changelog records.

        Raises
        ------
        StateVersionError
            One of them was written by a version that the fold does not read. None has been changed.
        """
        for raw in records.values():
            check_version(raw, self.fold.state_version, self.fold.migrates_from)
        position = records.pop(POSITION_KEY, None)
        if position is None:
            return Partition(number, next_offset=0, has_position=False, records=records)
        stored = unpack(position, self.fold.state_version, self.fold.migrates_from)
        lost = [LostRange(*entry) for entry in stored.bookkeeping["lost"]]
        label = stored.label if stored.log_epoch == self.log_epoch else -1
        return Partition(number, next_offset=label + 1, has_position=True, highest=label, lost=lost, records=records)

    def position_record(self, partition: Partition, label: int) -> bytes:
        """Changelog record that says the partition is folded up to ``label``."""
        lost = [(entry.first, entry.last, entry.new_group) for entry in partition.lost]
        return pack(StoredState(self.log_epoch, label, {"lost": lost}, b""), self.fold.state_version)

    # ---- messages

    def apply(self, partition: Partition, message: Message) -> list[OutgoingMessage]:
        """Fold a message whose offset is not above ``partition.next_offset``; returns what has to be sent."""
        offset = message.offset
        self.counts.rewound += offset < partition.next_offset
        partition.next_offset = offset + 1
        partition.highest = max(partition.highest, offset)
        partition.pending += 1
        key, event, rejection = self._read(partition, message)
        slot = self._slot(partition, key)
        if offset <= slot.label:
            self.counts.skipped += 1
            return []
        origin = Origin(self.log_epoch, partition.number, offset, 0)
        if event is not None:
            carried = self.fold.origin(event)
            if carried is not None:
                if not self._expected(partition, slot, carried):
                    return []
                origin = carried
        if key in partition.to_dump:  # a running checkpoint has not reached this key: its state must not move before
            self.dump(partition, key)
        lost = [(entry.first, entry.last) for entry in partition.lost[slot.losses_seen :] if not entry.new_group]
        entry = Entry(offset, message.value or b"", event, rejection, origin, lost)
        outgoing = self._apply_entry(partition, key, slot, entry)
        self.counts.folded += 1
        return outgoing

    def _read(self, partition: Partition, message: Message) -> tuple[bytes, Any, Rejected | None]:
        key = message.key
        if key is None or not _COIN.fullmatch(key):
            return STRANGERS_KEY, None, Rejected("wrong-key", f"message key {key!r} is no coin")
        try:
            return key, self.fold.decode(message.value or b"", key.decode(), message.append_time_ms), None
        except Rejected as rejection:
            known = key in partition.slots or key in partition.records
            return (key if known else STRANGERS_KEY), None, rejection

    def _expected(self, partition: Partition, slot: Slot, carried: Origin) -> bool:
        """Whether the input is the next one of its sequence; earlier ones are repeats, later ones come again."""
        last = slot.last_input
        if last is not None:
            if (carried.log_epoch, carried.sequence) <= (last.log_epoch, last.sequence):
                self.counts.repeated_inputs += 1
                return False
            if carried.log_epoch > last.log_epoch:
                return True
        following = (1 if last is None else last.sequence + 1) + slot.unreadable_inputs
        if carried.sequence > following and slot.losses_seen == len(partition.lost):
            self.counts.sequence_holes += 1
            return False
        return True

    def _apply_entry(self, partition: Partition, key: bytes, slot: Slot, entry: Entry) -> list[OutgoingMessage]:
        try:
            emissions = self._fold_entry(slot, entry)
        except Exception as error:  # noqa: BLE001 - whatever a fold raises: this coin stops, the others go on
            slot = self._undo(partition, key, slot)
            entry.raised = f"{type(error).__name__}: {error}"[:500]
            emissions = self._fold_entry(slot, entry)
            self.counts.quarantined += 1
        slot.journal.append(entry)
        slot.losses_seen = len(partition.lost)
        partition.dirty[key] = slot
        return [self._outgoing(slot, entry.origin, partition.number, key, emission) for emission in emissions]

    def _advance(self, slot: Slot, entry: Entry) -> None:
        source = [entry.origin.log_epoch, entry.origin.source_partition, entry.origin.source_offset]
        if slot.source != source:  # else: a second message caused by the same source event goes on counting
            slot.source, slot.ordinals = source, {}
        slot.label = entry.offset
        if entry.origin.sequence:
            slot.last_input, slot.unreadable_inputs = entry.origin, 0
        elif entry.rejection is not None:  # its sequence can't be known, and the next one must not look like a hole
            slot.unreadable_inputs += 1

    def _fold_entry(self, slot: Slot, entry: Entry) -> list[Emission]:
        self._advance(slot, entry)
        emissions: list[Emission] = []
        if entry.raised is not None:  # known to raise: what remains of it is the quarantine
            slot.quarantine = {"offset": entry.offset, "why": entry.raised}
            return [self._dead_letter(entry, "fold-raised", entry.raised)]
        if slot.state is not None:
            for first, last in entry.lost:
                self.fold.history_lost(slot.state, first, last)
                emissions.append(self._dead_letter(entry, "history-lost", f"offsets {first} to {last}"))
        rejection = entry.rejection
        if rejection is None:
            if slot.quarantine is not None and not self._release(slot, entry):
                self.counts.skipped += 1
                return emissions
            try:
                return emissions + self.fold.fold(slot.state, entry.event)
            except Rejected as raised:
                rejection = raised
        if slot.state is not None:
            self.fold.rejected(slot.state, rejection.reason)
        emissions.append(self._dead_letter(entry, rejection.reason, rejection.detail))
        return emissions

    def _release(self, slot: Slot, entry: Entry) -> bool:
        """Whether the event is the order that ends the quarantine of the slot."""
        if not self.fold.releases_quarantine(entry.event):
            return False
        slot.quarantine = None
        self.fold.quarantine_released(slot.state)
        return True

    def _undo(self, partition: Partition, key: bytes, broken: Slot) -> Slot:
        """The slot as it was before the event that raised: the last dump and the messages since."""
        slot = self._load(partition, key)
        for entry in broken.journal:
            emissions = self._fold_entry(slot, entry)
            for emission in emissions:  # they went out already; only the counters must move
                self._outgoing(slot, entry.origin, partition.number, key, emission, count=False)
            slot.journal.append(entry)
        partition.slots[key] = slot
        return slot

    # ---- outputs

    def _dead_letter(self, entry: Entry, reason: Reason, detail: str) -> Emission:
        raw = b"" if reason == "history-lost" else entry.raw[:RAW_LIMIT]
        value = {
            "schema_version": 1,
            "stage": self.fold.stage,
            "reason": reason,
            "detail": detail[:2000],
            "event_time_ms": None,
            "source_topic": self.input_topic,
            "source_file": None,
            "source_line": None,
            "venue": None,
            "stream": None,
            "coin": None,
            "raw_base64": base64.b64encode(raw).decode(),
        }
        return Emission(DEAD_LETTERS, "dead-letter", value)

    def _outgoing(
        self, slot: Slot, origin: Origin, partition: int, key: bytes, emission: Emission, *, count: bool = True
    ) -> OutgoingMessage:
        out_key = key if emission.key is None else emission.key.encode()
        ordinal = slot.ordinals[emission.kind] = slot.ordinals.get(emission.kind, -1) + 1
        counter = f"{emission.topic}/{out_key.decode('latin-1')}"
        sequence = slot.sequences[counter] = slot.sequences.get(counter, 0) + 1
        identity = f"{origin.log_epoch}-{origin.source_partition}-{origin.source_offset}"
        document = {
            "event_id": f"{identity}-{emission.kind}-{ordinal}",
            "kind": emission.kind,
            "log_epoch": origin.log_epoch,
            "source_partition": origin.source_partition,
            "source_offset": origin.source_offset,
            "sequence": sequence,
            **emission.value,
        }
        if emission.topic == DEAD_LETTERS:
            document["event_id"] = f"{self.fold.stage}-{document['event_id']}"
            if document["coin"] is None and key != STRANGERS_KEY:
                document["coin"] = key.decode()
            if count:
                self.counts.rejected += 1
                self.counts.dead_letters[document["reason"]] += 1
        if count:
            self.counts.outputs[emission.topic] += 1
        value = self._encoder.encode(document) if count else b""
        return OutgoingMessage(emission.topic, out_key, value, partition)

    # ---- slots and their records

    def _slot(self, partition: Partition, key: bytes) -> Slot:
        slot = partition.slots.get(key)
        if slot is None:
            slot = partition.slots[key] = self._load(partition, key)
        return slot

    def _load(self, partition: Partition, key: bytes) -> Slot:
        raw = partition.records.get(key)
        if raw is None:
            state = None if key == STRANGERS_KEY else self.fold.new(key.decode())
            return Slot(state=state)
        stored = unpack(raw, self.fold.state_version, self.fold.migrates_from)
        state = None if key == STRANGERS_KEY else self._restore(raw, stored.body, key.decode())
        label = stored.label if stored.log_epoch == self.log_epoch else -1
        return Slot.restored(label, stored.bookkeeping, state)

    def _restore(self, raw: bytes, body: bytes, coin: str) -> Any:
        """The fold's state of a record; one of an earlier version is migrated, and written anew when it changes."""
        version = check_version(raw, self.fold.state_version, self.fold.migrates_from)
        if version != self.fold.state_version:
            body = self.fold.migrate(version, body, coin)
        return self.fold.load(body, coin)

    def dump(self, partition: Partition, key: bytes) -> None:
        """Turn a slot that a checkpoint wants into its record."""
        slot = partition.to_dump.pop(key)
        body = b"" if slot.state is None else self.fold.dump(slot.state)
        stored = StoredState(self.log_epoch, slot.label, slot.bookkeeping(), body)
        partition.records[key] = pack(stored, self.fold.state_version)
        partition.dumped.add(key)
        slot.journal = []
