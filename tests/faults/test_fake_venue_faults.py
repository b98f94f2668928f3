"""What the fake venues do wrong on demand, and that they count what they sent to the message."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from itertools import pairwise
from math import floor, log
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from fake_venue_clients import PATIENCE_S, connected, control, get, info, serving, until
from liqheat_ingest.fake_venue.control import ControlError
from liqheat_ingest.fake_venue.hyperliquid_fields import trade_id
from liqheat_shared.cli import run as run_command

pytestmark = pytest.mark.slow

BYBIT = {"op": "subscribe", "args": ["publicTrade.BTCUSDT"]}


def is_trade(message: Any) -> bool:
    return isinstance(message, dict) and str(message.get("topic", "")).startswith("publicTrade")


def test_a_burst_of_20_000_messages_arrives_whole_and_is_counted() -> None:
    async def run() -> None:
        names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        message = {"op": "subscribe", "args": [f"publicTrade.{name}" for name in names]}
        async with (
            serving(venues=("bybit",)) as fake,
            connected(fake.addresses["bybit"], "/v5/public/linear", message) as socket,
        ):
            await socket.heard(lambda m: isinstance(m, dict) and m.get("op") == "subscribe")
            await control(fake, {"action": "burst", "venue": "bybit", "messages": 20_000, "symbols": names})
            await until(lambda: not fake.control.bursts)
            await control(fake, {"action": "stall", "seconds": 60})
            sent = (await control(fake))["venues"]["bybit"]["sent"]["streams"]
            for name in names:
                told = sent[f"linear:publicTrade.{name}"]
                await until(lambda name=name, told=told: len(ids_of(socket.messages, name)) >= told["items"])
                got = ids_of(socket.messages, name)
                numbers = [int(one.rpartition("-")[2], 16) for one in got]
                assert numbers == list(range(numbers[0], numbers[0] + told["items"])), "each once, in order"
                assert (got[0], got[-1]) == (told["first_id"], told["last_id"])
                assert told["items"] >= 6_666

    asyncio.run(run())


def ids_of(messages: list[Any], name: str) -> list[str]:
    return [row["i"] for m in messages if is_trade(m) and m["topic"].endswith(name) for row in m["data"]]


@pytest.mark.parametrize("kind", ["clean", "reset"])
def test_connections_are_cut_again_and_again(kind: str) -> None:
    async def run() -> None:
        fault = {"action": "disconnect", "every_s": 0.5, "kind": kind}
        async with serving(venues=("bybit",), coins=1, faults=(fault,)) as fake:
            for _ in range(2):
                async with connected(fake.addresses["bybit"], "/v5/public/linear", BYBIT) as socket:
                    await until(lambda socket=socket: socket.ended is not None)
                    assert socket.ended == kind
            connections = (await control(fake))["venues"]["bybit"]["sent"]["connections"]
            ended = "fault: reset" if kind == "reset" else "fault: clean close"
            assert {one["closed_by"] for one in connections} == {ended}
            await control(fake, {"action": "disconnect", "every_s": 0})

    asyncio.run(run())


def test_a_stall_is_silence_on_an_open_socket() -> None:
    async def run() -> None:
        async with (
            serving(venues=("bybit",), coins=1) as fake,
            connected(fake.addresses["bybit"], "/v5/public/linear", BYBIT) as socket,
        ):
            await socket.heard(is_trade)
            await control(fake, {"action": "stall"})
            await asyncio.sleep(0.3)
            before, generated = len(socket.messages), await trades_of(fake)
            await socket.send({"op": "ping"})
            await until(lambda: fake.world.by_venue["bybit"]["BTCUSDT"].next_number - generated > 5)
            assert len(socket.messages) == before
            assert socket.ended is None
            await control(fake, {"action": "stall", "seconds": 0})
            await until(lambda: len(socket.messages) > before)

    asyncio.run(run())


async def trades_of(fake: Any) -> int:
    state = await control(fake)
    return int(state["venues"]["bybit"]["generated"]["BTCUSDT"]["last_number"])


def test_books_may_be_stale_while_trades_go_on() -> None:
    async def run() -> None:
        message = {"op": "subscribe", "args": ["publicTrade.BTCUSDT", "orderbook.50.BTCUSDT"]}
        async with (
            serving(venues=("bybit",), coins=1) as fake,
            connected(fake.addresses["bybit"], "/v5/public/linear", message) as socket,
        ):
            books = await socket.heard(is_book, 3)
            assert [m["type"] for m in books[:3]] == ["snapshot", "delta", "delta"]
            assert {b["data"]["u"] - a["data"]["u"] for a, b in pairwise(books)} == {1}
            await control(fake, {"action": "stale-books"})
            await asyncio.sleep(0.3)
            count, trades = sum(map(is_book, socket.messages)), sum(map(is_trade, socket.messages))
            await until(lambda: sum(map(is_trade, socket.messages)) > trades + 3)
            assert sum(map(is_book, socket.messages)) == count

    asyncio.run(run())


def is_book(message: Any) -> bool:
    return isinstance(message, dict) and str(message.get("topic", "")).startswith("orderbook")


def test_a_restart_cuts_everybody_refuses_them_and_ends() -> None:
    async def run() -> None:
        async with serving(venues=("okx",), coins=1) as fake:
            address = fake.addresses["okx"]
            async with connected(address, "/ws/v5/public", "ping") as socket:
                await socket.heard(lambda m: m == "pong")
                await control(fake, {"action": "restart", "seconds": 300})
                await until(lambda: socket.ended is not None)
                assert socket.ended == "reset"
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                async with connected(address, "/ws/v5/public"):
                    pass
            assert (await get(address, "/api/v5/public/time"))[0] == 503
            await control(fake, {"action": "reset"})
            async with connected(address, "/ws/v5/public", "ping") as socket:
                await socket.heard(lambda m: m == "pong")

    asyncio.run(run())


def test_who_asks_too_much_is_told_to_wait_and_then_banned() -> None:
    async def run() -> None:
        async with serving(venues=("binance", "hyperliquid"), coins=1) as fake:
            address, seen = fake.addresses["binance"], []
            async with aiohttp.ClientSession() as session:
                for _ in range(140):
                    async with session.get(f"{address}/fapi/v1/ticker/24hr") as answer:
                        seen.append((answer.status, answer.headers.get("Retry-After")))
                        used = answer.headers["X-MBX-USED-WEIGHT-1M"]
            statuses = [status for status, _ in seen]
            # A minute may end between two requests, and the count begins anew.
            assert statuses[:60] == [200] * 60
            assert {429, 418} & set(statuses)
            assert all(after and 0 < int(after) <= 121 for status, after in seen if status != 200)
            assert int(used) > 0
            body = orjson.dumps({"type": "meta"})
            async with aiohttp.ClientSession() as session:
                for _ in range(130):
                    async with session.post(f"{fake.addresses['hyperliquid']}/info", data=body) as answer:
                        status = answer.status
            assert status == 429

    asyncio.run(run())


def test_clock_skew_is_in_every_time_that_the_venue_tells() -> None:
    async def run() -> None:
        async with serving(venues=("binance",), coins=1) as fake:
            await control(fake, {"action": "clock-skew", "ms": 90_000})
            _, answer, _ = await get(fake.addresses["binance"], "/fapi/v1/time")
            assert answer["serverTime"] - fake.world.now_ms == pytest.approx(90_000, abs=5_000)
            stream = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 7}
            async with connected(fake.addresses["binance"], "/market/ws", stream) as socket:
                [trade, *_] = await socket.heard(lambda m: m.get("e") == "aggTrade")
                assert trade["T"] - fake.world.now_ms > 80_000

    asyncio.run(run())


def test_markets_come_and_go() -> None:
    async def run() -> None:
        async with serving(venues=("binance", "okx"), coins=2) as fake:
            listen = {"op": "subscribe", "args": [{"channel": "instruments", "instType": "SWAP"}]}
            info_ = {"method": "SUBSCRIBE", "params": ["!contractInfo"], "id": 1}
            async with (
                connected(fake.addresses["okx"], "/ws/v5/public", listen) as okx,
                connected(fake.addresses["binance"], "/market/ws", info_) as binance,
            ):
                await okx.heard(lambda m: m.get("event") == "subscribe")
                await binance.heard(lambda m: m.get("id") == 1)
                await control(fake, {"action": "delist", "venue": "okx", "symbol": "ETH-USDT-SWAP"})
                await control(fake, {"action": "delist", "venue": "binance", "symbol": "ETHUSDT"})
                found = await okx.heard(lambda m: len(m.get("data", ())) == 1)
                assert found[-1]["data"][0]["state"] == "suspend"
                [event] = await binance.heard(lambda m: m.get("e") == "contractInfo")
                assert (event["s"], event["cs"]) == ("ETHUSDT", "SETTLING")
                _, answer, _ = await get(fake.addresses["binance"], "/fapi/v1/openInterest", symbol="ETHUSDT")
                assert answer["code"] == -1121
                await control(fake, {"action": "list", "venue": "okx", "symbol": "ETH-USDT-SWAP"})
                found = await okx.heard(lambda m: len(m.get("data", ())) == 1, 2)
                assert found[-1]["data"][0]["state"] == "live"

    asyncio.run(run())


def test_a_message_of_a_later_format_comes_before_the_real_one() -> None:
    async def run() -> None:
        async with (
            serving(venues=("bybit",), coins=1) as fake,
            connected(fake.addresses["bybit"], "/v5/public/linear", BYBIT) as socket,
        ):
            await socket.heard(is_trade)
            await control(fake, {"action": "future-format", "messages": 2})
            found = await socket.heard(lambda m: isinstance(m, dict) and m.get("formatVersion") == 99, 2)
            assert len(found) == 2
            real = [m for m in socket.messages if is_trade(m) and "formatVersion" not in m]
            numbers = [int(row["i"].rpartition("-")[2], 16) for m in real for row in m["data"]]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "nothing is lost by it"

    asyncio.run(run())


def test_sockets_answer_mistakes_in_the_venues_own_words() -> None:
    async def run() -> None:
        async with serving(coins=1) as fake:
            at = fake.addresses
            bad = {"op": "subscribe", "args": ["publicTrade.NOSUCH"]}
            async with connected(at["bybit"], "/v5/public/linear", bad, {"op": "ping"}, "{") as socket:
                [refused] = await socket.heard(lambda m: m["op"] == "subscribe")
                assert not refused["success"]
                assert "publicTrade.NOSUCH" in refused["ret_msg"]
                [pong] = await socket.heard(lambda m: m["op"] == "ping")
                assert pong["ret_msg"] == "pong"
            bad = {"op": "subscribe", "args": [{"channel": "trades", "instId": "NOSUCH"}]}
            async with connected(at["okx"], "/ws/v5/public", bad, "nonsense") as socket:
                errors = await socket.heard(lambda m: m["event"] == "error", 2)
                assert [error["code"] for error in errors] == ["60018", "60012"]
            bad = {"method": "subscribe", "subscription": {"type": "trades", "coin": "NOSUCH"}}
            async with connected(at["hyperliquid"], "/ws", bad, {"method": "ping"}) as socket:
                await socket.heard(lambda m: isinstance(m, dict) and m["channel"] == "error")
                await socket.heard(lambda m: isinstance(m, dict) and m["channel"] == "pong")
            wrong = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 3}
            async with connected(at["binance"], "/public/ws", wrong, {"method": "NO", "id": 4}) as socket:
                await socket.heard(lambda m: m.get("id") == 3 and m["result"] is None)
                await socket.heard(lambda m: m.get("id") == 4 and "error" in m)
                await asyncio.sleep(1.0)
                assert not [m for m in socket.messages if "e" in m], "trades are not on /public"

    asyncio.run(run())


def test_positions_of_accounts_in_the_trade_feed_are_exact() -> None:
    """The liquidation price that an account is told is the one of the venue's formula, and where it is closed."""

    async def run() -> None:
        async with serving(venues=("hyperliquid",), coins=2) as fake:
            address = fake.addresses["hyperliquid"]
            message = {"method": "subscribe", "subscription": {"type": "trades", "coin": "BTC"}}
            async with connected(address, "/ws", message) as socket:
                await socket.heard(is_hyperliquid_trade, 10)
                trades = [trade for m in filter(is_hyperliquid_trade, socket.messages) for trade in m["data"]]
            one = fake.world.by_venue["hyperliquid"]["BTC"]
            assert {trade["tid"] for trade in trades} <= {trade_id(n) for n in range(1_000_000, one.next_number)}
            tiers, checked = one.market.longs.tiers, 0
            for user in {user for trade in trades for user in trade["users"]}:
                state = await info(address, type="clearinghouseState", user=user)
                for row in state["assetPositions"]:
                    position = row["position"]
                    size, price = float(position["szi"]), position["liquidationPx"]
                    if price is None:
                        continue
                    equity = float(state["marginSummary"]["accountValue"])
                    side, mark = (1 if size > 0 else -1), float(position["positionValue"]) / abs(size)
                    value = abs(size) * float(price)
                    tier = next(t for t in tiers if t.notional_cap_usd is None or value <= t.notional_cap_usd)
                    rate, deduction = tier.maintenance_margin_rate, tier.maintenance_amount_usd
                    free = equity - rate * abs(size) * mark + deduction
                    formula = mark - side * free / abs(size) / (1.0 - rate * side)
                    assert float(price) == pytest.approx(formula, rel=1e-6)
                    checked += 1
            assert checked > 3

    asyncio.run(run())


def test_the_true_map_holds_every_position_that_can_be_liquidated() -> None:
    async def run() -> None:
        async with serving(venues=("bybit",), coins=1) as fake:
            for symbol in ("BTCUSDT", "BTCUSD"):
                status, truth, _ = await get(fake.addresses["control"], "/truth", venue="bybit", symbol=symbol)
                assert status == 200
                one = fake.world.by_venue["bybit"][symbol]
                mark_bin = floor(log(truth["mark_price"]) / 0.001) - truth["first_bin"]
                longs, shorts = truth["long_usd"], truth["short_usd"]
                assert sum(longs[: mark_bin + 2]) == pytest.approx(sum(longs)), "longs are liquidated below the mark"
                assert sum(shorts[mark_bin - 1 :]) == pytest.approx(sum(shorts)), "shorts above it"
                standing = one.market.open_interest_base * one.mark_price
                assert 0.3 * standing < sum(longs) < 1.02 * standing
            assert (await get(fake.addresses["control"], "/truth", venue="okx", symbol="BTCUSDT"))[0] == 400

    asyncio.run(run())


def is_hyperliquid_trade(message: Any) -> bool:
    return isinstance(message, dict) and message["channel"] == "trades"


def test_control_messages_that_make_no_sense_are_refused_and_change_nothing() -> None:
    async def run() -> None:
        async with serving(venues=("okx",), coins=1) as fake:
            for message, reason in (
                ([], "JSON object"),
                ({"action": "explode"}, "no action 'explode'"),
                ({"action": "stall", "venue": "mtgox"}, "no venue 'mtgox'"),
                ({"action": "stall", "seconds": "long"}, "seconds is a number"),
                ({"action": "stall", "second": 1}, "unknown fields: second"),
                ({"action": "disconnect", "kind": "polite"}, "clean or reset"),
                ({"action": "throttle", "status": 200}, "403, 418 or 429"),
                ({"action": "burst", "messages": 0}, "between 1"),
                ({"action": "burst", "symbols": ["NOSUCH"]}, "doesn't list 'NOSUCH'"),
                ({"action": "delist", "symbol": "NOSUCH"}, "no market 'NOSUCH'"),
                ({"action": "shock", "coin": "NOSUCH", "percent": 1}, "no coin 'NOSUCH'"),
                ({"action": "shock", "coin": "BTC", "percent": -99}, "between -50"),
                ({"action": "clock-skew"}, "ms is a number"),
            ):
                with pytest.raises(ControlError, match=reason):
                    fake.control.act(message)
            assert fake.servers["okx"].faults == type(fake.servers["okx"].faults)()

    asyncio.run(run())


def test_the_command_tells_its_addresses_and_ends_when_told() -> None:
    program = str(Path(sys.executable).with_name("liqheat"))
    options = ["--venue", "bybit", "okx", "--coins", "1", "--history-days", "0.1", "--seed", "5", "--speed", "20"]
    with subprocess.Popen([program, "fake-venue", *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            addresses = orjson.loads(process.stdout.readline())
            assert sorted(addresses) == ["bybit", "control", "okx"]

            async def times() -> int:
                first = (await get(addresses["control"], "/control"))[1]["now_ms"]
                await asyncio.sleep(1.0)
                return int((await get(addresses["control"], "/control"))[1]["now_ms"] - first)

            assert asyncio.run(times()) > 3_000, "twenty seconds of the story in one"
            os.kill(process.pid, signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--venue", "mtgox"], "no venue 'mtgox'"),
        (["--coins", "0"], "between 1 and 200"),
        (["--speed", "0"], "between 0 and 1000"),
        (["--start-ms", "1"], "whole minute"),
        (["--fault", "{}"], "no action None"),
        (["--fault", "no"], "a JSON object"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fake-venue", "--coins", "1", "--history-days", "0.1", *options]
    try:
        code = run_command(command)
    except SystemExit as error:  # argparse
        code = int(str(error.code))
    assert code == 2
    assert reason in capsys.readouterr().err
