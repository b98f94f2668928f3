"""``liqheat normalize``: contracts on standard output, dead letters on standard error, exit code 0."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest

from liqheat_ingest.mappers import VENUES
from liqheat_ingest.normalize import Normalizer
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.market_events import MARKET_EVENT
from venue_messages import AT_MS, MESSAGES, PRELUDES

NOW_MS = AT_MS + 5_000


def run(venue: str, *lines: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Events and dead letters."""
    found = list(Normalizer(venue).lines(lines, NOW_MS))
    events = [orjson.loads(entry.line) for entry in found if entry.is_event]
    return events, [orjson.loads(entry.line) for entry in found if not entry.is_event]


def stamped(message: Any, at_ms: int = AT_MS, **more: Any) -> bytes:
    return orjson.dumps({"ts": at_ms, "channel": message[0], "data": message[1], **more})


@pytest.mark.parametrize("venue", VENUES)
def test_every_message_becomes_contracts(venue: str) -> None:
    lines = [stamped(message, AT_MS - 2_000) for message in PRELUDES[venue]]
    lines += [stamped(message, AT_MS + 1_000 + 1_500 * n) for n, message in enumerate(MESSAGES[venue])]
    events, dead = run(venue, *lines)

    assert [letter for letter in dead if letter["reason"] != "out-of-order"] == []
    for event in events:
        MARKET_EVENT.validate_python(event)
    kinds = {event["type"] for event in events}
    assert {"instrument", "trades"} <= kinds
    if venue in ("binance", "bybit", "okx", "hyperliquid"):
        assert {"ticker", "book-depth", "candle"} <= kinds
    for market in {(event["venue"], event["symbol"]) for event in events}:
        own = [event["sequence"] for event in events if (event["venue"], event["symbol"]) == market]
        assert own == list(range(len(own)))


def test_the_forms_of_a_line_say_the_same() -> None:
    trade = MESSAGES["bybit"][1]
    text = orjson.dumps(trade[1]).decode()
    seconds = AT_MS / 1000
    forms = [
        stamped(trade),
        orjson.dumps({"ts": seconds, "data": text, "addr": "wss://stream.bybit.com/v5/public/linear"}),
        orjson.dumps({"ts": AT_MS, "data": text}),
        orjson.dumps({"t": "recv", "conn": "1", "ts": seconds, "data": text, "a note": "of whoever recorded it"}),
        orjson.dumps({"venue": "bybit", "channel": "", "receive_time_ms": AT_MS, "data": trade[1]}),
    ]
    first, *others = [run("bybit", form) for form in forms]
    assert [event["type"] for event in first[0]] == ["instrument", "trades"]
    assert others == [first] * 4
    bare, dead = run("bybit", orjson.dumps(trade[1]))
    assert dead == []
    # A bare message is received when it says that it was sent.
    assert bare[1] == first[0][1] | {"receive_time_ms": AT_MS - 30}


def test_a_line_stands_for_itself() -> None:
    trade = MESSAGES["bybit"][1]
    events, dead = run(
        "bybit", stamped(trade), b"", b"  \n", stamped(trade, AT_MS - 500), stamped(trade, AT_MS + 60_000)
    )
    assert dead == []
    assert [event["type"] for event in events] == ["instrument", "trades", "trades", "trades"]
    assert [event["receive_time_ms"] for event in events[1:]] == [AT_MS, AT_MS - 500, AT_MS + 60_000]


@pytest.mark.parametrize(
    ("line", "reason", "stream"),
    [
        (b"{ no json", "not-json", "unknown"),
        (b"[1, 2]", "not-an-object", "unknown"),
        (b'"text"', "not-an-object", "unknown"),
        (b"null", "not-an-object", "unknown"),
        (b"{}", "unknown-type", "unknown"),
        (b'{"topic": "publicTrade.BTCUSDT", "data": [{"s": "BTCUSDT", "p": NaN}]}', "not-finite", "trades"),
        (b'{"topic": "publicTrade.NOPE", "data": [{"s": "NOPE?"}]}', "unknown-market", "trades"),
        (b'{"topic": "of tomorrow.BTCUSDT", "data": []}', "unknown-type", "unknown"),
        (b'{"ts": 12, "data": {}}', "broken-line", "unknown"),
        (b'{"ts": 1786310819, "data": "{"}', "not-json", "unknown"),
        (b"\xff\xfe\x00", "not-json", "unknown"),
        (b"[" * 100_000, "not-json", "unknown"),
    ],
)
def test_what_can_not_be_used_is_named(line: bytes, reason: str, stream: str) -> None:
    trade = stamped(MESSAGES["bybit"][1])
    events, dead = run("bybit", line, trade)

    assert [(letter["venue"], letter["stream"] or "unknown", letter["reason"]) for letter in dead] == [
        ("bybit", stream, reason)
    ]
    assert dead[0]["source_line"] == 1
    DeadLetter.model_validate(dead[0])
    assert [event["type"] for event in events] == ["instrument", "trades"]


def test_a_time_in_the_future_is_seen_in_a_bare_line() -> None:
    ahead = MESSAGES["bybit"][1][1] | {"ts": NOW_MS + 10**9}
    ahead["data"] = [ahead["data"][0] | {"T": NOW_MS + 10**9}]
    events, dead = run("bybit", orjson.dumps(ahead))
    assert events == []
    assert [letter["reason"] for letter in dead] == ["from-the-future"]


def test_an_unknown_symbol_is_named_every_time() -> None:
    line = b'{"topic": "publicTrade.NOPE", "data": [{"s": "NOPE?"}]}'
    assert len(run("bybit", line, line, line)[1]) == 3


def test_the_command(tmp_path: Any) -> None:
    lines = [stamped(MESSAGES["okx"][2]), b"{", stamped(MESSAGES["okx"][0]), stamped(MESSAGES["okx"][2])]
    done = subprocess.run(
        [sys.executable, "-c", "from liqheat_shared.cli import main; main()", "normalize", "--venue", "okx"],
        input=b"\n".join(lines),
        capture_output=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0
    events = [orjson.loads(line) for line in done.stdout.splitlines()]
    letters = [orjson.loads(line) for line in done.stderr.splitlines()]
    # UNI-USD-SWAP is refused until its contract is known, and read after.
    assert [letter["reason"] for letter in letters] == ["unknown-market", "not-json"]
    assert [(event["type"], event["coin"]) for event in events] == [
        ("instrument", "BTC"),
        ("instrument", "UNI"),
        ("trades", "UNI"),
    ]
    assert events[2]["quantity_base"] == [pytest.approx(1000 / 5.123)]


def test_a_venue_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no mapper of venue 'mtgox'; there are: binance"):
        Normalizer("mtgox")
