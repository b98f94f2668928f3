"""Tardis CSV in, full market events out. Excerpts of public data: hyperliquid, 2026-06-12."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.sources.replay import ReplaySource, open_replay
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.market_events import MARKET_EVENT
from liqheat_shared.contracts.topics import DEAD_LETTERS

TRADES = b"""exchange,symbol,timestamp,local_timestamp,id,side,price,amount
hyperliquid,BTC,1781222400013000,1781222400013000,,sell,63621.0,1e-05
hyperliquid,BTC,1781222400013000,1781222400013000,,sell,63621.0,0.00012
hyperliquid,BTC,1781222400410000,1781222400413000,,buy,63622.0,0.5
"""
TICKER = b"""exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,\
open_interest,last_price,index_price,mark_price
hyperliquid,BTC,1781222400400000,1781222400400000,,1.25e-05,,31801.55286,,63588.0,63568.0
"""


def events(source: ReplaySource) -> tuple[list[dict[str, Any]], list[DeadLetter]]:
    batcher = Batcher("replay", 1, lambda coin: 100, lambda market: instrument_fields(source.describe(market)))
    valid, dead = [], []
    for message in messages(source.items(), batcher):
        value = orjson.loads(message.value)
        if message.topic == DEAD_LETTERS:
            dead.append(DeadLetter.parse_strict(value))
        else:
            MARKET_EVENT.validate_python(value, extra="forbid")
            valid.append(value)
    return valid, dead


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def test_trades_and_ticker_of_a_day_become_these_events(tmp_path: Path) -> None:
    write(tmp_path, "hyperliquid_trades_2026-06-12_BTC.csv.gz", TRADES)
    write(tmp_path, "hyperliquid_derivative_ticker_2026-06-12_BTC.csv", TICKER)

    valid, dead = events(open_replay([tmp_path]))

    envelope = {
        "schema_version": 1,
        "coin": "BTC",
        "venue": "hyperliquid",
        "symbol": "BTC/USDC:USDC",
        "phase": "replay",
        "ingest_epoch": 1,
    }
    instrument, first, ticker, second = valid
    assert not dead
    assert instrument == envelope | {
        "type": "instrument",
        "event_time_ms": 1781222400013,
        "receive_time_ms": 1781222400013,
        "sequence": 0,
        "quote": "USDC",
        "is_inverse": False,
        "contract_size": 1.0,
        "price_multiplier": 1.0,
        "tick_size": None,
        "taker_fee_rate": None,
        "liquidation_feed": "none",
        "margin_tiers": [
            {
                "notional_floor_usd": 0.0,
                "notional_cap_usd": 150_000_000,
                "maintenance_margin_rate": 0.0125,
                "maintenance_amount_usd": 0.0,
                "max_leverage": 40,
            },
            {
                "notional_floor_usd": 150_000_000,
                "notional_cap_usd": None,
                "maintenance_margin_rate": 0.025,
                "maintenance_amount_usd": 1_875_000.0,
                "max_leverage": 20,
            },
        ],
        "tiers_valid_from_ms": 0,
        "tiers_source": "Hyperliquid docs, margin tiers: half of the initial margin at the greatest leverage",
    }
    assert first == envelope | {
        "type": "trades",
        "event_time_ms": 1781222400013,
        "receive_time_ms": 1781222400013,
        "sequence": 1,
        "time_offset_ms": [0, 0],
        "price": [63621.0, 63621.0],
        "quantity_base": [1e-05, 0.00012],
        "aggressor_side": "ss",
        "trade_id": None,
        "refilled": False,
    }
    assert ticker == envelope | {
        "type": "ticker",
        "event_time_ms": 1781222400400,
        "receive_time_ms": 1781222400400,
        "sequence": 2,
        "mark_price": 63568.0,
        "index_price": 63588.0,
        "last_price": None,
        "open_interest_base": 31801.55286,
        "funding_rate": 1.25e-05,
        "next_funding_time_ms": None,
    }
    assert second["aggressor_side"] == "b"
    assert (second["event_time_ms"], second["receive_time_ms"]) == (1781222400410, 1781222400413)


def test_liquidations_have_the_header_of_trades_and_the_side_of_the_order(tmp_path: Path) -> None:
    header = TRADES.split(b"\n")[0]
    rows = b"""
bybit,BTCUSDT,1781222400013000,1781222400020000,77,buy,63621.0,0.5
binance-futures,1000PEPEUSDT,1781222400013000,1781222400021000,,sell,0.012,1000
"""
    write(tmp_path, "bybit_liquidations_2026-06-12_ALL.csv.gz", header + rows)

    valid, dead = events(open_replay([tmp_path]))

    assert not dead
    bybit, binance = (event for event in valid if event["type"] == "liquidation")
    # A forced BUY closes a short.
    assert (bybit["liquidated_side"], bybit["notional_usd"], bybit["liquidation_id"]) == ("short", 31810.5, "77")
    assert (bybit["price_kind"], bybit["feed_completeness"]) == ("bankruptcy", "complete")
    assert (binance["coin"], binance["liquidated_side"]) == ("PEPE", "long")
    assert binance["price"] == pytest.approx(1.2e-05)
    assert binance["quantity_base"] == pytest.approx(1_000_000)
    assert binance["notional_usd"] == pytest.approx(12.0)
    assert binance["feed_completeness"] == "throttled"
    feeds = [event["liquidation_feed"] for event in valid if event["type"] == "instrument"]
    assert feeds == ["complete", "throttled"], "known before the first liquidation"


def test_kpepe_and_an_inverse_contract_are_read_in_units_of_the_coin(tmp_path: Path) -> None:
    header = TRADES.split(b"\n")[0]
    rows = b"""
hyperliquid,kPEPE,1781222400013000,1781222400013000,,buy,0.004,250.0
binance-delivery,BTCUSD_PERP,1781222400013000,1781222400020000,9,sell,50000.0,5
"""
    write(tmp_path, "mixed_trades_2026-06-12_PERPETUALS.csv.gz", header + rows)

    valid, _ = events(open_replay([tmp_path]))

    pepe, btc = (event for event in valid if event["type"] == "trades")
    assert (pepe["coin"], pepe["symbol"]) == ("PEPE", "KPEPE/USDC:USDC")
    assert pepe["price"] == [pytest.approx(4e-06)]
    assert pepe["quantity_base"] == [250_000.0]
    assert (btc["symbol"], btc["price"], btc["quantity_base"]) == ("BTC/USD:BTC", [50000.0], [0.01])
    assert btc["trade_id"] == ["9"]


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"hyperliquid,BTC,1781222400013000,1781222400013000,,sell,nan,1", "price must be positive and finite: 'nan'"),
        (b"hyperliquid,BTC,1781222400013000,1781222400013000,,sell,-5,1", "price must be positive and finite: '-5'"),
        (b"hyperliquid,BTC,1781222400013000,1781222400013000,,sell,63621,x", "amount is no number: 'x'"),
        (b"hyperliquid,BTC,1781222400013000,1781222400013000,,hold,63621,1", "side is neither buy nor sell: 'hold'"),
        (b"hyperliquid,BTC,1781222400013,1781222400013,,sell,63621,1", "timestamp is no time in microseconds"),
        (b"hyperliquid,BTC,1681222400013000,1781222400013000,,sell,63621,1", "more than a day apart"),
        (b"hyperliquid,BTC,1781222400013000", "8 columns expected, 3 found"),
        (b'"\xff\xfe\x00garbage', "8 columns expected, 1 found"),
    ],
)
def test_a_broken_line_is_named_counted_and_the_rest_is_read(tmp_path: Path, line: bytes, detail: str) -> None:
    header, one, two, three, _ = TRADES.split(b"\n")
    path = write(tmp_path, "tape.csv", b"\n".join([header, one, two, line, three]) + b"\n")
    source = open_replay([path])

    valid, dead = events(source)

    assert sum(len(event["price"]) for event in valid if event["type"] == "trades") == 3
    (letter,) = dead
    assert letter.reason == "broken-line"
    assert letter.event_id == "ingest-tape.csv-4"
    assert letter.detail.startswith("tape.csv:4: ")
    assert detail in letter.detail
    assert source.broken_lines == 1


def test_a_market_without_known_units_is_reported_once(tmp_path: Path) -> None:
    unknown = b"deribit,BTC-PERPETUAL,1781222400013000,1781222400013000,,sell,63621.0,10\n"
    path = write(tmp_path, "tape.csv", TRADES + unknown * 3)

    _, dead = events(open_replay([path]))

    assert [(letter.reason, letter.source_line) for letter in dead] == [("unknown-market", 5)]
