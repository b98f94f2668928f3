"""How much a forecast adds to what is known without a map: R² of the logarithm of what was liquidated, hour by hour.

The baseline knows the range that the hour then had, its own earlier ranges and how far price went beyond the extremes
of the last hours; the second one also what was liquidated before. Everything is fitted by least squares on the hours
before a date and judged on those from then on. Intervals draw whole days again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from liqheat_estimator.backtest.files import Kline, LiquidatedHour
from liqheat_estimator.backtest.run import FrozenStep, interpolated
from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS

WARM_UP_MS: Final = 14 * DAY_MS
OBSERVED_FLOOR_USD: Final = 1e3
FORECAST_FLOOR_USD: Final = 1e4
EXTREME_HOURS: Final = (4, 8, 24, 72)
LAG_HOURS: Final = (1, 4, 24)
RESAMPLES: Final = 2_000
MIN_HOURS: Final = 24 * 7


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours that have a candle, a forecast and a liquidation sum, longs first, then shorts: 2 n rows each.

    Attributes
    ----------
    observed_usd, expected_usd, median_usd, mirrored_usd : ndarray, shape (2 n,)
    baseline, lagged : ndarray, shape (2 n, columns)
        Regressors of the two baselines.
    """

    time_ms: Floats
    range_share: Floats
    observed_usd: Floats
    expected_usd: Floats
    median_usd: Floats
    mirrored_usd: Floats
    baseline: Floats
    lagged: Floats


def gather(steps: list[FrozenStep], klines: list[Kline], liquidations: list[LiquidatedHour]) -> Hours | None:
    """Join forecasts with hourly candles and sums; None where there are too few."""
    by_time = {step.time_ms: step for step in steps}
    sums = {hour.open_ms: hour for hour in liquidations}
    hours = [k for k in klines if k.end_ms - k.open_ms == HOUR_MS and k.open_ms in by_time and k.open_ms in sums]
    if len(hours) < MIN_HOURS:
        return None
    prices = np.array([(k.open, k.high, k.low) for k in hours]).T
    observed = np.array([(sums[k.open_ms].long_usd, sums[k.open_ms].short_usd) for k in hours]).T
    reach = np.log([prices[0] / prices[2], prices[1] / prices[0]])
    forecasts = _forecasts([by_time[k.open_ms] for k in hours], reach)
    baseline, lagged = _baselines(prices, observed)
    times = np.array([k.open_ms for k in hours], dtype=np.float64)
    ranges = np.concatenate([(prices[0] - prices[2]) / prices[0], (prices[1] - prices[0]) / prices[0]])
    expected, median, mirrored = (each.ravel() for each in forecasts)
    return Hours(np.concatenate([times, times]), ranges, observed.ravel(), expected, median, mirrored, baseline, lagged)


def _forecasts(steps: list[FrozenStep], reach: Floats) -> Floats:
    """Expected, median and mirrored USD of the band that each hour reached: shape (3, 2, hours)."""
    found = np.empty((3, 2, len(steps)))
    for row, step in enumerate(steps):
        for kind, cumulative in enumerate((step.expected_usd, step.median_usd, step.mirrored_usd)):
            for side in (0, 1):
                found[kind, side, row] = interpolated(cumulative[side], float(reach[side, row]))
    return found


def _rolling(values: Floats, hours: int, reduce: np.ufunc) -> Floats:
    """Of the last so many values before each; the first gets itself."""
    result = values.copy()
    for row in range(1, len(values)):
        result[row] = reduce.reduce(values[max(row - hours, 0) : row])
    return result


def _baselines(prices: Floats, observed: Floats) -> tuple[Floats, Floats]:
    first, high, low = prices
    whole = (high - low) / first
    rows, lags = [], []
    for side in (0, 1):
        reach = (first - low) / first if side == 0 else (high - first) / first
        log_range = np.log10(reach + 1e-5)
        columns = [np.ones_like(reach), log_range, log_range**2, np.full_like(reach, side)]
        for hours in EXTREME_HOURS:
            if side == 0:
                beyond = np.minimum(_rolling(low, hours, np.minimum), first) - low
            else:
                beyond = high - np.maximum(_rolling(high, hours, np.maximum), first)
            columns.append(np.log10(np.maximum(beyond, 0.0) / first + 1e-4))
        columns += [np.log10(_mean_before(whole, hours) + 1e-5) for hours in LAG_HOURS]
        rows.append(np.stack(columns, axis=1))
        sums = [_sum_before(observed[which], hours) for which in (side, 1 - side) for hours in LAG_HOURS]
        lags.append(np.log10(np.stack(sums, axis=1) + OBSERVED_FLOOR_USD))
    baseline = np.concatenate(rows)
    return baseline, np.concatenate([baseline, np.concatenate(lags)], axis=1)


def _sum_before(values: Floats, hours: int) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    rows = np.arange(len(values))
    result: Floats = sums[rows] - sums[np.maximum(rows - hours, 0)]
    return result


def _mean_before(values: Floats, hours: int) -> Floats:
    counts = np.minimum(np.arange(len(values)), hours)
    usual = 0.007
    result: Floats = np.where(counts > 0, _sum_before(values, hours) / np.maximum(counts, 1), usual)
    return result


def score(hours: Hours, scored_from_ms: int) -> dict[str, Any]:
    """Gains, calibration and ranks on the hours from a date on, fitted on those before (after two weeks of warm-up).

    Raises
    ------
    ValueError
        Too few hours before or after the date.
    """
    warm = hours.time_ms >= hours.time_ms[0] + WARM_UP_MS
    train, judged = warm & (hours.time_ms < scored_from_ms), warm & (hours.time_ms >= scored_from_ms)
    if min(int(train.sum()), int(judged.sum())) < 2 * MIN_HOURS:
        raise ValueError(f"{int(train.sum())} hours to fit on and {int(judged.sum())} to judge by are too few")
    target = np.log10(hours.observed_usd + OBSERVED_FLOOR_USD)
    methods = {"expected": hours.expected_usd, "median": hours.median_usd, "mirrored-map": hours.mirrored_usd}
    days = (hours.time_ms[judged] // DAY_MS).astype(np.int64)
    result: dict[str, Any] = {
        "scored_from_ms": scored_from_ms,
        "hours_fitted": int(train.sum()) // 2,
        "hours_judged": int(judged.sum()) // 2,
        "methods": {},
    }
    errors: dict[tuple[str, str], Floats] = {}
    spread = float(((target[judged] - target[judged].mean()) ** 2).sum())
    bases = {"baseline": hours.baseline, "baseline_with_lagged_liquidations": hours.lagged}
    for base, columns in bases.items():
        errors[base, ""] = _squared_errors(columns, target, train, judged)
        result[f"{base}_r_squared"] = 1.0 - float(errors[base, ""].sum()) / spread
        for name, usd in methods.items():
            size = np.log10(usd + FORECAST_FLOOR_USD)[:, None]
            errors[base, name] = _squared_errors(np.hstack([columns, size, size**2]), target, train, judged)
            gain = _gain(errors[base, ""] - errors[base, name], days, spread)
            result["methods"].setdefault(name, {})[f"gain_over_{base}"] = gain
    for name in ("expected", "median"):
        placebo = errors["baseline", "mirrored-map"] - errors["baseline", name]
        result["methods"][name]["gain_over_mirrored_map"] = _gain(placebo, days, spread)
    result["calibration"] = _calibration(hours.expected_usd[judged], hours.observed_usd[judged], days)
    result["rank_correlation_by_range_tercile"] = _ranks(hours, judged)
    return result


def _squared_errors(columns: Floats, target: Floats, train: Floats, judged: Floats) -> Floats:
    weights = np.linalg.lstsq(columns[train], target[train], rcond=None)[0]
    errors: Floats = (target[judged] - columns[judged] @ weights) ** 2
    return errors


def _gain(saved: Floats, days: Floats, spread: float) -> dict[str, float]:
    """Sum of saved squared errors as R², with a 95 % interval over days drawn again."""
    low, high = np.quantile(_sums_of_drawn_days(saved, days) / spread, (0.025, 0.975))
    return {"value": float(saved.sum()) / spread, "low": float(low), "high": float(high)}


def _sums_of_drawn_days(values: Floats, days: Floats) -> Floats:
    """Sums of values when whole days are drawn again, shape (RESAMPLES,); each call draws the same days."""
    names, places = np.unique(days, return_inverse=True)
    by_day = np.bincount(places, weights=values)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    sums: Floats = by_day[drawn].sum(axis=1)
    return sums


def _calibration(expected: Floats, observed: Floats, days: Floats) -> dict[str, Any]:
    """Observed over expected, in all and by tenth of the forecasts' size.

    The sum of a tenth of small forecasts can be one large liquidation where none was expected: the interval over days
    drawn again, and the largest single hour and side, tell.
    """
    order = np.argsort(np.argsort(expected, kind="stable"), kind="stable") * 10 // len(expected)
    deciles = []
    for place in range(10):
        inside = order == place
        observed_sums, expected_sums = (
            _sums_of_drawn_days(np.where(inside, each, 0.0), days) for each in (observed, expected)
        )
        low, high = np.quantile(observed_sums / np.maximum(expected_sums, 1.0), (0.025, 0.975))
        total = float(observed[inside].sum())
        deciles.append(
            {
                "expected_usd": float(expected[inside].sum()),
                "observed_usd": total,
                "observed_over_expected": total / max(float(expected[inside].sum()), 1.0),
                "low": float(low),
                "high": float(high),
                "largest_share": float(observed[inside].max(initial=0.0)) / max(total, 1.0),
            }
        )
    return {"observed_over_expected": float(observed.sum() / max(expected.sum(), 1.0)), "deciles": deciles}


def _ranks(hours: Hours, judged: Floats) -> list[float]:
    """Spearman correlation of expected and observed within each third of the hours by range."""
    reach, expected, observed = hours.range_share[judged], hours.expected_usd[judged], hours.observed_usd[judged]
    third = np.digitize(reach, np.quantile(reach, [1 / 3, 2 / 3]))
    found = []
    for place in range(3):
        ranks = [np.argsort(np.argsort(values[third == place])) for values in (expected, observed)]
        found.append(float(np.corrcoef(ranks[0], ranks[1])[0, 1]))
    return found
