"""What the mappers make of the fake venues' messages is what happened: same coins, amounts, sides and prices.

The story's trades and liquidations are known in lots of the coin; the messages say them in contracts, thousands and
position or order sides. Both ends must meet.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from fake_venue_clients import connected, control, get, info, serving, until
from liqheat_ingest.fake_venue.hyperliquid_fields import trade_id
from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.process import FakeVenueProcess
from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.raw import RawMessage, rest_channel
from liqheat_ingest.readings import Fact, Problem, Trade

pytestmark = pytest.mark.slow

BYBIT_TOPICS = ("publicTrade", "tickers", "allLiquidation", "orderbook.50")
OKX_CHANNELS = ("trades", "mark-price", "open-interest", "funding-rate", "books")
#: Sockets of each venue: path, and what is subscribed to for a symbol.
SOCKETS: dict[str, tuple[tuple[str, Any], ...]] = {
    "binance": (
        ("/market/ws", lambda s: {"method": "SUBSCRIBE", "id": 1, "params": [f"{s.lower()}@aggTrade",
            f"{s.lower()}@markPrice@1s", f"{s.lower()}@forceOrder"]}),
        ("/public/ws", lambda s: {"method": "SUBSCRIBE", "id": 1, "params": [f"{s.lower()}@depth@100ms"]}),
    ),
    "bybit": (
        ("/v5/public/linear", lambda s: {"op": "subscribe", "args": [f"{t}.{s}" for t in BYBIT_TOPICS]}),
        ("/v5/public/inverse", lambda s: {"op": "subscribe", "args": [f"{t}.{s}" for t in BYBIT_TOPICS]}),
    ),
    "okx": (
        ("/ws/v5/public", lambda s: {"op": "subscribe", "args": [
            *({"channel": c, "instId": s} for c in OKX_CHANNELS),
            {"channel": "index-tickers", "instId": s.removesuffix("-SWAP")},
            {"channel": "liquidation-orders", "instType": "SWAP"}]}),
    ),
    "hyperliquid": tuple(
        ("/ws", lambda s, t=t: {"method": "subscribe", "subscription": {"type": t, "coin": s}})
        for t in ("trades", "activeAssetCtx", "l2Book")
    ),
}  # fmt: skip
#: Of BTC, the coin with a multiplier, and the inverse market where there is one.
SYMBOLS = {
    "binance": ("BTCUSDT", "1000PEPEUSDT"),
    "bybit": ("BTCUSDT", "1000PEPEUSDT", "BTCUSD"),
    "okx": ("BTC-USDT-SWAP", "PEPE-USDT-SWAP", "BTC-USD-SWAP"),
    "hyperliquid": ("BTC", "kPEPE"),
}


async def instruments(venue: str, address: str) -> list[tuple[str, Any]]:
    """What tells the units: channels and answers."""
    found = []
    for path, query in {
        "binance": [("/fapi/v1/exchangeInfo", {})],
        "bybit": [("/v5/market/instruments-info", {"category": c}) for c in ("linear", "inverse", "spot")],
        "okx": [("/api/v5/public/instruments", {"instType": "SWAP"})],
        "hyperliquid": [],
    }[venue]:
        found.append((rest_channel(path, query), (await get(address, path, **query))[1]))
    if venue == "hyperliquid":
        channel = rest_channel("/info", {"type": "metaAndAssetCtxs"})
        found.append((channel, await info(address, type="metaAndAssetCtxs")))
    return found


async def listen() -> tuple[FakeVenueProcess, dict[str, list[Any]]]:
    """All that the mappers say of some seconds of a falling, then rising market."""
    mapped: dict[str, list[Any]] = {venue: [] for venue in SYMBOLS}
    async with serving() as fake, AsyncExitStack() as stack:
        mappers = {venue: mapper_of(venue) for venue in SYMBOLS}
        sockets = []
        for venue, address in fake.addresses.items():
            if venue not in SYMBOLS:
                continue
            for channel, answer in await instruments(venue, address):
                mapped[venue] += mappers[venue].map(RawMessage(venue, channel, fake.world.now_ms, answer))
            for path, message in SOCKETS[venue]:
                wanted = [s for s in SYMBOLS[venue] if "inverse" not in path or s == "BTCUSD"]
                wanted = [s for s in wanted if "linear" not in path or s != "BTCUSD"]
                messages = [message(symbol) for symbol in wanted]
                sockets.append((venue, path, await stack.enter_async_context(connected(address, path, *messages))))
        await until(lambda: all(len(socket.messages) > 5 for _, _, socket in sockets))
        for percent in (-6, 13):
            for coin in ("BTC", "PEPE"):
                await control(fake, {"action": "shock", "coin": coin, "percent": percent})
            end_ms = fake.world.now_ms + 2_300
            await until(lambda end_ms=end_ms: fake.world.now_ms > end_ms)
        for venue, path, socket in sockets:
            for data in socket.messages:
                if isinstance(data, dict):
                    mapped[venue] += mappers[venue].map(RawMessage(venue, f"ws:{path}", fake.world.now_ms, data))
    return fake, mapped


@pytest.fixture(scope="module")
def everything() -> tuple[FakeVenueProcess, dict[str, list[Any]]]:
    return asyncio.run(listen())


@pytest.fixture(params=SYMBOLS)
def heard(
    request: pytest.FixtureRequest, everything: tuple[FakeVenueProcess, dict[str, list[Any]]]
) -> tuple[str, FakeVenueProcess, list[Any]]:
    fake, mapped = everything
    return request.param, fake, mapped[request.param]


def instrument(fake: FakeVenueProcess, venue: str, market: Any) -> FakeInstrument:
    [found] = [
        one
        for one in fake.world.by_venue[venue].values()
        if one.listing.coin == market.coin and one.listing.is_inverse == market.symbol.endswith(f"USD:{market.coin}")
    ]
    return found


def test_nothing_is_refused(heard: tuple[str, FakeVenueProcess, list[Any]]) -> None:
    _, _, mapped = heard
    assert [item for item in mapped if isinstance(item, Problem)] == []


def test_trades_are_those_of_the_story(heard: tuple[str, FakeVenueProcess, list[Any]]) -> None:
    venue, fake, mapped = heard
    checked = dict.fromkeys(SYMBOLS[venue], 0)
    for trade in (item for item in mapped if isinstance(item, Trade)):
        one = instrument(fake, venue, trade.market)
        numbers = {name(venue, known.number): known for known in one.trades}
        known = numbers.get(str(trade.trade_id)[-12:] if venue == "bybit" else str(trade.trade_id))
        if known is None:
            continue  # older than what is kept
        price = known.price_ticks * one.market.coin.tick_size
        assert trade.price == pytest.approx(price, rel=1e-9)
        assert trade.quantity_base == pytest.approx(one.market.quantity_base(known.lots, price), rel=1e-9)
        assert trade.aggressor == ("b" if known.side > 0 else "s")
        assert trade.event_time_ms == known.time_ms
        checked[one.symbol] += 1
    assert all(checked.values()), checked


def name(venue: str, number: int) -> str:
    """The venue's id of a trade of the story."""
    if venue == "bybit":
        return f"{number:012x}"
    return str(trade_id(number)) if venue == "hyperliquid" else str(number)


def test_liquidations_are_those_of_the_story(heard: tuple[str, FakeVenueProcess, list[Any]]) -> None:
    venue, fake, mapped = heard
    found = [item for item in mapped if isinstance(item, Fact) and item.type == "liquidation"]
    if venue == "hyperliquid":
        assert not found, "there is no public feed of them"
        return
    sides, seconds = set(), {}
    for fact in found:
        one = instrument(fake, venue, fact.market)
        fields = fact.fields
        side = 1 if fields["liquidated_side"] == "long" else -1
        happened = [
            known for known in one.recent_liquidations if known.side == side and known.time_ms == fact.event_time_ms
        ]
        if not happened and len(one.recent_liquidations) == one.recent_liquidations.maxlen:
            continue  # older than what is kept
        base = {round(one.market.quantity_base(k.lots, k_price(one, k, venue)), 6) for k in happened}
        assert round(fields["quantity_base"], 6) in base
        sides.add(side)
        key = one.symbol, fact.event_time_ms // 1_000
        seconds[key] = seconds.get(key, 0) + 1
    assert sides == {1, -1}, "a fall and a rise were heard"
    completeness = {fact.fields["feed_completeness"] for fact in found}
    assert completeness == {"complete" if venue == "bybit" else "throttled"} or venue == "okx"


def k_price(one: FakeInstrument, known: Any, venue: str) -> float:
    """The price that the venue writes: of the bankruptcy, at Binance the average of the fills."""
    ticks = known.fill_ticks if venue == "binance" else known.bankruptcy_ticks
    return float(ticks * one.market.coin.tick_size)


def test_tickers_tell_the_state_of_the_story(heard: tuple[str, FakeVenueProcess, list[Any]]) -> None:
    venue, fake, mapped = heard
    last: dict[Any, dict[str, Any]] = {}
    for fact in (item for item in mapped if isinstance(item, Fact) and item.type == "ticker"):
        known = {key: value for key, value in fact.fields.items() if value is not None}
        last[fact.market] = {**last.get(fact.market, {}), **known}
    assert len(last) >= len(SYMBOLS[venue])
    for market, fields in last.items():
        one = instrument(fake, venue, market)
        if one.symbol not in SYMBOLS[venue] or "mark_price" not in fields:
            continue
        assert fields["mark_price"] == pytest.approx(one.mark_price, rel=0.2)
        if venue != "binance":  # whose open interest is asked for over REST
            base = one.market.quantity_base(one.open_interest_lots, one.mark_price)
            assert fields["open_interest_base"] == pytest.approx(base, rel=0.25), "one side, in the coin"


def test_books_have_depth_on_both_sides(heard: tuple[str, FakeVenueProcess, list[Any]]) -> None:
    venue, _, mapped = heard
    if venue == "binance":
        return  # its changes follow a snapshot that a source asks for
    books = [item for item in mapped if isinstance(item, Fact) and item.type == "book-depth"]
    assert {fact.market.coin for fact in books} == {"BTC", "PEPE"}
