"""Margin tiers as the venues tell them, and positions of accounts with the venue's own liquidation price."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.mappers.fields import BadMessage
from liqheat_ingest.mappers.hyperliquid.positions import KnownPositions, cross_liquidation_price
from liqheat_ingest.mappers.margin_tiers import ToldTier, margin_table
from liqheat_ingest.raw import RawMessage, rest_channel
from liqheat_ingest.readings import Fact, Market, Problem
from venue_messages import AT_MS, BINANCE, BYBIT, HYPERLIQUID, OKX, Message, prepared, raw

EXCERPT = Path(__file__).parents[3] / "shared" / "data" / "hyperliquid-positions" / "snapshot.excerpt.json"
BTC = Market("BTC", "hyperliquid", "BTC/USDC:USDC")


def told(messages: list[Message], text: str) -> Message:
    return next(message for message in messages if text in message[0] or text in repr(message[1])[:300])


def tiers_of(fact: Any) -> list[tuple[float, float | None, float, float, float]]:
    return [tuple(tier.values()) for tier in fact.fields["margin_tiers"]]  # type: ignore[misc]


def test_tiers_of_bybit_hold_from_when_they_were_told() -> None:
    mapper = prepared("bybit")
    message = told(BYBIT, "risk-limit")
    [fact] = mapper.map(raw("bybit", message))

    assert isinstance(fact, Fact)
    assert tiers_of(fact) == [(0.0, 2e6, 0.005, 0.0, 100.0), (2e6, 2.6e6, 0.0056, 1200.0, 90.0)]
    assert fact.fields["tiers_valid_from_ms"] == AT_MS
    assert fact.fields["tiers_source"].startswith("Bybit")
    # Told again they are no news, and the date stays.
    assert mapper.map(raw("bybit", message, AT_MS + 86_400_000)) == []
    assert mapper.map(raw("bybit", BYBIT[0], AT_MS + 86_400_000)) == []
    spec = mapper.instruments.find("ETHUSDT")
    assert spec is not None
    assert spec.margin is not None
    assert spec.margin.valid_from_ms == AT_MS


def test_a_margin_of_bybit_in_percent_is_told_by_its_initial_margin() -> None:
    message = copy.deepcopy(told(BYBIT, "risk-limit"))
    for entry in message[1]["result"]["list"]:
        entry["maintenanceMargin"] = str(float(entry["maintenanceMargin"]) * 100)
        entry["initialMargin"] = str(float(entry["initialMargin"]) * 100)
    [fact] = prepared("bybit").map(raw("bybit", message))
    assert [rate for _, _, rate, _, _ in tiers_of(fact)] == pytest.approx([0.005, 0.0056])


def test_tiers_of_an_inverse_market_of_bybit_are_in_the_coin() -> None:
    entry = {
        "id": 1,
        "symbol": "BTCUSD",
        "riskLimitValue": "150",
        "maintenanceMargin": "0.5",
        "initialMargin": "1",
        "isLowestRisk": 1,
        "maxLeverage": "100.00",
    }
    message = (
        rest_channel("/v5/market/risk-limit", {"category": "inverse"}),
        {"retCode": 0, "retMsg": "OK", "result": {"category": "inverse", "list": [entry]}, "time": AT_MS},
    )
    [fact] = prepared("bybit").map(raw("bybit", message))
    assert tiers_of(fact) == [(0.0, 150 * 65_000.0, 0.005, 0.0, 100.0)]
    [problem] = mapper_of("bybit").map(raw("bybit", message))
    assert isinstance(problem, Problem)
    assert "no mark price yet" in problem.detail


def test_tiers_of_okx_are_bounded_in_contracts_and_deduct_nothing() -> None:
    [fact] = prepared("okx").map(raw("okx", told(OKX, "position-tiers")))
    # 500 contracts of 0.01 BTC at 65,000.
    assert tiers_of(fact) == [(0.0, 325_000.0, 0.004, 0.0, 100.0), (325_000.0, 1_300_000.0, 0.005, 0.0, 75.0)]
    mapper = prepared("okx")
    mapper.map(raw("okx", told(OKX, "position-tiers")))
    for mark, news in (("66000", 0), ("80000", 1), ("81000", 0)):
        # The mark alone moves the caps: a little is no news, a lot is.
        entry = OKX[1][1]["data"][0] | {"markPx": mark}
        mapper.map(RawMessage("okx", OKX[1][0], AT_MS, OKX[1][1] | {"data": [entry]}))
        assert len(mapper.map(raw("okx", told(OKX, "position-tiers")))) == news
    [problem] = mapper_of("okx").map(raw("okx", told(OKX, "position-tiers")))
    assert isinstance(problem, Problem)
    assert "no mark price yet" in problem.detail


def test_tiers_of_hyperliquid_are_halves_of_the_initial_margin() -> None:
    facts = mapper_of("hyperliquid").map(raw("hyperliquid", HYPERLIQUID[0]))
    btc, pepe = facts
    assert tiers_of(btc) == [(0.0, 150e6, 0.0125, 0.0, 40.0), (150e6, None, 0.025, 1_875_000.0, 20.0)]
    assert tiers_of(pepe) == [(0.0, None, 0.05, 0.0, 10.0)]  # table 10 stands for a leverage of 10


def test_brackets_of_binance_are_pushed_when_they_change() -> None:
    mapper = prepared("binance")
    [fact] = mapper.map(raw("binance", told(BINANCE, "contractInfo")))
    assert tiers_of(fact)[0] == (0.0, 300_000.0, 0.004, 0.0, 150.0)
    assert isinstance(fact, Fact)
    assert fact.fields["tiers_valid_from_ms"] == AT_MS - 500
    [page] = prepared("binance").map(raw("binance", told(BINANCE, "common/brackets")))
    assert isinstance(page, Fact)
    assert page.fields["tiers_valid_from_ms"] == 1_755_585_384_254
    assert tiers_of(page) == tiers_of(fact)


@pytest.mark.parametrize(
    ("tiers", "text"),
    [
        ([], "no margin tier"),
        ([ToldTier(1e6, 0.01, 50), ToldTier(1e6, 0.02, 25)], "two margin tiers"),
        ([ToldTier(None, 0.01, 50), ToldTier(None, 0.02, 25)], "two margin tiers"),
        ([ToldTier(1e6, 0.02, 25), ToldTier(2e6, 0.01, 50)], "does not rise"),
        ([ToldTier(1e6, 0.6, 2)], "a leverage of 2"),
        ([ToldTier(1e6, 0.01, 50, 0), ToldTier(3e6, 0.05, 10, 90_000)], "a deduction of 90000"),
    ],
)
def test_a_table_that_can_not_be_is_refused(tiers: list[ToldTier], text: str) -> None:
    with pytest.raises(BadMessage, match=text):
        margin_table(tiers, 0, "test")


def account(*positions: dict[str, Any], at_ms: int = AT_MS, user: str = "0x" + "ab" * 20) -> RawMessage:
    data = {"assetPositions": [{"type": "oneWay", "position": p} for p in positions], "time": at_ms}
    return RawMessage("hyperliquid", rest_channel("/info", {"type": "clearinghouseState", "user": user}), at_ms, data)


def position(coin: str = "BTC", size: str = "0.5", **more: Any) -> dict[str, Any]:
    value = str(abs(float(size)) * 60_000)
    return {
        "coin": coin,
        "szi": size,
        "leverage": {"type": "isolated", "value": 10, "rawUsd": "1"},
        "entryPx": "61000",
        "positionValue": value,
        "liquidationPx": "55000.5",
        **more,
    }


def test_positions_are_told_with_the_price_that_the_venue_computes() -> None:
    [fact] = prepared("hyperliquid").map(account(position()))
    assert isinstance(fact, Fact)
    assert fact.market == BTC
    assert fact.fields == {
        "account": "0x" + "ab" * 20,
        "side": "long",
        "quantity_base": 0.5,
        "entry_price": 61_000.0,
        "liquidation_price": 55_000.5,
        "leverage": 10.0,
        "margin_mode": "isolated",
    }
    [thousands] = prepared("hyperliquid").map(
        account(position("kPEPE", "-1000", entryPx="0.01", positionValue="11", liquidationPx="0.02"))
    )
    assert isinstance(thousands, Fact)
    assert (thousands.fields["quantity_base"], thousands.fields["liquidation_price"]) == (1e6, pytest.approx(2e-5))


def test_a_position_that_is_gone_is_told_as_closed_once() -> None:
    mapper = prepared("hyperliquid")
    mapper.map(account(position()))
    [closed] = mapper.map(account(at_ms=AT_MS + 10))
    assert isinstance(closed, Fact)
    assert (closed.fields["quantity_base"], closed.fields["liquidation_price"]) == (0.0, None)
    assert mapper.map(account(at_ms=AT_MS + 20)) == []


def test_a_position_that_can_not_be_read_is_not_one_that_was_closed() -> None:
    mapper = prepared("hyperliquid")
    mapper.map(account(position()))
    items = mapper.map(account(position(entryPx="NaN"), at_ms=AT_MS + 10))
    assert [type(item) for item in items] == [Problem]
    [closed] = mapper.map(account(at_ms=AT_MS + 20))
    assert isinstance(closed, Fact)


def test_an_answer_older_than_the_last_closes_nothing() -> None:
    mapper = prepared("hyperliquid")
    mapper.map(account(position()))
    [problem] = mapper.map(account(at_ms=AT_MS - 10))
    assert isinstance(problem, Problem)
    assert problem.reason == "out-of-order"


def test_remembered_accounts_are_bounded() -> None:
    known = KnownPositions(max_accounts=3)
    for number in range(10):
        known.take(str(number), 1, {"BTC": (None, {})})  # type: ignore[dict-item]
    assert len(known) == 3
    assert known.take("9", 2, {}) == {"BTC": (None, {})}


def test_the_formula_of_cross_positions_is_the_venues() -> None:
    """Accounts of 2026-10-04 with one cross position: the venue's price to eight digits.

    Greatest leverages by the venue's table; the mark is value over size.
    """
    if not EXCERPT.is_file():
        pytest.skip("real positions are not here: snapshot.excerpt.json (see CONTRIBUTING.md)")
    greatest = {"BTC": 40, "ETH": 25, "SOL": 20, "JUP": 10, "HYPE": 10, "XRP": 20, "DOGE": 10, "SUI": 10, "PUMP": 10}
    checked = 0
    for entry in json.loads(EXCERPT.read_text())["accounts"]:
        positions = entry["p"]
        if len(positions) != 1 or positions[0][7] != "cross" or positions[0][0] not in greatest:
            continue
        coin, side, size, _, liquidation, value, _, _ = positions[0]
        rate = 0.5 / greatest[coin]
        signed = size if side == "L" else -size
        found = cross_liquidation_price(value / size, signed, entry["e"], rate * value, rate)
        assert (found or 0.0) == pytest.approx(liquidation, rel=1e-6)
        checked += 1
    assert checked >= 1
