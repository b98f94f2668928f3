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
from liqheat_estimator.core.market_events import advance_market, apply_candle
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.scope_grid import ScopeMap, sum_maps
from liqheat_shared.contracts.market_events import Candle

COINS, VENUES = 20, ("alpha", "beta", "gamma", "delta")
BACKFILL_CANDLES = 288
#: Lengths of history after which a candle is timed.
DAYS = (1, 30, 365)
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


def candles_of(count: int, seed: int) -> list[Candle]:
    """5-minute candles of a random walk, each with its open interest."""
    random = np.random.default_rng(seed)
    closes = PRICE * np.exp(np.cumsum(0.0015 * random.standard_normal(count) - 1e-6))
    interests = INTEREST * random.uniform(0.98, 1.02, count)
    usual = MarketWriter().candle(PRICE, PRICE, INTEREST, volume_base=1_500.0)
    fields = EstimatorFold().decode(usual, COIN, START_MS)
    assert isinstance(fields, Candle)
    candles = []
    for number, (close, interest) in enumerate(zip(closes.tolist(), interests.tolist(), strict=True)):
        open_ms = START_MS // CANDLE_MS * CANDLE_MS + number * CANDLE_MS
        changes = {"open_time_ms": open_ms, "event_time_ms": open_ms + CANDLE_MS, "open_interest_base": interest}
        prices = {"open": close, "low": close * 0.9985, "high": close * 1.0015, "close": close}
        candles.append(fields.model_copy(update=changes | prices))
    return candles


class CandleSteps:
    """One market with a liquidation feed, candle by candle: sweep, turnover, deposit, and each hour what it taught."""

    def __init__(self) -> None:
        self.fold = EstimatorFold()
        self.state = CoinState(COIN)
        self.market = MarketState("alpha", COIN)
        self.market.stream_seen_ms["liquidations"] = START_MS
        self.state.markets["alpha", COIN] = self.market
        self.random = np.random.default_rng(7)

    def hour(self, candles: list[Candle]) -> None:
        """Twelve candles and a liquidation on each side."""
        for side in (0, 1):
            self.market.learning.observe(side, float(self.random.exponential(2e5)))
        for candle in candles:
            advance_market(self.market, candle.event_time_ms, self.fold.priors)
            apply_candle(self.state, self.market, candle, [], self.fold.layers, self.fold.parameters)


def candle_steps() -> list[Result]:
    """A 5-minute candle of one market, learning included, early and late in its history; and its packed state."""
    steps, candles, results = CandleSteps(), candles_of(DAYS[-1] * 288, 1), []
    samples: list[float] = []
    for first in range(0, len(candles), 12):
        samples.append(timed(steps.hour, candles[first : first + 12])[0] / 12)
        days = first / 288 + 1 / 24
        if days in DAYS:
            recent = samples[-24 * min(int(days), 30) :]
            note = f"13 layers x 2 sides x 2,048 bins, mean of each hour, after {days:g} days; {quiet(recent)}"
            results.append(result(f"fold_candle_step_{days:g}_days", microseconds(recent), "us", "<= 33", note))
            size = len(steps.fold.dump(steps.state)) / 1e3
            results.append(result(f"state_of_a_market_{days:g}_days", size, "kB", "<= 60", "packed, no columns"))
    assert steps.market.learning.filter is not None
    return results


def _summed(markets: list[MarketState]) -> ScopeMap:
    return sum_maps([ScopeMap(*market.map_usd()) for market in markets])


def density() -> Result:
    """The map of a coin on four venues that have all learned and all changed, summed."""
    markets = []
    for number in range(4):
        steps, candles = CandleSteps(), candles_of(4 * 288, 10 + number)
        for first in range(0, len(candles), 12):
            steps.hour(candles[first : first + 12])
        markets.append(steps.market)
    assert all(market.layer_weights() is not None for market in markets)
    samples = []
    for _ in range(500):
        for market in markets:
            market.map_changed()
        samples.append(timed(_summed, markets)[0])
    return result("density_of_four_venues", microseconds(samples), "us", "<= 200", quiet(samples))


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
        if count == 100:
            rate = count / statistics.median(both)
            results.append(result("fold_trades", rate, "1/s", ">= 500,000", "decoded and folded, batches of 100"))
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
    return [memory(), *candle_steps(), density(), *trade_messages(), *grids(), *persistence()]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(), indent=2) + "\n")
