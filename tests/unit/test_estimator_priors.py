"""Priors by market, class and venue: the nearest is taken, what markets learned is pooled, bad tables are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_hours import MARKET, Hours
from estimator_market import COIN, feed, of_kind, start
from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.learning.pooling import SPREADS, TaughtMarket, pool
from liqheat_estimator.core.learning.prior import Prior, uninformed_prior
from liqheat_estimator.core.learning.prior_table import ALL, PriorTable, read_table, shipped_priors, write_table
from liqheat_estimator.core.learning.structure import COMMON, DIFFUSE_BANDS
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_estimator.priors_file import priors_of, taught_markets

PARAMETERS = EstimatorParameters()
LAYERS = 2
COLD = uninformed_prior(LAYERS)
COUNT = len(COLD.values)
TABLE = PriorTable.single(COLD, LAYERS)
LEVEL = LAYERS + DIFFUSE_BANDS + 1 + COMMON
POOLED = [*range(LAYERS + DIFFUSE_BANDS + 1), LEVEL]


def _market(venue: str, symbol: str, market_class: str | None, values: Floats, share: float) -> TaughtMarket:
    return TaughtMarket(venue, symbol, market_class, values, COLD.variances * share, 100)


def _random_markets(seed: int, count: int) -> list[TaughtMarket]:
    random = np.random.default_rng(seed)
    return [
        _market(
            f"v{random.integers(3)}",
            f"s{number}",
            random.choice(["100x+", "20x-49x"]),
            COLD.values + random.normal(0, 1, COUNT),
            float(random.uniform(0.01, 0.9)),
        )
        for number in range(count)
    ]


def _dense(markets: list[TaughtMarket], place: int) -> dict[str, tuple[float, float]]:
    """Mean and variance of every node for one parameter, by solving the whole normal model at once."""
    paths = [(ALL, m.venue, f"{m.venue}|{m.leverage_class}", f"{m.venue}|{m.symbol}") for m in markets]
    nodes = sorted({level for path in paths for level in path})
    at = {level: number for number, level in enumerate(nodes)}
    precision, weighted = np.zeros((len(nodes), len(nodes))), np.zeros(len(nodes))
    precision[at[ALL], at[ALL]] += 1 / COLD.variances[place]
    weighted[at[ALL]] += COLD.values[place] / COLD.variances[place]
    for above, below, depth in {(a, b, d) for path in paths for d, (a, b) in enumerate(pairwise(path))}:
        tie = 1 / SPREADS[depth]
        for row, column, sign in ((above, above, 1), (below, below, 1), (above, below, -1), (below, above, -1)):
            precision[at[row], at[column]] += sign * tie
    for market, path in zip(markets, paths, strict=True):
        gained = 1 / market.variances[place] - 1 / COLD.variances[place]
        precision[at[path[-1]], at[path[-1]]] += gained
        own = market.values[place] / market.variances[place] - COLD.values[place] / COLD.variances[place]
        weighted[at[path[-1]]] += own
    covariance = np.linalg.inv(precision)
    means = covariance @ weighted
    result = {}
    for level, number in at.items():
        depth = next(path.index(level) for path in paths if level in path)
        variance = covariance[number, number]
        predicted = min(variance + sum(SPREADS[depth:]), COLD.variances[place])
        result[level] = float(means[number]), float(predicted)
    return result


# ---- pooling


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_the_tree_is_solved_as_the_whole_normal_model_at_once(seed: int, count: int) -> None:
    markets = _random_markets(seed, count)
    pooled = pool(markets, TABLE, rounds=0)
    for place in (0, LAYERS + 1, LEVEL):
        expected = _dense(markets, place)
        assert set(expected) == set(pooled)
        for level, (mean, variance) in expected.items():
            assert pooled[level].values[place] == pytest.approx(mean)
            assert pooled[level].variances[place] == pytest.approx(variance)
    for prior in pooled.values():  # coefficients are not pooled
        assert (np.delete(prior.values, POOLED) == np.delete(COLD.values, POOLED)).all()
        assert (np.delete(prior.variances, POOLED) == np.delete(COLD.variances, POOLED)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.permutations(range(12)))
def test_the_order_of_the_markets_does_not_matter(seed: int, count: int, order: list[int]) -> None:
    markets = _random_markets(seed, count)
    one, other = pool(markets, TABLE), pool([markets[place] for place in order if place < count], TABLE)
    assert list(one) == list(other)
    assert all((one[level].values == other[level].values).all() for level in one)


def test_a_market_that_learned_nothing_lends_nothing() -> None:
    silent = _market("v", "silent", "100x+", COLD.values + 9, 1.5)  # drift has blurred it beyond its prior
    assert pool([silent], TABLE)[ALL].values == pytest.approx(COLD.values)
    assert pool([], TABLE) == {ALL: COLD}


def test_a_class_stays_near_its_own_and_a_new_class_near_its_venue() -> None:
    """Two venues of which one reports e^2 less, two classes that differ by e^1; ten well-taught markets each."""
    random = np.random.default_rng(4)
    level = {("a", "100x+"): 0.0, ("a", "20x-49x"): 1.0, ("b", "100x+"): -2.0, ("b", "20x-49x"): -1.0}
    markets = [
        _market(venue, f"{market_class}{number}", market_class, COLD.values + at + random.normal(0, 0.1, COUNT), 0.002)
        for (venue, market_class), at in level.items()
        for number in range(10)
    ]
    pooled = pool(markets, TABLE)
    weight = pooled["a|100x+"].values - COLD.values
    for (venue, market_class), at in level.items():
        found = pooled[f"{venue}|{market_class}"]
        assert (found.values - COLD.values)[:LAYERS] == pytest.approx(np.full(LAYERS, at), abs=0.15)
        assert (found.variances[:LAYERS] < 0.2 * COLD.variances[:LAYERS]).all()
    assert weight[0] == pytest.approx(0.0, abs=0.15)
    assert (pooled["a"].values - COLD.values)[0] == pytest.approx(0.5, abs=0.3)
    assert (pooled["b"].values - COLD.values)[0] == pytest.approx(-1.5, abs=0.3)
    # The farther away, the less certain.
    sizes = [pooled[name].variances[0] for name in ("a|100x+0", "a|100x+", "a", ALL)]
    assert sizes == sorted(sizes)


def test_what_markets_have_in_common_forecasts_one_that_was_not_seen() -> None:
    """Against a truth: the pooled prior of a class has a smaller error on new markets than the prior for all."""
    random = np.random.default_rng(8)
    centres = {market_class: COLD.values + random.normal(0, 1, COUNT) for market_class in ("100x+", "20x-49x")}

    def new(market_class: str, number: int) -> TaughtMarket:
        true = centres[market_class] + random.normal(0, 0.3, COUNT)
        taught = true + np.sqrt(COLD.variances * 0.05) * random.normal(size=COUNT)
        return _market("v", f"{market_class}{number}", market_class, taught, 0.05)

    pooled = pool([new(market_class, number) for market_class in centres for number in range(6)], TABLE)
    for market_class, centre in centres.items():
        truth = centre + random.normal(0, 0.3, (200, COUNT))
        prior = pooled[f"v|{market_class}"]
        errors = ((truth - prior.values) ** 2)[:, POOLED]
        assert errors.mean() < 0.5 * ((truth - pooled[ALL].values) ** 2)[:, POOLED].mean()
        # Its variances say how wrong it is.
        assert 0.4 < (errors / prior.variances[POOLED]).mean() < 1.6


# ---- the table


def test_a_market_takes_the_nearest_level() -> None:
    levels = {name: Prior(COLD.values, COLD.variances, name, name) for name in (ALL, "v", "v|100x+", "v|X/USDT:USDT")}
    table = PriorTable(levels, LAYERS)
    assert table.of("v", "X/USDT:USDT", "100x+").level == "v|X/USDT:USDT"
    assert table.of("v", "Y/USDT:USDT", "100x+").level == "v|100x+"
    assert table.of("v", "Y/USDT:USDT", "below-20x").level == "v"
    assert table.of("v", "Y/USDT:USDT", None).level == "v"
    assert table.of("w", "X/USDT:USDT", "100x+").level == ALL
    with pytest.raises(ValueError, match="needs the level"):
        PriorTable({"v": COLD}, LAYERS)


def _shipped_document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_table(shipped_priors(PARAMETERS).levels, PARAMETERS))
    return document


def test_a_table_survives_as_data_and_names_itself_in_the_version() -> None:
    text = write_table(shipped_priors(PARAMETERS).levels, PARAMETERS)
    table = read_table(text, PARAMETERS)
    assert (table.levels[ALL].values == shipped_priors(PARAMETERS).levels[ALL].values).all()
    assert write_table(table.levels, PARAMETERS) == text
    fold = EstimatorFold(PARAMETERS, table)
    assert fold.parameters.model_version == f"layered-flow-2+priors-{table.digest}"
    assert EstimatorFold(PARAMETERS).parameters.model_version == "layered-flow-2"


def _without_a_parameter(document: dict[str, Any]) -> None:
    del document["levels"][ALL]["parameters"]["log_background"]


def _with_a_variance_of_0(document: dict[str, Any]) -> None:
    document["levels"][ALL]["parameters"]["log_background"] = [1.0, 0.0]


def _with_a_mean_that_is_no_number(document: dict[str, Any]) -> None:
    document["levels"][ALL]["parameters"]["log_background"] = [float("nan"), 1.0]


def _of_another_model(document: dict[str, Any]) -> None:
    document["model_version"] = "layered-flow-1"


def _without_all(document: dict[str, Any]) -> None:
    document["levels"]["binance"] = document["levels"].pop(ALL)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_a_parameter, "made for other layers"),
        (_with_a_variance_of_0, "log_background"),
        (_with_a_mean_that_is_no_number, "log_background"),
        (_of_another_model, "layered-flow-1"),
        (_without_all, "needs the level"),
        (dict.clear, "`levels`"),
    ],
)
def test_a_damaged_table_is_refused_by_name(
    tmp_path: Path, damage: Callable[[dict[str, Any]], None], said: str
) -> None:
    document = _shipped_document()
    damage(document)
    path = tmp_path / "priors.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=said) as refusal:
        priors_of(path, PARAMETERS)
    assert "priors.json" in str(refusal.value)
    with pytest.raises(ValueError, match=r"none\.json"):
        priors_of(tmp_path / "none.json", PARAMETERS)


# ---- in the fold


def test_a_new_market_begins_where_its_venue_is() -> None:
    venue, symbol = MARKET
    shipped = shipped_priors(PARAMETERS).levels[ALL]
    lower = Prior(shipped.values - 0.5, shipped.variances, "test", venue)
    table = PriorTable({ALL: shipped, venue: lower}, len(PARAMETERS.leverages), "0" * 8)
    log = Hours(1).walk(30)
    shares = []
    for priors in (None, table):
        fold = EstimatorFold(PARAMETERS, priors)
        state = fold.new(COIN)
        emissions = feed(fold, state, log)
        reported = state.markets[venue, symbol].learning.filter
        assert reported is not None
        assert reported.prior_level == (ALL if priors is None else venue)
        restored = fold.load(fold.dump(state), COIN).markets[venue, symbol].learning.filter
        assert restored is not None
        assert restored.prior_level == reported.prior_level
        shares.append(of_kind(emissions, "grid")[-1]["provenance"]["reported_share"])
    assert shares[1] < shares[0]


def test_markets_with_hours_of_their_own_are_found_and_pooled() -> None:
    fold, state, _ = start(cadence_ms=60_000)
    feed(fold, state, Hours(2).walk(40))
    assert taught_markets([state], least_hours=100) == []
    (market,) = taught_markets([state], least_hours=24)
    assert (market.venue, market.symbol) == MARKET
    pooled = pool([market], fold.priors)
    assert set(pooled) >= {ALL, market.venue, f"{market.venue}|{market.symbol}"}
    text = write_table(pooled, PARAMETERS)
    assert read_table(text, PARAMETERS).of(*MARKET, None).source == f"pooled from 1 market with {market.hours} hours"
