"""Binance Vision CSV in, candles and funding out. Excerpts of public data, 2025-12."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.readings import SourceError
from liqheat_ingest.sources.replay import open_replay
from liqheat_shared.contracts.market_events import MARKET_EVENT
from liqheat_shared.contracts.topics import MARKET_EVENTS

METRICS = """create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,\
sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio
2025-12-01 00:05:00,BTCUSDT,90000.0,8100000000.0,,,,
2025-12-01 00:10:02,BTCUSDT,90100.0,8118010000.0,,,,
2025-12-01 00:15:00,BTCUSDT,90200.0,8109882000.0,,,,
"""
KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)
#: 2025-12-01 00:05 to 00:10.
KLINE = "1764547500000,90000,90300.5,89950,90100,12.5,1764547799999,1126000,900,7.5,675000,0\n"
START_MS = 1_764_547_200_000


def candles(*paths: Path) -> list[dict[str, Any]]:
    source = open_replay(paths)
    batcher = Batcher("replay", 1, lambda coin: 100, lambda market: instrument_fields(source.describe(market)))
    found = []
    for message in messages(source.items(), batcher):
        assert message.topic == MARKET_EVENTS, message
        event = orjson.loads(message.value)
        MARKET_EVENT.validate_python(event, extra="forbid")
        found.append(event)
    assert found[0]["type"] == "instrument"
    return found[1:]


def shape(event: dict[str, Any]) -> tuple[Any, ...]:
    minutes = (event["open_time_ms"] - START_MS) / 60_000
    prices = tuple(event[name] for name in ("open", "high", "low", "close"))
    return minutes, event["interval_ms"] // 60_000, prices, event["open_interest_base"]


def test_metrics_alone_give_candles_from_value_over_interest(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-metrics-2025-12-01.csv"
    path.write_text(METRICS)

    first, second, third = candles(path)

    assert shape(first) == (0, 5, (90000.0, 90000.0, 90000.0, 90000.0), 90000.0)
    assert shape(second) == (5, 5, (90000.0, 90100.0, 90000.0, 90100.0), 90100.0)
    # Two seconds late: known then, but the candle ends at its five minutes.
    assert second["event_time_ms"] == START_MS + 600_000
    assert second["receive_time_ms"] == START_MS + 602_000
    assert shape(third)[2] == (90100.0, 90100.0, pytest.approx(89910.0), pytest.approx(89910.0))
    assert third["volume_base"] is None
    assert {event["phase"] for event in (first, second, third)} == {"replay"}


@pytest.mark.parametrize("header", [KLINES_HEADER, ""])
def test_a_kline_takes_the_open_interest_at_its_end(tmp_path: Path, header: str) -> None:
    metrics, klines = tmp_path / "BTCUSDT-metrics-2025-12-01.csv", tmp_path / "BTCUSDT-5m-2025-12-01.csv"
    metrics.write_text(METRICS)
    klines.write_text(header + KLINE)

    events = candles(tmp_path)

    assert [shape(event)[0] for event in events] == [0, 5, 10]
    assert shape(events[1]) == (5, 5, (90000.0, 90300.5, 89950.0, 90100.0), 90100.0)
    assert (events[1]["volume_base"], events[1]["taker_buy_base"]) == (12.5, 7.5)
    assert events[1]["receive_time_ms"] == START_MS + 602_000
    assert shape(events[2])[2][0] == 90100.0


def test_klines_alone_give_candles_without_open_interest(tmp_path: Path) -> None:
    path = tmp_path / "1000PEPEUSDT-5m-2025-12-01.csv"
    micro = KLINE.replace("1764547500000", "1764547500000000").replace("1764547799999", "1764547799999999")
    path.write_text(KLINES_HEADER + micro)

    (event,) = candles(path)

    assert (event["coin"], event["close"], event["volume_base"]) == ("PEPE", 90.1, 12_500.0)
    assert event["open_interest_base"] is None
    assert event["event_time_ms"] == START_MS + 600_000


def test_a_kline_of_a_market_with_metrics_does_not_wait_for_one_that_is_missing(tmp_path: Path) -> None:
    metrics, klines = tmp_path / "BTCUSDT-metrics-2025-12-01.csv", tmp_path / "BTCUSDT-5m-2025-12-01.csv"
    metrics.write_text("\n".join(line for line in METRICS.splitlines() if "00:10:02" not in line) + "\n")
    klines.write_text(KLINES_HEADER + KLINE)

    events = candles(tmp_path)

    assert [(shape(event)[0], shape(event)[3]) for event in events] == [(0, 90000.0), (5, None), (10, 90200.0)]


def test_funding_is_a_ticker_that_knows_the_rate_alone(tmp_path: Path) -> None:
    path = tmp_path / "WIFUSDT-fundingRate-2025-12.csv"
    path.write_text("calc_time,funding_interval_hours,last_funding_rate\n1764547200000,4,-0.0000139575\n")

    (event,) = candles(path)

    assert event["type"] == "ticker"
    assert event["funding_rate"] == pytest.approx(-1.39575e-05)
    assert event["next_funding_time_ms"] == 1_764_547_200_000 + 4 * 3_600_000


def test_a_file_that_does_not_say_its_symbol_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "funding.csv"
    path.write_text("calc_time,funding_interval_hours,last_funding_rate\n1764547200000,4,-0.0000139575\n")

    with pytest.raises(SourceError, match="can't tell which perpetual"):
        open_replay([path])
