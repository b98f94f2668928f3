"""The history of a market, candle by candle: what was known when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from liqheat_estimator.backtest.files import Kline, LiquidatedHour, Metric, PositionRow


@dataclass(frozen=True, slots=True)
class Tape:
    """Everything that was read, in order of time."""

    metrics: list[Metric]
    klines: list[Kline]
    liquidations: list[LiquidatedHour]
    positions: list[PositionRow]


@dataclass(slots=True)
class Span:
    """What happened between two times and was known at the later one.

    Attributes
    ----------
    kline : Kline or None
        The candle from ``start_ms`` to ``end_ms``; None: none was read for this span.
    liquidated : LiquidatedHour or None
        Sums of the hour that ends with the span.
    """

    start_ms: int
    end_ms: int
    metrics: list[Metric] = field(default_factory=list)
    kline: Kline | None = None
    liquidated: LiquidatedHour | None = None
    positions: list[PositionRow] = field(default_factory=list)


def spans(tape: Tape, step_ms: int) -> Iterator[Span]:
    """The tape in candles where there are candles, else in steps; every multiple of the step ends a span.

    Raises
    ------
    ValueError
        Nothing was read, or a candle is longer than the step.
    """
    if not tape.metrics:
        raise ValueError("no metrics were read: without open interest there is no map")
    longest = max((kline.end_ms - kline.open_ms for kline in tape.klines), default=0)
    if longest > step_ms:
        raise ValueError(f"candles of {longest // 60_000} minutes are longer than the step: what they hold comes late")
    klines = {kline.open_ms: kline for kline in tape.klines}
    hours = {hour.open_ms + 3_600_000: hour for hour in tape.liquidations}
    times = [metric.time_ms for metric in tape.metrics]
    snapshots = [position.time_ms for position in tape.positions]
    last = max(times[-1], tape.klines[-1].end_ms if tape.klines else 0, max(hours, default=0))
    start, taken, placed = times[0] // step_ms * step_ms, 0, 0
    while start < last:
        kline = klines.get(start)
        end = kline.end_ms if kline is not None else min(start // step_ms * step_ms + step_ms, last)
        upto, placed_upto = bisect_right(times, end), bisect_right(snapshots, end)
        yield Span(start, end, tape.metrics[taken:upto], kline, hours.get(end), tape.positions[placed:placed_upto])
        start, taken, placed = end, upto, placed_upto
