"""The real tape, where it is: every message valid, and two replays the same to the byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import orjson
import pytest

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.sources.replay import open_replay
from liqheat_shared.contracts.market_events import MARKET_EVENT

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
TAPE = DATA / "hyperliquid-tape"
HISTORY = DATA / "binance-history"
#: 2026-06-12 as days since 1970.
DAY = 20_616

needs_tape = pytest.mark.skipif(not TAPE.is_dir(), reason="needs the real tape in ../shared/data/hyperliquid-tape")
needs_history = pytest.mark.skipif(
    not HISTORY.is_dir(), reason="needs the real history in ../shared/data/binance-history"
)


def replay(
    path: Path, coins: list[str], days: list[int], validate_every: int
) -> tuple[str, Counter[str], Counter[str]]:
    """Hash over all values, rows and messages by type."""
    source = open_replay([path], coins, days)
    batcher = Batcher("replay", 1, lambda coin: 100, lambda market: instrument_fields(source.describe(market)))
    digest, rows, sent = hashlib.sha256(), Counter[str](), Counter[str]()
    for number, message in enumerate(messages(source.items(), batcher)):
        digest.update(message.value)
        rows[message.type] += message.rows
        sent[message.type] += 1
        if number % validate_every == 0:
            MARKET_EVENT.validate_python(orjson.loads(message.value), extra="forbid")
    assert source.broken_lines == 0
    return digest.hexdigest(), rows, sent


@needs_tape
@pytest.mark.slow
def test_a_day_of_two_coins_is_the_same_twice() -> None:
    first, rows, sent = replay(TAPE, ["AVAX", "DOGE"], [DAY], validate_every=7)
    second, _, _ = replay(TAPE, ["AVAX", "DOGE"], [DAY], validate_every=1_000)

    assert first == second
    assert rows["trades"] == 11_530 + 29_257
    assert rows["ticker"] == 2 * 1_428
    # Every second of two markets over a day is told: something was sent, or a heartbeat.
    assert sent["heartbeat"] > 100_000


@needs_tape
@pytest.mark.slow
def test_a_day_of_bitcoin_loses_no_trade() -> None:
    _, rows, sent = replay(TAPE, ["BTC"], [DAY], validate_every=50)

    assert rows["trades"] == 368_836
    assert sent["trades"] < 120_000


@needs_history
@pytest.mark.slow
def test_history_becomes_a_candle_every_five_minutes() -> None:
    _, rows, sent = replay(HISTORY, ["BTC", "WIF"], [], validate_every=11)

    assert rows["candle"] == pytest.approx(2 * 34_847, abs=20)
    assert rows["ticker"] == 2 * 363 + 363  # WIF pays every four hours
    assert sent["heartbeat"] == 0
