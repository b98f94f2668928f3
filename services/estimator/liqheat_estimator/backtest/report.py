"""The backtest for people: a page in Markdown with four plots."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from liqheat_estimator.backtest.run import FrozenStep

MAX_COLUMNS = 1_400
_INK, _LONG, _SHORT, _GREY = "#dfe6ee", "#35b6c9", "#e8884a", "#8b98a8"


def write_report(folder: Path, steps: list[FrozenStep], summary: dict[str, Any], layer_names: tuple[str, ...]) -> None:
    """Write ``report.md`` and its pictures into a folder."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.style.use("dark_background")
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [("heatmap.png", _heatmap(plt, steps)), ("layer-weights.png", _weights(plt, steps, layer_names))]
    scores = summary.get("scores")
    if scores is not None:
        pictures += [("calibration.png", _calibration(plt, scores)), ("gain.png", _gains(plt, scores))]
    for name, figure in pictures:
        figure.savefig(folder / name, dpi=110, bbox_inches="tight")
        plt.close(figure)
    text = "\n".join([*_head(summary), *(_scores(scores) if scores is not None else []), *_pictures(pictures)])
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _head(summary: dict[str, Any]) -> list[str]:
    return [
        f"# Backtest of {summary['symbol']} on {summary['venue']}",
        "",
        f"Model `{summary['model_version']}`, prior: {summary['prior_source']}.",
        "",
        (
            f"Forecasts at {summary['steps']} steps from {_day(summary['from_ms'])} to {_day(summary['to_ms'])} UTC, "
            "each from what was known at its time."
        ),
        "",
        "An estimate of what venues are expected to report as liquidated if price gets there; most report only a part.",
        "",
    ]


def _scores(scores: dict[str, Any]) -> list[str]:
    lines = [
        f"## Scores from {_day(scores['scored_from_ms'])} on",
        "",
        (
            f"{scores['hours_judged']} hours, both sides; fitted on the {scores['hours_fitted']} hours before. "
            "R² of the logarithm of the USD liquidated in the hour."
        ),
        "",
        "| method | over the baseline | over the baseline with lagged liquidations | over the mirrored map |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in scores["methods"].items():
        cells = [
            found.get(key)
            for key in (
                "gain_over_baseline",
                "gain_over_baseline_with_lagged_liquidations",
                "gain_over_mirrored_map",
            )
        ]
        lines.append(f"| {name} | " + " | ".join(_interval(cell) for cell in cells) + " |")
    calibration = scores["calibration"]
    ranks = ", ".join(f"{value:.2f}" for value in scores["rank_correlation_by_range_tercile"])
    return [
        *lines,
        "",
        (
            f"The baselines alone: {scores['baseline_r_squared']:.4f} and "
            f"{scores['baseline_with_lagged_liquidations_r_squared']:.4f}."
        ),
        "",
        (
            f"Observed / expected: {calibration['observed_over_expected']:.2f} in total. "
            f"Rank correlation within thirds of the hours by range: {ranks}."
        ),
        "",
        "| tenth by forecast | expected, USD | observed / expected | largest hour and side, of the observed |",
        "| --- | --- | --- | --- |",
        *(
            f"| {number} | {each['expected_usd']:,.0f} | {each['observed_over_expected']:.2f} "
            f"[{each['low']:.2f}, {each['high']:.2f}] | {each['largest_share']:.0%} |"
            for number, each in enumerate(calibration["deciles"], start=1)
        ),
        "",
    ]


def _interval(cell: dict[str, float] | None) -> str:
    return "" if cell is None else f"{cell['value']:+.4f} [{cell['low']:+.4f}, {cell['high']:+.4f}]"


def _pictures(pictures: list[tuple[str, Any]]) -> list[str]:
    titles = {
        "heatmap.png": "The map beside the price: longs below, shorts above",
        "layer-weights.png": "Reported share of each layer, as learned",
        "calibration.png": "What was expected and what came",
        "gain.png": "Gain over the baselines, with 95 % intervals",
    }
    return [line for name, _ in pictures for line in (f"## {titles[name]}", "", f"![{titles[name]}]({name})", "")]


def _heatmap(plt: Any, steps: list[FrozenStep]) -> Any:
    chosen = steps[:: max(1, len(steps) // MAX_COLUMNS)]
    prices = np.array([step.anchor_price for step in chosen])
    low, high = np.log(prices.min()) - 0.12, np.log(prices.max()) + 0.12
    rows = np.zeros((int((high - low) / 0.001) + 1, len(chosen)))
    for column, step in enumerate(chosen):
        own = int((np.log(step.anchor_price) - low) / 0.001)
        for side, sign in ((0, -1), (1, 1)):
            for cell, usd in enumerate(step.map_usd[side]):
                place = own + sign * cell
                if 0 <= place < len(rows):
                    rows[place, column] += usd
    figure, axes = plt.subplots(figsize=(13, 6))
    full = np.quantile(rows[rows > 0], 0.98) if (rows > 0).any() else 1.0
    days = [np.datetime64(chosen[0].time_ms, "ms"), np.datetime64(chosen[-1].time_ms, "ms")]
    extent = (*(day.astype("datetime64[s]").astype(float) / 86_400 for day in days), low, high)
    axes.imshow(rows, origin="lower", aspect="auto", cmap="magma", vmax=full, extent=extent, interpolation="nearest")
    times = np.array([step.time_ms for step in chosen]) / 86_400_000
    axes.plot(times, np.log(prices), color=_INK, linewidth=0.7)
    axes.xaxis_date()
    ticks = np.linspace(low, high, 8)
    axes.set_yticks(ticks, [f"{np.exp(tick):,.0f}" for tick in ticks])
    axes.set_ylabel("price")
    return figure


def _weights(plt: Any, steps: list[FrozenStep], layer_names: tuple[str, ...]) -> Any:
    figure, axes = plt.subplots(figsize=(13, 4.5))
    times = np.array([np.datetime64(step.time_ms, "ms") for step in steps])
    values = np.array([step.layer_weights for step in steps])
    colours = plt.get_cmap("viridis")(np.linspace(0, 1, len(layer_names)))
    for place, name in enumerate(layer_names):
        axes.plot(times, values[:, place], color=colours[place], linewidth=0.9, label=name)
    axes.set_yscale("log")
    axes.set_ylabel("reported share at ordinary times")
    axes.legend(ncols=2, fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), title="leverage")
    return figure


def _calibration(plt: Any, scores: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(6.5, 5))
    deciles = scores["calibration"]["deciles"]
    records = max(2 * scores["hours_judged"] / 10, 1)
    expected = [each["expected_usd"] / records for each in deciles]
    observed = [each["observed_usd"] / records for each in deciles]
    axes.plot([min(expected), max(expected)], [min(expected), max(expected)], color=_GREY, linewidth=0.8)
    bounds = [[each[name] * usd for each, usd in zip(deciles, expected, strict=True)] for name in ("low", "high")]
    axes.vlines(expected, *bounds, color=_LONG, linewidth=1.5)
    axes.plot(expected, observed, marker="o", color=_SHORT)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("expected, mean USD an hour and side, tenth by tenth")
    axes.set_ylabel("came true")
    return figure


def _gains(plt: Any, scores: dict[str, Any]) -> Any:
    figure, axes = plt.subplots(figsize=(7.5, 4))
    rows = [
        (f"{name}: {key.removeprefix('gain_over_').replace('_', ' ')}", cell)
        for name, found in scores["methods"].items()
        for key, cell in found.items()
    ]
    for place, (_, cell) in enumerate(rows):
        axes.plot([cell["low"], cell["high"]], [place, place], color=_LONG, linewidth=2)
        axes.plot(cell["value"], place, "o", color=_SHORT)
    axes.axvline(0.0, color=_GREY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("R² added")
    return figure
