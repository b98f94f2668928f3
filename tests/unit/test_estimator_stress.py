"""The map under raised maintenance: nearer to the mark, nothing lost, more at once the more it is raised."""

from __future__ import annotations

import numpy as np
import pytest

from estimator_market import START_MS, feed, instrument_fields, of_kind, parsed, start
from liqheat_estimator.core.estimator_fold import EstimatorFold, EstimatorParameters
from liqheat_estimator.core.maintenance_stress import stressed_map
from liqheat_estimator.core.market_state import MarketState


def _market() -> tuple[MarketState, EstimatorParameters]:
    fold, state, writer = start()
    messages = [writer.message("instrument", **instrument_fields())]
    for step in range(60):
        writer.now_ms += 60_000
        messages.append(writer.ticker(60_000.0 * (1 + 0.002 * np.sin(step / 5)), 1_000.0 + 5 * step))
    feed(fold, state, messages)
    (market,) = state.markets.values()
    return market, fold.parameters


def test_no_stress_changes_nothing() -> None:
    market, parameters = _market()
    usd, at_once = stressed_map(market, parameters, 0.0)
    assert market.map is not None
    assert usd == pytest.approx(market.map.density() * market.map.prices(), rel=1e-9, abs=1e-6)
    assert at_once == (0.0, 0.0)


def test_stress_moves_mass_towards_the_mark_and_loses_none() -> None:
    market, parameters = _market()
    assert market.map is not None
    plain = market.map.density() * market.map.prices()
    bins = np.arange(plain.shape[1]) + market.map.first_bin
    before = np.abs(bins - market.mark_at)
    distances, at_onces = [], []
    for stress in (0.25, 0.5, 1.0, 3.0):
        usd, at_once = stressed_map(market, parameters, stress)
        assert usd.sum() + sum(at_once) == pytest.approx(plain.sum(), rel=1e-9)
        distances.append(float((usd * before).sum() / usd.sum()))
        at_onces.append(sum(at_once))
        assert not usd[0, bins > market.mark_at].any()
        assert not usd[1, bins < market.mark_at - 1].any()
    usual = float((plain * before).sum() / plain.sum())
    assert distances[0] < usual
    assert at_onces == sorted(at_onces)
    assert at_onces[-1] > 0


def test_grids_hold_it_once_a_minute_where_it_is_asked_for() -> None:
    _, _, writer = start()
    fold = EstimatorFold(EstimatorParameters(maintenance_stress=0.5))
    state = fold.new("BTC")
    writer.now_ms = START_MS // 60_000 * 60_000 + 60_000
    messages = []
    for _ in range(130):
        writer.now_ms += 1_000
        messages.append(writer.ticker(60_000.0, 1_000.0))
    grids = feed(fold, state, messages)
    values = of_kind(grids, "grid")
    stressed = [value["stressed"] for value in values if value["stressed"] is not None]
    assert 2 <= len(stressed) <= 3
    assert stressed[0]["maintenance_stress"] == 0.5
    assert all(parsed(each) for each in grids if each.kind == "grid")


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="maintenance_stress"):
        EstimatorParameters(maintenance_stress=-0.1)
