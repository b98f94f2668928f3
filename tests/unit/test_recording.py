"""Recordings: what is written comes back, files rotate and stay bounded, a damaged end costs the end alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.mappers import VENUES
from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.raw_lines import RawLines, told_time_ms, write_line
from liqheat_ingest.readings import BrokenLine, Fact, SourceError, Trade
from liqheat_ingest.recording import RecordingFailed, RecordingWriter, read_lines
from liqheat_ingest.sources.replay import open_replay
from venue_messages import AT_MS, MESSAGES, PRELUDES, raw

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 53), 1 << 53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)


def numbered(number: int, at_ms: int) -> RawMessage:
    return RawMessage("bybit", "ws:/v5/public/linear", at_ms, {"op": "pong", "number": number, "pad": "x" * 200})


def back(folder: Path) -> list[RawMessage]:
    lines = RawLines(None)
    read = [lines.read(line, 0) for path in sorted(folder.iterdir()) for _, line, _ in read_lines(path)]
    return [message for message in read if message is not None]


@given(st.sampled_from(VENUES), st.text(max_size=40), st.integers(10**12, 10**13 - 1), JSON)
def test_a_line_gives_back_its_message(venue: str, rest: str, at_ms: int, data: Any) -> None:
    message = RawMessage(venue, f"ws:/{rest}", at_ms, data)
    if isinstance(data, str):  # a text is read as JSON; no venue's message is one
        return
    assert RawLines(None).read(write_line(message), 0) == message


def test_what_was_written_comes_back_in_order_over_files(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "tape", max_file_bytes=2_000)
    sent = [numbered(n, AT_MS + n) for n in range(1_000)]
    for message in sent:
        writer.take(message)
        if message.data["number"] % 50 == 0:
            writer.flush(message.receive_time_ms)
    writer.close()

    assert back(tmp_path / "tape") == sent
    assert len(list((tmp_path / "tape").iterdir())) > 1
    assert writer.messages == 1_000


def test_files_end_with_time_and_the_oldest_go(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path, max_file_ms=1_000, max_total_bytes=600)
    for number in range(200):
        writer.take(numbered(number, AT_MS + number * 100))
        writer.flush(AT_MS + number * 100)
    writer.close()

    kept = back(tmp_path)
    assert writer.deleted_files > 0
    assert kept == [numbered(n, AT_MS + n * 100) for n in range(200 - len(kept), 200)]
    # The file that was just begun is never counted away.
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 600 + 2_000


def test_a_file_is_readable_while_it_grows(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path)
    writer.take(numbered(1, AT_MS))
    writer.flush(AT_MS)
    writer.take(numbered(2, AT_MS + 5))

    assert [message.data["number"] for message in back(tmp_path)] == [1]


def test_a_full_disk_is_told_and_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordingFailed, match="file"):
        RecordingWriter(tmp_path / "file")
    writer = RecordingWriter(tmp_path / "tape", max_file_ms=10)
    (tmp_path / "tape").rmdir()
    writer.take(numbered(1, AT_MS))
    writer.take(numbered(2, AT_MS + 20))  # ends the file, which can't be opened; must not raise

    assert writer.failure is not None
    with pytest.raises(RecordingFailed, match="tape"):
        writer.flush(AT_MS + 30)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A recording of all message kinds of all venues, in three files."""
    folder = tmp_path / "tape"
    writer = RecordingWriter(folder, max_file_ms=2_000)
    for second, venue in enumerate(VENUES):
        for number, message in enumerate([*PRELUDES[venue], *MESSAGES[venue]]):
            writer.take(raw(venue, message, AT_MS + second * 1_500 + number * 10))
    writer.close()
    return folder


def events(source: Any) -> list[dict[str, Any]]:
    batcher = Batcher("replay", 1, lambda _: 100, lambda market: instrument_fields(source.describe(market)))
    return [orjson.loads(message.value) for message in messages(source.items(), batcher)]


def test_a_recording_is_replayed_through_the_mappers(tape: Path) -> None:
    source = open_replay([tape])
    found = events(source)

    kinds = {(event["venue"], event["type"]) for event in found}
    for venue in VENUES:
        assert {(venue, "trades"), (venue, "instrument")} <= kinds
    for venue in ("binance", "bybit", "okx", "hyperliquid"):
        assert {(venue, "ticker"), (venue, "book-depth")} <= kinds
    assert ("binance", "liquidation") in kinds
    assert ("hyperliquid", "on-chain-position") in kinds
    assert not [kind for kind in kinds if kind[1] == "candle"]  # answers about history are no feed
    for market in {(event["venue"], event["symbol"]) for event in found}:
        own = [event for event in found if (event["venue"], event["symbol"]) == market]
        assert [event["sequence"] for event in own] == list(range(len(own)))
        assert [event["receive_time_ms"] for event in own] == sorted(event["receive_time_ms"] for event in own)
    assert source.share_done() == 1.0
    assert events(open_replay([tape])) == found


def test_a_replay_takes_the_chosen_coins_alone(tape: Path) -> None:
    found = events(open_replay([tape], ["PEPE"]))

    assert {event["coin"] for event in found} == {"PEPE"}
    assert {event["venue"] for event in found} == {"binance", "hyperliquid"}


def test_a_damaged_end_costs_the_end_alone(tape: Path) -> None:
    joined = tape.parent / "joined.jsonl.zst"
    joined.write_bytes(b"".join(path.read_bytes() for path in sorted(tape.iterdir())))
    whole = list(open_replay([joined]).items())
    joined.write_bytes(joined.read_bytes()[:-40])
    damaged = list(open_replay([joined]).items())

    assert isinstance(damaged[-1], BrokenLine)
    assert "damaged from here on" in damaged[-1].detail
    assert len(damaged) > 20
    assert damaged[:-1] == whole[: len(damaged) - 1]


def test_a_bad_line_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    trade = MESSAGES["bybit"][1]
    good = write_line(raw("bybit", trade))
    path.write_bytes(
        good + b"{ no json\n" + b'{"venue": "bybit", "channel": "", "receive_time_ms": 5, "data": 1}\n' + good
    )
    items = list(open_replay([path]).items())

    assert [type(item) for item in items] == [Trade, BrokenLine, BrokenLine, Trade]
    assert [item.line_number for item in items if isinstance(item, BrokenLine)] == [2, 3]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x28\xb5\x2f\xfd garbage", b"[1]\n", b'{"a": 1}\n'])
def test_what_is_no_recording_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.jsonl.zst"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=r"garbage\.jsonl\.zst: not a recording"):
        open_replay([path])


def test_history_in_a_recording_is_no_feed(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    answers = [m for m in MESSAGES["binance"] if "klines" in m[0] or "openInterestHist" in m[0]]
    path.write_bytes(b"".join(write_line(raw("binance", message)) for message in [MESSAGES["binance"][1], *answers]))

    assert [type(item) for item in open_replay([path]).items()] == [Trade]


@pytest.mark.parametrize(
    ("stamp", "at_ms"),
    [
        (b"1786310819.5264041", 1_786_310_819_526),
        (b"1786310819", 1_786_310_819_000),
        (b"1786310819526", 1_786_310_819_526),
        (b'"1786310819.5"', 1_786_310_819_500),
    ],
)
def test_a_stamp_is_in_seconds_or_milliseconds(stamp: bytes, at_ms: int) -> None:
    for data in (b'{"op": "pong"}', b'"{\\"op\\": \\"pong\\"}"'):
        message = RawLines("bybit").read(b'{"ts": ' + stamp + b', "data": ' + data + b"}", 5)
        assert message == RawMessage("bybit", "", at_ms, {"op": "pong"})


@pytest.mark.parametrize("stamp", [b"0", b"-5", b"1e30", b"NaN", b"true", b'"soon"', b"5", b"null"])
def test_a_stamp_that_is_none_is_named(stamp: bytes) -> None:
    with pytest.raises(BadMessage, match="ts is n"):
        RawLines("bybit").read(b'{"ts": ' + stamp + b', "data": {}}', 5)


def test_a_bare_message_is_received_when_it_says_or_now() -> None:
    """A message from the future keeps our time, so that the mapper sees that it is ahead."""
    for venue in VENUES:
        for message in MESSAGES[venue]:
            told = told_time_ms(message[1])
            read = RawLines(venue).read(orjson.dumps(message[1]), AT_MS + 60_000)
            assert read is not None
            assert read.receive_time_ms == (AT_MS + 60_000 if told is None else told)
            assert RawLines(venue).read(orjson.dumps(message[1]), 1_000_000_000_000).receive_time_ms == 10**12  # type: ignore[union-attr]


def test_the_batcher_is_given_the_instrument_that_was_told() -> None:
    """Not twice: an instrument event as a market's first stands for itself."""
    mapper_items = [item for item in _mapped("okx") if isinstance(item, Fact)]
    batcher = Batcher("live", 1, lambda _: 100, lambda _: {})
    for item in mapper_items[:1]:
        batcher.push(item)
    assert [message.type for message in batcher.take()] == ["instrument"]


def _mapped(venue: str) -> list[Any]:
    from liqheat_ingest.mappers import mapper_of

    return mapper_of(venue).map(raw(venue, PRELUDES[venue][0]))
