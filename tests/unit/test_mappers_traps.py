"""The traps of the venues' public feeds, one by one, on a message or two each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from liqheat_ingest.mappers import VENUES, mapper_of
from liqheat_ingest.mappers.hyperliquid import trade_accounts
from liqheat_ingest.mappers.mapper import Format, Handler, VenueMapper
from liqheat_ingest.raw import RawMessage, rest_channel, websocket_channel
from liqheat_ingest.readings import Fact, Mapped, Market, Problem, Trade
from liqheat_ingest.sources.live.trade_numbers import TradeNumbers
from venue_messages import AT_MS, BINANCE, BYBIT, HYPERLIQUID, MESSAGES, OKX, Message, prepared, raw

LINEAR, INVERSE = "ws:/v5/public/linear", "ws:/v5/public/inverse"


def changed(message: Message, change: Callable[[Any], None]) -> Message:
    channel, data = copy.deepcopy(message)
    change(data)
    return channel, data


def only(items: list[Mapped]) -> Any:
    assert len(items) == 1, items
    return items[0]


def named(message_of: list[Message], text: str) -> Message:
    return next(message for message in message_of if text in message[0] or text in repr(message[1])[:400])


def bybit_liquidation(side: str) -> Message:
    entry = {"T": AT_MS, "s": "ETHUSDT", "S": side, "v": "1", "p": "1900"}
    return LINEAR, {"topic": "allLiquidation.ETHUSDT", "type": "snapshot", "ts": AT_MS, "data": [entry]}


def binance_liquidation(side: str) -> Message:
    return changed(named(BINANCE, "forceOrder"), lambda data: data["o"].update(S=side))


def okx_liquidation(side: str) -> Message:
    def change(data: Any) -> None:
        data["data"][0]["details"] = [{"bkPx": "66000", "posSide": "net", "side": side, "sz": "1", "ts": str(AT_MS)}]

    return changed(named(OKX, "liquidation-orders"), change)


@pytest.mark.parametrize(
    ("venue", "message", "liquidated"),
    [
        ("binance", binance_liquidation("SELL"), "long"),
        ("binance", binance_liquidation("BUY"), "short"),
        ("okx", okx_liquidation("sell"), "long"),
        ("okx", okx_liquidation("buy"), "short"),
        ("bybit", bybit_liquidation("Buy"), "long"),
        ("bybit", bybit_liquidation("Sell"), "short"),
    ],
)
def test_whose_side_a_liquidation_has(venue: str, message: Message, liquidated: str) -> None:
    """Binance and OKX tell the ORDER's side, Bybit the POSITION's."""
    fact = only(prepared(venue).map(raw(venue, message)))
    assert fact.fields["liquidated_side"] == liquidated


def test_binance_counts_what_was_filled_in_all_and_not_last() -> None:
    fact = only(prepared("binance").map(raw("binance", named(BINANCE, "forceOrder"))))
    # l is 1,000 and z 25,000 of 1000PEPE: 25 million PEPE at 0.0000082.
    assert fact.fields["quantity_base"] == pytest.approx(25_000_000)
    assert fact.fields["notional_usd"] == pytest.approx(205.0)


def test_okx_tells_several_liquidations_in_one_entry_and_counts_contracts() -> None:
    facts = prepared("okx").map(raw("okx", named(OKX, "liquidation-orders")))
    assert [fact.fields["quantity_base"] for fact in facts if isinstance(fact, Fact)] == pytest.approx([0.13, 0.07])
    assert {fact.fields["feed_completeness"] for fact in facts if isinstance(fact, Fact)} == {"partial"}


def test_trades_that_okx_packs_under_one_number_are_no_hole() -> None:
    numbers = TradeNumbers(counts=True)

    def heard(number: str, count: str | None) -> None:
        entry = {"tradeId": number} if count is None else {"tradeId": number, "count": count}
        message = changed(named(OKX, "'trades'"), lambda data: data["data"][0].update(entry))
        if count is None:
            del message[1]["data"][0]["count"]
        assert numbers.admit(only(prepared("okx").map(raw("okx", message))))

    heard("10", None)
    heard("13", "3")
    assert numbers.take_holes() == []
    heard("20", "2")
    assert [(hole.first, hole.last, hole.missing) for hole in numbers.take_holes()] == [(14, 18, 5)]


def test_a_swap_of_okx_before_its_instrument_is_refused_and_not_taken_for_coins() -> None:
    trade = changed(named(OKX, "'trades'"), lambda data: data["data"][0].update(instId="PEPE-USDT-SWAP"))
    problem = only(mapper_of("okx").map(raw("okx", trade)))
    assert (problem.reason, problem.stream) == ("unknown-market", "trades")
    assert "PEPE-USDT-SWAP" in problem.detail


def test_what_is_no_swap_by_its_name_is_passed_over_without_a_word() -> None:
    for symbol in ("BTC-USDT", "BTC-USD-220527", "BTC-USD-220527-30000-C"):
        trade = changed(named(OKX, "'trades'"), lambda data, s=symbol: data["data"][0].update(instId=s))  # type: ignore[misc]
        assert mapper_of("okx").map(raw("okx", trade)) == []


def test_open_interest_of_okx_has_to_agree_with_the_size_of_a_contract() -> None:
    wrong = changed(named(OKX, "open-interest"), lambda data: data["data"][0].update(oiCcy="2216113"))
    problem = only(prepared("okx").map(raw("okx", wrong)))
    assert "disagree" in problem.detail


def test_spot_of_bybit_has_the_same_topics_on_another_address() -> None:
    assert prepared("bybit").map(raw("bybit", ("ws:/v5/public/spot", BYBIT[1][1]))) == []
    assert prepared("bybit").map(raw("bybit", (rest_channel("/v5/market/tickers", {"category": "spot"}), {}))) == []


def test_an_inverse_contract_of_bybit_is_a_dollar() -> None:
    def change(data: Any) -> None:
        data["topic"] = "publicTrade.BTCUSD"
        data["data"][0].update(s="BTCUSD", v="6500", p="65000")

    trade = only(prepared("bybit").map(raw("bybit", (INVERSE, changed(BYBIT[1], change)[1]))))
    assert trade.market == Market("BTC", "bybit", "BTC/USD:BTC")
    assert trade.quantity_base == pytest.approx(0.1)


def test_an_old_topic_of_bybit_is_mapped_by_what_held_then() -> None:
    data = {"updatedTime": 1_700_000_000_000, "symbol": "ETHUSDT", "side": "Buy", "size": "1", "price": "1900"}
    message = {"topic": "liquidation.ETHUSDT", "type": "snapshot", "ts": 1_700_000_000_100, "data": data}
    fact = only(mapper_of("bybit").map(RawMessage("bybit", LINEAR, 1_700_000_000_200, message)))
    assert (fact.fields["liquidated_side"], fact.fields["feed_completeness"]) == ("long", "throttled")


@pytest.mark.parametrize("path", ["/ws", "/market/ws", "/public/stream", ""])
def test_the_split_addresses_of_binance_and_its_old_one_say_the_same(path: str) -> None:
    trade = named(BINANCE, "aggTrade")[1]
    expected = prepared("binance").map(RawMessage("binance", "ws:/ws", AT_MS, trade))
    channel = websocket_channel(f"wss://fstream.binance.com{path}") if path else ""
    for data in (trade, trade["data"], [trade["data"]]):
        assert prepared("binance").map(RawMessage("binance", channel, AT_MS, data)) == expected


def test_the_maker_of_binance_is_not_the_taker() -> None:
    trade = named(BINANCE, "aggTrade")
    assert only(prepared("binance").map(raw("binance", trade))).aggressor == "s"  # m: the buyer was the maker
    sold = changed(trade, lambda data: data["data"].update(m=False))
    assert only(prepared("binance").map(raw("binance", sold))).aggressor == "b"


def test_trades_of_hyperliquid_name_their_accounts() -> None:
    message = raw("hyperliquid", HYPERLIQUID[1])
    seen = trade_accounts(message)
    assert [account.address for account in seen] == message.data["data"][0]["users"]
    assert seen[0].notional_usd == pytest.approx(0.0083 * 12_000)
    assert trade_accounts(raw("hyperliquid", HYPERLIQUID[2])) == []


@pytest.mark.parametrize(
    ("venue", "symbol", "coin", "multiplier"),
    [
        ("binance", "1000PEPEUSDT", "PEPE", 1000),
        ("bybit", "SHIB1000USDT", "SHIB", 1000),
        ("bybit", "10000SATSUSDT", "SATS", 10_000),
        ("hyperliquid", "kPEPE", "PEPE", 1000),
    ],
)
def test_thousands_of_a_coin_are_the_coin(venue: str, symbol: str, coin: str, multiplier: float) -> None:
    spec = mapper_of(venue).instruments.find(symbol)
    assert spec is not None
    assert (spec.market.coin, spec.price_multiplier) == (coin, multiplier)


@pytest.mark.parametrize(
    ("venue", "symbol", "change"),
    [
        ("binance", "BTCUSDT", lambda data: data["symbols"][0].update(contractType="TRADIFI_PERPETUAL")),
        ("bybit", "ETHUSDT", lambda data: data["result"]["list"][0].update(symbolType="stock")),
        ("okx", "BTC-USDT-SWAP", lambda data: data["data"][0].update(instCategory="3")),
    ],
)
def test_a_stock_is_not_taken_for_a_coin_of_its_name(venue: str, symbol: str, change: Callable[[Any], None]) -> None:
    """CAT is Caterpillar at one venue and a cat's coin at another."""
    mapper = mapper_of(venue)
    items = mapper.map(raw(venue, changed(MESSAGES[venue][0], change)))
    assert not [item for item in items if isinstance(item, Problem)]
    assert mapper.instruments.find(symbol) is None
    assert symbol not in mapper.instruments.listed()


def test_thousands_of_a_coin_are_another_coin_where_the_venue_lists_both() -> None:
    def change(data: Any) -> None:
        data["symbols"][0].update(symbol="PEPEUSDT", baseAsset="PEPE")

    mapper = mapper_of("binance")
    mapper.map(raw("binance", changed(BINANCE[0], change)))
    coins = {symbol: spec.market.coin for symbol, spec in mapper.instruments.listed().items()}
    assert coins == {"PEPEUSDT": "PEPE", "1000PEPEUSDT": "1000PEPE"}


def test_each_date_has_its_format() -> None:
    """The newest handler of a kind that was valid when the message was received, back and forth in time."""

    def handler(name: str) -> Handler:
        return Handler(name, lambda mapper, message, out: out.append(name))  # type: ignore[arg-type]

    class Dated(VenueMapper):
        venue = "binance"
        formats = (
            Format(0, {"a": handler("a of old"), "b": handler("b of old")}),
            Format(1_000, {"a": handler("a of 1000")}),
            Format(2_000, {"a": handler("a of 2000"), "c": handler("c of 2000")}),
        )

        def kind_of(self, raw: RawMessage) -> str | None:
            return str(raw.data)

    mapper = Dated()
    cases = [(999, "a of old"), (1_000, "a of 1000"), (1_999, "a of 1000"), (2_000, "a of 2000"), (5, "a of old")]
    assert [mapper.map(RawMessage("binance", "", at, "a")) for at, _ in cases] == [[name] for _, name in cases]
    assert mapper.map(RawMessage("binance", "", 9_999, "b")) == ["b of old"]
    assert only(mapper.map(RawMessage("binance", "", 1_500, "c"))).reason == "unknown-type"


# ---- bad input: named and counted


@pytest.mark.parametrize("venue", VENUES)
def test_a_symbol_that_nobody_knows_is_named_once_and_counted(venue: str) -> None:
    trade = next(m for m in MESSAGES[venue] if isinstance(only_or_none(prepared(venue).map(raw(venue, m))), Trade))

    def rename(data: Any) -> None:
        entry = data["data"][0] if isinstance(data.get("data"), list) else data["data"]
        name = next(key for key in ("s", "instId", "coin", "symbol", "market") if key in entry)
        entry[name] = "what?-SWAP"

    mapper, loud = mapper_of(venue), mapper_of(venue, repeat_unknown=True)
    unknown = raw(venue, changed(trade, rename))
    found = [item for _ in range(5) for item in mapper.map(unknown)]

    assert [item.reason for item in found if isinstance(item, Problem)] == ["unknown-market"]
    assert mapper.unknown == {("trades", "what?-SWAP"): 5}
    assert len([item for _ in range(5) for item in loud.map(unknown)]) == 5


def only_or_none(items: list[Mapped]) -> Mapped | None:
    return items[0] if len(items) == 1 else None


@pytest.mark.parametrize(
    ("venue", "message", "change"),
    [
        ("binance", named(BINANCE, "aggTrade"), lambda data: data["data"].update(q="0")),
        ("bybit", BYBIT[1], lambda data: data["data"][0].update(v="0.000")),
        ("okx", named(OKX, "'trades'"), lambda data: data["data"][0].update(sz="0")),
        ("hyperliquid", HYPERLIQUID[1], lambda data: data["data"][0].update(sz="0.0")),
    ],
)
def test_a_zero_size_is_named(venue: str, message: Message, change: Callable[[Any], None]) -> None:
    assert only(prepared(venue).map(raw(venue, changed(message, change)))).reason == "zero-size"


@pytest.mark.parametrize(
    ("venue", "message", "change"),
    [
        ("binance", named(BINANCE, "aggTrade"), lambda data: data["data"].update(T=AT_MS + 120_000)),
        ("bybit", BYBIT[1], lambda data: data["data"][0].update(T=AT_MS + 120_000)),
        ("okx", named(OKX, "'trades'"), lambda data: data["data"][0].update(ts=str(AT_MS + 120_000))),
        ("hyperliquid", HYPERLIQUID[1], lambda data: data["data"][0].update(time=AT_MS + 120_000)),
    ],
)
def test_a_time_in_the_future_is_named(venue: str, message: Message, change: Callable[[Any], None]) -> None:
    assert only(prepared(venue).map(raw(venue, changed(message, change)))).reason == "from-the-future"


@pytest.mark.parametrize(
    ("venue", "message", "change"),
    [
        ("binance", BINANCE[6], lambda data: data["data"].update(b=[["65020", "1"]])),
        ("bybit", BYBIT[5], lambda data: data["data"].update(b=[["1922.50", "1"]], a=[])),
        ("okx", named(OKX, "'update'"), lambda data: data["data"][0].update(asks=[["64900", "1", "0", "1"]], bids=[])),
        ("hyperliquid", HYPERLIQUID[3], lambda data: data["data"]["levels"][0][0].update(px="65010")),
    ],
)
def test_a_crossed_book_is_named_and_dropped(venue: str, message: Message, change: Callable[[Any], None]) -> None:
    mapper: Any = prepared(venue)
    assert only(mapper.map(raw(venue, changed(message, change), AT_MS + 1_000))).reason == "crossed-book"
    assert mapper.books.stale


def test_one_bad_entry_does_not_cost_the_others() -> None:
    def change(data: Any) -> None:
        good = data["data"][0]
        data["data"] = [good, good | {"p": "NaN"}, good | {"i": "19d7df56-4f10-5290-a969-d9d9f2c74cc4"}]

    items = prepared("bybit").map(raw("bybit", changed(BYBIT[1], change)))
    assert [type(item) for item in items] == [Trade, Problem, Trade]
    assert only([item for item in items if isinstance(item, Problem)]).reason == "not-finite"


@pytest.mark.parametrize(
    ("venue", "data"),
    [
        ("binance", {"code": -1121, "msg": "Invalid symbol."}),
        ("bybit", {"retCode": 10006, "retMsg": "Too many visits!", "result": {"list": []}}),
        ("okx", {"event": "error", "code": "60012", "msg": "Invalid request"}),
        ("hyperliquid", {"channel": "error", "data": "Invalid subscription"}),
    ],
)
def test_what_a_venue_refuses_is_named_and_what_it_acknowledges_is_nothing(venue: str, data: Any) -> None:
    problems = mapper_of(venue).map(RawMessage(venue, "", AT_MS, data))
    acknowledged = {
        "binance": {"result": None, "id": 1},
        "bybit": {"success": True, "ret_msg": "", "op": "subscribe"},
        "okx": {"event": "subscribe", "arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"}},
        "hyperliquid": {"channel": "subscriptionResponse", "data": {}},
    }
    assert only(problems).reason == "invalid-field"
    assert mapper_of(venue).map(RawMessage(venue, "", AT_MS, acknowledged[venue])) == []


def test_a_refused_answer_of_bybit_is_named() -> None:
    answer = {"retCode": 10006, "retMsg": "Too many visits!", "result": {}, "time": AT_MS}
    channel = rest_channel("/v5/market/tickers", {"category": "linear"})
    assert "Too many visits!" in only(mapper_of("bybit").map(RawMessage("bybit", channel, AT_MS, answer))).detail


def test_markets_that_nobody_wants_say_nothing() -> None:
    mapper = mapper_of("binance", lambda market: market.coin == "PEPE")
    items = [item for message in BINANCE for item in mapper.map(raw("binance", message, AT_MS + 1_000))]
    assert {item.market.coin for item in items if item.market} == {"PEPE"}
    mapper.instruments.choose(lambda market: market.coin == "BTC")
    assert isinstance(only(mapper.map(raw("binance", named(BINANCE, "aggTrade")))), Trade)
    assert set(mapper.instruments.listed()) == {"BTCUSDT", "1000PEPEUSDT"}


@pytest.mark.parametrize("venue", VENUES)
def test_no_memory_grows_with_the_messages(venue: str) -> None:
    """A mapper that has read everything once is not larger after reading it fifty times."""
    import pickle

    mapper: VenueMapper = prepared(venue)
    sizes = []
    for round_number in range(50):
        for message in MESSAGES[venue]:
            mapper.map(raw(venue, message, AT_MS + 1_000 + round_number))
        sizes.append(len(pickle.dumps(mapper)))
    assert sizes[-1] <= sizes[1] + 200
