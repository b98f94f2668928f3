"""Every message of every venue with one thing wrong: a dead letter or the same event, never a wrong number."""

from __future__ import annotations

import pytest

from liqheat_ingest.mappers import VENUES, mapper_of
from message_mutations import check
from venue_messages import AT_MS, MESSAGES, Message, prepared, raw

CASES = [(venue, number) for venue in VENUES for number in range(len(MESSAGES[venue]))]


def name_of(venue: str, number: int) -> str:
    channel, data = MESSAGES[venue][number]
    return f"{venue}-{number}-{channel.partition('?')[0].rpartition('/')[2]}-{type(data).__name__}"


@pytest.mark.parametrize(("venue", "number"), CASES, ids=[name_of(*case) for case in CASES])
def test_a_damaged_message_is_named_or_harmless(venue: str, number: int) -> None:
    message: Message = MESSAGES[venue][number]
    sound = raw(venue, message, AT_MS + 1_000)
    # An answer about instruments says nothing new to a mapper that has read it.
    known = bool(prepared(venue).map(sound))

    count = check((lambda: prepared(venue)) if known else (lambda: mapper_of(venue)), sound)

    assert count > 30
