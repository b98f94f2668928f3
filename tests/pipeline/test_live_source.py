"""The live source against fake venues, by ccxt and real sockets: history, markets, gaps, refills, limits, listings."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import NOT_CONNECTED_YET
from live_runs import VENUES, fake_venues, live_run, until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fakes():
    with fake_venues("--coins", "2", "--history-days", "1.2", "--prints-scale", "4") as running:
        yield running
        running.act("reset")


@pytest.fixture(autouse=True)
def without_faults(fakes):
    yield
    fakes.act("reset")


def live(fakes, scenario, **settings):
    """Run a scenario on a live source; what it collected."""
    settings = {"ingest_backfill_days": 0.0, "ingest_backfill_hours": 1.0, "ingest_live_coins": "top:2"} | settings

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
    """Also: the venues' clocks are measured, and accounts seen in trades are followed."""
    fakes.act("clock-skew", venue="okx", ms=-5_000)

    async def scenario(collected):
        await flowing(collected)
        runs = collected.live.runs
        await until(lambda: all(run.skew.milliseconds is not None for run in runs.values()), 60, "clocks")
        for _ in range(30):  # on a busy machine the fakes' story may lag behind by seconds, and catches up
            difference_ms = runs["okx"].skew.milliseconds - runs["bybit"].skew.milliseconds
            if -6_000 < difference_ms < -4_000:
                break
            await asyncio.sleep(0.5)
            await asyncio.gather(runs["okx"].measure_skew(), runs["bybit"].measure_skew())
        assert -6_000 < difference_ms < -4_000
        positions = lambda: collected.counts["hyperliquid", "on-chain-position"] >= 3  # noqa: E731
        await until(positions, 120, "positions of accounts")

    collected = live(fakes, scenario, ingest_backfill_days=0.5)
    brackets = defaultdict(list)
    for event in collected.of_type("backfill-started", "backfill-finished"):
        brackets[event["venue"], event["symbol"]].append(event["type"])
    assert all(found == ["backfill-started", "backfill-finished"] for found in brackets.values())
    assert {venue for venue, _ in brackets} == set(VENUES)
    for venue in VENUES:
        assert collected.counts[venue, "candle"] >= 20
        assert collected.counts[venue, "instrument"] >= 2
    connecting, others = [], []
    for event in collected.of_type("feed-interrupted"):
        (connecting if event["reason"] == NOT_CONNECTED_YET else others).append(event)
    assert {event["stream"] for event in connecting} == {"liquidations"}
    assert {event["venue"] for event in connecting} == {"binance", "bybit", "okx"}, "Hyperliquid has no such feed"
    spans = {(e["venue"], e["symbol"], e["from_ms"]) for e in collected.of_type("feed-resumed")}
    assert {(e["venue"], e["symbol"], e["from_ms"]) for e in connecting} <= spans
    if not others:  # a starved machine may lose a connection
        assert collected.holes() == [], "on standing connections nothing is lost"
    assert_nothing_lost_in_silence(collected)
    assert collected.dead_letters() == []
    assert 0 < len(collected.live.accounts["hyperliquid"].table) <= 625


def test_whatever_dies_is_announced_and_refilled_and_no_trade_comes_twice(fakes):
    """Cut lines, closed connections, silence on standing ones, a ban, a market delisted and listed again."""

    async def scenario(collected):
        await flowing(collected)
        runs = collected.live.runs

        def recovered():
            return all(one.is_up for run in runs.values() for one in run.connections) and not any(
                run.intake.watch.interrupted() for run in runs.values()
            )

        for kind in ("reset", "clean"):
            await act(fakes, "disconnect", kind=kind)
            await asyncio.sleep(1.0)
            await until(recovered, 90, f"recovery from {kind}")
        await act(fakes, "stall", seconds=5)
        silent = lambda run: sum(one.reasons.get("silent", 0) for one in run.connections)  # noqa: E731
        await until(lambda: all(silent(run) for run in runs.values()), 60, "the watchdog")
        await until(recovered, 90, "recovery from silence")

        await act(fakes, "throttle", venue="binance", status=418, retry_after_s=8, seconds=4)
        with pytest.raises(RestFailed):
            await runs["binance"].rest.call(runs["binance"].feed.server_time())
        answered = runs["binance"].rest.counts.outcomes["answered"]
        await asyncio.sleep(2.0)
        assert runs["binance"].rest.counts.outcomes["answered"] == answered, "nobody calls during a ban"
        assert any("binance banned this address (418): no calls for 8 s" in line for line in collected.said)

        await act(fakes, "delist", venue="bybit", symbol="ETHUSDT")
        await until(lambda: all(e.symbol != "ETHUSDT" for e in runs["bybit"].markets), 60, "the delisting")
        await act(fakes, "list", venue="bybit", symbol="ETHUSDT")
        await until(lambda: any(e.symbol == "ETHUSDT" for e in runs["bybit"].markets), 60, "the listing")
        seen = len(collected.numbers["bybit", "ETH/USDT:USDT"])
        grown = lambda: len(collected.numbers["bybit", "ETH/USDT:USDT"]) > seen  # noqa: E731
        await until(grown, 60, "trades of the new listing")
        await until(lambda: not collected.live.cold_start.waiting, 60, "its history")
        await until(recovered, 60, "its stream of liquidations")

    collected = live(fakes, scenario, ingest_live_silence_s=2.5, ingest_live_refresh_s=5.0)
    interrupted, resumed = (
        sorted((e["venue"], e["symbol"], e["stream"], e["from_ms"]) for e in collected.of_type(kind_of_event))
        for kind_of_event in ("feed-interrupted", "feed-resumed")
    )
    delisted = [e for e in collected.of_type("feed-interrupted") if e["reason"] == "delisted"]
    assert {e["symbol"] for e in delisted} == {"ETH/USDT:USDT"}
    assert len(interrupted) == len(resumed) + len(delisted)
    assert set(resumed) <= set(interrupted)
    assert {venue for venue, *_ in interrupted} == set(VENUES)
    assert_nothing_lost_in_silence(collected)
    refilled = {venue for venue in VENUES if collected.counts[venue, "refilled"]}
    assert refilled == {"binance", "bybit", "okx"}, "Hyperliquid has no such call"
    assert any("no frame for" in event["reason"] for event in collected.of_type("feed-interrupted"))


def test_a_restart_fetches_only_the_hole(fakes):
    known = {}

    async def first(collected):
        await until(lambda: not collected.live.cold_start.waiting, 90, "history")
        for run in collected.live.runs.values():
            known.update({entry.market: fakes.state()["now_ms"] - 10 * 60_000 for entry in run.markets})

    async def second(collected):
        await until(lambda: not collected.live.cold_start.waiting, 90, "history")

    venues = {"ingest_live_venues": "binance"}
    cold = live(fakes, first, **venues)
    warm = live(fakes, second, known_until_ms=known, **venues)
    markets = len(warm.live.runs["binance"].markets)
    assert 0 < warm.counts["binance", "candle"] <= 10 * markets < cold.counts["binance", "candle"]
