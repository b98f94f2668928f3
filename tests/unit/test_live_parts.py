"""Parts of the live source that hold things: held events, the end of the log, files of history, the outlet's bound."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from liqheat_ingest.batcher import Batcher
from liqheat_ingest.log_position import LogTail
from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.readings import Fact, Market, Problem, Trade
from liqheat_ingest.settings import IngestSettings
from liqheat_ingest.sources.live.connection import Connection
from liqheat_ingest.sources.live.feed_watch import FeedWatch, Stream
from liqheat_ingest.sources.live.outlet import Outlet
from liqheat_ingest.sources.live.rest import Rest, RestFailed
from liqheat_ingest.sources.live.trade_numbers import TradeNumbers
from liqheat_ingest.sources.live.venue_intake import VenueIntake
from liqheat_ingest.sources.live.venues import feed_of
from liqheat_ingest.sources.live.venues.feed import Acknowledgement, Listed
from liqheat_ingest.sources.vision_history import candles_of_folder

BTC = Market("BTC", "binance", "BTC/USDT:USDT")
T0 = 1_795_600_000_000


def trade(number, at_ms=None):
    at_ms = T0 + number if at_ms is None else at_ms
    return Trade(at_ms, BTC, at_ms, 64_000.0, 1.0, "b", str(number))


def intake(most_held=1_000, most_waiting=1_000):
    outlet = Outlet(Batcher("simulated", 1, lambda coin: 100, lambda market: {}), most_waiting)
    return VenueIntake(mapper_of("binance"), FeedWatch({}), outlet, TradeNumbers(counts=True), most_held)


def published(venue_intake):
    return [(message.type, orjson.loads(message.value)) for message in venue_intake.outlet.finish()]


def test_what_is_held_comes_after_the_history_and_in_its_order():
    venue = intake()
    venue.hold(BTC)
    venue._trades([trade(1), trade(2)])
    venue._fact(Fact(T0 + 3, BTC, T0 + 3, "ticker", {"mark_price": 1.0}, "ticker"))
    venue.add([Fact(T0 + 4, BTC, T0, "candle", {}, None)])
    venue.release(BTC, T0 + 5, keep=lambda item: item.event_time_ms > T0 + 1)
    assert [kind for kind, _ in published(venue)] == ["instrument", "candle", "trades", "ticker"]
    assert venue.held_items == 0


def test_a_flood_of_faults_writes_a_bounded_number_of_dead_letters_and_counts_all():
    venue = intake(most_waiting=1_000_000)
    fault = Problem(T0, BTC, "binance", "trades", "invalid-field", "no price", b"{}")
    for _ in range(5_000):
        venue.outlet.report(fault)
    venue.outlet.report(fault._replace(stream="ticker"))  # another kind has room of its own
    venue.outlet.report(fault._replace(receive_time_ms=T0 + 1_000))
    letters = [letter for _, letter in published(venue)]
    assert len(letters) == 1_000 + 1 + 1
    assert letters[-1]["detail"] == "trades: no price (4000 more like it before were not written)"
    kind = ("binance", "trades", "invalid-field")
    assert venue.outlet.problems[kind] == 5_001
    assert venue.outlet.dead_letter_rate.withheld == {kind: 4_000}
    for step in range(100):  # a clock that steps back and forth gives no room
        venue.outlet.report(fault._replace(receive_time_ms=T0 + 1_000 - step % 2 * 900))
    assert len(published(venue)) <= 9


def test_what_can_not_be_held_is_dropped_counted_and_announced():
    venue = intake(most_held=10)
    venue.hold(BTC)
    venue._trades([trade(number) for number in range(25)])
    assert venue.held_items == 10
    venue.release(BTC, T0 + 100)
    events = published(venue)
    resumed = [event for kind, event in events if kind == "feed-resumed"]
    assert [event["missed_trades"] for event in resumed] == [15]
    trades = [identity for kind, event in events if kind == "trades" for identity in event["trade_id"]]
    assert trades == [str(number) for number in range(15, 25)]


def test_a_hole_on_a_standing_connection_is_announced_with_its_size():
    venue = intake()
    venue._trades([trade(1), trade(5)])
    events = published(venue)
    assert sorted(kind for kind, _ in events) == ["feed-interrupted", "feed-resumed", "instrument", "trades"]
    [resumed] = [event for kind, event in events if kind == "feed-resumed"]
    assert (resumed["missed_trades"], resumed["from_ms"], resumed["stream"]) == (3, T0 + 1, "trades")
    assert venue.missed_trades == 3


class Unconnected:
    """A port to an exchange that knows addresses and nothing else."""

    class exchange:  # noqa: N801 - an attribute of the port
        @staticmethod
        def get_ws_url(*_):
            return "ws://127.0.0.1"


def connection(venue, topics, up):
    feed = feed_of("binance")
    return Connection(
        feed,
        Unconnected(),
        venue,
        "market",
        0,
        topics,
        connects=None,
        backoff=None,
        now_ms=lambda: T0,
        say=print,
        on_up=up.extend,
        on_down=lambda *_: None,
    )


def test_a_topic_of_all_markets_carries_a_new_listing_and_sheds_a_delisted_one():
    eth = Market("ETH", "binance", "ETH/USDT:USDT")
    topics = [
        [topic for topic in feed_of("binance").topics([Listed(market, market.coin, None)], ()) if topic.is_of_all]
        for market in (BTC, eth)
    ]
    venue, up = intake(), []
    one = connection(venue, topics[0], up)
    venue.watch.began(one.streams())
    for topic in topics[1]:
        one.carry(topic)
    assert up == [], "it is not connected: its subscription will say"
    one.is_up = True
    one._subscriptions.asked("1", topics[0])
    one._subscriptions.answered(Acknowledgement((), "1", "no such stream: !forceOrder@arr"))
    for topic in topics[1]:
        one.carry(topic)
    assert [stream.name for stream in up] == ["ticker"], "refused liquidations do not count as heard"
    assert Stream(eth, "liquidations") in venue.watch.all()
    one.shed({BTC})
    assert {stream.market for stream in one.streams()} == {eth}
    one._subscriptions.asked("2", topics[0])
    assert one._subscriptions.refused == {}, "what is asked for again may stand"


def test_a_delisting_ends_every_stream_of_its_market_whether_it_flowed_or_not():
    eth = Market("ETH", "binance", "ETH/USDT:USDT")
    watch = FeedWatch({})
    watch.began([Stream(BTC, "trades"), Stream(eth, "trades"), Stream(eth, "ticker")])
    watch.lost([Stream(eth, "ticker")], T0, T0, "closed")
    facts = watch.delisted({eth}, T0 + 500)
    assert {(fact.market, fact.fields["stream"], fact.fields["from_ms"]) for fact in facts} == {
        (eth, "trades", T0 + 500),
        (eth, "ticker", T0),
    }
    assert all(fact.fields["delisted"] for fact in facts)
    assert watch.all() == [Stream(BTC, "trades")]
    assert watch.resumed([Stream(eth, "ticker")], T0 + 600) == []


def test_a_full_outlet_says_so_until_it_is_emptied():
    async def run():
        venue = intake(most_waiting=100)
        for number in range(100):
            venue.add([Fact(T0 + number, BTC, T0, "candle", {}, None)])
        outlet = venue.outlet
        assert outlet.is_full()
        waiting = asyncio.create_task(outlet.room())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert len(outlet.take()) == 101
        await asyncio.wait_for(waiting, 5)
        assert outlet.full_s > 0

    asyncio.run(run())


def test_the_end_of_the_log_says_where_to_go_on():
    tail = LogTail()
    market = {"coin": "BTC", "venue": "binance", "symbol": "BTC/USDT:USDT"}
    for event in (
        {"type": "trades", "event_time_ms": 50, "ingest_epoch": 3, "trade_id": ["7", "8"], **market},
        {"type": "ticker", "event_time_ms": 70, "ingest_epoch": 4, **market},
        {"type": "backfill-started", "event_time_ms": 60, "ingest_epoch": 4, **market},
        {"type": "heartbeat", "event_time_ms": 99, "ingest_epoch": 4, **market},
        {"type": "ticker", "event_time_ms": "x", "ingest_epoch": 4, **market},
    ):
        tail.note(orjson.dumps(event))
    tail.note(b"not json")
    assert (tail.epoch, tail.known_until_ms) == (4, {BTC: 70})
    assert tail.unfinished == {BTC}
    tail.note(orjson.dumps({"type": "backfill-finished", "event_time_ms": 60, "ingest_epoch": 4, **market}))
    assert tail.unfinished == set()
    assert (list(tail.last_trades[BTC].ids), tail.last_trades[BTC].last_ms) == (["7", "8"], 50)

    numbers = TradeNumbers(counts=True)
    numbers.resume(BTC, ["7", "8"], 50)
    assert (numbers.last_id(BTC), numbers.last_ms(BTC)) == ("8", 50)
    assert [numbers.admit(trade(n)) for n in (8, 9)] == [False, True]
    assert numbers.take_holes() == []


def test_long_history_comes_from_a_folder_of_files(tmp_path):
    ratios = "count_toptrader_long_short_ratio,sum_toptrader_long_short_ratio,count_long_short_ratio"
    header = f"create_time,symbol,sum_open_interest,sum_open_interest_value,{ratios},sum_taker_long_short_vol_ratio\n"
    rows = "".join(f"2025-12-01 00:{m:02}:00,BTCUSDT,90000.0,8100000000.0,,,,\n" for m in (5, 10, 15, 20))
    (tmp_path / "BTCUSDT-metrics-2025-12-01.csv").write_text(header + rows)
    start_ms = 1_764_547_200_000
    found = candles_of_folder(tmp_path, BTC, start_ms, start_ms + 15 * 60_000)
    assert [fact.fields["open_time_ms"] - start_ms for fact in found] == [0, 300_000, 600_000]
    assert found[0].fields["open_interest_base"] == 90_000.0
    assert candles_of_folder(tmp_path / "absent", BTC, 0, 1) == []


class Refusing:
    """An exchange that answers with a status, as ccxt's raises."""

    def __init__(self, rest, status, headers):
        self._rest, self._status, self._headers = rest, status, headers

    async def request(self, *_):
        from ccxt.base.errors import DDoSProtection

        self._rest.answered(self._status, self._headers)
        raise DDoSProtection("too fast")


@pytest.mark.parametrize(
    ("venue", "status", "headers", "banned_s", "paused_s"),
    [
        ("binance", 429, {"retry-after": "7"}, 0, 7),
        ("binance", 418, {"retry-after": "90"}, 90, 90),
        ("binance", 418, {}, 120, 120),
        ("bybit", 403, {}, 600, 600),
        ("okx", 429, {"retry-after": "soon"}, 0, 1),
    ],
)
def test_refusals_pause_the_venue_and_bans_are_known_with_their_end(venue, status, headers, banned_s, paused_s):
    said = []
    rest = Rest(feed_of(venue), lambda: T0, said.append)
    rest.use(Refusing(rest, status, headers))
    with pytest.raises(RestFailed, match="too fast"):
        asyncio.run(rest.call(feed_of(venue).server_time()))
    assert rest.banned_until_ms == (T0 + banned_s * 1000 if banned_s else 0)
    assert rest.budgets["rest"].paused_until_ms == T0 + paused_s * 1000
    assert rest.counts.refusals == 1
    assert len(said) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ingest_live_coins", "bitcoin"),
        ("ingest_live_shard", "2/2"),
        ("ingest_live_venues", "mtgox"),
        ("ingest_live_endpoints", "bybit=ftp://x"),
    ],
)
def test_bad_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        IngestSettings(**{name: value})


def test_a_process_ends_when_another_owns_its_markets(monkeypatch):
    from types import SimpleNamespace

    from liqheat_ingest import live_run
    from liqheat_ingest.readings import SourceError

    tails = [LogTail(epochs={BTC: 5}), LogTail(epochs={BTC: 5, Market("ETH", "okx", "E"): 9}), LogTail(epochs={BTC: 9})]

    async def log_tail(*_):
        return tails.pop(0)

    monkeypatch.setattr(live_run, "log_tail", log_tail)
    monkeypatch.setattr(live_run, "OWNER_EVERY_S", 0.01)
    run = live_run.LiveRun.__new__(live_run.LiveRun)
    run._settings = None
    venue = SimpleNamespace(markets=[SimpleNamespace(market=BTC)])
    run.live = SimpleNamespace(runs={"binance": venue}, ingest_epoch=5)
    with pytest.raises(SourceError, match="under the epoch 9, above our 5"):
        asyncio.run(asyncio.wait_for(run._see_that_nobody_else_publishes(), 10))
    assert tails == [], "its own epoch and those of others' markets are no reason"


def test_a_batch_waits_for_a_broker_as_long_as_the_setting_says():
    from liqheat_ingest.publisher import DeliveryFailed, Publisher

    async def lifetime_s():
        settings = IngestSettings(kafka_bootstrap_servers="127.0.0.1:1", ingest_delivery_timeout_s=77)
        publisher = Publisher(settings)
        with pytest.raises(DeliveryFailed, match="no Kafka at"):
            await publisher.start()
        accumulator = publisher._producer._message_accumulator
        batch = accumulator._append_batch(publisher._producer.create_batch(), ("topic", 0))
        await publisher._producer.stop()
        return batch._ttl

    assert asyncio.run(lifetime_s()) == 77


@pytest.mark.parametrize(("skew_ms", "ended"), [(-5_000, 2), (0, 3), (5_000, 3)])
def test_a_candle_that_has_not_ended_by_the_venues_clock_is_no_history(skew_ms, ended):
    from types import SimpleNamespace

    from liqheat_ingest.sources.live.clock_skew import ClockSkew
    from liqheat_ingest.sources.live.history import Span
    from liqheat_ingest.sources.live.venue_run import VenueRun

    minute_ms = 60_000
    start_ms = T0 - T0 % minute_ms
    now_ms = start_ms + 3 * minute_ms + 2_000  # two seconds after the third minute has ended, by our clock
    run = VenueRun.__new__(VenueRun)
    run.skew, run._measuring = ClockSkew(), asyncio.Lock()
    run._hooks = SimpleNamespace(now_ms=lambda: now_ms, say=None)
    run.feed = SimpleNamespace(candles=lambda *_: ["candles"], open_interest_history=lambda *_: [])

    async def measure_skew():
        run.skew.measured(now_ms - 5, now_ms + 5, now_ms + skew_ms)

    async def mapped(*_):
        opened = [start_ms + minute * minute_ms for minute in range(3)]
        fields = [{"open_time_ms": at_ms, "interval_ms": minute_ms} for at_ms in opened]
        return [Fact(now_ms, BTC, one["open_time_ms"] + minute_ms, "candle", one, None) for one in fields]

    run.measure_skew, run.mapped = measure_skew, mapped
    parts = [Span(minute_ms, start_ms, now_ms)]
    found = asyncio.run(run.history(SimpleNamespace(market=BTC), parts))
    assert len(found) == ended
