"""The pure parts of the live source: properties, and plain oracles beside them."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.log_position import LogTail
from liqheat_ingest.readings import Fact, Market, Trade
from liqheat_ingest.sources.live.accounts import AccountTable
from liqheat_ingest.sources.live.backoff import Backoff
from liqheat_ingest.sources.live.connection_plan import chunks, place, shard_of, spread
from liqheat_ingest.sources.live.exchanges import redirected
from liqheat_ingest.sources.live.feed_watch import RETRY_SILENT_MS, FeedWatch, Stream
from liqheat_ingest.sources.live.history import FINE_MS, HOUR_MS, MINUTE_MS, join, merged, spans
from liqheat_ingest.sources.live.rate_budget import RateBudget, RateLimit
from liqheat_ingest.sources.live.selection import CoinChoice, changes, markets_of
from liqheat_ingest.sources.live.trade_numbers import IDS_KEPT, TradeNumbers
from liqheat_ingest.sources.live.venues import FEEDS
from liqheat_ingest.sources.live.venues.feed import Listed, Topic, pages

BTC = Market("BTC", "binance", "BTC/USDT:USDT")
ETH = Market("ETH", "binance", "ETH/USDT:USDT")
T0 = 1_795_600_000_000


def listed(market, symbol=None, is_inverse=False):
    return Listed(market, symbol or f"{market.coin}USDT", InstrumentSpec(market, "USDT", is_inverse=is_inverse))


# ---- rate budget


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from([1, 2, 5, 20])), min_size=1, max_size=150),
    st.sampled_from([limit for feed in FEEDS.values() for limit in (*feed.limits.values(), feed.connects)]),
)
def test_no_window_ever_holds_more_than_the_venue_allows(calls, limit):
    budget, now, spent = RateBudget(limit), 0, []
    for pause, weight in calls:
        weight = min(weight, budget.capacity)
        now += pause
        while (delay := budget.take(weight, now)) > 0:
            now += delay
        spent.append((now, weight))
    for at, _ in spent:
        assert sum(weight for when, weight in spent if at <= when < at + limit.window_ms) <= limit.weight + 1e-6


def test_spare_calls_leave_room_for_needed_ones():
    budget = RateBudget(RateLimit(2_400, 60_000))
    spare = 0
    while budget.take(10, 0, "spare") == 0:
        spare += 1
    assert spare > 0
    assert budget.take(100, 0, "needed") == 0


@given(st.integers(0, 9))
def test_refusals_without_a_word_double_and_an_answer_forgets_them(refusals):
    budget = RateBudget(RateLimit(2_400, 60_000))
    pauses = [budget.refused(0, None, is_ban=False) for _ in range(refusals)]
    assert pauses == [min(120_000, 1_000 << min(n, 7)) for n in range(refusals)]
    budget.answered()
    assert budget.refused(0, None, is_ban=False) == 1_000
    assert budget.banned_until_ms == 0


def test_a_ban_is_known_with_its_end_and_nothing_goes_before():
    budget = RateBudget(RateLimit(2_400, 60_000))
    budget.refused(T0, 120.0, is_ban=True)
    assert budget.banned_until_ms == T0 + 120_000
    assert budget.take(1, T0 + 60_000) >= 60_000
    assert budget.take(1, T0 + 121_000) == 0


def test_the_venue_is_believed_when_it_counts_more_than_we_do():
    budget = RateBudget(RateLimit(2_400, 60_000))
    budget.told_used(1_919.0, 0)
    assert budget.take(20, 0) > 0


def test_a_limit_that_its_burst_would_exceed_is_refused():
    with pytest.raises(ValueError, match="exceed the limit"):
        RateBudget(RateLimit(20, 2_000, share=0.8, burst_ms=2_000))


@given(st.integers(0, 40), st.floats(0, 0.999))
def test_pauses_grow_to_a_bound_and_are_never_short(tries, chance):
    backoff = Backoff(0.2, 30.0, lambda: chance)
    for number in range(tries):
        full = min(30.0, 0.2 * 2.0**number)
        assert full / 2 <= backoff.next_s() <= full


# ---- which topics and coins


@given(st.lists(st.sampled_from("ab"), max_size=90), st.integers(1, 20), st.integers(1, 7))
def test_topics_are_spread_within_the_limits_and_none_is_lost(addresses, per_connection, per_request):
    topics = [Topic(address, f"{n}", f"{n}", ()) for n, address in enumerate(addresses)]
    connections = spread(topics, per_connection)
    assert sorted((t for one in connections for t in one), key=lambda t: int(t.name)) == topics
    assert all(len({t.address for t in one}) == 1 and len(one) <= per_connection for one in connections)
    assert len(connections) == sum(-(-addresses.count(a) // per_connection) for a in set(addresses))
    for one in connections:
        parts = chunks(one, per_request)
        assert [t for part in parts for t in part] == one
        assert all(len(part) <= per_request for part in parts)


@given(st.integers(0, 12), st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=5))
def test_a_new_listing_takes_only_room_that_there_is(count, loads):
    new = [Topic("a", f"{n}", f"{n}", ()) for n in range(count)]
    placed, left = place(new, loads, 5)
    assert sorted([t for part in placed.values() for t in part] + left) == sorted(new)
    for index, part in placed.items():
        assert loads[index][0] == "a"
        assert loads[index][1] + len(part) <= 5
    room = sum(5 - count for address, count in loads if address == "a")
    assert len(left) == max(0, count - room)


@given(st.sets(st.from_regex(r"[A-Z0-9]{1,12}", fullmatch=True), max_size=40), st.integers(1, 7))
def test_shards_share_the_coins_out(coins, shards):
    parts = [CoinChoice.parse("top:1000", f"{n}/{shards}").choose({}, coins) for n in range(shards)]
    assert sorted(coin for part in parts for coin in part) == sorted(coins)
    assert all(shard_of(coin, shards) == n for n, part in enumerate(parts) for coin in part)


@pytest.mark.parametrize(
    ("coins", "shard"), [("top:0", "0/1"), ("top:x", "0/1"), ("btc", "0/1"), ("BTC", "1/1"), ("BTC", "1"), ("", "0/1")]
)
def test_a_bad_choice_is_refused(coins, shard):
    with pytest.raises(ValueError, match=r"written|takes"):
        CoinChoice.parse(coins, shard)


def test_markets_come_and_go():
    both = markets_of(["ETH", "BTC"], [listed(BTC), listed(ETH)])
    assert [entry.market for entry in both] == [ETH, BTC]
    added, removed = changes([listed(BTC)], [listed(ETH)])
    assert ([e.market for e in added], [e.market for e in removed]) == ([ETH], [BTC])


@pytest.mark.parametrize("venue", FEEDS)
def test_every_topic_is_subscribed_and_acknowledged_by_name(venue):
    feed = FEEDS[venue]()
    market = Market("BTC", venue, "BTC/USDT:USDT")
    topics = feed.topics([listed(market)], {market})
    assert len({(topic.address, topic.name) for topic in topics}) == len(topics)
    assert {"trades", "ticker", "book-depth"} <= {stream.name for topic in topics for stream in topic.streams}
    for part in chunks(topics, feed.topics_per_request):
        request = feed.subscribe(part, 7)
        assert not feed.is_data(request)
        assert str(part[0].argument if not isinstance(part[0].argument, dict) else "") in str(request)


def test_addresses_are_redirected_as_a_whole():
    urls = {"api": {"public": "https://api.{hostname}/v5", "ws": ["kept"]}, "ws": "wss://a.b:9443/ws?x=1", "n": 3}
    assert redirected(urls, "http://127.0.0.1:7") == {
        "api": {"public": "http://127.0.0.1:7/v5", "ws": ["kept"]},
        "ws": "ws://127.0.0.1:7/ws?x=1",
        "n": 3,
    }


# ---- trades seen and missing


@given(st.lists(st.integers(0, 60), max_size=120))
def test_counted_trades_are_told_apart_as_a_set_of_all_ids_would(ids):
    numbers, seen = TradeNumbers(counts=True), set()
    for identity in ids:
        news = numbers.admit(Trade(0, BTC, identity, 1.0, 1.0, "b", str(identity)))
        before_first = bool(seen) and identity < min(seen)
        assert news == (identity not in seen and not before_first)
        if news:
            seen.add(identity)
    if seen:
        assert numbers.still_missing(BTC) == max(seen) - min(seen) + 1 - len(seen)


@given(st.lists(st.integers(0, 2_000), max_size=400))
def test_other_ids_are_remembered_for_a_while_and_not_for_ever(ids):
    numbers, seen = TradeNumbers(counts=False), set()
    for identity in ids:
        assert numbers.admit(Trade(0, BTC, 0, 1.0, 1.0, "b", f"x{identity}")) == (identity not in seen)
        seen.add(identity)
    for n in range(2 * IDS_KEPT):
        numbers.admit(Trade(0, BTC, 0, 1.0, 1.0, "b", f"y{n}"))
    [state] = numbers._markets.values()
    assert len(state.recent) + len(state.older) <= 2 * IDS_KEPT


# ---- streams


@given(st.lists(st.tuples(st.sampled_from(["lost", "resumed", "seen"]), st.integers(0, 1)), max_size=60))
def test_every_interruption_is_announced_once_and_ended_once(steps):
    streams = [Stream(BTC, "trades"), Stream(ETH, "trades")]
    watch, now, facts = FeedWatch({}), T0, []
    watch.began(streams)
    for what, which in steps:
        now += 1_000
        if what == "lost":
            facts += watch.lost([streams[which]], now - 500, now, "why")
        elif what == "resumed":
            facts += watch.resumed([streams[which]], now)
        else:
            watch.seen(streams[which], now)
    for market in (BTC, ETH):
        mine = [fact for fact in facts if fact.market == market]
        for before, after in pairwise(mine):
            assert before.type != after.type
            if after.type == "feed-resumed":
                assert after.fields["from_ms"] == before.fields["from_ms"] <= after.fields["to_ms"]
        assert bool(mine and mine[-1].type == "feed-interrupted") == watch.is_interrupted(Stream(market, "trades"))


def test_a_silent_stream_is_tried_once_and_then_left_alone_for_long():
    stream = Stream(BTC, "ticker")
    watch = FeedWatch({"ticker": 1_000})
    watch.began([stream])
    assert watch.silent([stream], T0, T0 + 900) == []
    assert watch.silent([stream], T0, T0 + 1_100) == [stream]
    watch.tried([stream], T0 + 1_100)
    assert watch.silent([stream], T0 + 2_000, T0 + 9_000) == []
    watch.seen(stream, T0 + 9_500)
    assert watch.silent([stream], T0 + 2_000, T0 + 11_000) == [], "a quiet market is no reason to do it again and again"
    assert watch.silent([stream], T0 + 2_000, T0 + 1_100 + RETRY_SILENT_MS) == [stream]


# ---- history


@given(st.integers(0, 40 * 24 * 60), st.integers(0, 59_999), st.integers(-100, 30 * 24 * 60))
def test_spans_cover_every_whole_minute_once(minutes, rest_ms, fine_minutes):
    to_ms = T0 + rest_ms
    from_ms, fine_from_ms = to_ms - minutes * MINUTE_MS - rest_ms // 2, to_ms - fine_minutes * MINUTE_MS
    found = spans(from_ms, to_ms, fine_from_ms)
    edges = [-(-from_ms // MINUTE_MS) * MINUTE_MS]
    for span in found:
        assert span.from_ms == edges[-1]
        assert span.from_ms % span.interval_ms == 0
        assert (span.to_ms - span.from_ms) % span.interval_ms == 0
        assert span.to_ms > span.from_ms
        assert span.interval_ms != HOUR_MS or span.to_ms <= fine_from_ms
        edges.append(span.to_ms)
    assert edges[-1] == max(edges[0], to_ms // MINUTE_MS * MINUTE_MS)
    assert len(found) <= 5
    assert {span.interval_ms for span in found} <= {MINUTE_MS, FINE_MS, HOUR_MS}


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.sampled_from([MINUTE_MS, FINE_MS, HOUR_MS]), st.integers(1, 99))
def test_pages_cover_the_span(from_ms, length_ms, interval_ms, per_page):
    found = pages(from_ms, from_ms + length_ms, interval_ms, per_page)
    assert found[0][0] <= from_ms < found[0][0] + interval_ms
    assert found[-1][1] == from_ms + length_ms
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(end - start <= interval_ms * per_page for start, end in found)


def candle(open_ms, interval_ms=FINE_MS, market=BTC):
    prices = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0}
    fields = {"open_time_ms": open_ms, "interval_ms": interval_ms, "open_interest_base": None} | prices
    return Fact(T0, market, open_ms + interval_ms, "candle", fields, None)


def interest(at_ms, amount):
    return Fact(T0, BTC, at_ms, "ticker", {"open_interest_base": amount}, None)


def test_candles_take_the_open_interest_at_their_end_and_no_older_one():
    candles = [candle(2 * FINE_MS), candle(0), candle(FINE_MS), candle(FINE_MS), candle(5 * FINE_MS)]
    found = join(candles, [interest(FINE_MS, 7.0), interest(3 * FINE_MS, 9.0)])
    assert [fact.fields["open_time_ms"] // FINE_MS for fact in found] == [0, 1, 2, 5]
    assert [fact.fields["open_interest_base"] for fact in found] == [7.0, 7.0, 9.0, None]


def test_the_histories_of_a_coin_are_one_in_order_of_time_within_brackets():
    other = Market("BTC", "bybit", "BTC/USDT:USDT")
    histories = {BTC: [candle(0), candle(FINE_MS)], other: [candle(0, market=other)], ETH: []}
    facts = merged(histories, "id", 0, T0, T0)
    assert [fact.type for fact in facts] == ["backfill-started"] * 2 + ["candle"] * 3 + ["backfill-finished"] * 2
    assert [fact.event_time_ms for fact in facts[2:5]] == [FINE_MS, FINE_MS, 2 * FINE_MS]
    assert {fact.market for fact in facts} == {BTC, other}


# ---- accounts


def position(market, quantity, side="long"):
    fields = {"account": "a", "side": side, "quantity_base": quantity, "entry_price": 1.0}
    return Fact(T0, market, T0, "on-chain-position", fields, None)


def test_a_position_that_is_gone_is_told_once_as_zero():
    account, table = "0x" + "a" * 40, AccountTable(10, 3_600_000)
    table.traded(account, 100.0, T0)
    assert [f.fields["quantity_base"] for f in table.told(account, [position(BTC, 2.0)], T0)] == [2.0]
    assert table.told(account, [position(BTC, 2.0)], T0) == [], "what did not change is not repeated"
    turned = table.told(account, [position(BTC, 3.0, "short")], T0)
    assert [(f.fields["side"], f.fields["quantity_base"]) for f in turned] == [("long", 0.0), ("short", 3.0)]
    assert [f.fields["quantity_base"] for f in table.told(account, [], T0)] == [0.0]
    assert table.told(account, [], T0) == []
    assert table.positions() == 0


def test_a_position_that_stands_is_confirmed_every_ten_minutes_and_found_again_after_a_restart():
    account, table = "0x" + "a" * 40, AccountTable(10, 3_600_000)
    table.traded(account, 100.0, T0)
    told = [
        minute
        for minute in range(25)
        if table.told(account, [position(BTC, 2.0)], T0 + minute * 60_000)  # asked once a minute
    ]
    assert told == [0, 10, 20]

    tail, again = LogTail(), AccountTable(2, 3_600_000)
    for name, quantity in (("b" * 40, 3.0), ("a" * 40, 2.0), ("b" * 40, 0.0), ("c" * 40, 1.0)):
        fields = position(BTC, quantity).fields | {"account": "0x" + name, "leverage": None, "margin_mode": "cross"}
        event = {"type": "on-chain-position", "ingest_epoch": 1, **BTC._asdict(), **fields, "liquidation_price": 5.0}
        tail.note(orjson.dumps(event | {"event_time_ms": T0}))
    assert [name[:3] for _, name in tail.positions] == ["0xa", "0xc"], "the closed one is left out"
    again.traded("0x" + "d" * 40, 1e6, T0)
    for (market, name), fields in tail.positions.items():
        again.resume(name, market, fields, T0)
    assert len(again) == 2, "the table is bounded"
    assert again.due(T0 + 60_000, 60_000, 9)[0] == account, "before those that trade more"
    [fact] = again.told(account, [], T0 + 60_000)
    assert (fact.fields["quantity_base"], fact.fields["account"], fact.market) == (0.0, account, BTC)


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(1, 1e6)), max_size=300))
def test_the_table_of_accounts_is_bounded_and_closes_what_it_forgets(trades):
    table, opened, closed = AccountTable(20, 3_600_000), 0, 0
    for number, usd in trades:
        account = f"0x{number:040x}"
        table.traded(account, usd, T0)
        opened += sum(f.fields["quantity_base"] > 0 for f in table.told(account, [position(BTC, 1.0)], T0))
        closed += len(table.orphans(T0))
        assert len(table) <= 25
    assert opened - closed == table.positions()
