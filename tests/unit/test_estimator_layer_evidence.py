"""What venues reported, held against what sweeps took of each layer."""

from __future__ import annotations

import numpy as np
import pytest

from estimator_market import COIN, feed, instrument_fields, start
from liqheat_estimator.core.learning.layer_evidence import LEAST, MOST, LayerEvidence

LAYERS = 6


def learned(truth: np.ndarray, hours: int, seed: int, reported_part: float = 1.0) -> LayerEvidence:
    """Evidence after hours in which each layer was swept by chance and ``truth`` of it was there."""
    random = np.random.default_rng(seed)
    evidence = LayerEvidence.of(LAYERS)
    for _ in range(hours):
        swept = random.exponential(2e-4, (2, LAYERS)) * (random.random((2, LAYERS)) < 0.6)
        reported = swept @ truth * reported_part * random.lognormal(-0.02, 0.2, 2)
        evidence.learn(swept, reported)
    return evidence


@pytest.mark.parametrize("reported_part", [1.0, 0.1])
def test_the_weights_are_found_whatever_part_venues_report(reported_part: float) -> None:
    truth = np.array([0.3, 1.0, 2.0, 1.5, 0.5, 0.1])
    evidence = learned(truth, 400, 1, reported_part)

    assert evidence.level == pytest.approx(reported_part * truth.mean(), rel=0.1)
    assert evidence.weights() == pytest.approx(truth / truth.mean(), abs=0.15)


def test_nothing_reported_or_nothing_swept_leaves_finite_bounded_weights() -> None:
    for reported in (np.zeros(2), np.array([1e6, 0.0])):
        evidence = LayerEvidence.of(LAYERS)
        for _ in range(50):
            evidence.learn(np.zeros((2, LAYERS)), reported)
            evidence.learn(np.full((2, LAYERS), 1e-3), reported)
        assert np.isfinite(evidence.weights()).all()
        assert (evidence.weights() >= LEAST - 1e-9).all()
        assert (evidence.weights() <= MOST + 1e-9).all()


def test_layers_that_were_never_swept_keep_the_level() -> None:
    evidence = LayerEvidence.of(2)
    for _ in range(100):
        evidence.learn(np.array([[1e-3, 0.0], [1e-3, 0.0]]), np.array([1e-4, 1e-4]))

    assert evidence.weights() == pytest.approx([1.0, 1.0], abs=0.02)


def test_it_is_kept_with_the_state_and_the_map_keeps_its_total() -> None:
    fold, state, writer = start()
    messages = [writer.message("instrument", **instrument_fields()), writer.ticker(60_000.0, 1_000.0)]
    for minute in range(1, 400):
        writer.now_ms += 60_000
        price = 60_000.0 * (1 + 0.004 * np.sin(minute / 9))
        messages.append(writer.ticker(price, 1_000.0 + minute % 7))
        messages.append(
            writer.message(
                "liquidation",
                liquidated_side="long",
                price=price,
                price_kind="mark",
                quantity_base=0.01,
                notional_usd=600.0,
                feed_completeness="complete",
            )
        )
    feed(fold, state, messages)
    (market,) = state.markets.values()
    evidence, weights = market.learning.evidence, market.layer_weights()
    assert evidence is not None
    assert weights is not None
    assert evidence.swept > 1e-4
    assert weights.std() > 0.01
    assert market.map is not None
    assert (market.map.total * weights).sum(axis=1) == pytest.approx(market.map.total.sum(axis=1))

    restored = fold.load(fold.dump(state), COIN)
    (again,) = restored.markets.values()
    assert (again.layer_weights() == weights).all()
    assert again.map is not None
    assert (again.map.swept_usd == market.map.swept_usd).all()
