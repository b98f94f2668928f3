"""What a lost connection left out is fetched, and what is lost meanwhile, too; what stays missing has a reason."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.readings import Market, Trade
from liqheat_ingest.sources.live.feed_watch import FeedWatch, Stream
from liqheat_ingest.sources.live.outlet import Outlet
from liqheat_ingest.sources.live.refill import BY_CANDLES, NO_HISTORY, NOT_SO_FAR, Refill
from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.trade_numbers import TradeNumbers
from liqheat_ingest.sources.live.venue_intake import VenueIntake
from liqheat_ingest.sources.live.venues import feed_of
from liqheat_ingest.sources.live.venues.feed import Listed

T0 = 1_795_600_000_000


class Venue:
    """A venue that numbers its trades from 1 on; each takes a millisecond. Calls wait until they are let go."""

    def __init__(self, name="binance", *, tells=True, remembers=10_000, failures=0):
        self.market = Market("BTC", name, "BTC/USDT:USDT")
        self.stream = Stream(self.market, "trades")
        self.feed = feed_of(name)
        outlet = Outlet(Batcher("simulated", 1, lambda coin: 100, lambda market: {}), 100_000)
        numbers = TradeNumbers(counts=self.feed.counts_trades)
        self.intake = VenueIntake(mapper_of(name), FeedWatch({}), outlet, numbers, 10_000)
        self.markets = [Listed(self.market, "BTCUSDT", None)]
        self.now_ms, self.last, self.calls = T0, 0, []
        self.turn, self.answer = asyncio.Event(), asyncio.Event()
        self.turn.set()
        self.answer.set()
        self._tells, self._remembers, self._failures = tells, remembers, failures
        self.filled_by_candles = []
        self.refill = Refill(self, lambda: self.now_ms, 5.0, self._candles)
        self.intake.watch.began([self.stream])

    async def _candles(self, _run, _listed, from_ms):
        self.filled_by_candles.append(from_ms)

    def trade(self, number):
        return Trade(T0 + number, self.market, T0 + number, 64_000.0, 1.0, "b", str(number))

    def trades(self, count, *, heard):
        for _ in range(count):
            self.last += 1
            self.now_ms += 1
            if heard:
                self.intake._trades([self.trade(self.last)])

    def down(self):
        self.intake.add(self.intake.watch.lost([self.stream], self.now_ms, self.now_ms, "cut"))
        self.refill.down([self.stream], self.now_ms)

    def up(self):
        self.refill.up([self.stream])

    async def trades_since(self, _listed, last_id, _from_ms, on_turn):
        if not self._tells:
            return None
        await self.turn.wait()
        on_turn()
        self.calls.append(last_id)
        known = [self.trade(n) for n in range(max(1, self.last - self._remembers + 1), self.last + 1)]
        await self.answer.wait()
        if self._failures:
            self._failures -= 1
            raise RestFailed("503")
        return known

    async def settled(self):
        async with asyncio.timeout(30):
            while self.refill._tasks:
                await asyncio.sleep(0)

    def log(self):
        events = [orjson.loads(message.value) for message in self.intake.outlet.finish()]
        ids = [int(identity) for event in events if event["type"] == "trades" for identity in event["trade_id"]]
        status = [event for event in events if event["type"] in ("feed-interrupted", "feed-resumed")]
        return ids, status


def told(status):
    return [(event["type"][5:], event.get("missed_trades"), event["reason"]) for event in status]


def play(venue_of, scenario):
    async def run():
        venue = venue_of()
        venue.trades(5, heard=True)
        await scenario(venue)
        await venue.settled()
        venue.trades(3, heard=True)
        return venue, *venue.log()

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["binance", "okx", "bybit"])
def test_a_gap_is_filled_and_nothing_comes_twice(name):
    async def scenario(venue):
        venue.down()
        venue.trades(7, heard=False)
        venue.up()

    venue, ids, status = play(lambda: Venue(name), scenario)
    assert sorted(ids) == list(range(1, venue.last + 1))
    assert told(status) == [("interrupted", None, "cut"), ("resumed", 0, "")]


@pytest.mark.parametrize("name", ["binance", "okx", "bybit"])
@pytest.mark.parametrize("back_before_the_answer", [True, False])
def test_what_is_lost_while_a_gap_is_filled_is_filled_too(name, back_before_the_answer):
    async def scenario(venue):
        venue.answer.clear()
        venue.down()
        venue.trades(4, heard=False)
        venue.up()
        await asyncio.sleep(0.01)  # it has been asked
        venue.trades(2, heard=True)
        venue.down()
        venue.trades(6, heard=False)
        if not back_before_the_answer:
            venue.answer.set()
            await asyncio.sleep(0.01)
        venue.up()
        venue.trades(2, heard=True)
        venue.answer.set()

    venue, ids, status = play(lambda: Venue(name), scenario)
    assert sorted(ids) == list(range(1, venue.last + 1))
    assert told(status) == [("interrupted", None, "cut"), ("resumed", 0, "")], "one interruption, with both"
    assert len(venue.calls) == 2


def test_losses_while_a_call_waits_for_its_turn_cost_no_call_more():
    async def scenario(venue):
        venue.turn.clear()
        for _ in range(5):
            venue.down()
            venue.trades(3, heard=False)
            venue.up()
            await asyncio.sleep(0)
            venue.trades(1, heard=True)
        venue.turn.set()

    venue, ids, _ = play(Venue, scenario)
    assert sorted(ids) == list(range(1, venue.last + 1))
    assert len(venue.calls) == 1


def test_after_a_call_that_failed_the_next_one_asks_for_both_gaps():
    async def scenario(venue):
        venue.answer.clear()
        venue.down()
        venue.trades(4, heard=False)
        venue.up()
        await asyncio.sleep(0.01)
        venue.down()
        venue.trades(4, heard=False)
        venue.answer.set()
        await asyncio.sleep(0.01)
        venue.up()

    venue, ids, status = play(lambda: Venue(failures=1), scenario)
    assert venue.calls == ["5", "5"]
    assert sorted(ids) == list(range(1, venue.last + 1))
    assert told(status)[-1] == ("resumed", 0, "")


@pytest.mark.parametrize(
    ("venue_of", "missing", "reason"),
    [
        (lambda: Venue("hyperliquid", tells=False), None, NO_HISTORY),
        (lambda: Venue("bybit", remembers=3), None, NOT_SO_FAR),
        (lambda: Venue("binance", remembers=3), 6, NOT_SO_FAR),
        (lambda: Venue("okx", failures=1), 8, "503"),
    ],
)
def test_what_stays_missing_has_its_number_where_it_is_known_and_a_reason(venue_of, missing, reason):
    async def scenario(venue):
        venue.down()
        venue.trades(8, heard=False)
        venue.up()
        venue.trades(1, heard=True)

    _, ids, status = play(venue_of, scenario)
    assert len(ids) == len(set(ids))
    [_, (_, said_missing, said_reason)] = told(status)
    assert said_reason == reason
    assert said_missing == missing


def test_a_long_gap_is_told_by_candles():
    async def scenario(venue):
        venue.down()
        venue.now_ms += 121_000
        venue.up()

    venue, _, status = play(Venue, scenario)
    assert venue.filled_by_candles == [T0 + 5]
    assert told(status)[-1] == ("resumed", None, BY_CANDLES)


@pytest.mark.parametrize(
    ("name", "ends"), [("binance", False), ("okx", False), ("bybit", False), ("hyperliquid", True)]
)
def test_who_ends_during_a_refill_leaves_it_to_the_next_owner_where_that_can_be_asked(name, ends):
    async def run():
        venue = Venue(name)
        venue.trades(5, heard=True)
        venue.turn.clear()
        venue.down()
        venue.trades(4, heard=False)
        venue.up()
        venue.trades(2, heard=True)
        await asyncio.sleep(0.01)
        await venue.refill.close()
        return venue.log()

    ids, status = asyncio.run(run())
    assert ids == ([1, 2, 3, 4, 5, 10, 11] if ends else [1, 2, 3, 4, 5]), "none after the gap, or the next starts there"
    assert [kind for kind, *_ in told(status)] == (["interrupted", "resumed"] if ends else ["interrupted"])
