"""The judge of the soak must find what is wrong: every kind of fault, put into a log on purpose, is named."""

from __future__ import annotations

import pytest

from soak_plan import DAY, Plan
from soak_verdict import SLACK_MS, SoakLog, judge

T0 = 1_795_600_000_000
MARKET = ("binance", "BTC/USDT:USDT")
END = 400


def at(number):
    return T0 + number * 100


TRUTH = {MARKET: {number: at(number) for number in range(END)}}


def event(kind, sequence, **fields):
    known = {"venue": MARKET[0], "symbol": MARKET[1], "ingest_epoch": 1, "sequence": sequence, "type": kind}
    return known | fields


def trades(numbers, sequence=0, shift_ms=0):
    last_ms = at(max(numbers)) + shift_ms
    offsets = [at(number) + shift_ms - last_ms for number in numbers]
    ids = [str(number) for number in numbers]
    return event("trades", sequence, event_time_ms=last_ms, time_offset_ms=offsets, trade_id=ids, refilled=False)


def status(from_number, to_number, missed, reason="cut"):
    span = {"stream": "trades", "from_ms": at(from_number), "missed_trades": missed, "reason": reason}
    return [
        event("feed-interrupted", 0, to_ms=None, **span),
        event("feed-resumed", 0, **(span | {"to_ms": at(to_number)})),
    ]


def verdict_of(*events):
    log = SoakLog()
    for one in events:
        log.take(one)
    return judge(log, TRUTH, at(END) + 60_000)


def test_a_whole_log_has_no_gap():
    verdict = verdict_of(trades(range(END)))
    assert (verdict.gaps, verdict.repeated, verdict.invented) == ([], 0, 0)
    assert verdict.happened == verdict.published == END


def test_what_nobody_announced_is_undetected():
    verdict = verdict_of(trades([*range(100), *range(110, END)]))
    [gap] = verdict.undetected
    assert (gap.first, gap.last, gap.trades) == (100, 109, 10)
    assert verdict.uncounted == {"binance": 10}


def test_what_was_announced_is_an_open_gap_with_its_reason():
    verdict = verdict_of(trades([*range(100), *range(110, END)]), *status(99, 115, 10, "503"))
    assert verdict.undetected == []
    assert verdict.open_gaps() == {"binance": {"503": {"gaps": 1, "trades": 10}}}
    assert verdict.uncounted == {"binance": 0}


@pytest.mark.parametrize(
    "announced",
    [
        status(0, 50, 10),  # another time
        status(99, 104, 10),  # too short: half of the trades lie after it
        status(99, 115, 0),  # says that nothing is missing
    ],
)
def test_an_announcement_must_cover_every_trade_and_say_that_some_are_missing(announced):
    assert verdict_of(trades([*range(100), *range(110, END)]), *announced).undetected


def test_fewer_said_than_missing_is_found_where_the_venue_counts():
    verdict = verdict_of(trades([*range(100), *range(110, END)]), *status(99, 115, 7))
    assert (verdict.undetected, verdict.uncounted) == ([], {"binance": 3})


def test_a_market_that_dies_before_the_end_is_undetected():
    [gap] = verdict_of(trades(range(200))).undetected
    assert (gap.first, gap.last) == (200, END - 1)


def test_an_interruption_that_never_ends_is_announced_from_its_begin_on_and_not_before():
    lost = event("feed-interrupted", 0, stream="trades", from_ms=at(200), to_ms=None, missed_trades=None, reason="cut")
    assert verdict_of(trades(range(200)), lost).undetected == []
    early = range(200 - SLACK_MS // 100 - 1)
    assert verdict_of(trades(early), lost).undetected


def test_repeated_and_invented_trades_are_counted():
    assert verdict_of(trades(range(END)), trades([7, 8], 1)).repeated == 2
    assert verdict_of(trades(range(END)), trades([END + 5], 1)).invented == 1
    assert verdict_of(trades([*range(50), *range(51, END)]), trades([50], 1, shift_ms=3)).invented == 1


def test_a_market_that_no_venue_has_is_invented():
    strange = trades(range(3)) | {"symbol": "ETH/USDT:USDT"}
    assert verdict_of(trades(range(END)), strange).invented == 3


def test_lost_messages_show_in_their_numbers():
    assert verdict_of(trades(range(100), 1), trades(range(100, END), 3)).log.sequence_holes() == [(*MARKET, 1, 1, 3)]


def test_the_day_has_what_it_says_and_is_the_same_each_time():
    acts = DAY.acts()
    assert acts == DAY.acts()
    kinds = [act.kind for act in acts]
    expected = {"disconnect": 1_440, "restart": 24, "broker": 8, "ingest": 6, "stall": 12, "throttle": 12, "outage": 2}
    assert {kind: kinds.count(kind) for kind in set(kinds)} == expected
    assert all(0 <= act.at_s <= DAY.seconds for act in acts)
    assert Plan(10, disconnects=3).acts() != Plan(10, disconnects=3, seed=2).acts()
