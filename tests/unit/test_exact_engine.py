"""The shell's rules, message by message, without Kafka: the oracle is the fold applied to each message once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_shared.contracts.dead_letters import DeadLetter, Reason
from liqheat_shared.contracts.topics import DEAD_LETTERS
from liqheat_shared.folding import Emission, Fold, Origin, Rejected
from liqheat_shared.kafka.exact.dead_letter_limit import DeadLetterLimit
from liqheat_shared.kafka.exact.engine import STRANGERS_KEY, Engine, Message, OutgoingMessage
from liqheat_shared.kafka.exact.slots import LostRange, Partition
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY, StateVersionError, unpack

POISON, BAD = 13, 7
RELEASE = -1


class Sums(Fold[dict[str, Any], int]):
    """Order-sensitive sum; emits it, twice for even numbers; raises on POISON after it changed the state."""

    stage = "estimator"
    state_version = 3

    def decode(self, value: bytes, coin: str, append_time_ms: int) -> int:
        try:
            number = int(value)
        except ValueError:
            raise Rejected("not-json", repr(value)) from None
        if number == BAD:
            raise Rejected("invalid-field", "seven")
        return number

    def new(self, coin: str) -> dict[str, Any]:
        return {"coin": coin, "sum": 0, "n": 0, "rejected": 0, "lost": []}

    def load(self, body: bytes, coin: str) -> dict[str, Any]:
        return orjson.loads(body)

    def dump(self, state: dict[str, Any]) -> bytes:
        return orjson.dumps(state, option=orjson.OPT_SORT_KEYS)

    def fold(self, state: dict[str, Any], event: int) -> list[Emission]:
        state["sum"] = (state["sum"] * 31 + event) % 1_000_003
        state["n"] += 1
        if event == POISON:
            raise ValueError("poison")
        value = {"sum": state["sum"], "n": state["n"]}
        twice = 2 if event % 2 == 0 else 1
        return [Emission("sums-v1", "sum", {**value, "copy": i}) for i in range(twice)]

    def origin(self, event: int) -> Origin | None:
        return None

    def rejected(self, state: dict[str, Any], reason: Reason) -> None:
        state["rejected"] += 1

    def history_lost(self, state: dict[str, Any], first_offset: int, last_offset: int) -> None:
        state["lost"].append([first_offset, last_offset])

    def releases_quarantine(self, event: int) -> bool:
        return event == RELEASE

    def quarantine_released(self, state: dict[str, Any]) -> None:
        state["released"] = True


def message(offset: int, number: object, key: bytes | None = b"BTC") -> Message:
    return Message(0, offset, key, str(number).encode(), 1_000)


def engine() -> Engine:
    return Engine(Sums(), "market-events-v1", 1)


def checkpoint(e: Engine, p: Partition) -> dict[bytes, bytes]:
    """What a checkpoint writes, at once."""
    p.to_dump.update(p.dirty)
    p.dirty = {}
    while p.to_dump:
        e.dump(p, next(iter(p.to_dump)))
    records = {key: p.records[key] for key in p.dumped}
    p.dumped = set()
    return records | {POSITION_KEY: e.position_record(p, p.next_offset - 1)}


def documents(messages: list[OutgoingMessage]) -> list[dict[str, Any]]:
    return [orjson.loads(m.value) for m in messages]


def test_outputs_have_identity_and_dense_sequence() -> None:
    e = engine()
    p = e.open(0, {})
    out = documents(e.apply(p, message(0, 2)) + e.apply(p, message(1, 3)))
    assert [d["event_id"] for d in out] == ["1-0-0-sum-0", "1-0-0-sum-1", "1-0-1-sum-0"]
    assert [d["sequence"] for d in out] == [1, 2, 3]
    assert [d["source_offset"] for d in out] == [0, 0, 1]


def test_a_message_that_the_state_contains_is_skipped() -> None:
    e = engine()
    p = e.open(0, {})
    assert e.apply(p, message(0, 2))
    assert e.apply(p, message(0, 2)) == []
    assert p.slots[b"BTC"].state["n"] == 1
    assert e.counts.skipped == 1


def test_a_rejected_message_is_dead_lettered_and_the_rest_unaffected() -> None:
    e = engine()
    p = e.open(0, {})
    e.apply(p, message(0, 1))
    out = documents(e.apply(p, message(1, BAD)))
    assert [d["reason"] for d in out] == ["invalid-field"]
    letter = DeadLetter.parse_strict(out[0])
    assert (letter.coin, letter.source_offset, letter.stage) == ("BTC", 1, "estimator")
    assert p.slots[b"BTC"].state["rejected"] == 1
    assert documents(e.apply(p, message(2, 3)))[0]["n"] == 2


@pytest.mark.parametrize("key", [None, b"", b"btc", b"\xff\xfe", b"A" * 30, POSITION_KEY])
def test_a_key_that_is_no_coin_is_dead_lettered(key: bytes | None) -> None:
    e = engine()
    p = e.open(0, {})
    out = documents(e.apply(p, message(0, 1, key)))
    assert [d["reason"] for d in out] == ["wrong-key"]
    DeadLetter.parse_strict(out[0])


def test_garbage_under_invented_coins_makes_no_state() -> None:
    e = engine()
    p = e.open(0, {})
    for offset in range(50):
        e.apply(p, message(offset, "garbage", f"COIN{offset}".encode()))
    assert set(p.slots) == {STRANGERS_KEY}


def test_a_fold_that_raises_is_undone_and_quarantines_its_coin_alone() -> None:
    e = engine()
    p = e.open(0, {})
    e.apply(p, message(0, 2))
    checkpoint(e, p)
    e.apply(p, message(1, 4))
    before = e.fold.dump(p.slots[b"BTC"].state)
    out = documents(e.apply(p, message(2, POISON)))
    assert [(d["reason"], d["kind"], d["coin"]) for d in out] == [("fold-raised", "dead-letter", "BTC")]
    assert e.fold.dump(p.slots[b"BTC"].state) == before
    assert e.apply(p, message(3, 5)) == []
    assert documents(e.apply(p, message(4, 5, b"ETH")))[0]["n"] == 1
    # the quarantine survives a crash, and an operator's order ends it
    restored = e.open(0, checkpoint(e, p))
    assert e.apply(restored, message(5, 6)) == []
    released = documents(e.apply(restored, message(6, RELEASE)))
    assert [d["sequence"] for d in released] == [5], "sequence goes on where it stood"
    assert restored.slots[b"BTC"].state["released"] is True


def test_deleted_history_is_recorded_once_per_coin() -> None:
    e = engine()
    p = e.open(0, {})
    e.apply(p, message(0, 1))
    p.lost.append(LostRange(1, 9, new_group=False))
    p.next_offset = 10
    out = documents(e.apply(p, message(10, 3)))
    assert [d["kind"] for d in out] == ["dead-letter", "sum"]
    assert out[0]["reason"] == "history-lost"
    assert documents(e.apply(p, message(11, 3)))[0]["kind"] == "sum"
    assert p.slots[b"BTC"].state["lost"] == [[1, 9]]


def test_a_group_that_never_was_here_lost_nothing() -> None:
    e = engine()
    p = e.open(0, {})
    p.lost.append(LostRange(0, 9, new_group=True))
    p.next_offset = 10
    assert [d["kind"] for d in documents(e.apply(p, message(10, 3)))] == ["sum"]


def test_state_of_another_version_is_refused() -> None:
    e = engine()
    p = e.open(0, {})
    e.apply(p, message(0, 1))
    records = checkpoint(e, p)
    newer = engine()
    newer.fold.state_version = 4  # type: ignore[misc]
    with pytest.raises(StateVersionError, match="state version 3"):
        newer.open(0, records)


numbers = st.lists(
    st.tuples(
        st.sampled_from([b"BTC", b"ETH", b"SOL", b"bad key"]), st.sampled_from([1, 2, 3, 4, BAD, POISON, RELEASE])
    ),
    max_size=40,
)


def run_once(log: list[Message]) -> tuple[list[OutgoingMessage], dict[bytes, bytes]]:
    e = engine()
    p = e.open(0, {})
    out = [o for m in log for o in e.apply(p, m)]
    return out, checkpoint(e, p)


@settings(max_examples=150, deadline=None)
@given(numbers, st.data())
def test_crashes_anywhere_change_neither_outputs_nor_state(items: list[tuple[bytes, int]], data: st.DataObject) -> None:
    """Crash after any message; some checkpoints were written, others lost, and one may stop after some dumps."""
    log = [message(i, n, k) for i, (k, n) in enumerate(items)]
    expected, final = run_once(log)
    e = engine()
    stored: dict[bytes, bytes] = {}
    p = e.open(0, dict(stored))
    seen: dict[tuple[str, str, str], bytes] = {}
    order: list[tuple[str, str, str]] = []
    offset, crashes = 0, 0
    while offset < len(log):
        for o in e.apply(p, log[offset]):
            d = orjson.loads(o.value)
            name = (o.topic, o.key.decode("latin-1"), d["event_id"])
            if name in seen:
                assert seen[name] == o.value, "a repeat differs from the first"
            else:
                seen[name] = o.value
                order.append(name)
        offset += 1
        action = data.draw(st.sampled_from(["go", "go", "checkpoint", "half", "crash"]))
        if action == "checkpoint":
            stored |= checkpoint(e, p)
        elif action == "half" and p.dirty:
            p.to_dump.update(p.dirty)
            p.dirty = {}
            e.dump(p, next(iter(p.to_dump)))
        elif action == "crash" and crashes < 5:
            crashes += 1
            p = e.open(0, dict(stored))
            offset = p.next_offset
    stored |= checkpoint(e, p)
    wanted = [(o.topic, o.key.decode("latin-1"), orjson.loads(o.value)["event_id"]) for o in expected]
    assert sorted(order) == sorted(wanted)
    assert [seen[name] for name in wanted] == [o.value for o in expected]
    assert stored == final


class Second(Sums):
    """A second stage: its input says where it comes from."""

    stage = "clusterer"

    def decode(self, value: bytes, coin: str, append_time_ms: int) -> Any:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            raise Rejected("not-json", repr(value)) from None

    def fold(self, state: dict[str, Any], event: Any) -> list[Emission]:
        return super().fold(state, event["n"])

    def origin(self, event: Any) -> Origin | None:
        return Origin(1, 0, event["source_offset"], event["sequence"])

    def releases_quarantine(self, event: Any) -> bool:
        return False


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=20), st.data())
def test_a_second_stage_ignores_repeats_and_what_runs_ahead(inputs: list[int], data: st.DataObject) -> None:
    """The first stage repeats stretches and a zombie of it runs ahead: the second stage folds each once, in order."""
    raw = [orjson.dumps({"n": n, "sequence": i + 1, "source_offset": i // 2}) for i, n in enumerate(inputs)]
    noisy: list[bytes] = []
    for i in range(len(raw)):
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, len(raw) - 1))
            noisy += [r for r in raw[start : start + 3] if start <= i or orjson.loads(r)["sequence"] > i + 1]
        noisy.append(raw[i])

    def fold_all(values: list[bytes]) -> tuple[list[bytes], bytes]:
        e = Engine(Second(), "liquidation-grids-v1", 1)
        p = e.open(0, {})
        out: list[bytes] = []
        for offset, value in enumerate(values):
            out += [o.value for o in e.apply(p, Message(0, offset, b"BTC", value, 0))]
            if offset == len(values) // 2:  # a crash right after a checkpoint
                p = e.open(0, checkpoint(e, p))
        return out, unpack(checkpoint(e, p).get(b"BTC") or p.records[b"BTC"], e.fold.state_version).body

    assert fold_all(noisy) == fold_all(raw)


def test_an_unreadable_input_of_a_second_stage_is_no_hole() -> None:
    e = Engine(Second(), "liquidation-grids-v1", 1)
    p = e.open(0, {})
    inputs = [orjson.dumps({"n": 3, "sequence": n, "source_offset": n}) for n in (1, 2, 3, 4)]
    inputs[1] = b"not json"
    for offset, value in enumerate(inputs):
        e.apply(p, Message(0, offset, b"BTC", value, 0))
    assert e.counts.sequence_holes == 0
    assert (p.slots[b"BTC"].state["n"], p.slots[b"BTC"].state["rejected"]) == (3, 1)


def test_dead_letter_limits() -> None:
    limit = DeadLetterLimit(share=0.01, in_a_row=100)
    assert not any(limit.exceeded(rejected=i % 200 == 0, append_time_ms=i * 10) for i in range(100_000))
    limit = DeadLetterLimit(share=0.01, in_a_row=100)
    verdicts = [limit.exceeded(rejected=i % 20 == 0, append_time_ms=i * 10) for i in range(10_000)]
    assert "in 5 minutes" in next(v for v in verdicts if v)
    limit = DeadLetterLimit(share=1.0, in_a_row=100)
    verdicts = [limit.exceeded(rejected=True, append_time_ms=0) for _ in range(101)]
    assert verdicts[99] is None
    assert "in a row" in (verdicts[100] or "")


def test_dead_letters_of_long_ago_are_forgotten() -> None:
    limit = DeadLetterLimit(share=0.01, in_a_row=1000)
    for i in range(49):
        assert limit.exceeded(rejected=True, append_time_ms=i) is None
    for i in range(60):
        assert limit.exceeded(rejected=i < 40, append_time_ms=400_000 + i) is None


def test_letters_go_to_the_dead_letter_topic() -> None:
    e = engine()
    p = e.open(0, {})
    assert [m.topic for m in e.apply(p, message(0, "x"))] == [DEAD_LETTERS]
