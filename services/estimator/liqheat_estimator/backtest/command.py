"""What the command does, from files to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from liqheat_estimator.backtest import files
from liqheat_estimator.backtest.output import write_forecasts
from liqheat_estimator.backtest.report import write_report
from liqheat_estimator.backtest.run import Backtest
from liqheat_estimator.backtest.scoring import gather, score
from liqheat_estimator.backtest.tape import Tape
from liqheat_estimator.core.learning.prior import Prior, uninformed_prior
from liqheat_estimator.core.learning.prior_table import ALL, PriorTable, write_table
from liqheat_estimator.core.learning.structure import group_count
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_estimator.priors_file import priors_of


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    """What the command line asked for."""

    venue: str
    symbol: str
    metrics: list[Path]
    klines: list[Path]
    funding: list[Path]
    liquidations: list[Path]
    positions: list[Path]
    step_ms: int
    out: Path
    report: Path | None
    scored_from_ms: int | None
    cold: bool
    priors: Path | None
    write_prior: Path | None


def run_backtest(options: BacktestOptions) -> dict[str, Any]:
    """Read, fold, write; the summary that stands beside the forecasts.

    Raises
    ------
    FileRefused, ValueError
        A file has another form, or there is nothing to forecast from.
    """
    broken = files.BrokenLines()
    coin = options.symbol.split("/")[0]
    tape = Tape(
        files.read_metrics(options.metrics, broken),
        files.read_klines(options.klines, broken),
        files.read_liquidations(options.liquidations, broken),
        files.read_positions(options.positions, coin, broken),
    )
    funding = files.read_funding(options.funding, broken)
    for name in broken.named:
        sys.stderr.write(f"liqheat: left out {name}\n")
    parameters = EstimatorParameters()
    layers = len(parameters.leverages)
    cold = PriorTable.single(uninformed_prior(layers), layers)
    priors = cold if options.cold else priors_of(options.priors, parameters)
    backtest = Backtest(options.venue, options.symbol, parameters, priors)
    backtest.run(tape, options.step_ms, _progress())
    write_forecasts(options.out, backtest.steps)
    summary: dict[str, Any] = {
        "venue": options.venue,
        "symbol": options.symbol,
        "model_version": priors.model_version(parameters.model_version),
        "prior_source": priors.of(options.venue, options.symbol, None).source,
        "steps": len(backtest.steps),
        "from_ms": backtest.steps[0].time_ms,
        "to_ms": backtest.steps[-1].time_ms,
        "broken_lines": broken.count,
        "funding_rows_read_and_not_used": len(funding),
        "hours_learned": 0 if backtest.market.learning.filter is None else backtest.market.learning.filter.hours,
        "scores": _scores(options, backtest, tape),
    }
    options.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    if options.report is not None:
        write_report(options.report, backtest.steps, summary, parameters.layer_names)
    if options.write_prior is not None:
        _write_prior(options.write_prior, backtest, parameters)
    return summary


def _progress() -> Callable[[float], None]:
    shown = [-1]

    def show(share: float) -> None:
        percent = int(share * 20) * 5
        if percent > shown[0] and sys.stderr.isatty():
            sys.stderr.write(f"\rliqheat backtest: {percent} %")
            sys.stderr.flush()
        shown[0] = max(shown[0], percent)

    return show


def _scores(options: BacktestOptions, backtest: Backtest, tape: Tape) -> dict[str, Any] | None:
    hours = gather(backtest.steps, tape.klines, tape.liquidations)
    if hours is None:
        return None
    first, last = float(hours.time_ms.min()), float(hours.time_ms.max())
    scored_from = options.scored_from_ms or int(first + (last - first) * 2 / 3)
    try:
        return score(hours, scored_from)
    except ValueError as fault:
        sys.stderr.write(f"liqheat: not scored: {fault}\n")
        return None


def _write_prior(path: Path, backtest: Backtest, parameters: EstimatorParameters) -> None:
    """The belief at the end as a prior for markets that have said nothing: the same mean, four times the variance."""
    reported = backtest.market.learning.filter
    if reported is None:
        raise ValueError("a prior needs liquidations to learn from")
    cold = uninformed_prior(len(parameters.leverages))
    values = reported.values.copy()
    groups = group_count(len(parameters.leverages))
    least = np.where(np.arange(len(values)) < groups, 0.05, 0.004)
    variances = np.minimum(np.maximum(4 * np.diag(reported.covariance), least), cold.variances)
    # No hour reaches the three farthest layers often enough to say anything: they take the level of the next six.
    values[:3] = np.median(values[3:9])
    end = datetime.fromtimestamp(backtest.steps[-1].time_ms / 1000, UTC).date()
    start = datetime.fromtimestamp(backtest.steps[0].time_ms / 1000, UTC).date()
    source = f"{backtest.symbol} on {backtest.venue} from {start} until {end}, learned from an uninformed prior"
    priors = {ALL: Prior(values, variances, source, ALL)}
    path.write_text(write_table(priors, parameters), encoding="utf-8")
