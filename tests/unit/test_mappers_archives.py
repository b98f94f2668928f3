"""The trade files that Bybit and OKX give away."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqheat_ingest.mappers.exchange_archives import BYBIT_HEADER, OKX_HEADERS
from liqheat_ingest.readings import BrokenLine, Market, Trade
from liqheat_ingest.sources.replay import open_replay

BYBIT_ROWS = [
    b"1736899200.2345,BTCUSDT,Sell,0.014,96500.1,ZeroMinusTick,5b7c1e52-1111-5222-8333-444455556666,1.3e11,0.014,1351.0",
    b"1736899201,1000PEPEUSDT,Buy,2000,0.0175,PlusTick,5b7c1e52-1111-5222-8333-444455556667,3.5e9,2000,35",
    b"1736899201.5,BTCUSD,Buy,500,96600.5,PlusTick,5b7c1e52-1111-5222-8333-444455556668,517594,500,0.00517594",
]
OKX_ROWS = [
    b"BTC-USDT-SWAP,1566502282,sell,104503.0,30.14,1748707200008",
    b"BTC-USDT-SWAP,1566502283,buy,104503.1,1,1748707200009",
]


def written(folder: Path, name: str, header: bytes, rows: list[bytes]) -> Path:
    path = folder / name
    path.write_bytes(b"\n".join([header, *rows]) + b"\n")
    return path


def test_bybit_sizes_are_coins_and_of_inverse_markets_dollars(tmp_path: Path) -> None:
    for header in (BYBIT_HEADER, BYBIT_HEADER + b",RPI"):
        items = list(open_replay([written(tmp_path, "mixed.csv", header, BYBIT_ROWS)]).items())

        btc, pepe, inverse = items
        assert btc == Trade(
            1_736_899_200_234,
            Market("BTC", "bybit", "BTC/USDT:USDT"),
            1_736_899_200_234,
            96_500.1,
            0.014,
            "s",
            "5b7c1e52-1111-5222-8333-444455556666",
        )
        assert isinstance(pepe, Trade)
        assert (pepe.market.coin, pepe.quantity_base) == ("PEPE", 2_000_000)
        assert pepe.price == pytest.approx(0.0000175)
        assert isinstance(inverse, Trade)
        assert inverse.market.symbol == "BTC/USD:BTC"
        assert inverse.quantity_base == pytest.approx(0.00517594, rel=1e-5)


@pytest.mark.parametrize("header", OKX_HEADERS)
def test_okx_sizes_are_contracts(tmp_path: Path, header: bytes) -> None:
    rows = [row + b",0" for row in OKX_ROWS] if header.endswith(b"source") else OKX_ROWS
    sold, bought = open_replay([written(tmp_path, "BTC-USDT-SWAP-trades-2025-05-31.csv", header, rows)]).items()

    assert isinstance(sold, Trade)
    assert isinstance(bought, Trade)
    assert sold.quantity_base == pytest.approx(0.3014)
    assert (sold.aggressor, bought.aggressor, bought.trade_id) == ("s", "b", "1566502283")
    assert (bought.event_time_ms, bought.market.symbol) == (1_748_707_200_009, "BTC/USDT:USDT")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (0, b""),
        (0, b"nan"),
        (0, b"5"),
        (2, b"buy?"),
        (3, b"-1"),
        (3, b"0"),
        (4, b"inf"),
        (4, b""),
        (0, b"1736899200.x"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, column: int, value: bytes) -> None:
    columns = BYBIT_ROWS[0].split(b",")
    columns[column] = value
    rows = [BYBIT_ROWS[0], b",".join(columns), b"too,short", BYBIT_ROWS[0]]
    items = list(open_replay([written(tmp_path, "bad.csv", BYBIT_HEADER, rows)]).items())

    assert sum(isinstance(item, Trade) for item in items) == 2
    assert [item.line_number for item in items if isinstance(item, BrokenLine)] == [3, 4]


def test_a_swap_whose_contract_is_not_known_is_refused(tmp_path: Path) -> None:
    rows = [OKX_ROWS[0], b"NEWCOIN-USDT-SWAP,1,buy,1.5,10,1748707200010"]
    items = list(open_replay([written(tmp_path, "swaps.csv", OKX_HEADERS[0], rows)]).items())

    [broken] = [item for item in items if isinstance(item, BrokenLine)]
    assert broken.reason == "unknown-market"
    assert len(items) == 2
