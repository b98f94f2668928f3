"""Real open interest and prices of seven coins through the model: books balance, sides agree, maps look sane.

Only BTC has liquidation sums to score by; of the others no more is claimed than this.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from liqheat_estimator.backtest import files
from liqheat_estimator.backtest.run import DISTANCES, Backtest
from liqheat_estimator.backtest.scoring import gather, score
from liqheat_estimator.backtest.tape import Tape
from liqheat_estimator.core.learning.prior_table import shipped_priors
from liqheat_estimator.core.parameters import EstimatorParameters

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "binance-history"
COINS = ("ETH", "SOL", "AVAX", "DOGE", "ARB", "WIF")
DAYS = 20
MARCH_MS = 1_772_323_200_000
PARAMETERS = EstimatorParameters()

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/binance-history is absent")


def _run(coin: str, tape: Tape, step_ms: int) -> Backtest:
    backtest = Backtest("binance", f"{coin}/USDT:USDT", PARAMETERS, shipped_priors(PARAMETERS))
    backtest.run(tape, step_ms, lambda _: None)
    return backtest


@pytest.mark.parametrize("coin", COINS)
def test_maps_of_other_coins_conserve_and_look_sane(coin: str) -> None:
    broken = files.BrokenLines()
    metrics = files.read_metrics([DATA / f"{coin}USDT-metrics-2025-12_2026-03.csv.gz"], broken)
    assert broken.count == 0
    backtest = _run(coin, Tape(metrics[: DAYS * 288], [], [], []), 6 * 3_600_000)
    market = backtest.market
    assert market.open_interest_base is not None
    for side in (0, 1):
        ledger = market.ledger
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
        assert market.standing(side) == pytest.approx(market.open_interest_base, rel=1e-6)
        assert 0 < ledger.consumed_base[side] < ledger.deposited_base[side]
    for step in backtest.steps[4:]:
        assert np.isfinite(step.expected_usd).all()
        assert (np.diff(step.expected_usd, axis=1) >= 0).all()
        # Of the open interest, a move of 10 % is expected to have reported more than nothing and less than a fifth.
        reported = np.array([np.interp(0.1, DISTANCES, step.expected_usd[side]) for side in (0, 1)])
        assert (reported > 1e-5 * step.open_interest_usd).all()
        assert (reported < 0.2 * step.open_interest_usd).all()


@pytest.mark.slow
def test_bitcoins_march_scores_as_the_model_page_says() -> None:
    broken = files.BrokenLines()
    tape = Tape(
        files.read_metrics([DATA / "BTCUSDT-metrics-2025-12_2026-03.csv.gz"], broken),
        files.read_klines([DATA / "BTCUSDT-1h-spot-2025-12_2026-03.csv.gz"], broken),
        files.read_liquidations([DATA / "BTC-liquidated-1h-2025-12_2026-03.csv.gz"], broken),
        [],
    )
    backtest = _run("BTC", tape, 3_600_000)
    hours = gather(backtest.steps, tape.klines, tape.liquidations)
    assert hours is not None
    found = score(hours, MARCH_MS)
    expected = found["methods"]["expected"]
    assert expected["gain_over_baseline"]["value"] > 0.077
    assert expected["gain_over_baseline_with_lagged_liquidations"]["value"] > 0.070
    assert expected["gain_over_mirrored_map"]["low"] > 0.02
    assert 0.8 < found["calibration"]["observed_over_expected"] < 1.25
