"""Messages of the fake venues look like those that the venues really sent: keys, JSON types, numbers as strings.

The excerpts are real messages (Bybit 2026-08-09 and 2026-10-10, Binance 2021-07, OKX 2022-05). Where the captures are
at hand, every message in them is compared as well.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cramjam
import orjson
import pytest

from fake_venue_clients import connected, control, get, serving

CAPTURES = Path(__file__).parents[2].parent / "shared" / "data" / "raw-messages"

#: Fields that a venue added after a capture; the fake has them.
LATER = {
    "okx trades": {"count", "source", "seqId"},
    "okx books snapshot": {"seqId", "prevSeqId"},
    "okx books update": {"seqId", "prevSeqId"},
    "okx ack": {"connId"},
    "okx instrument": {"instFamily", "ruleType"},
    "okx spot instrument": {"instFamily", "ruleType"},
}
#: A ticker's change has the fields that changed.
PARTIAL = {"bybit ticker delta"}
#: Names, some of which are digits: there is a coin called 4.
NAMES = (".baseCoin", ".baseAsset", ".baseCcy")

FACTS: dict[str, str] = {
    "bybit ack": '{"success":true,"ret_msg":"","conn_id":"d8bu1olkndm7crnfs1e0-j6akw","req_id":"","op":"subscribe"}',
    "bybit trade": '{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1786310819681,"data":[{"T":1786310819680,'
    '"s":"BTCUSDT","S":"Sell","v":"0.004","p":"65114.20","L":"MinusTick","i":"a9188a0a-82bc-50de-be60-03eedbe3cdd7",'
    '"BT":false,"RPI":false,"seq":753843954913}]}',
    "bybit ticker": '{"topic":"tickers.BTCUSDT","type":"snapshot","data":{"symbol":"BTCUSDT","tickDirection":'
    '"ZeroPlusTick","price24hPcnt":"0.001624","lastPrice":"65114.30","prevPrice24h":"65008.70","highPrice24h":'
    '"65282.30","lowPrice24h":"64694.40","prevPrice1h":"65083.80","markPrice":"65117.44","indexPrice":"65137.76",'
    '"openInterest":"59891.732","openInterestValue":"3899996265.01","turnover24h":"1142118412.9021","volume24h":'
    '"17573.9120","fundingIntervalHour":"8","fundingCap":"0.005","singleOpenInterest":"29945.866",'
    '"singleOpenInterestValue":"1949998132.50","nextFundingTime":"1786320000000","fundingRate":"0.0001","bid1Price":'
    '"65114.20","bid1Size":"5.954","ask1Price":"65114.30","ask1Size":"10.470","preOpenPrice":"","preQty":"",'
    '"curPreListingPhase":""},"cs":753843900397,"ts":1786310817583}',
    "bybit ticker delta": '{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","bid1Price":'
    '"65114.20","bid1Size":"6.054","ask1Price":"65114.30","ask1Size":"10.486"},"cs":753843907770,"ts":1786310817883}',
    "bybit book": '{"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1786310818130,"data":{"s":"BTCUSDT","b":'
    '[["65095.30","0.005"],["65093.10","0"]],"a":[["65116.60","0"]],"u":15076953,"seq":753843913870},'
    '"cts":1786310818129}',
    "bybit kline": '{"topic":"kline.1.BTCUSDT","data":[{"start":1786310760000,"end":1786310819999,"interval":"1",'
    '"open":"65119.9","close":"65114.3","high":"65119.9","low":"65114.2","volume":"1.576","turnover":"102627.995",'
    '"confirm":false,"timestamp":1786310818440}],"ts":1786310818440,"type":"snapshot"}',
    "bybit liquidation": '{"T":1791590423385,"s":"STRKUSDT","S":"Sell","v":"82.3","p":"0.07427"}',
    "bybit instrument": '{"symbol":"1000PEPEUSDT","contractType":"LinearPerpetual","status":"Trading","baseCoin":'
    '"1000PEPE","quoteCoin":"USDT","launchTime":"1683108271000","deliveryTime":"0","deliveryFeeRate":"",'
    '"priceScale":"7","leverageFilter":{"minLeverage":"1","maxLeverage":"50.00","leverageStep":"0.01"},"priceFilter":'
    '{"minPrice":"0.0000010","maxPrice":"19.9999980","tickSize":"0.0000010"},"lotSizeFilter":{"maxOrderQty":'
    '"110000000","minOrderQty":"100","qtyStep":"100","postOnlyMaxOrderQty":"110000000","maxMktOrderQty":"42000000",'
    '"minNotionalValue":"5"},"unifiedMarginTrade":true,"fundingInterval":480,"settleCoin":"USDT","copyTrading":'
    '"both","upperFundingRate":"0.01","lowerFundingRate":"-0.01","isPreListing":false,"preListingInfo":null,'
    '"riskParameters":{"priceLimitRatioX":"0.05","priceLimitRatioY":"0.1"},"displayName":"","symbolType":"",'
    '"forbidUplWithdrawal":false,"symbolId":310}',
    "binance aggTrade": '{"e":"aggTrade","E":1626992741575,"a":16599292,"s":"CTKUSDT","p":"1.01100","q":"10",'
    '"f":23961322,"l":23961322,"T":1626992741421,"m":false}',
    "binance bookTicker": '{"e":"bookTicker","u":600859600576,"s":"SUSHIUSDT","b":"7.6110","B":"2","a":"7.6120",'
    '"A":"297","T":1626992741012,"E":1626992741017}',
    "binance depth": '{"e":"depthUpdate","E":1626992741037,"T":1626992741024,"s":"SUSHIUSDT","U":600859599090,'
    '"u":600859600917,"pu":600859598061,"b":[["7.5040","813"],["7.6090","0"]],"a":[["7.6150","1563"]]}',
    "binance kline": '{"e":"kline","E":1626992741424,"s":"CTKUSDT","k":{"t":1626992700000,"T":1626992759999,"s":'
    '"CTKUSDT","i":"1m","f":23961275,"L":23961322,"o":"1.01000","c":"1.01100","h":"1.01100","l":"1.01000","v":"3917",'
    '"n":48,"x":false,"q":"3957.89900","V":"1729","Q":"1748.01900","B":"0"}}',
    "binance depth answer": '{"lastUpdateId":600859605926,"E":1626992741264,"T":1626992741261,"bids":[["7.6110","6"]],'
    '"asks":[["7.6120","297"]]}',
    "okx ack": '{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USD-220527"}}',
    "okx trades": '{"arg":{"channel":"trades","instId":"BTC-USD-220527"},"data":[{"instId":"BTC-USD-220527",'
    '"tradeId":"7849","px":"30218.8","sz":"1","side":"buy","ts":"1652459199958"}]}',
    "okx tickers": '{"arg":{"channel":"tickers","instId":"BTC-USD-220527"},"data":[{"instType":"FUTURES","instId":'
    '"BTC-USD-220527","last":"30218.8","lastSz":"1","askPx":"30220.1","askSz":"3","bidPx":"30210.4","bidSz":"4",'
    '"open24h":"29571.4","high24h":"31003.3","low24h":"27930.8","sodUtc0":"28935.3","sodUtc8":"30320.5","volCcy24h":'
    '"2620.289","vol24h":"779573","ts":"1652459223003"}]}',
    "okx books snapshot": '{"arg":{"channel":"books","instId":"BTC-USD-220527"},"action":"snapshot","data":[{"asks":'
    '[["30238.8","2","0","1"]],"bids":[["17829.5","1","0","1"]],"ts":"1652459225393","checksum":1054815633}]}',
    "okx books update": '{"arg":{"channel":"books","instId":"BTC-USD-220527"},"action":"update","data":[{"asks":'
    '[["30249.4","0","0","0"]],"bids":[["30182.6","452","0","1"]],"ts":"1652459225464","checksum":-914047754}]}',
    "okx instrument": '{"alias":"","baseCcy":"","category":"1","ctMult":"1","ctType":"inverse","ctVal":"100",'
    '"ctValCcy":"USD","expTime":"","instId":"BTC-USD-SWAP","instType":"SWAP","lever":"125","listTime":'
    '"1611916828000","lotSz":"1","maxIcebergSz":"100000000","maxLmtSz":"100000000","maxMktSz":"4000","maxStopSz":'
    '"4000","maxTriggerSz":"100000000","maxTwapSz":"100000000","minSz":"1","optType":"","quoteCcy":"","settleCcy":'
    '"BTC","state":"live","stk":"","tickSz":"0.1","uly":"BTC-USD"}',
}


def kind(value: Any) -> str:
    """What a leaf is: a number, a string that is one, an empty or another string."""
    if isinstance(value, bool) or value is None:
        return str(value.__class__.__name__)
    if isinstance(value, int | float):
        return "number"
    if value == "":
        return "empty"
    try:
        float(value)
    except ValueError:
        return "text"
    return "number in a string"


def differences(real: Any, fake: Any, path: str, later: set[str], *, partial: bool = False) -> Iterator[str]:
    """How a fake message differs from a real one; values don't matter."""
    if isinstance(real, dict) and isinstance(fake, dict):
        for key in real.keys() - fake.keys() if not partial else ():
            yield f"{path}.{key} is missing"
        for key in fake.keys() - real.keys() - later if not partial else ():
            yield f"{path}.{key} is not the venue's"
        for key in real.keys() & fake.keys():
            yield from differences(real[key], fake[key], f"{path}.{key}", later, partial=partial)
    elif isinstance(real, list) and isinstance(fake, list):
        if real and fake:
            yield from differences(real[0], fake[0], f"{path}[0]", later)
    elif isinstance(real, dict | list) or isinstance(fake, dict | list):
        yield f"{path} is {type(fake).__name__}, not {type(real).__name__}"
    elif path.endswith(NAMES) and isinstance(real, str) and isinstance(fake, str):
        return
    elif "empty" not in (kind(real), kind(fake)) and kind(real) != kind(fake):
        yield f"{path} is {kind(fake)}: {fake!r}, not {kind(real)}: {real!r}"


def named(message: Any) -> str | None:
    """The kind of a message of any of the three venues, as in FACTS."""
    if not isinstance(message, dict):
        return None
    topic, event, arg = message.get("topic", ""), message.get("e"), message.get("arg", {})
    if "success" in message:
        return "bybit ack" if "req_id" in message else None
    if topic.startswith("tickers"):
        return (
            "bybit ticker" if message["type"] == "snapshot" and "lastPrice" in message["data"] else "bybit ticker delta"
        )
    for prefix, name in (("publicTrade", "trade"), ("orderbook", "book"), ("kline", "kline")):
        if topic.startswith(prefix):
            return f"bybit {name}"
    if event is not None:
        return f"binance {'depth' if event == 'depthUpdate' else event}"
    if "event" in message:
        return "okx ack"
    if arg.get("channel") == "books":
        return f"okx books {message['action']}"
    return f"okx {arg['channel']}" if arg else None


async def collect() -> dict[str, Any]:
    """One fake message of each kind in FACTS."""
    bybit = [f"{topic}.BTCUSDT" for topic in ("publicTrade", "tickers", "orderbook.200", "kline.1", "allLiquidation")]
    streams = ["btcusdt@aggTrade", "btcusdt@kline_1m", "btcusdt@forceOrder"]
    books = ["btcusdt@depth@100ms", "btcusdt@bookTicker"]
    okx = [{"channel": channel, "instId": "BTC-USD-SWAP"} for channel in ("trades", "tickers", "books")]
    found: dict[str, Any] = {}
    async with serving(coins=2, venues=("binance", "bybit", "okx")) as fake:
        at = fake.addresses
        async with (
            connected(at["bybit"], "/v5/public/linear", {"op": "subscribe", "args": bybit}) as first,
            connected(at["binance"], "/market/ws", {"method": "SUBSCRIBE", "params": streams, "id": 1}) as second,
            connected(at["binance"], "/public/ws", {"method": "SUBSCRIBE", "params": books, "id": 1}) as third,
            connected(at["okx"], "/ws/v5/public", {"op": "subscribe", "args": okx}) as fourth,
        ):
            await control(fake, {"action": "shock", "coin": "BTC", "percent": -6})
            sockets = (first, second, third, fourth)
            for name in FACTS:
                if "instrument" in name or "answer" in name or name == "bybit liquidation":
                    continue
                venue = ("bybit", "binance", "okx").index(name.split()[0])
                part = {0: sockets[:1], 1: sockets[1:3], 2: sockets[3:]}[venue]
                done, _ = await asyncio.wait(
                    [asyncio.create_task(one.heard(lambda m, name=name: named(m) == name)) for one in part],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                found[name] = done.pop().result()[0]
            [liquidations, *_] = await first.heard(
                lambda m: isinstance(m, dict) and str(m.get("topic")).startswith("allL")
            )
            [force, *_] = await second.heard(lambda m: isinstance(m, dict) and m.get("e") == "forceOrder")
        found["bybit liquidation"], found["binance forceOrder"] = liquidations["data"][0], force["o"]
        _, answer, _ = await get(at["bybit"], "/v5/market/instruments-info", category="linear")
        found["bybit instrument"], found["bybit instruments"] = answer["result"]["list"][0], answer
        _, found["binance depth answer"], _ = await get(at["binance"], "/fapi/v1/depth", symbol="BTCUSDT")
        _, found["binance exchangeInfo"], _ = await get(at["binance"], "/fapi/v1/exchangeInfo")
        for kind_, name in (("SWAP", "okx instrument"), ("SPOT", "okx spot instrument")):
            _, answer, _ = await get(at["okx"], "/api/v5/public/instruments", instType=kind_)
            found[name] = answer["data"][-1]
        _, answer, _ = await get(at["bybit"], "/v5/market/instruments-info", category="spot")
        found["bybit spot instrument"] = answer["result"]["list"][0]
    return found


@pytest.fixture(scope="module")
def fakes() -> dict[str, Any]:
    return asyncio.run(collect())


@pytest.mark.parametrize("name", FACTS)
def test_a_message_has_the_shape_of_the_real_one(name: str, fakes: dict[str, Any]) -> None:
    found = list(
        differences(orjson.loads(FACTS[name]), fakes[name], name, LATER.get(name, set()), partial=name in PARTIAL)
    )
    assert not found


def capture(name: str) -> Iterator[dict[str, Any]]:
    path = CAPTURES / f"{name}.jsonl.zst"
    if not path.exists():
        pytest.skip(f"the real captures are not here ({path.name})")
    for line in bytes(cramjam.zstd.decompress(path.read_bytes())).splitlines():
        yield orjson.loads(line)


@pytest.mark.parametrize("name", ["BYBIT", "BINANCE_FUTURES", "OKX"])
def test_every_captured_message_has_the_shape_of_the_fake_one(name: str, fakes: dict[str, Any]) -> None:
    compared: dict[str, int] = {}
    spot: set[str] = set()
    for line in capture(name):
        if line["t"] == "connect" and line["addr"].endswith("/spot"):
            spot.add(line["conn"])  # tickers there have other fields; the fakes have no spot sockets
        if line["t"] not in ("recv", "http") or not isinstance(line.get("data"), str) or line["conn"] in spot:
            continue
        message = orjson.loads(line["data"])
        if line["t"] == "http":
            pairs = list(answers(line["url"], message))
        else:
            message = message.get("data") if "stream" in message else message
            pairs = [(kind_, message)] if (kind_ := named(message)) in fakes else []
        for kind_, real in pairs:
            compared[kind_] = compared.get(kind_, 0) + 1
            partial = kind_ in PARTIAL
            found = list(differences(real, fakes[kind_], kind_, LATER.get(kind_, set()), partial=partial))
            assert not found, (found, real)
    assert compared, "nothing was compared"
    expected = {"BYBIT": 8, "BINANCE_FUTURES": 5, "OKX": 7}[name]
    assert len(compared) >= expected, compared


def answers(url: str, message: Any) -> Iterator[tuple[str, Any]]:
    """Parts of a REST answer with a fake counterpart."""
    if "instruments-info" in url:
        spot = "category=spot" in url
        for row in message["result"]["list"]:
            if spot or row["contractType"] in ("LinearPerpetual", "InversePerpetual"):
                # A market that is not listed yet has more to say; the fakes have none.
                yield (
                    ("bybit spot instrument" if spot else "bybit instrument"),
                    {**row} | ({} if spot else {"preListingInfo": None}),
                )
    elif "exchangeInfo" in url:
        yield "binance exchangeInfo", message
    elif "/fapi/v1/depth" in url:
        yield "binance depth answer", message
    elif "public/instruments" in url and ("SWAP" in url or "SPOT" in url):
        name = "okx instrument" if "SWAP" in url else "okx spot instrument"
        for row in message["data"]:
            yield name, row


def test_force_orders_have_the_fields_of_the_real_ones(fakes: dict[str, Any]) -> None:
    """Side, type, time in force, amounts, average price, status and time, as in 456 captured orders."""
    fake = fakes["binance forceOrder"]
    assert set(fake) == {"s", "S", "o", "f", "q", "p", "ap", "X", "l", "z", "T"}
    path = CAPTURES / "binance_forceOrder_2024-08-17.csv.gz"
    rows = ["RARE,BUY,LIMIT,IOC,4421,0.2226588,0.2185000,FILLED,3750,4421,1723895903305,984.3745547999999"]
    if path.exists():
        rows = gzip.decompress(path.read_bytes()).decode().split()
    order = ("S", "o", "f", "q", "p", "ap", "X", "l", "z", "T")
    for row in rows:
        values = dict(zip(order, row.split(",")[1:], strict=False))
        for key in ("o", "f"):
            assert values[key] == fake[key]
        for key in ("q", "p", "ap", "l", "z"):
            assert kind(values[key]) == kind(fake[key]) == "number in a string"
    assert fake["X"] == "FILLED"
    assert float(fake["l"]) < float(fake["q"]) == float(fake["z"]), "the last fill is not the whole"
