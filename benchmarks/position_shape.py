"""Where real positions stood, and where the map says that they stood: ``python benchmarks/position_shape.py``.

Folds Binance's BTC open interest and hourly candles from December 2025 on and prints, for the days before, in and after
the crash of 5 and 6 February 2026, the share of notional by distance from the mark to liquidation: of the map, and of
the BTC positions of ``shared/data/hyperliquid-positions``. Those are the largest and most profitable accounts of
another venue, mostly with cross margin and little leverage: a biased sample, to compare shapes with and no more.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime

import numpy as np

from liqheat_estimator.backtest.files import BrokenLines, read_klines, read_liquidations, read_metrics
from liqheat_estimator.backtest.run import Backtest
from liqheat_estimator.backtest.tape import Tape
from liqheat_estimator.core.learning.prior_table import shipped_priors
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import EstimatorParameters
from real_positions import HISTORY, HOUR_MS, Floats, Seen, read_positions

#: Upper edges of the distances in ln; the last class has what lies beyond, or has no price.
EDGES: Floats = np.array([0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4])
PHASES = (("before", "2026-02-04T00", "2026-02-05T06"), ("in", "2026-02-05T06", "2026-02-06T12"))
AFTER = ("after", "2026-02-06T12", "2026-02-13T00")


class Watched(Backtest):
    """A run that notes the map's shape every hour."""

    def watch(self) -> None:
        self.shapes: dict[int, Floats] = {}

    def _freeze(self, time_ms: int) -> None:
        if self.market.map is not None and self.market.is_seeded:
            self.shapes[time_ms] = shape_of_map(self.market)


def shape_of_map(market: MarketState) -> Floats:
    """Shares of the standing notional by distance, each side: shape (2, classes)."""
    first_bin, usd = market.map_usd()
    assert market.mark_price is not None
    result = np.zeros((2, len(EDGES) + 1))
    whole = market.open_interest_usd()
    for side in (0, 1):
        distances = np.abs(np.arange(usd.shape[1]) + 0.5 + first_bin - market.mark_at) * 0.001
        near = distances <= EDGES[-1]
        classes = np.searchsorted(EDGES, distances[near])
        result[side] = np.bincount(classes, weights=usd[side][near], minlength=len(EDGES) + 1) / whole
        result[side, -1] = 1.0 - result[side, :-1].sum()
    return result


def shape_of(rows: list[Seen]) -> Floats:
    """The same of positions that are known."""
    result = np.zeros((2, len(EDGES) + 1))
    for row in rows:
        beyond = row.liquidation_price is None or row.liquidation_price <= 0
        distance = np.inf if beyond else abs(np.log(row.liquidation_price / row.mark_price))
        result[0 if row.side == "long" else 1, np.searchsorted(EDGES, distance)] += row.notional_usd
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def time_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def tape_until(end_ms: int) -> Tape:
    broken = BrokenLines()
    metrics = read_metrics(sorted(HISTORY.glob("BTCUSDT-metrics-*.csv.gz")), broken)
    klines = read_klines(sorted(HISTORY.glob("BTCUSDT-1h-spot-*.csv.gz")), broken)
    hours = read_liquidations(sorted(HISTORY.glob("BTC-liquidated-1h-*.csv.gz")), broken)
    return Tape(
        [row for row in metrics if row.time_ms <= end_ms],
        [row for row in klines if row.end_ms <= end_ms],
        [row for row in hours if row.open_ms + HOUR_MS <= end_ms],
        [],
    )


def main() -> None:
    parameters = EstimatorParameters()
    run = Watched("binance", "BTC/USDT:USDT", parameters, shipped_priors(parameters))
    run.watch()
    run.run(tape_until(time_ms(AFTER[2])), HOUR_MS, lambda _: None)
    hours = sorted(run.shapes)
    rows = [row for row in read_positions() if row.coin == "BTC"]
    names = [f"to {edge:.1%}" for edge in EDGES] + ["beyond, none"]
    print("| phase | side | of | " + " | ".join(names) + " | within 10 % |")
    print("| --- " * (len(names) + 4) + "|")
    for phase, start, end in (*PHASES, AFTER):
        seen = [row for row in rows if time_ms(start) <= row.time_ms < time_ms(end)]
        moments = sorted({row.time_ms for row in seen})
        maps = np.mean([run.shapes[hours[bisect_right(hours, moment) - 1]] for moment in moments], axis=0)
        real = shape_of(seen)
        for side, label in enumerate(("long", "short")):
            for name, shape in (("map", maps), ("real", real)):
                cells = " | ".join(f"{100 * share:.1f}" for share in shape[side])
                print(f"| {phase} | {label} | {name} | {cells} | {100 * shape[side, :4].sum():.1f} |")
        accounts = len({row.account for row in seen})
        print(f"<!-- {phase}: {len(moments)} snapshots, {len(seen)} rows, {accounts} accounts -->")


if __name__ == "__main__":
    main()
