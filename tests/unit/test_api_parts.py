"""Small parts of the projector and the api."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st

import view_samples as samples
from liqheat_api.accuracy.answer import with_record
from liqheat_api.encoding import accepts_gzip, entity_tag, matches
from liqheat_api.freshness import Freshness
from liqheat_api.projector.latest import Grids, Magnets
from liqheat_api.projector.messages import Fence, InvalidMessageError, Message, read_fence, read_message
from liqheat_api.projector.projection import Batch
from liqheat_api.stream.mailbox import Mailbox, StreamEvent
from liqheat_shared.contracts.map_accuracy import MapAccuracy
from liqheat_shared.redis_keys import RedisKeys

KEYS = RedisKeys("p:")
numbers = st.integers(0, 10**15)


@given(st.integers(0, 10**6), numbers, numbers, st.booleans())
def test_the_fast_reading_of_a_fence_equals_the_slow_one(epoch: int, offset: int, sequence: int, first: bool) -> None:
    head = {"log_epoch": epoch, "source_partition": 3, "source_offset": offset, "sequence": sequence}
    rest = {"coin": "BTC", "padding": "x" * 700}
    document = head | rest if first else rest | dict(reversed(head.items()))
    assert read_fence(orjson.dumps(document)) == Fence(epoch, offset, sequence)
    assert Fence.parse(Fence(epoch, offset, sequence).text()) == Fence(epoch, offset, sequence)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"[]", "a list, not an object"),
        (b"nonsense", "no JSON"),
        (b'{"log_epoch":1,"source_offset":2}', "sequence: 'None' is no whole number"),
        (b'{"log_epoch":1,"source_offset":-2,"sequence":1}', "source_offset: '-2' is no whole number"),
        (b'{"log_epoch":true,"source_offset":2,"sequence":1}', "log_epoch: 'True' is no whole number"),
    ],
)
def test_messages_without_coordinates_are_refused(value: bytes, why: str) -> None:
    with pytest.raises(InvalidMessageError, match=why):
        read_message("t", 0, 0, b"BTC", value)


def message(sample: samples.Sample, offset: int = 0) -> Message:
    return read_message(sample.topic, 0, offset, sample.key.encode(), sample.value)


def decide(projection: Any, messages: list[Message], written: Fence | None) -> tuple[Any, list[str]]:
    refused: list[str] = []
    slots: dict[str, list[Message]] = {}
    for one in messages:
        slots.setdefault(projection.slot(one), []).append(one)
    batch = Batch(slots, dict.fromkeys(slots, written), None, lambda _, why: refused.append(why))  # type: ignore[arg-type]
    return asyncio.run(projection.project(batch)), refused


def test_only_the_newest_grid_of_a_batch_is_parsed() -> None:
    broken = samples.grid(4)._replace(value=samples.grid(4).value.replace(b'"scopes":{', b'"scopes":{"X":1,'))
    batch = [message(samples.grid(offset)) for offset in (1, 9, 2)] + [message(broken)]
    writes, refused = decide(Grids(KEYS, 100), batch, None)
    assert (writes.fences, refused) == ({"grid|BTC": Fence(1, 9, 9)}, [])


def test_a_broken_newest_grid_gives_way_to_the_one_before() -> None:
    broken = samples.grid(4)._replace(value=samples.grid(4).value.replace(b'"scopes":{', b'"scopes":{"X":1,'))
    writes, refused = decide(Grids(KEYS, 100), [message(samples.grid(3)), message(broken)], None)
    assert writes.fences == {"grid|BTC": Fence(1, 3, 3)}
    assert len(refused) == 1


@given(st.lists(st.integers(1, 12), min_size=1, max_size=12), st.integers(0, 12))
def test_what_is_shown_depends_on_the_newest_alone(offsets: list[int], written: int) -> None:
    fence = Fence(1, written, written) if written else None
    writes, _ = decide(Grids(KEYS, 100), [message(samples.grid(offset, bins=2)) for offset in offsets], fence)
    newest = max(offsets)
    if newest > written:
        assert writes.fences == {"grid|BTC": Fence(1, newest, newest)}
    else:
        assert (writes.fences, writes.commands, writes.stale) == ({}, [], 1)


def test_a_higher_log_epoch_is_newer_whatever_the_offset() -> None:
    value = samples.grid_value(1) | {"log_epoch": 2}
    sample = samples.grid(1)._replace(value=orjson.dumps(value))
    writes, _ = decide(Grids(KEYS, 100), [message(sample)], Fence(1, 500, 500))
    assert writes.fences == {"grid|BTC": Fence(2, 1, 1)}


def test_scopes_of_one_key_have_fences_of_their_own() -> None:
    batch = [message(samples.magnets(5)), message(samples.magnets(4, scope="binance"))]
    writes, _ = decide(Magnets(KEYS, 100), batch, None)
    assert set(writes.fences) == {"magnets|BTC|aggregated", "magnets|BTC|binance"}


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "headers": raw})


@pytest.mark.parametrize(
    ("given_value", "wanted"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("*", True), ("", False)],
)
def test_gzip_only_where_it_is_wanted(given_value: str, wanted: bool) -> None:
    assert accepts_gzip(request(accept_encoding=given_value)) is wanted


def test_entity_tags() -> None:
    tag = entity_tag("a", b"b")
    assert tag != entity_tag("ab", b"")
    assert matches(request(if_none_match=f'"1", {tag}'), tag)
    assert matches(request(if_none_match=tag.removeprefix("W/")), tag)
    assert matches(request(if_none_match="*"), tag)
    assert not matches(request(), tag)


def test_ages_of_live_and_replayed_maps() -> None:
    now_ms = 1_000_000
    freshness = Freshness(lambda: now_ms)
    live = {"coin": "BTC", "phase": "live", "event_time_ms": 990_000, "valid_until_ms": 995_000}
    freshness.saw(live)
    freshness.saw(live | {"coin": "ETH", "phase": "replay", "event_time_ms": 5, "valid_until_ms": 5005})
    assert (freshness.age_ms("BTC"), freshness.state("BTC")) == (10_000, "stale")
    assert (freshness.age_ms("ETH"), freshness.state("ETH")) == (0, "ok")
    now_ms += 5001
    freshness.saw(live | {"coin": "ETH", "phase": "replay", "event_time_ms": 5, "valid_until_ms": 5005})
    assert (freshness.age_ms("ETH"), freshness.state("ETH")) == (5001, "stale")
    assert (freshness.age_ms("XYZ"), freshness.state("XYZ")) == (None, "stale")


def fact(number: int) -> StreamEvent:
    return StreamEvent("cluster-event", b"%d" % number, f"{number}-0")


@given(st.lists(st.sampled_from(["grid", "clusters", "fact", "take"]), max_size=60), st.integers(1, 5))
def test_a_mailbox_is_bounded_and_honest(steps: list[str], kept: int) -> None:
    """Every fact is taken once and in order, or a resync is; the newest value is always taken."""

    async def main() -> None:
        box = Mailbox("BTC", "aggregated", kept)
        sent: list[str] = []
        taken: list[str] = []
        newest: dict[str, bytes] = {}
        for number, step in enumerate([*steps, "take"]):
            if step == "fact":
                box.put_fact(fact(number))
                sent.append(f"{number}-0")
            elif step == "take":
                events = await box.take(0.001)
                assert len(events) <= kept + 3
                if events and events[0].name == "resync":
                    taken, sent = [], [event.event_id or "" for event in events if event.event_id]
                taken += [event.event_id for event in events if event.event_id]
                for event in events:
                    if event.name in newest:
                        assert event.data == newest.pop(event.name)
                assert not newest
                assert taken == sent
            else:
                box.put_value(step, b"%d" % number)
                newest[step] = b"%d" % number

    asyncio.run(main())


def test_missed_facts_come_before_newer_ones() -> None:
    async def main() -> None:
        box = Mailbox("BTC", "aggregated", 5)
        box.put_fact(fact(3))
        box.put_fact(fact(4))
        box.put_missed([fact(1), fact(2), fact(3)])
        assert [event.event_id for event in await box.take(1)] == ["1-0", "2-0", "3-0", "4-0"]
        box.put_missed([fact(number) for number in range(6)])
        assert [event.name for event in await box.take(1)] == ["resync"]

    asyncio.run(main())


def history_after(*values: dict[str, Any]) -> list[int]:
    """Hours of the records that the answer still holds after these messages."""
    data: bytes | None = None
    for value in values:
        data = with_record(data, MapAccuracy.parse_strict(value))
    history = orjson.loads(data or b"")["history"]
    lengths = {len(column) for column in history.values() if isinstance(column, list)}
    lengths |= {len(column) for side in ("long", "short") for column in history[side].values()}
    assert lengths == {len(history["frozen_time_ms"])}
    return [(time_ms - samples.START_MS) // 3_600_000 for time_ms in history["frozen_time_ms"]]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_the_history_of_the_record_rises_to_the_newest_and_is_bounded(hours: list[int]) -> None:
    kept = history_after(*(samples.accuracy_value(hour) for hour in hours))
    assert kept[-1] == hours[-1]
    assert kept == sorted(set(kept))
    assert kept[0] > hours[-1] - 168
    assert set(kept) <= set(hours)


def test_a_simulated_record_is_no_evidence_about_a_live_one() -> None:
    live = [samples.accuracy_value(hour, phase="live") for hour in (7, 8)]
    assert history_after(samples.accuracy_value(5), samples.accuracy_value(6), *live) == [7, 8]


def test_records_of_every_minute_cannot_make_the_answer_grow() -> None:
    minutes = [samples.accuracy_value(0) | {"frozen_time_ms": samples.START_MS + 60_000 * n} for n in range(300)]
    assert len(history_after(*minutes)) == 168
