"""The live source against fake venues, by ccxt and real sockets: history, markets, gaps, refills, limits, listings."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from liqheat_ingest.sources.live.rest import RestFailed
from live_runs import VENUES, fake_venues, live_run, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fakes():
    with fake_venues("--coins", "3", "--history-days", "1.2", "--prints-scale", "4") as running:
        yield running
        running.act("reset")


@pytest.fixture(autouse=True)
def without_faults(fakes):
    yield
    fakes.act("reset")


def live(fakes, scenario, **settings):
    """Run a scenario on a live source; what it collected."""
    settings = {"ingest_backfill_days": 0.0, "ingest_backfill_hours": 1.0, "ingest_live_coins": "top:3"} | settings

    async def run():
        async with live_run(fakes, **settings) as collected:
            await scenario(collected)
        return collected

    return asyncio.run(run())


def act(fakes, action, **fields):
    return asyncio.to_thread(fakes.act, action, **fields)


async def flowing(collected):
    """History is in, and every venue's trades and tickers come."""
    wanted = [(venue, kind) for venue in VENUES for kind in ("trades", "ticker", "book-depth")]
    await until(lambda: not collected.live.cold_start.waiting, 90, "history")
    await until(lambda: all(collected.counts[pair] > 3 for pair in wanted), 60, f"all of {wanted}")


def assert_nothing_lost_in_silence(collected):
    assert collected.undetected() == []
    assert not collected.repeated
    assert collected.unpublished() == {}


def test_history_comes_first_within_brackets_and_then_everything_flows(fakes):
    collected = live(fakes, flowing, ingest_backfill_days=0.5)
    brackets = defaultdict(list)
    for event in collected.of_type("backfill-started", "backfill-finished"):
        brackets[event["venue"], event["symbol"]].append(event["type"])
    assert all(found == ["backfill-started", "backfill-finished"] for found in brackets.values())
    assert {venue for venue, _ in brackets} == set(VENUES)
    for venue in VENUES:
        assert collected.counts[venue, "candle"] >= 30
        assert collected.counts[venue, "instrument"] >= 3
    assert collected.holes() == [], "on standing connections nothing is lost"
    assert_nothing_lost_in_silence(collected)
    assert collected.dead_letters() == []


@pytest.mark.parametrize("kind", ["reset", "clean"])
def test_a_lost_connection_is_announced_refilled_and_no_trade_comes_twice(fakes, kind):
    async def scenario(collected):
        await flowing(collected)
        runs = collected.live.runs.values()
        for _ in range(2):
            await act(fakes, "disconnect", kind=kind)
            await asyncio.sleep(1.0)
            await until(lambda: all(one.is_up for run in runs for one in run.connections), 60, "connections")
            await until(lambda: not any(run.intake.watch.interrupted() for run in runs), 60, "resumption")
        await asyncio.sleep(2.0)

    collected = live(fakes, scenario)
    interrupted, resumed = (
        sorted((e["venue"], e["symbol"], e["stream"], e["from_ms"]) for e in collected.of_type(kind_of_event))
        for kind_of_event in ("feed-interrupted", "feed-resumed")
    )
    assert interrupted == resumed
    assert {venue for venue, *_ in interrupted} == set(VENUES)
    assert_nothing_lost_in_silence(collected)
    refilled = {venue for venue in VENUES if collected.counts[venue, "refilled"]}
    assert refilled == {"binance", "bybit", "okx"}, "Hyperliquid has no such call"
    assert {hole[0][0] for hole in collected.holes()} <= {"hyperliquid"}


def test_silence_is_noticed_though_the_sockets_stand(fakes):
    async def scenario(collected):
        await flowing(collected)
        await act(fakes, "stall", seconds=9)
        runs = collected.live.runs.values()
        silent = lambda run: sum(one.reasons.get("silent", 0) for one in run.connections)  # noqa: E731
        await until(lambda: all(silent(run) for run in runs), 60, "the watchdog")
        await until(lambda: not any(run.intake.watch.interrupted() for run in runs), 90, "resumption")
        await asyncio.sleep(1.0)

    collected = live(fakes, scenario, ingest_live_silence_s=3.0)
    assert_nothing_lost_in_silence(collected)
    assert any("no frame for" in event["reason"] for event in collected.of_type("feed-interrupted"))


def test_too_many_calls_and_bans_stop_all_calls_of_the_venue_for_as_long_as_it_says(fakes):
    async def scenario(collected):
        await flowing(collected)
        run = collected.live.runs["binance"]
        await act(fakes, "throttle", venue="binance", status=418, retry_after_s=30, seconds=60)
        with pytest.raises(RestFailed):
            await run.rest.call(run.feed.server_time())
        assert run.rest.banned_until_ms > 0
        answered = run.rest.counts.outcomes["answered"]
        await asyncio.sleep(2.0)
        assert run.rest.counts.outcomes["answered"] == answered, "nobody calls during a ban"
        assert run.rest.counts.refusals >= 1
        assert any("binance banned this address (418): no calls for 30 s" in line for line in collected.said)
        trades = collected.counts["binance", "trades"]
        await until(lambda: collected.counts["binance", "trades"] > trades + 5, 30, "trades in a ban")

    live(fakes, scenario)


def test_markets_are_taken_up_when_listed_and_left_when_delisted(fakes):
    async def scenario(collected):
        await flowing(collected)
        run = collected.live.runs["bybit"]
        await act(fakes, "delist", venue="bybit", symbol="SOLUSDT")
        await until(lambda: all(e.symbol != "SOLUSDT" for e in run.markets), 60, "the delisting")
        await act(fakes, "list", venue="bybit", symbol="SOLUSDT")
        await until(lambda: any(e.symbol == "SOLUSDT" for e in run.markets), 60, "the listing")
        seen = len(collected.numbers["bybit", "SOL/USDT:USDT"])
        grown = lambda: len(collected.numbers["bybit", "SOL/USDT:USDT"]) > seen  # noqa: E731
        await until(grown, 60, "trades of the new listing")

    collected = live(fakes, scenario, ingest_live_refresh_s=5.0)
    reasons = {e["reason"] for e in collected.of_type("feed-interrupted") if e["symbol"] == "SOL/USDT:USDT"}
    assert "delisted" in reasons


def test_the_clock_of_a_venue_is_measured(fakes):
    fakes.act("clock-skew", venue="okx", ms=-5_000)

    async def scenario(collected):
        runs = collected.live.runs
        await until(lambda: all(run.skew.milliseconds is not None for run in runs.values()), 60, "clocks")
        # The story is told in slots, so a fake's clock is a little behind.
        assert -6_000 < runs["okx"].skew.milliseconds < -4_500
        assert abs(runs["bybit"].skew.milliseconds) < 1_000

    live(fakes, scenario)


def test_positions_of_accounts_seen_in_trades_are_told_with_their_liquidation_prices(fakes):
    async def scenario(collected):
        wanted = lambda: collected.counts["hyperliquid", "on-chain-position"] >= 5  # noqa: E731
        await until(wanted, 120, "positions")

    collected = live(fakes, scenario)
    table = collected.live.accounts["hyperliquid"].table
    assert 0 < len(table) <= 625
    assert table.positions() > 0


def test_a_restart_fetches_only_the_hole(fakes):
    known = {}

    async def scenario(collected):
        await until(lambda: not collected.live.cold_start.waiting, 90, "history")
        for run in collected.live.runs.values():
            known.update({entry.market: fakes.state()["now_ms"] - 10 * 60_000 for entry in run.markets})

    first = live(fakes, scenario)

    async def again():
        async with live_run(
            fakes, known, ingest_backfill_days=0.0, ingest_backfill_hours=1.0, ingest_live_coins="top:3"
        ) as collected:
            await until(lambda: not collected.live.cold_start.waiting, 90, "history")
        return collected

    second = asyncio.run(again())
    for venue in VENUES:
        markets = len(second.live.runs[venue].markets)
        assert 0 < second.counts[venue, "candle"] <= 10 * markets < first.counts[venue, "candle"]
