"""The backtest: files as they come, nothing known too early, forecasts that add up, scores like an oracle's."""

from __future__ import annotations

import gzip
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from liqheat_estimator.backtest import files
from liqheat_estimator.backtest.output import densities, price_edges
from liqheat_estimator.backtest.run import DISTANCES, Backtest
from liqheat_estimator.backtest.scoring import gather, score
from liqheat_estimator.backtest.tape import Tape, spans
from liqheat_estimator.core.learning.prior_table import shipped_priors
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_shared.cli import run

HOUR = 3_600_000
START = 1_770_000_000_000 // HOUR * HOUR
PARAMETERS = EstimatorParameters()
PRIORS = shipped_priors(PARAMETERS)


def _tape(hours: int, seed: int = 5) -> Tape:
    """A random walk with open interest, hourly candles a little wider, and liquidations that grow with the range."""
    random = np.random.default_rng(seed)
    steps = hours * 12
    path = 60_000 * np.exp(np.cumsum(0.0015 * random.standard_normal(steps + 1)))
    interest = 80_000 * np.exp(np.cumsum(0.001 * random.standard_normal(steps + 1)))
    metrics = [
        files.Metric(START + step * 300_000, float(interest[step]), float(path[step])) for step in range(steps + 1)
    ]
    klines, sums = [], []
    for hour in range(hours):
        inside = path[hour * 12 : hour * 12 + 13]
        low, high = float(inside.min() * 0.9995), float(inside.max() * 1.0005)
        open_ms = START + hour * HOUR
        klines.append(files.Kline(open_ms, open_ms + HOUR, float(inside[0]), high, low, float(inside[-1])))
        falls, rises = inside[0] / low - 1, high / inside[0] - 1
        sums.append(
            files.LiquidatedHour(
                open_ms,
                float(2e10 * falls**2 * random.lognormal(0, 0.5)),
                float(2e10 * rises**2 * random.lognormal(0, 0.5)),
            )
        )
    return Tape(metrics, klines, sums, [])


def _run(tape: Tape, step_ms: int = HOUR) -> Backtest:
    backtest = Backtest("binance", "BTC/USDT:USDT", PARAMETERS, PRIORS)
    backtest.run(tape, step_ms, lambda _: None)
    return backtest


def _until(tape: Tape, time_ms: int) -> Tape:
    return Tape(
        [row for row in tape.metrics if row.time_ms <= time_ms],
        [row for row in tape.klines if row.end_ms <= time_ms],
        [row for row in tape.liquidations if row.open_ms + HOUR <= time_ms],
        [],
    )


def test_a_forecast_knows_nothing_of_what_comes_after_it() -> None:
    tape = _tape(60)
    whole = {step.time_ms: step for step in _run(tape).steps}
    for hours in (11, 37, 59):
        cut = START + hours * HOUR
        for step in _run(_until(tape, cut)).steps:
            assert step.time_ms <= cut
            for name in ("expected_usd", "median_usd", "mirrored_usd", "map_usd"):
                assert np.array_equal(getattr(step, name), getattr(whole[step.time_ms], name)), (hours, name)


def test_a_shorter_history_has_the_same_bins_and_forecasts() -> None:
    tape = _tape(30)
    whole, short = _run(tape).steps, _run(_until(tape, START + 12 * HOUR)).steps
    edges = price_edges(whole)
    assert np.array_equal(price_edges(short), edges)
    assert np.array_equal(densities(whole, edges)[:, : len(short)], densities(short, edges))


def test_changing_an_hour_changes_no_forecast_frozen_at_its_start() -> None:
    tape = _tape(40)
    changed = list(tape.liquidations)
    changed[30] = files.LiquidatedHour(changed[30].open_ms, 9e9, 9e9)
    klines = list(tape.klines)
    klines[30] = klines[30]._replace(low=klines[30].low * 0.9, high=klines[30].high * 1.1)
    before, after = _run(tape).steps, _run(Tape(tape.metrics, klines, changed, [])).steps
    times = [step.time_ms for step in before]
    frozen = times.index(START + 30 * HOUR)
    for one, other in zip(before[: frozen + 1], after[: frozen + 1], strict=True):
        assert np.array_equal(one.expected_usd, other.expected_usd)
    assert not np.array_equal(before[frozen + 1].expected_usd, after[frozen + 1].expected_usd)


def test_the_books_balance_and_sides_hold_the_open_interest() -> None:
    backtest = _run(_tape(48))
    market = backtest.market
    for side in (0, 1):
        ledger = market.ledger
        explained = market.standing(side) + ledger.consumed_base[side] + ledger.closed_base[side]
        assert ledger.deposited_base[side] == pytest.approx(explained, rel=1e-9)
        assert market.standing(side) == pytest.approx(market.open_interest_base, rel=1e-6)


def test_densities_add_up_to_the_cumulative_forecast() -> None:
    steps = _run(_tape(30)).steps
    edges = price_edges(steps)
    longs, shorts = densities(steps, edges)
    for row, step in enumerate(steps):
        assert longs[row].sum() == pytest.approx(step.expected_usd[0][-1], rel=1e-4)
        assert shorts[row].sum() == pytest.approx(step.expected_usd[1][-1], rel=1e-4)
        centres = np.sqrt(edges[1:] * edges[:-1])
        assert not longs[row][centres > step.anchor_price * 1.0003].any()
        assert not shorts[row][centres < step.anchor_price * 0.9997].any()
        reached = step.anchor_price * math.exp(-0.01)
        inside = longs[row][edges[:-1] >= reached].sum()
        expected = float(np.interp(0.01, DISTANCES, step.expected_usd[0]))
        assert inside == pytest.approx(expected, rel=0.05)


def test_positions_are_added_exactly() -> None:
    tape = _tape(20)
    row = files.PositionRow(START + 10 * HOUR, "0xa", "long", 500.0, 30_000.0)
    market = _run(Tape(tape.metrics, tape.klines, tape.liquidations, [row])).market
    assert market.measured.accounts["0xa"].quantity_base == 500.0
    assert market.standing(0) == pytest.approx(market.open_interest_base, rel=1e-6)


def test_candles_longer_than_the_step_are_refused() -> None:
    with pytest.raises(ValueError, match="candles of 60 minutes are longer than the step"):
        list(spans(_tape(3), 300_000))
    assert len(_run(Tape(_tape(3).metrics, [], [], []), 300_000).steps) > 30


def test_scores_agree_with_an_oracle() -> None:
    tape = _tape(24 * 45)
    steps = _run(tape).steps
    hours = gather(steps, tape.klines, tape.liquidations)
    assert hours is not None
    split = START + 30 * 24 * HOUR
    found = score(hours, split)
    warm = hours.time_ms >= hours.time_ms[0] + 14 * 86_400_000
    train, judged = warm & (hours.time_ms < split), warm & (hours.time_ms >= split)
    target = np.log10(hours.observed_usd + 1e3)

    def r_squared(columns: Any) -> float:
        weights = np.linalg.pinv(columns[train]) @ target[train]
        left = ((target[judged] - columns[judged] @ weights) ** 2).sum()
        return float(1 - left / ((target[judged] - target[judged].mean()) ** 2).sum())

    size = np.log10(hours.expected_usd + 1e4)[:, None]
    base, full = r_squared(hours.baseline), r_squared(np.hstack([hours.baseline, size, size**2]))
    assert found["baseline_r_squared"] == pytest.approx(base, abs=1e-6)
    gain = found["methods"]["expected"]["gain_over_baseline"]
    assert gain["value"] == pytest.approx(full - base, abs=1e-6)
    assert gain["low"] <= gain["value"] <= gain["high"]
    deciles = found["calibration"]["deciles"]
    assert len(deciles) == 10
    assert all(each["low"] <= each["observed_over_expected"] <= each["high"] for each in deciles)
    judged_usd = hours.observed_usd[judged]
    assert sum(each["observed_usd"] for each in deciles) == pytest.approx(judged_usd.sum())
    largest = max(each["largest_share"] * each["observed_usd"] for each in deciles)
    assert largest == pytest.approx(judged_usd.max())


# ---- files and the command


def _write(folder: Path, tape: Tape) -> dict[str, Path]:
    paths = {name: folder / f"{name}.csv" for name in ("metrics", "klines", "liquidations")}
    lines = ["create_time,symbol,sum_open_interest,sum_open_interest_value,a,b,c,d"]
    for row in tape.metrics:
        moment = datetime.fromtimestamp(row.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"{moment},BTCUSDT,{row.open_interest_base!r},{row.open_interest_base * row.price!r},,,,")
    paths["metrics"].write_text("\n".join(lines) + "\n")
    candles = [f"{k.open_ms},{k.open!r},{k.high!r},{k.low!r},{k.close!r},,{k.end_ms - 1},,,,," for k in tape.klines]
    paths["klines"].write_text("\n".join(candles) + "\n")
    sums = ["open_time_ms,liquidated_long_usd,liquidated_short_usd"]
    sums += [f"{h.open_ms},{h.long_usd!r},{h.short_usd!r}" for h in tape.liquidations]
    paths["liquidations"].write_text("\n".join(sums) + "\n")
    return paths


def _arguments(paths: dict[str, Path], out: Path) -> list[str]:
    named = [text for name, path in paths.items() for text in (f"--{name}", str(path))]
    return ["backtest", "--venue", "binance", "--symbol", "BTC/USDT:USDT", *named, "--out", str(out)]


def test_the_command_writes_forecasts_and_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = _write(tmp_path, _tape(30))
    assert run([*_arguments(paths, tmp_path / "out.npz"), "--report", str(tmp_path / "report")]) == 0
    with np.load(tmp_path / "out.npz") as made:
        times, edges = made["time_ms"], made["price_edges"]
        longs, shorts = made["long_usd"], made["short_usd"]
    assert longs.shape == shorts.shape == (len(times), len(edges) - 1)
    assert (np.diff(edges) > 0).all()
    assert (np.diff(times) == HOUR).all()
    assert np.isfinite(longs).all()
    assert (longs >= 0).all()
    summary = json.loads((tmp_path / "out.json").read_text())
    assert summary["model_version"] == PARAMETERS.model_version
    assert summary["steps"] == len(times)
    assert (tmp_path / "report" / "heatmap.png").stat().st_size > 10_000
    assert "# Backtest of BTC/USDT:USDT" in (tmp_path / "report" / "report.md").read_text()
    assert json.loads(capsys.readouterr().out)["steps"] == len(times)


def test_a_broken_line_is_named_and_the_rest_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = _write(tmp_path, _tape(30))
    lines = paths["metrics"].read_text().splitlines()
    lines[7] = lines[7].replace(",BTCUSDT,", ",BTCUSDT,nan")
    lines.insert(20, "not a time,BTCUSDT,1,1,,,,")
    with gzip.open(tmp_path / "metrics.csv.gz", "wt") as file:
        file.write("\n".join(lines))
    paths["metrics"] = tmp_path / "metrics.csv.gz"
    assert run(_arguments(paths, tmp_path / "out.npz")) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["broken_lines"] == 2
    assert "metrics.csv.gz:8" in told.err
    assert "metrics.csv.gz:21" in told.err


@pytest.mark.parametrize(
    ("option", "text", "why"),
    [
        ("metrics", "a,b\n1,2\n", "no column create_time"),
        ("liquidations", "open_time_ms,x\n1,2\n", "no column liquidated_long_usd"),
        ("metrics", "", "no metrics were read"),
    ],
)
def test_a_file_of_another_form_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, text: str, why: str
) -> None:
    paths = _write(tmp_path, _tape(5))
    paths[option].write_text(text)
    assert run(_arguments(paths, tmp_path / "out.npz")) == 2
    assert why in capsys.readouterr().err


def test_a_step_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = _write(tmp_path, _tape(5))
    assert run([*_arguments(paths, tmp_path / "out.npz"), "--step", "7m"]) == 2
    assert "--step 7m is not a multiple of 5 minutes" in capsys.readouterr().err
