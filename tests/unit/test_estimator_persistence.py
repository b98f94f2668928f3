"""Nothing of a state is forgotten by its bytes."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from estimator_market import COIN, RandomMarket, feed, start
from liqheat_estimator.core.accuracy.book import AccuracyBook
from liqheat_estimator.core.accuracy_clock import hour_ended
from liqheat_estimator.core.market_events import MAX_STREAMS, advance_market, apply_candle
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.open_interest_flow import RECOUNT_EVERY
from liqheat_shared.contracts.market_events import Candle

#: What is computed again when it is needed.
DERIVED = {"map_version", "shifts", "usd_map", "sums", "scope_cache", "_priced"}


def _differences(left: Any, right: Any, path: str) -> list[str]:
    if type(left) is not type(right):
        return [f"{path}: {type(left).__name__} and {type(right).__name__}"]
    if isinstance(left, np.ndarray):
        same = left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
        return [] if same else [path]
    if isinstance(left, dict):
        if list(left) != list(right):
            return [f"{path}: keys"]
        return [found for key in left for found in _differences(left[key], right[key], f"{path}.{key}")]
    if isinstance(left, list):
        if len(left) != len(right):
            return [f"{path}: length"]
        pairs = enumerate(zip(left, right, strict=True))
        return [found for index, (a, b) in pairs for found in _differences(a, b, f"{path}.{index}")]
    names = _names(left)
    if names:
        return [n for name in names for n in _differences(getattr(left, name), getattr(right, name), f"{path}.{name}")]
    return [] if left == right else [f"{path}: {left!r} and {right!r}"]


def _names(value: Any) -> list[str]:
    if isinstance(value, BaseModel | tuple):
        return []
    names = [field.name for field in fields(value)] if is_dataclass(value) else list(getattr(value, "__slots__", ()))
    return [name for name in names if name not in DERIVED]


@pytest.mark.parametrize("seed", range(4))
def test_a_loaded_state_equals_the_dumped_one_in_every_field(seed: int) -> None:
    fold, state, _ = start()
    feed(fold, state, RandomMarket(seed, 3).log(120))
    loaded = fold.load(fold.dump(state), COIN)
    assert _differences(state, loaded, "state") == []
    assert any(market.flows for market in loaded.markets.values())


def test_the_comparison_sees_a_difference() -> None:
    fold, state, _ = start()
    feed(fold, state, RandomMarket(1, 2).log(60))
    loaded = fold.load(fold.dump(state), COIN)
    market = next(iter(loaded.markets.values()))
    market.flows += 1
    assert market.map is not None
    empty = np.unravel_index(market.map.mass.argmin(), market.map.mass.shape)
    assert market.map.mass[empty] == 0
    market.map.mass[empty] = 1e-300
    assert len(_differences(state, loaded, "state")) == 2


def test_a_cut_before_a_recount_changes_nothing() -> None:
    fold, state, writer = start()
    messages = []
    for number in range(2 * RECOUNT_EVERY):
        writer.now_ms += 1_000
        messages.append(writer.ticker(60_000.0 * (1 + number % 9 * 1e-3), 1_000.0 + number % 5))
    other = fold.new(COIN)
    feed(fold, state, messages)
    feed(fold, other, messages[: RECOUNT_EVERY - 1])
    other = fold.load(fold.dump(other), COIN)
    feed(fold, other, messages[RECOUNT_EVERY - 1 :])
    assert fold.dump(other) == fold.dump(state)


@pytest.mark.slow
def test_a_packed_market_stays_small_after_a_month_of_learning() -> None:
    """30 days of 5-minute candles with liquidations: what was learned is 40 kB a market, the record 20 kB a coin."""
    fold, state, writer = start()
    usual = fold.decode(writer.candle(60_000.0, 60_000.0, 90_000.0), COIN, 0)
    assert isinstance(usual, Candle)
    market = state.markets["alpha", COIN] = MarketState("alpha", COIN)
    market.stream_seen_ms["liquidations"] = 0
    random, price = np.random.default_rng(2), 60_000.0
    for number in range(30 * 288):
        at = usual.event_time_ms + number * 300_000
        ended = advance_market(market, at, fold.priors)
        if ended is not None:
            hour_ended(state, market, ended, "live", fold.parameters)
            market.learning.observe(number % 2, float(random.exponential(3e5)))
        price *= float(np.exp(0.0015 * random.standard_normal()))
        prices = {"open": price, "low": price * 0.9985, "high": price * 1.0015, "close": price}
        interest = 90_000.0 * float(random.uniform(0.98, 1.02))
        changes = {"event_time_ms": at, "open_time_ms": at - 300_000, "open_interest_base": interest}
        apply_candle(state, market, usual.model_copy(update=changes | prices), [], fold.layers, fold.parameters)
    assert market.learning.filter is not None
    assert market.learning.filter.hours > 700
    assert len(state.accuracy.open) == 24
    body = fold.dump(state)
    assert len(body) <= 65_000
    assert fold.dump(fold.load(body, COIN)) == body
    state.accuracy = AccuracyBook()  # the record is the coin's, however many markets it has
    assert len(fold.dump(state)) <= 45_000


def test_invented_streams_do_not_fill_the_memory() -> None:
    fold, state, writer = start()
    ages = {f"stream-{number}": 5 for number in range(1_000)}
    feed(fold, state, [writer.message("heartbeat", stream_age_ms=ages)])
    for number in range(100):
        status = {"stream": f"s{number}", "from_ms": writer.now_ms, "reason": ""}
        feed(fold, state, [writer.message("feed-interrupted", **status)])
    (market,) = state.markets.values()
    assert len(market.stream_seen_ms) == MAX_STREAMS
    assert len(market.interrupted) == MAX_STREAMS
