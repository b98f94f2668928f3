"""Messages with several things wrong, and what is no message: no exception, and no event that is no contract."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.dead_letters import dead_letter
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.mappers import VENUES
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Mapped, Problem
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.market_events import MARKET_EVENT
from message_mutations import REMOVED, _places
from venue_messages import AT_MS, MESSAGES, prepared

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["0", "-1", "1e308", "1e-320", "NaN", "inf", "1_000", "٣", " 1 ", "0x10", "BTCUSDT", "Buy", "snapshot"]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=6), part, max_size=4),
    max_leaves=10,
)
CHANNELS = sorted(
    {channel for messages in MESSAGES.values() for channel, _ in messages} | {"", "rest:", "ws:/x", "rest:/"}
)


def judge(venue: str, mapper: Any, items: list[Mapped]) -> None:
    batcher = Batcher(
        "live", 1, lambda _: 100, lambda m: instrument_fields(mapper.instruments.describe(m)), independent=True
    )
    for item in items:
        if isinstance(item, Problem):
            assert item.venue == venue
            assert not item.detail.startswith("the mapper failed"), item.detail
            DeadLetter.model_validate_json(dead_letter(item).value)
        else:
            batcher.push(item)
    batcher.finish()
    for message in batcher.take():
        MARKET_EVENT.validate_json(message.value)
        assert b"NaN" not in message.value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_several_things_wrong_at_once(data: st.DataObject) -> None:
    venue = data.draw(st.sampled_from(VENUES))
    channel, sound = data.draw(st.sampled_from(MESSAGES[venue]))
    value = copy.deepcopy(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        places = [path for path, _ in _places(value, ())]
        if not places:
            break
        *owners, last = data.draw(st.sampled_from(places))
        owner = value
        for step in owners:
            owner = owner[step]
        replacement = data.draw(st.just(REMOVED) | JSON)
        if replacement is REMOVED:
            del owner[last]
        else:
            owner[last] = replacement
    mapper = prepared(venue)
    judge(venue, mapper, mapper.map(RawMessage(venue, channel, AT_MS + 1_000, value)))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(VENUES), st.sampled_from(CHANNELS), JSON)
def test_what_is_no_message_at_all(venue: str, channel: str, value: Any) -> None:
    mapper = prepared(venue)
    judge(venue, mapper, mapper.map(RawMessage(venue, channel, AT_MS, value)))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(VENUES),
    st.lists(st.integers(0, 40), max_size=25),
    st.lists(st.integers(-5_000, 5_000), max_size=25),
)
def test_any_order_and_any_times(venue: str, order: list[int], shifts: list[int]) -> None:
    mapper = prepared(venue)
    for index, shift in zip(order, shifts, strict=False):
        channel, value = MESSAGES[venue][index % len(MESSAGES[venue])]
        judge(venue, mapper, mapper.map(RawMessage(venue, channel, AT_MS + shift, value)))
