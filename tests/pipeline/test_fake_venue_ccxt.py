"""The unmodified exchange clients against the fake venues: what production calls, over real sockets and requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar

import ccxt.pro
import pytest

from fake_venue_clients import PATIENCE_S, control, serving
from liqheat_ingest.fake_venue.process import FakeVenueProcess
from liqheat_ingest.sources.loopback_urls import point_at_loopback

pytestmark = pytest.mark.slow

T = TypeVar("T")
CLIENTS = {"binance": "binanceusdm", "bybit": "bybit", "okx": "okx", "hyperliquid": "hyperliquid"}
HOUR_MS, MINUTE_MS = 3_600_000, 60_000


@asynccontextmanager
async def client(venue: str, **options: Any) -> AsyncIterator[tuple[FakeVenueProcess, Any]]:
    async with serving(venues=(venue,), history_days=2.0, **options) as fake:
        exchange = getattr(ccxt.pro, CLIENTS[venue])({"options": {"defaultType": "swap"}})
        point_at_loopback(exchange, fake.addresses[venue])
        try:
            await exchange.load_markets()
            yield fake, exchange
        finally:
            await exchange.close()


async def soon(answer: Awaitable[T]) -> T:
    return await asyncio.wait_for(answer, PATIENCE_S)


def quote(venue: str) -> str:
    return "USDC" if venue == "hyperliquid" else "USDT"


def linear(venue: str, base: str = "BTC") -> str:
    return f"{base}/{quote(venue)}:{quote(venue)}"


@pytest.mark.parametrize("venue", CLIENTS)
def test_a_client_loads_watches_and_fetches(venue: str) -> None:
    async def run() -> None:
        async with client(venue) as (fake, exchange):
            symbol = linear(venue)
            perpetuals = {m["symbol"]: m for m in exchange.markets.values() if m["swap"]}
            assert set(perpetuals) == markets_of(venue)
            assert all(market["active"] for market in perpetuals.values())
            one = next(one for one in fake.world.instruments(venue) if one.listing.coin == "BTC")

            trades = await soon(exchange.watch_trades(symbol))
            assert trades[-1]["price"] == pytest.approx(one.mark_price, rel=0.002)
            assert trades[-1]["id"]
            book = await soon(exchange.watch_order_book(symbol))
            for _ in range(5):
                book = await soon(exchange.watch_order_book(symbol))
            assert book["bids"][0][0] < book["asks"][0][0]
            ticker = await soon(exchange.watch_ticker(symbol))
            assert ticker["last"] == pytest.approx(one.mark_price, rel=0.002)
            await candles(exchange, symbol, one.mark_price)
            await open_interest(venue, exchange, symbol, one)
            assert len(await exchange.fetch_tickers()) >= 6 if venue != "bybit" else True

    asyncio.run(run())


def markets_of(venue: str) -> set[str]:
    """Names of the perpetuals of six coins, as the client has them."""
    bases = ["BTC", "ETH", "SOL", "XRP", "DOGE", {"okx": "PEPE", "hyperliquid": "KPEPE"}.get(venue, "1000PEPE")]
    inverse = {"bybit": ("BTC", "ETH", "SOL", "XRP"), "okx": ("BTC", "ETH", "SOL")}.get(venue, ())
    return {linear(venue, base) for base in bases} | {f"{base}/USD:{base}" for base in inverse}


async def candles(exchange: Any, symbol: str, price: float) -> None:
    """Pages join, the last one is the minute that runs, and the rest of it is what the history had."""
    newest = await exchange.fetch_ohlcv(symbol, "5m", limit=10)
    assert newest[-1][4] == pytest.approx(price, rel=0.002)
    assert [b[0] - a[0] for a, b in pairwise(newest)] == [5 * MINUTE_MS] * (len(newest) - 1)
    now_ms = exchange.milliseconds()
    since = now_ms - now_ms % HOUR_MS - 40 * HOUR_MS
    first = await exchange.fetch_ohlcv(symbol, "1h", since=since, limit=20)
    second = await exchange.fetch_ohlcv(symbol, "1h", since=first[-1][0] + HOUR_MS, limit=20)
    times = [row[0] for row in first + second]
    assert times == list(range(since, since + len(times) * HOUR_MS, HOUR_MS))
    assert len(first) == 20
    assert first[-1][4] == pytest.approx(second[0][1], rel=0.01), "one candle opens where the last one closed"
    assert all(low <= min(o, c) <= max(o, c) <= high for _, o, high, low, c, _ in first + second)


async def open_interest(venue: str, exchange: Any, symbol: str, one: Any) -> None:
    """What stands now, and what stood every five minutes."""
    base = one.quantity_base(one.open_interest_lots, one.mark_price / one.market.coin.tick_size)
    if venue == "hyperliquid":
        found = (await exchange.fetch_open_interests())[symbol]["openInterestAmount"]
        assert found == pytest.approx(base, rel=0.05)
        return
    now = await exchange.fetch_open_interest(symbol)
    history = await exchange.fetch_open_interest_history(symbol, "5m", limit=20)
    amounts = [row["openInterestAmount"] for row in history]
    sides = 2.0 if venue == "bybit" else 1.0
    unit = one.listing.contract_size
    assert now["openInterestAmount"] * unit == pytest.approx(sides * base, rel=0.05)
    assert amounts[-1] * unit == pytest.approx(sides * base, rel=0.05)
    assert len(amounts) == 20
    steps = {b["timestamp"] - a["timestamp"] for a, b in pairwise(history)}
    assert steps == {5 * MINUTE_MS}


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
def test_a_fall_liquidates_longs_whose_side_each_venue_writes_in_its_way(venue: str) -> None:
    async def run() -> None:
        async with client(venue) as (fake, exchange):
            watching = asyncio.ensure_future(exchange.watch_liquidations(linear(venue)))
            await asyncio.sleep(0.2)
            await control(fake, {"action": "shock", "coin": "BTC", "percent": -6})
            found = (await soon(watching))[-1]
            detail = found["info"]["details"][0] if venue == "okx" else found["info"]
            side = detail["side"] if venue == "okx" else detail["S"]
            # The position's at Bybit, the order's elsewhere.
            assert side.lower() == ("buy" if venue == "bybit" else "sell")
            if venue == "bybit":
                await control(fake, {"action": "shock", "coin": "BTC", "percent": 12})
                await soon(first_short(exchange))

    asyncio.run(run())


async def first_short(exchange: Any) -> None:
    """A rise liquidates shorts, also those in coins; what the fall had left to say comes before."""
    while (await exchange.watch_liquidations("BTC/USD:BTC"))[-1]["info"]["S"] != "Sell":
        pass


def test_errors_and_limits_are_the_clients_own_exceptions() -> None:
    async def run() -> None:
        async with client("binance") as (fake, exchange):
            with pytest.raises(ccxt.BadSymbol):
                await exchange.fapiPublicGetOpenInterest({"symbol": "NOSUCHUSDT"})
            await control(fake, {"action": "throttle", "status": 418, "retry_after_s": 9, "seconds": 30})
            with pytest.raises(ccxt.DDoSProtection, match="banned until"):
                await exchange.fetch_time()
            await control(fake, {"action": "reset"})
            await exchange.fetch_time()
            await control(fake, {"action": "rest-outage"})
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await exchange.fetch_time()
        async with client("okx") as (_, exchange):
            with pytest.raises(ccxt.BadSymbol):
                await exchange.publicGetMarketTicker({"instId": "NOSUCH-USDT-SWAP"})
        async with client("bybit") as (fake, exchange):
            with pytest.raises(ccxt.BadRequest):
                await exchange.publicGetV5MarketTickers({"category": "linear", "symbol": "NOSUCHUSDT"})
            await control(fake, {"action": "throttle", "status": 403, "seconds": 30})
            with pytest.raises(ccxt.BaseError):
                await exchange.fetch_time()

    asyncio.run(run())


def test_a_client_reconnects_and_resubscribes_after_a_reset() -> None:
    async def run() -> None:
        async with client("bybit") as (fake, exchange):
            symbol = linear("bybit")
            await soon(exchange.watch_trades(symbol))
            pending = asyncio.ensure_future(exchange.watch_liquidations("SOL/USDT:USDT"))
            await asyncio.sleep(0.2)
            await control(fake, {"action": "disconnect", "kind": "reset"})
            with pytest.raises(ccxt.NetworkError):
                await soon(pending)
            again = await soon(exchange.watch_trades(symbol))
            assert again
            state = (await control(fake))["venues"]["bybit"]["sent"]
            assert [one["closed_by"] for one in state["connections"]] == ["fault: reset", None]

    asyncio.run(run())
