"""What real messages of Bybit (2026-08), Binance (2021-07) and OKX (2022-05) become.

Source of the captures: shared/data/README.md. Sums are held against plain decimal sums over the JSON.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from math import floor, log
from typing import Any

import pytest

from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import BrokenLine, Fact, Mapped, Market, Problem, Trade
from liqheat_ingest.sources.replay import open_replay
from venue_captures import FILES, bybit_liquidations, capture, existing, force_orders

BTC, ETH = Market("BTC", "bybit", "BTC/USDT:USDT"), Market("ETH", "bybit", "ETH/USDT:USDT")


def mapped(venue: str, messages: list[RawMessage]) -> list[Mapped]:
    mapper = mapper_of(venue)
    return [item for raw in messages for item in mapper.map(raw)]


def kinds(items: list[Mapped]) -> dict[str, int]:
    return dict(
        Counter("trade" if isinstance(i, Trade) else i.reason if isinstance(i, Problem) else i.type for i in items)
    )


def trades(items: list[Mapped], market: Market | None = None) -> list[Trade]:
    return [item for item in items if isinstance(item, Trade) and market in (None, item.market)]


def facts(items: list[Mapped], kind: str, market: Market | None = None) -> list[Fact]:
    return [i for i in items if isinstance(i, Fact) and i.type == kind and market in (None, i.market)]


def test_bybit_becomes_these_events() -> None:
    items = mapped("bybit", capture("bybit"))

    # 800 instruments: 692 + 68 perpetuals, of which 174 are on stocks and 4 on commodities, and 40 futures.
    assert kinds(items) == {"instrument": 582, "ticker": 156, "book-depth": 172, "trade": 327, "candle": 4}
    assert trades(items)[0] == Trade(
        1_786_310_819_966, BTC, 1_786_310_819_680, 65_114.2, 0.004, "s", "a9188a0a-82bc-50de-be60-03eedbe3cdd7"
    )
    assert facts(items, "ticker")[0] == Fact(
        1_786_310_819_526,
        BTC,
        1_786_310_817_583,
        "ticker",
        {
            "mark_price": 65_117.44,
            "index_price": 65_137.76,
            "last_price": 65_114.3,
            "open_interest_base": 29_945.866,
            "funding_rate": 0.0001,
            "next_funding_time_ms": 1_786_320_000_000,
        },
        "ticker",
    )
    specs = {fact.market.symbol: fact.fields for fact in facts(items, "instrument")}
    assert specs["SHIB1000/USDT:USDT"]["price_multiplier"] == 1000
    assert specs["1INCH/USDT:USDT"]["price_multiplier"] == 1
    assert specs["BTC/USDT:USDT"]["tick_size"] == 0.1


def test_bybit_trades_are_those_of_the_perpetual_and_not_of_spot() -> None:
    """Spot sends ``publicTrade.BTCUSDT`` as well, on another address."""
    messages = capture("bybit")
    entries = [
        (raw.channel, entry)
        for raw in messages
        if str(raw.data.get("topic", "")).startswith("publicTrade")
        for entry in raw.data["data"]
    ]
    expected = [entry for channel, entry in entries if channel == "ws:/v5/public/linear"]
    found = trades(mapped("bybit", messages))

    assert {channel for channel, _ in entries} == {"ws:/v5/public/linear", "ws:/v5/public/spot"}
    assert [trade.trade_id for trade in found] == [entry["i"] for entry in expected]
    assert [trade.aggressor for trade in found] == [{"Buy": "b", "Sell": "s"}[entry["S"]] for entry in expected]
    usd = sum(Decimal(entry["p"]) * Decimal(entry["v"]) for entry in expected)
    assert sum(trade.price * trade.quantity_base for trade in found) == pytest.approx(float(usd), rel=1e-12)


def test_spot_is_told_without_its_address_too() -> None:
    """A bare line names no connection: spot trades have a number for an id and no tick direction."""
    bare = [raw._replace(channel="") for raw in capture("bybit")]
    spot_free = [raw for raw in capture("bybit") if raw.channel != "ws:/v5/public/spot"]

    for kind in ("publicTrade", "tickers"):
        chosen = [raw for raw in bare if str(raw.data.get("topic", "")).startswith(kind)]
        expected = [raw for raw in spot_free if str(raw.data.get("topic", "")).startswith(kind)]
        assert mapped("bybit", chosen) == mapped("bybit", expected)


def test_bybit_counts_open_interest_on_both_sides_and_we_on_one() -> None:
    messages = [raw for raw in capture("bybit") if raw.data.get("topic") == "tickers.BTCUSDT"]
    told = [raw.data["data"] for raw in messages if "openInterest" in raw.data["data"]]
    items = mapped("bybit", messages)

    assert all(Decimal(t["openInterest"]) == 2 * Decimal(t["singleOpenInterest"]) for t in told)
    assert facts(items, "ticker")[-1].fields["open_interest_base"] == float(told[-1]["singleOpenInterest"])
    # The same message before the change is halved: a dated format, not a guess by the field.
    before = messages[0]._replace(receive_time_ms=1_781_000_000_000)
    before.data["ts"] = 1_781_000_000_000
    del before.data["data"]["singleOpenInterest"]
    [fact] = mapper_of("bybit").map(before)
    assert isinstance(fact, Fact)
    assert fact.fields["open_interest_base"] == pytest.approx(29_945.866)
    [problem] = mapper_of("bybit").map(messages[0]._replace(receive_time_ms=1_786_310_819_526))
    assert isinstance(problem, Problem)
    assert "singleOpenInterest is missing" in problem.detail


@pytest.mark.parametrize(("venue", "symbol"), [("bybit", "ETHUSDT"), ("binance", "SUSHIUSDT")])
def test_the_depth_is_that_of_a_book_kept_by_hand(venue: str, symbol: str) -> None:
    messages = [raw for raw in capture(venue) if "spot" not in raw.channel]
    items = facts(mapped(venue, messages), "book-depth")
    last = [fact for fact in items if fact.market.coin == symbol.removesuffix("USDT")][-1]

    bids, asks = _book_by_hand(venue, symbol, messages, last)

    assert max(bids) < min(asks)
    for levels, name in ((bids, "bid_usd"), (asks, "ask_usd")):
        expected: Counter[int] = Counter()
        for price, amount in levels.items():
            expected[floor(log(float(price)) / 0.001)] += price * amount
        told = dict(enumerate(last.fields[name], last.fields["first_bin"]))
        assert {k: v for k, v in told.items() if v} == {
            k: float(round(v)) for k, v in expected.items() if k in told and round(v)
        }


def _book_by_hand(venue: str, symbol: str, messages: list[RawMessage], until: Fact) -> tuple[dict[Any, Any], ...]:
    """Apply everything of a symbol, in order, up to the message that the fact came of."""
    sides: tuple[dict[Any, Any], dict[Any, Any]] = {}, {}
    snapshot = 0
    for raw in messages:
        data = raw.data
        if venue == "bybit":
            if not str(data.get("topic", "")).endswith(symbol) or "orderbook" not in data["topic"]:
                continue
            levels, time = (data["data"]["b"], data["data"]["a"]), data["ts"]
            whole = data["type"] == "snapshot"
        elif f"depth?symbol={symbol}" in raw.channel:
            levels, time, whole = (data["bids"], data["asks"]), data["T"], True
            snapshot = data["lastUpdateId"]
        elif data.get("data", {}).get("s") == symbol and data["data"]["e"] == "depthUpdate":
            event = data["data"]
            if not snapshot or event["u"] <= snapshot:
                continue
            levels, time, whole = (event["b"], event["a"]), event["T"], False
        else:
            continue
        for side, changes in zip(sides, levels, strict=True):
            if whole:
                side.clear()
            for price, amount in changes:
                side[Decimal(price)] = Decimal(amount)
        if (raw.receive_time_ms, time) == (until.receive_time_ms, until.event_time_ms):
            break
    return tuple({p: a for p, a in side.items() if a} for side in sides)


def test_binance_of_2021_becomes_these_events() -> None:
    items = mapped("binance", capture("binance"))

    assert kinds(items) == {"instrument": 119, "book-depth": 121, "trade": 91, "candle": 4}
    assert trades(items)[0] == Trade(
        1_626_992_742_290,
        Market("CTK", "binance", "CTK/USDT:USDT"),
        1_626_992_741_421,
        1.011,
        10.0,
        "b",
        "16599292",
    )
    sushi = facts(items, "candle")[0]
    assert (sushi.fields["volume_base"], sushi.fields["taker_buy_base"]) == (3005.0, 1900.0)
    numbers = [int(t.trade_id or "") for t in trades(items) if t.market.coin == "SUSHI"]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_who_sells_hits_the_bid() -> None:
    """``m`` of Binance names the maker: held against the best bid and ask just before each trade."""
    quotes: dict[str, tuple[float, float]] = {}
    mapper, right, all_trades = mapper_of("binance"), 0, 0
    for raw in capture("binance"):
        event = raw.data.get("data", {})
        if event.get("e") == "bookTicker":
            quotes[event["s"]] = float(event["b"]), float(event["a"])
        for trade in trades(mapper.map(raw)):
            symbol = mapper.instruments.symbol_of(trade.market)
            if symbol in quotes:
                middle = sum(quotes[symbol]) / 2
                all_trades += 1
                right += (trade.aggressor == "s") == (trade.price < middle)
    assert all_trades > 80
    # A quote may be younger than the trade; the other way round it would be one in seven.
    assert right / all_trades > 0.8


def test_okx_of_2022_becomes_these_events() -> None:
    items = mapped("okx", capture("okx"))

    assert kinds(items) == {"instrument": 166, "ticker": 1, "trade": 1, "book-depth": 12}
    [trade] = trades(items)
    # 100 contracts of 10 USD at 5.123: 1,000 USD, which is 195.2 UNI and not 100.
    assert trade.quantity_base == pytest.approx(1000 / 5.123)
    assert (trade.market.symbol, trade.aggressor, trade.price) == ("UNI/USD:UNI", "s", 5.123)
    sizes = {fact.market.symbol: fact.fields["contract_size"] for fact in facts(items, "instrument")}
    assert (sizes["BTC/USDT:USDT"], sizes["BTC/USD:BTC"], sizes["UNI/USD:UNI"]) == (0.01, 100.0, 10.0)


def test_a_lost_change_of_okx_shows_in_the_checksum() -> None:
    messages = [
        raw
        for raw in capture("okx")
        if raw.data.get("arg", {}).get("instId") == "UNI-USD-SWAP" or "instType=SWAP" in raw.channel
    ]
    updates = [index for index, raw in enumerate(messages) if raw.data.get("action") == "update"]
    # One that moves the best levels: the first of which the top of the book is part.
    lost = next(i for i in updates if any(float(p) > 5.1 for p, *_ in messages[i].data["data"][0]["bids"]))

    assert not [i for i in mapped("okx", messages) if isinstance(i, Problem)]
    problems = [i for i in mapped("okx", messages[:lost] + messages[lost + 1 :]) if isinstance(i, Problem)]
    assert problems
    assert problems[0].reason == "out-of-order"
    assert "checksum" in problems[0].detail


def test_binance_liquidation_orders_sell_for_longs() -> None:
    orders = force_orders()
    items = facts(mapped("binance", [RawMessage("binance", "ws:/market/ws", o["E"], o) for o in orders]), "liquidation")

    assert len(items) == 456
    assert Counter(fact.fields["liquidated_side"] for fact in items) == Counter(
        {"SELL": "long", "BUY": "short"}[o["o"]["S"]] for o in orders
    )
    first = items[0]
    assert first.market == Market("RARE", "binance", "RARE/USDT:USDT")
    # 4,421 were filled in all, of which the last fill was 3,750.
    assert first.fields == {
        "liquidated_side": "short",
        "price": 0.2185,
        "price_kind": "average",
        "quantity_base": 4421.0,
        "notional_usd": pytest.approx(965.9885),
        "feed_completeness": "throttled",
        "liquidation_id": None,
    }
    usd = sum(Decimal(o["o"]["ap"]) * Decimal(o["o"]["z"]) for o in orders)
    assert sum(fact.fields["notional_usd"] for fact in items) == pytest.approx(float(usd), rel=1e-12)
    # Why the side is the order's: who must sell takes no less than the limit, who must buy pays no more.
    for order in (o["o"] for o in orders):
        better = Decimal(order["ap"]) - Decimal(order["p"])
        assert better >= 0 if order["S"] == "SELL" else better <= 0


def test_bybit_liquidations_name_the_position() -> None:
    entries = bybit_liquidations()
    data = {"topic": "allLiquidation", "type": "snapshot", "ts": entries[-1]["T"], "data": entries}
    items = facts(mapped("bybit", [RawMessage("bybit", "", entries[-1]["T"], data)]), "liquidation")

    assert len(items) == 30
    assert [fact.fields["liquidated_side"] for fact in items] == [
        {"Buy": "long", "Sell": "short"}[entry["S"]] for entry in entries
    ]
    assert items[0].market == Market("STRK", "bybit", "STRK/USDT:USDT")
    assert items[0].fields["notional_usd"] == pytest.approx(82.3 * 0.07427)
    assert {fact.fields["price_kind"] for fact in items} == {"bankruptcy"}
    assert {fact.fields["feed_completeness"] for fact in items} == {"complete"}
    usd = sum(Decimal(entry["p"]) * Decimal(entry["v"]) for entry in entries)
    assert sum(fact.fields["notional_usd"] for fact in items) == pytest.approx(float(usd), rel=1e-12)


def test_captures_are_replayed_as_they_are() -> None:
    """The Bybit capture holds one connection after the other: its lines are put in order of time."""
    source = open_replay([existing(f"{name}.jsonl.zst") for name in FILES.values()])
    items = list(source.items())

    assert not [item for item in items if isinstance(item, BrokenLine | Problem)]
    assert [item.receive_time_ms for item in items] == sorted(item.receive_time_ms for item in items)
    assert Counter(item.market.venue for item in items if isinstance(item, Trade)) == {
        "bybit": 327,
        "binance": 91,
        "okx": 1,
    }
