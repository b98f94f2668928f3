"""Speed and size of the estimator's core: ``python benchmarks/fold.py``.

Prints a JSON list of {name, value, unit, target, note}. Times are processor time, the median over samples, of one
thread; nothing here needs Kafka.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from estimator_market import COIN, START_MS, MarketWriter, feed, instrument_fields
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.market_events import apply_candle
from liqheat_estimator.core.market_state import MarketState
from liqheat_shared.contracts.market_events import Candle

COINS, VENUES = 20, ("alpha", "beta", "gamma", "delta")
BACKFILL_CANDLES = 288
CANDLE_MS = 300_000
PRICE = 60_000.0
INTEREST = 90_000.0

Result = dict[str, Any]
T = TypeVar("T")


def result(name: str, value: float, unit: str, target: str, note: str) -> Result:
    """One figure."""
    return {"name": name, "value": round(value, 3), "unit": unit, "target": target, "note": note}


def microseconds(samples: list[float]) -> float:
    """Median, in microseconds."""
    return statistics.median(samples) * 1e6


def quiet(samples: list[float]) -> str:
    """The fastest tenth, as a note: what the work costs when nothing else runs on the machine."""
    return f"10th percentile {np.percentile(samples, 10) * 1e6:.0f} us"


def timed(work: Callable[..., T], *arguments: Any) -> tuple[float, T]:
    """Processor seconds of a call, and what it returned."""
    started = time.process_time()
    returned = work(*arguments)
    return time.process_time() - started, returned


def backfilled(fold: EstimatorFold, venues: tuple[str, ...], seed: int) -> tuple[CoinState, MarketWriter]:
    """A coin after a day of 5-minute candles on each venue, live."""
    random = np.random.default_rng(seed)
    writer, state, price = MarketWriter(), fold.new(COIN), PRICE
    feed(fold, state, [writer.message("instrument", venue, **instrument_fields()) for venue in venues])
    feed(fold, state, [writer.bracket("started", venue) for venue in venues])
    for _ in range(BACKFILL_CANDLES):
        writer.now_ms += CANDLE_MS
        price *= float(np.exp(0.0015 * random.standard_normal()))
        for venue in venues:
            interest = INTEREST * float(random.uniform(0.98, 1.02))
            feed(fold, state, [writer.candle(price * 0.9985, price * 1.0015, interest, venue, volume_base=1_500.0)])
    feed(fold, state, [writer.bracket("finished", venue) for venue in venues])
    for venue in venues:
        feed(fold, state, [writer.ticker(price, INTEREST, venue)])
    return state, writer


def candle_step() -> Result:
    """One 5-minute candle on one market: sweep to low and high, turnover, deposit."""
    fold, random = EstimatorFold(), np.random.default_rng(1)
    writer, price, candles = MarketWriter(), PRICE, []
    for _ in range(3_000):
        writer.now_ms += CANDLE_MS
        price *= float(np.exp(0.0015 * random.standard_normal()))
        message = writer.candle(
            price * 0.9985, price * 1.0015, INTEREST * random.uniform(0.98, 1.02), volume_base=1_500.0
        )
        candles.append(fold.decode(message, COIN, START_MS))
    state, market, samples = CoinState(COIN), MarketState("alpha", COIN), []
    for candle in candles:
        assert isinstance(candle, Candle)
        samples.append(timed(apply_candle, state, market, candle, [], fold.layers, fold.parameters)[0])
    note = f"12 layers x 2 sides x 2,048 bins; {quiet(samples)}"
    return result("fold_candle_step", microseconds(samples[200:]), "us", "<= 100", note)


def trade_messages() -> list[Result]:
    """Decode and fold of messages with 100 and with 4 trades."""
    results = []
    for count, target in ((100, "<= 120"), (4, "")):
        fold = EstimatorFold()
        state, writer = backfilled(fold, ("alpha",), 2)
        random = np.random.default_rng(3)
        messages = []
        for _ in range(4_000):
            prices = PRICE * np.exp(0.0003 * random.standard_normal(count))
            sides = "".join(random.choice(["b", "s"], count))
            quantities = random.exponential(0.1, count).tolist()
            messages.append(writer.trades(prices.round(1).tolist(), quantity_base=quantities, aggressor_side=sides))
        decoding, folding = [], []
        for message in messages:
            seconds, event = timed(fold.decode, message, COIN, 0)
            decoding.append(seconds)
            folding.append(timed(fold.fold, state, event)[0])
        both = [first + second for first, second in zip(decoding, folding, strict=True)]
        note = f"decode {microseconds(decoding):.0f}, fold {microseconds(folding):.0f}; {quiet(both)}"
        results.append(result(f"fold_message_of_{count}_trades", microseconds(both), "us", target, note))
    return results


def encode(value: Any) -> bytes:
    """As the shell does."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def grids() -> list[Result]:
    """The grid of one venue and aggregated while the map changes every second, and while it doesn't."""
    results = []
    for name, changes, target in (("changed_map", True, "<= 150"), ("unchanged_map", False, "")):
        fold = EstimatorFold()
        state, writer = backfilled(fold, ("alpha",), 4)
        samples, encoding = [], []
        for number in range(1_000):
            if changes:
                feed(fold, state, [writer.ticker(PRICE, INTEREST * (1 + number % 7 * 1e-4))])
            writer.now_ms += 1_000
            event = fold.decode(writer.message("heartbeat", stream_age_ms={}), COIN, 0)
            seconds, emitted = timed(fold.fold, state, event)
            samples.append(seconds)
            value = next(each.value for each in emitted if each.kind == "grid")
            encoding.append(timed(encode, value)[0])
        bins = len(value["scopes"]["aggregated"]["long_usd"])
        note = f"{bins} bins, 2 scopes; encoding besides {microseconds(encoding):.0f} us; {quiet(samples)}"
        results.append(result(f"grid_{name}", microseconds(samples), "us", target, note))
    return results


def persistence() -> list[Result]:
    """Dump and load of a coin on four venues after a day of backfill and an hour of minutes."""
    fold = EstimatorFold()
    state, writer = backfilled(fold, VENUES, 5)
    for _ in range(60):
        writer.now_ms += 60_000
        for venue in VENUES:
            feed(fold, state, [writer.ticker(PRICE, INTEREST, venue)])
    body = fold.dump(state)
    dumping = [timed(fold.dump, state)[0] for _ in range(30)]
    loading = [timed(fold.load, body, COIN)[0] for _ in range(30)]
    note = "4 venues, open columns of 5 scopes"
    return [
        result("state_dump", microseconds(dumping) / 1e3, "ms", "<= 15", note),
        result("state_load", microseconds(loading) / 1e3, "ms", "", note),
        result("state_size", len(body) / 1e3, "kB", "", note),
    ]


def memory() -> Result:
    """Growth of the process by 20 coins on 4 venues."""
    fold = EstimatorFold()
    body = fold.dump(backfilled(fold, VENUES, 6)[0])
    before = _resident_mb()
    states = [fold.load(body, COIN) for _ in range(COINS)]
    for state in states:  # the derived arrays, too
        for market in state.markets.values():
            market.map_usd()
    grown = _resident_mb() - before
    note = f"{COINS} coins x {len(VENUES)} venues with their open columns and derived maps"
    assert len(states) == COINS
    return result("memory_of_states", grown, "MB", "<= 150", note)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> list[Result]:
    """All figures."""
    return [memory(), candle_step(), *trade_messages(), *grids(), *persistence()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
