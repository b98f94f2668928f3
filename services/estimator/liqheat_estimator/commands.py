"""The commands ``liqheat estimator``, ``liqheat backtest`` and ``liqheat pool-priors``."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liqheat_shared.command import Command

if TYPE_CHECKING:
    from liqheat_shared.settings import ServiceSettings


class Estimator(Command):
    """Fold market events into liquidation maps."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Only settings from the environment."""
        parser.epilog = "All settings come from LIQHEAT_* variables, see docs/settings.md."

    def run(self, options: Namespace) -> int:  # noqa: ARG002 - there are none
        """Run until SIGTERM."""
        from liqheat_estimator.app import run

        return run()


class Backtest(Command):
    """Fold history through the model, freeze forecasts at every step, score them against what came."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Files and what to make of them."""
        parser.epilog = "docs/backtest.md tells the files, the output and the scores."
        parser.add_argument("--venue", required=True, help="e.g. binance")
        parser.add_argument("--symbol", required=True, help="e.g. BTC/USDT:USDT")
        several: dict[str, Any] = {"nargs": "+", "type": Path, "metavar": "F"}
        parser.add_argument(
            "--metrics", required=True, help="Binance Vision metrics: open interest and price", **several
        )
        parser.add_argument("--klines", default=[], help="Binance Vision klines, for highs and lows", **several)
        parser.add_argument("--funding", default=[], help="funding rates; read and checked, not used yet", **several)
        parser.add_argument("--liquidations", default=[], help="hourly sums, to learn from and to score by", **several)
        parser.add_argument("--positions", default=[], help="snapshots of real positions, added exactly", **several)
        parser.add_argument("--step", default="1h", help="time between forecasts: 5m to 1d (default 1h)")
        parser.add_argument("--out", required=True, type=Path, help="forecasts (.npz); a .json is written beside it")
        parser.add_argument("--report", type=Path, help="folder for report.md and its plots")
        parser.add_argument("--scored-from", help="first day that is judged, e.g. 2026-03-01 (default: the last third)")
        begin = parser.add_mutually_exclusive_group()
        begin.add_argument("--cold", action="store_true", help="start from an uninformed prior, not a shipped one")
        begin.add_argument("--priors", type=Path, metavar="F", help="start from this table of priors")
        parser.add_argument("--write-prior", type=Path, help="write what was learned as a table of priors")

    def run(self, options: Namespace) -> int:
        """Run it; 2 and a sentence where it can't be."""
        from liqheat_estimator.backtest.command import BacktestOptions, run_backtest
        from liqheat_estimator.backtest.files import FileRefused

        try:
            asked = BacktestOptions(
                venue=options.venue,
                symbol=options.symbol,
                metrics=options.metrics,
                klines=options.klines,
                funding=options.funding,
                liquidations=options.liquidations,
                positions=options.positions,
                step_ms=_milliseconds(options.step),
                out=options.out,
                report=options.report,
                scored_from_ms=_day_ms(options.scored_from),
                cold=options.cold,
                priors=options.priors,
                write_prior=options.write_prior,
            )
            summary = run_backtest(asked)
        except (FileRefused, ValueError, OSError) as fault:
            print(f"liqheat backtest: {fault}", file=sys.stderr)
            return 2
        except ModuleNotFoundError as fault:
            print(f"liqheat backtest: {fault}: install liqheat[backtest] for --report", file=sys.stderr)
            return 2
        print(json.dumps({name: summary[name] for name in ("model_version", "steps", "broken_lines", "scores")}))
        return 0


class PoolPriors(Command):
    """Pool what all markets have learned into priors for markets that have said little, by class and venue."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Where from and where to."""
        parser.epilog = "Reads the estimator's state as an onlooker, changes nothing. docs/priors.md"
        parser.add_argument("--out", required=True, type=Path, metavar="F", help="the table (.json)")
        parser.add_argument(
            "--priors", type=Path, metavar="F", help="the table that the estimator runs with (default: the shipped one)"
        )
        parser.add_argument(
            "--least-hours", type=int, default=24, metavar="N", help="leave out markets with fewer hours (default 24)"
        )

    def run(self, options: Namespace) -> int:
        """Run it; 1 and a sentence where nothing was learned yet or the broker does not answer."""
        from liqheat_estimator.priors_file import pooled_table
        from liqheat_shared.commands.reading import run_reader

        async def write(settings: ServiceSettings) -> int:
            text, made_of = await pooled_table(settings, options.priors, options.least_hours)
            options.out.write_text(text, encoding="utf-8")
            print(json.dumps(made_of))
            return 0

        return run_reader("pool-priors", write)


_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _milliseconds(text: str) -> int:
    """5m, 1h, 1d as milliseconds."""
    if text[-1:] not in _UNITS_MS or not text[:-1].isdigit():
        raise ValueError(f"--step {text!r} is no time like 5m, 1h or 1d")
    value = int(text[:-1]) * _UNITS_MS[text[-1]]
    if value % 300_000 or not 300_000 <= value <= 86_400_000:
        raise ValueError(f"--step {text} is not a multiple of 5 minutes up to a day")
    return value


def _day_ms(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
