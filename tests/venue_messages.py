"""A message of every kind that the mappers read, as the venues document or send them.

Those of Bybit and the first ones of Binance and OKX are excerpts of real captures (facts, a few messages); the others
follow the venues' documentation of 2026. ``PRELUDE`` comes first: instruments and what later messages rest on.
"""

from __future__ import annotations

from typing import Any

from liqheat_ingest.mappers import mapper_of
from liqheat_ingest.mappers.mapper import VenueMapper
from liqheat_ingest.raw import RawMessage, rest_channel

AT_MS = 1_791_590_430_000
Message = tuple[str, Any]

_BINANCE_WS, _BYBIT_WS, _OKX_WS, _HYPERLIQUID_WS = "ws:/market/ws", "ws:/v5/public/linear", "ws:/ws/v5/public", "ws:/ws"


def _binance_symbol(symbol: str, base: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "filters": [
            {"minPrice": "556.80", "maxPrice": "4529764", "filterType": "PRICE_FILTER", "tickSize": "0.10"},
            {"stepSize": "0.001", "filterType": "LOT_SIZE", "maxQty": "1000", "minQty": "0.001"},
        ],
    }


BINANCE_PRELUDE: list[Message] = [
    (
        "rest:/fapi/v1/exchangeInfo",
        {
            "timezone": "UTC",
            "serverTime": AT_MS,
            "exchangeFilters": [],
            "symbols": [_binance_symbol("BTCUSDT", "BTC"), _binance_symbol("1000PEPEUSDT", "1000PEPE")],
        },
    ),
    (
        rest_channel("/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": 1000}),
        {
            "lastUpdateId": 100,
            "E": AT_MS,
            "T": AT_MS,
            "bids": [["64990.0", "1"], ["64900.0", "2"]],
            "asks": [["65010.0", "0.5"]],
        },
    ),
]
BINANCE: list[Message] = [
    BINANCE_PRELUDE[0],
    (
        _BINANCE_WS,
        {
            "stream": "btcusdt@aggTrade",
            "data": {
                "e": "aggTrade",
                "E": AT_MS - 30,
                "a": 16599292,
                "s": "BTCUSDT",
                "p": "65000.1",
                "q": "0.010",
                "nq": "0.010",
                "f": 23961322,
                "l": 23961322,
                "T": AT_MS - 40,
                "m": True,
            },
        },
    ),
    (
        _BINANCE_WS,
        [
            {
                "e": "markPriceUpdate",
                "E": AT_MS - 20,
                "s": symbol,
                "p": price,
                "i": price,
                "P": price,
                "r": "0.00010000",
                "T": AT_MS + 3_600_000,
            }
            for symbol, price in (("BTCUSDT", "65000.1"), ("1000PEPEUSDT", "0.0083"))
        ],
    ),
    (
        _BINANCE_WS,
        {
            "e": "forceOrder",
            "E": AT_MS - 20,
            "o": {
                "s": "1000PEPEUSDT",
                "S": "SELL",
                "o": "LIMIT",
                "f": "IOC",
                "q": "25000",
                "p": "0.0081",
                "ap": "0.0082",
                "X": "FILLED",
                "l": "1000",
                "z": "25000",
                "T": AT_MS - 25,
            },
        },
    ),
    (_BINANCE_WS, {"e": "24hrTicker", "E": AT_MS - 5, "s": "BTCUSDT", "p": "1.0", "c": "65000.1", "o": "64000"}),
    (
        _BINANCE_WS,
        {
            "e": "kline",
            "E": AT_MS - 5,
            "s": "BTCUSDT",
            "k": {
                "t": 1_791_590_340_000,
                "T": 1_791_590_399_999,
                "s": "BTCUSDT",
                "i": "1m",
                "o": "65000",
                "c": "65010",
                "h": "65020",
                "l": "64990",
                "v": "30",
                "n": 48,
                "x": True,
                "q": "1950000",
                "V": "10",
            },
        },
    ),
    (
        _BINANCE_WS,
        {
            "stream": "btcusdt@depth@500ms",
            "data": {
                "e": "depthUpdate",
                "E": AT_MS + 1_000,
                "T": AT_MS + 995,
                "s": "BTCUSDT",
                "U": 96,
                "u": 105,
                "pu": 95,
                "b": [["64990.0", "0"], ["64980.0", "3"]],
                "a": [["65010.0", "0.25"]],
            },
        },
    ),
    (
        _BINANCE_WS,
        {
            "stream": "btcusdt@depth20@500ms",
            "data": {
                "e": "depthUpdate",
                "E": AT_MS + 1_000,
                "T": AT_MS + 995,
                "s": "BTCUSDT",
                "U": 96,
                "u": 105,
                "pu": 95,
                "b": [["64990.0", "1.5"], ["64980.0", "3"]],
                "a": [["65010.0", "0.25"]],
            },
        },
    ),
    BINANCE_PRELUDE[1],
    (
        _BINANCE_WS,
        {
            "e": "contractInfo",
            "E": AT_MS - 500,
            "s": "BTCUSDT",
            "ps": "BTCUSDT",
            "ct": "PERPETUAL",
            "dt": 4133404800000,
            "ot": 1569398400000,
            "cs": "TRADING",
            "bks": [
                {"bs": 1, "bnf": 0, "bnc": 300000, "mmr": 0.004, "cf": 0, "mi": 101, "ma": 150},
                {"bs": 2, "bnf": 300000, "bnc": 800000, "mmr": 0.005, "cf": 300, "mi": 51, "ma": 100},
            ],
        },
    ),
    (
        rest_channel("/fapi/v1/openInterest", {"symbol": "BTCUSDT"}),
        {"openInterest": "90000.123", "symbol": "BTCUSDT", "time": AT_MS - 100},
    ),
    (
        rest_channel("/futures/data/openInterestHist", {"symbol": "1000PEPEUSDT", "period": "5m"}),
        [
            {
                "symbol": "1000PEPEUSDT",
                "sumOpenInterest": "20403.6",
                "sumOpenInterestValue": "170.5",
                "timestamp": AT_MS - 330_000,
            }
        ],
    ),
    (
        rest_channel("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "5m"}),
        [
            [
                1_791_590_100_000,
                "65000",
                "65020",
                "64990",
                "65010",
                "30",
                1_791_590_399_999,
                "1950000",
                48,
                "10",
                "650000",
                "0",
            ]
        ],
    ),
    (
        rest_channel("/fapi/v1/aggTrades", {"symbol": "BTCUSDT", "fromId": 5}),
        [{"a": 5, "p": "65000.1", "q": "0.5", "f": 7, "l": 8, "T": AT_MS - 500, "m": False}],
    ),
    (
        rest_channel("/fapi/v1/premiumIndex"),
        [
            {
                "symbol": "BTCUSDT",
                "markPrice": "65000.1",
                "indexPrice": "65001.2",
                "estimatedSettlePrice": "65000",
                "lastFundingRate": "-0.00005",
                "nextFundingTime": AT_MS + 3_600_000,
                "time": AT_MS - 10,
            }
        ],
    ),
    (
        rest_channel("/fapi/v1/ticker/24hr"),
        [{"symbol": "BTCUSDT", "priceChangePercent": "1", "lastPrice": "65000.1", "closeTime": AT_MS - 10}],
    ),
    (
        rest_channel("/bapi/futures/v1/friendly/future/common/brackets"),
        {
            "code": "000000",
            "data": {
                "brackets": [
                    {
                        "symbol": "BTCUSDT",
                        "updateTime": 1755585384254,
                        "notionalLimit": 100,
                        "riskBrackets": [
                            {
                                "bracketSeq": number,
                                "bracketNotionalFloor": floor,
                                "bracketNotionalCap": cap,
                                "bracketMaintenanceMarginRate": rate,
                                "cumFastMaintenanceAmount": deduction,
                                "minOpenPosLeverage": leverage // 2,
                                "maxOpenPosLeverage": leverage,
                            }
                            for number, floor, cap, rate, deduction, leverage in (
                                (1, 0, 300000, 0.004, 0, 150),
                                (2, 300000, 800000, 0.005, 300, 100),
                            )
                        ],
                    }
                ]
            },
        },
    ),
    (
        rest_channel("/fapi/v1/leverageBracket"),
        [
            {
                "symbol": "BTCUSDT",
                "notionalCoef": 1.5,
                "brackets": [
                    {
                        "bracket": 1,
                        "initialLeverage": 125,
                        "notionalCap": 50000,
                        "notionalFloor": 0,
                        "maintMarginRatio": 0.004,
                        "cum": 0.0,
                    },
                    {
                        "bracket": 2,
                        "initialLeverage": 100,
                        "notionalCap": 500000,
                        "notionalFloor": 50000,
                        "maintMarginRatio": 0.005,
                        "cum": 50.0,
                    },
                ],
            }
        ],
    ),
]


def _bybit_answer(category: str, entries: list[Any], **more: Any) -> dict[str, Any]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"category": category, "list": entries, **more},
        "retExtInfo": {},
        "time": AT_MS - 10,
    }


def _bybit_instrument(symbol: str, base: str, kind: str, quote: str, settle: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "contractType": kind,
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": quote,
        "settleCoin": settle,
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1500.000", "minOrderQty": "0.001", "qtyStep": "0.001"},
    }


_BYBIT_TICKER = {
    "symbol": "ETHUSDT",
    "tickDirection": "ZeroPlusTick",
    "lastPrice": "1922.48",
    "markPrice": "1922.43",
    "indexPrice": "1923.16",
    "openInterest": "830090.65",
    "openInterestValue": "1595791168.28",
    "singleOpenInterest": "415045.33",
    "singleOpenInterestValue": "797895593.75",
    "nextFundingTime": str(AT_MS + 3_600_000),
    "fundingRate": "0.00004617",
    "bid1Price": "1922.49",
}
_BYBIT_RISK = {
    "id": 1,
    "symbol": "ETHUSDT",
    "riskLimitValue": "2000000",
    "maintenanceMargin": "0.005",
    "initialMargin": "0.01",
    "isLowestRisk": 1,
    "maxLeverage": "100.00",
    "mmDeduction": "",
}
BYBIT_PRELUDE: list[Message] = [
    (
        rest_channel("/v5/market/instruments-info", {"category": "linear"}),
        _bybit_answer("linear", [_bybit_instrument("ETHUSDT", "ETH", "LinearPerpetual", "USDT", "USDT")]),
    ),
    (
        rest_channel("/v5/market/instruments-info", {"category": "inverse"}),
        _bybit_answer("inverse", [_bybit_instrument("BTCUSD", "BTC", "InversePerpetual", "USD", "BTC")]),
    ),
    (
        rest_channel("/v5/market/tickers", {"category": "inverse"}),
        _bybit_answer("inverse", [_BYBIT_TICKER | {"symbol": "BTCUSD", "markPrice": "65000"}]),
    ),
    (
        _BYBIT_WS,
        {
            "topic": "orderbook.200.ETHUSDT",
            "type": "snapshot",
            "ts": AT_MS - 2_000,
            "data": {
                "s": "ETHUSDT",
                "b": [["1922.49", "148.82"], ["1922.00", "3"]],
                "a": [["1922.50", "1.36"]],
                "u": 15076952,
                "seq": 753843913869,
            },
            "cts": AT_MS - 2_010,
        },
    ),
    (_BYBIT_WS, {"topic": "tickers.ETHUSDT", "type": "snapshot", "data": _BYBIT_TICKER, "ts": AT_MS - 9_000}),
]
BYBIT: list[Message] = [
    BYBIT_PRELUDE[0],
    (
        _BYBIT_WS,
        {
            "topic": "publicTrade.ETHUSDT",
            "type": "snapshot",
            "ts": AT_MS - 30,
            "data": [
                {
                    "T": AT_MS - 31,
                    "s": "ETHUSDT",
                    "S": "Buy",
                    "v": "0.01",
                    "p": "1922.50",
                    "L": "PlusTick",
                    "i": "19d7df56-4f10-5290-a969-d9d9f2c74cc3",
                    "BT": False,
                    "RPI": False,
                    "seq": 430879434439,
                }
            ],
        },
    ),
    (
        _BYBIT_WS,
        {
            "topic": "allLiquidation.ETHUSDT",
            "type": "snapshot",
            "ts": AT_MS - 30,
            "data": [{"T": AT_MS - 45, "s": "ETHUSDT", "S": "Buy", "v": "1.41", "p": "1899.42"}],
        },
    ),
    (_BYBIT_WS, {"topic": "tickers.ETHUSDT", "type": "snapshot", "data": _BYBIT_TICKER, "ts": AT_MS - 30}),
    (
        _BYBIT_WS,
        {
            "topic": "tickers.ETHUSDT",
            "type": "delta",
            "data": {
                "symbol": "ETHUSDT",
                "markPrice": "1922.99",
                "openInterest": "830100.66",
                "singleOpenInterest": "415050.33",
                "fundingRate": "0.0000461",
            },
            "cs": 430879416066,
            "ts": AT_MS - 30,
        },
    ),
    (
        _BYBIT_WS,
        {
            "topic": "orderbook.200.ETHUSDT",
            "type": "delta",
            "ts": AT_MS - 30,
            "data": {
                "s": "ETHUSDT",
                "b": [["1922.49", "0"], ["1922.40", "7"]],
                "a": [["1922.50", "1.5"]],
                "u": 15076953,
                "seq": 753843913870,
            },
            "cts": AT_MS - 31,
        },
    ),
    (
        _BYBIT_WS,
        {
            "topic": "kline.1.ETHUSDT",
            "data": [
                {
                    "start": 1_791_590_340_000,
                    "end": 1_791_590_399_999,
                    "interval": "1",
                    "open": "1922.4",
                    "close": "1922.5",
                    "high": "1922.9",
                    "low": "1922.2",
                    "volume": "1.576",
                    "turnover": "3029.9",
                    "confirm": True,
                    "timestamp": 1_791_590_399_999,
                }
            ],
            "ts": AT_MS - 30,
            "type": "snapshot",
        },
    ),
    (
        rest_channel("/v5/market/risk-limit", {"category": "linear"}),
        _bybit_answer(
            "linear",
            [
                _BYBIT_RISK,
                _BYBIT_RISK
                | {
                    "id": 2,
                    "riskLimitValue": "2600000",
                    "maintenanceMargin": "0.0056",
                    "initialMargin": "0.0111",
                    "isLowestRisk": 0,
                    "maxLeverage": "90.00",
                    "mmDeduction": "1200",
                },
            ],
        ),
    ),
    (rest_channel("/v5/market/tickers", {"category": "linear"}), _bybit_answer("linear", [_BYBIT_TICKER])),
    (
        rest_channel("/v5/market/kline", {"category": "linear", "symbol": "ETHUSDT", "interval": "5"}),
        _bybit_answer(
            "linear",
            [["1791590100000", "1922.4", "1922.9", "1922.2", "1922.5", "1.576", "3029.9"]],
            symbol="ETHUSDT",
        ),
    ),
    (
        rest_channel("/v5/market/open-interest", {"category": "linear", "symbol": "ETHUSDT", "intervalTime": "5min"}),
        _bybit_answer(
            "linear",
            [{"openInterest": "830090.65", "singleOpenInterest": "415045.33", "timestamp": "1791590100000"}],
            symbol="ETHUSDT",
        ),
    ),
    (
        rest_channel("/v5/market/recent-trade", {"category": "linear", "symbol": "ETHUSDT"}),
        _bybit_answer(
            "linear",
            [
                {
                    "execId": "2100000000007764263",
                    "symbol": "ETHUSDT",
                    "price": "1922.5",
                    "size": "0.02",
                    "side": "Sell",
                    "time": str(AT_MS - 700),
                    "isBlockTrade": False,
                }
            ],
        ),
    ),
]


def _okx_answer(entries: list[Any]) -> dict[str, Any]:
    return {"code": "0", "data": entries, "msg": ""}


def _okx_swap(symbol: str, kind: str, value: str, counted_in: str, settle: str) -> dict[str, Any]:
    return {
        "ctMult": "1",
        "ctType": kind,
        "ctVal": value,
        "ctValCcy": counted_in,
        "instId": symbol,
        "instType": "SWAP",
        "lever": "100",
        "lotSz": "1",
        "settleCcy": settle,
        "state": "live",
        "tickSz": "0.1",
        "uly": symbol.removesuffix("-SWAP"),
    }


def _okx_tier(number: int, least: str, greatest: str, rate: str, leverage: str) -> dict[str, Any]:
    return {
        "baseMaxLoan": "",
        "imr": str(1 / float(leverage)),
        "instFamily": "BTC-USDT",
        "instId": "",
        "maxLever": leverage,
        "maxSz": greatest,
        "minSz": least,
        "mmr": rate,
        "tier": str(number),
        "uly": "BTC-USDT",
    }


_OKX_MARK = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "markPx": "65000", "ts": str(AT_MS - 20)}
_OKX_BOOKS = {"channel": "books", "instId": "BTC-USDT-SWAP"}
OKX_PRELUDE: list[Message] = [
    (
        rest_channel("/api/v5/public/instruments", {"instType": "SWAP"}),
        _okx_answer(
            [
                _okx_swap("BTC-USDT-SWAP", "linear", "0.01", "BTC", "USDT"),
                _okx_swap("UNI-USD-SWAP", "inverse", "10", "USD", "UNI"),
            ]
        ),
    ),
    (_OKX_WS, {"arg": {"channel": "mark-price", "instId": "BTC-USDT-SWAP"}, "data": [_OKX_MARK]}),
    (
        _OKX_WS,
        {
            "arg": _OKX_BOOKS,
            "action": "snapshot",
            "data": [
                {
                    "asks": [["65010", "50", "0", "1"]],
                    "bids": [["64990", "40", "0", "2"], ["64900", "10", "0", "1"]],
                    "ts": str(AT_MS - 2_000),
                    "checksum": 0,
                    "prevSeqId": -1,
                    "seqId": 500,
                }
            ],
        },
    ),
]
OKX: list[Message] = [
    OKX_PRELUDE[0],
    OKX_PRELUDE[1],
    (
        _OKX_WS,
        {
            "arg": {"channel": "trades", "instId": "UNI-USD-SWAP"},
            "data": [
                {
                    "instId": "UNI-USD-SWAP",
                    "tradeId": "12883020",
                    "px": "5.123",
                    "sz": "100",
                    "side": "sell",
                    "ts": str(AT_MS - 20),
                    "count": "1",
                }
            ],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
            "data": [
                {
                    "details": [
                        {
                            "bkLoss": "0",
                            "bkPx": price,
                            "ccy": "",
                            "posSide": "short",
                            "side": "buy",
                            "sz": count,
                            "ts": str(AT_MS - 20),
                        }
                        for price, count in (("66000.5", "13"), ("66010.5", "7"))
                    ],
                    "instFamily": "BTC-USDT",
                    "instId": "BTC-USDT-SWAP",
                    "instType": "SWAP",
                    "uly": "BTC-USDT",
                }
            ],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "index-tickers", "instId": "BTC-USDT"},
            "data": [{"instId": "BTC-USDT", "idxPx": "65001.5", "ts": str(AT_MS - 20)}],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "open-interest", "instId": "BTC-USDT-SWAP"},
            "data": [
                {
                    "instType": "SWAP",
                    "instId": "BTC-USDT-SWAP",
                    "oi": "2216113",
                    "oiCcy": "22161.13",
                    "ts": str(AT_MS - 20),
                }
            ],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"},
            "data": [
                {
                    "instType": "SWAP",
                    "instId": "BTC-USDT-SWAP",
                    "fundingRate": "0.00018",
                    "fundingTime": str(AT_MS + 3_600_000),
                    "nextFundingTime": str(AT_MS + 32_400_000),
                    "ts": str(AT_MS - 20),
                }
            ],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "tickers", "instId": "BTC-USDT-SWAP"},
            "data": [{"instType": "SWAP", "instId": "BTC-USDT-SWAP", "last": "65000.1", "ts": str(AT_MS - 20)}],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "candle5m", "instId": "BTC-USDT-SWAP"},
            "data": [["1791590100000", "65000", "65020", "64990", "65010", "3000", "30", "1950000", "1"]],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": _OKX_BOOKS,
            "action": "update",
            "data": [
                {
                    "asks": [["65010", "60", "0", "1"]],
                    "bids": [["64990", "0", "0", "0"]],
                    "ts": str(AT_MS - 20),
                    "checksum": 0,
                    "prevSeqId": 500,
                    "seqId": 507,
                }
            ],
        },
    ),
    (
        _OKX_WS,
        {
            "arg": {"channel": "books5", "instId": "BTC-USDT-SWAP"},
            "data": [
                {
                    "asks": [["65010", "60", "0", "1"]],
                    "bids": [["64990", "1", "0", "1"]],
                    "ts": str(AT_MS - 20),
                    "instId": "BTC-USDT-SWAP",
                    "seqId": 9,
                }
            ],
        },
    ),
    (
        rest_channel("/api/v5/market/books", {"instId": "BTC-USDT-SWAP"}),
        _okx_answer(
            [
                {
                    "asks": [["65010", "60", "0", "1"]],
                    "bids": [["64990", "1", "0", "1"]],
                    "ts": str(AT_MS - 20),
                    "seqId": 600,
                }
            ]
        ),
    ),
    (
        rest_channel("/api/v5/public/position-tiers", {"instType": "SWAP", "tdMode": "cross"}),
        _okx_answer([_okx_tier(1, "0", "500", "0.004", "100"), _okx_tier(2, "501", "2000", "0.005", "75")]),
    ),
    (
        rest_channel("/api/v5/rubik/stat/contracts/open-interest-history", {"instId": "BTC-USDT-SWAP", "period": "5m"}),
        _okx_answer([["1791590100000", "2216113", "22161.13", "1440473450"]]),
    ),
]

_TABLES = [
    [
        51,
        {
            "description": "tiered",
            "marginTiers": [{"lowerBound": "0.0", "maxLeverage": 40}, {"lowerBound": "150000000.0", "maxLeverage": 20}],
        },
    ]
]
_META = {
    "universe": [
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 51},
        {"szDecimals": 0, "name": "kPEPE", "maxLeverage": 10, "marginTableId": 10},
    ],
    "marginTables": _TABLES,
    "collateralToken": 0,
}
_CONTEXT = {
    "funding": "0.0000125",
    "openInterest": "21000.5",
    "prevDayPx": "64000",
    "dayNtlVlm": "1000000",
    "premium": "0.0003",
    "oraclePx": "65001.0",
    "markPx": "65000.0",
    "midPx": "65000.5",
}
_ACCOUNT = "0x440888714a6afed60ff44e9975a96e6a36f7fac4"
HYPERLIQUID_PRELUDE: list[Message] = [("rest:/info?type=meta", _META)]
HYPERLIQUID: list[Message] = [
    HYPERLIQUID_PRELUDE[0],
    (
        _HYPERLIQUID_WS,
        {
            "channel": "trades",
            "data": [
                {
                    "coin": "kPEPE",
                    "side": "A",
                    "px": "0.0083",
                    "sz": "12000",
                    "time": AT_MS - 20,
                    "hash": "0x00",
                    "tid": 118906512037719,
                    "users": [_ACCOUNT, "0x0ae692cc061f09a3757ea2d80291668c81da79c5"],
                }
            ],
        },
    ),
    (_HYPERLIQUID_WS, {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": _CONTEXT}}),
    (
        _HYPERLIQUID_WS,
        {
            "channel": "l2Book",
            "data": {
                "coin": "BTC",
                "time": AT_MS - 20,
                "levels": [[{"px": "64990", "sz": "1.5", "n": 3}], [{"px": "65010", "sz": "0.5", "n": 1}]],
            },
        },
    ),
    (
        rest_channel("/info", {"type": "metaAndAssetCtxs"}),
        [_META, [_CONTEXT, _CONTEXT | {"markPx": "0.0083", "oraclePx": "0.0083"}]],
    ),
    (
        rest_channel("/info", {"type": "candleSnapshot", "coin": "BTC", "interval": "5m"}),
        [
            {
                "t": 1_791_590_100_000,
                "T": 1_791_590_399_999,
                "s": "BTC",
                "i": "5m",
                "o": "65000",
                "c": "65010",
                "h": "65020",
                "l": "64990",
                "v": "30.5",
                "n": 48,
            }
        ],
    ),
    (
        rest_channel("/info", {"type": "clearinghouseState", "user": _ACCOUNT}),
        {
            "marginSummary": {"accountValue": "188372.52"},
            "crossMaintenanceMarginUsed": "2000.5",
            "assetPositions": [
                {
                    "type": "oneWay",
                    "position": {
                        "coin": "BTC",
                        "szi": "-0.45822",
                        "leverage": {"type": "cross", "value": 20},
                        "entryPx": "84770.1",
                        "positionValue": "38820.85662",
                        "unrealizedPnl": "22.5",
                        "liquidationPx": "1002896.6155477638",
                        "marginUsed": "1941.0",
                        "maxLeverage": 40,
                    },
                }
            ],
            "time": AT_MS - 20,
        },
    ),
]

PRELUDES = {
    "binance": BINANCE_PRELUDE,
    "bybit": BYBIT_PRELUDE,
    "okx": OKX_PRELUDE,
    "hyperliquid": HYPERLIQUID_PRELUDE,
}
MESSAGES = {"binance": BINANCE, "bybit": BYBIT, "okx": OKX, "hyperliquid": HYPERLIQUID}


def raw(venue: str, message: Message, receive_time_ms: int = AT_MS) -> RawMessage:
    """A message as it was received."""
    return RawMessage(venue, message[0], receive_time_ms, message[1])


def prepared(venue: str) -> VenueMapper:
    """A mapper that has read the prelude, a few seconds ago."""
    mapper = mapper_of(venue)
    for message in PRELUDES[venue]:
        mapper.map(raw(venue, message, AT_MS - 1_900))
    return mapper
