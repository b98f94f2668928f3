"""Drives a market through a tape with the functions of the fold, and freezes a forecast at every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from liqheat_estimator.backtest.files import Kline, Metric, PositionRow
from liqheat_estimator.backtest.tape import Span, Tape, spans
from liqheat_estimator.core import market_events
from liqheat_estimator.core.bins import Floats
from liqheat_estimator.core.layers import Layers
from liqheat_estimator.core.learning.filter import ReportedFilter
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.prior_table import PriorTable
from liqheat_estimator.core.market_state import MarketState, side_of
from liqheat_estimator.core.open_interest_flow import apply_open_interest, put_measured
from liqheat_estimator.core.parameters import LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.reported_share import snapshot
from liqheat_estimator.core.sweep import move_mark, sweep_range

#: Log distances from the anchor at which a frozen forecast is kept: finely near it, up to 30 %.
DISTANCES: Floats = np.concatenate(
    [np.arange(0, 0.01, 0.0001), np.arange(0.01, 0.05, 0.0005), np.arange(0.05, 0.301, 0.002)]
)
FORECAST_CELLS = 320


@dataclass(frozen=True, slots=True)
class FrozenStep:
    """A forecast frozen at ``time_ms`` from what was known then.

    Attributes
    ----------
    anchor_price : float
        The last close of the candles, or the mark: distances are from it, so the forecast is in the candles' prices.
    expected_usd, median_usd, mirrored_usd : ndarray, shape (2, distances)
        Reported USD expected up to each of ``DISTANCES``, by side: mean, median, and the median of a filter that was
        taught with the map of the other side.
    map_usd : ndarray, shape (2, cells), float32
        The map itself beside the mark.
    layer_weights : ndarray, shape (layers,)
        Reported share of each layer as learned.
    """

    time_ms: int
    anchor_price: float
    expected_usd: Floats
    median_usd: Floats
    mirrored_usd: Floats
    map_usd: Floats
    layer_weights: Floats
    open_interest_usd: float


@dataclass(slots=True)
class Backtest:
    """One market's run.

    Parameters
    ----------
    priors : PriorTable
        Belief before the first hour.
    """

    venue: str
    symbol: str
    parameters: EstimatorParameters
    priors: PriorTable
    market: MarketState = field(init=False)
    layers: Layers = field(init=False)
    steps: list[FrozenStep] = field(default_factory=list)
    close: float | None = None
    _mirror: ReportedFilter = field(init=False)
    _mirrored: FrozenMap | None = None

    def __post_init__(self) -> None:
        self.market = MarketState(self.venue, self.symbol)
        self.layers = Layers.from_parameters(self.parameters)
        self._mirror = self._unlearned()

    def _unlearned(self) -> ReportedFilter:
        market = self.market
        return ReportedFilter.from_prior(self.priors.of(market.venue, market.symbol, market.leverage_class()))

    def run(self, tape: Tape, step_ms: int, progress: Callable[[float], None]) -> None:
        """Fold the whole tape."""
        first = tape.metrics[0].time_ms if tape.metrics else 0
        last = max(tape.metrics[-1].time_ms if tape.metrics else 1, first + 1)
        reporting = bool(tape.liquidations)
        watched_from = tape.liquidations[0].open_ms if reporting else 0
        for span in spans(tape, step_ms):
            if reporting and span.start_ms >= watched_from:
                self.market.stream_seen_ms.setdefault("liquidations", span.start_ms)
            self._fold(span)
            progress((span.end_ms - first) / (last - first))
            if span.end_ms % step_ms == 0:
                self._freeze(span.end_ms)

    # ---- one span

    def _fold(self, span: Span) -> None:
        kline = span.kline
        reaches = None if kline is None else self._in_mark_prices(kline)
        lowest, highest = _extreme_places(self.market.mark_price, span.metrics)
        for place, metric in enumerate(span.metrics):
            low = reaches[0] if reaches is not None and place == lowest else None
            high = reaches[1] if reaches is not None and place == highest else None
            self._take(metric, low, high)
        if not span.metrics and reaches is not None and self.market.mark_price is not None:
            sweep_range(self.market, *reaches, self.parameters)
        for position in span.positions:
            self._place(position)
        self._end(span)
        if kline is not None:
            self.close = kline.close

    def _in_mark_prices(self, kline: Kline) -> tuple[float, float] | None:
        """Low and high of a candle of another market (spot, say), moved by the difference at its open."""
        mark = self.market.mark_price
        if mark is None:
            return None
        return kline.low * mark / kline.open, kline.high * mark / kline.open

    def _take(self, metric: Metric, low: float | None, high: float | None) -> None:
        market, parameters = self.market, self.parameters
        market_events.advance_market(market, metric.time_ms, self.priors)
        for extreme, bound in ((low, min), (high, max)):
            if extreme is not None:
                move_mark(market, bound(extreme, metric.price), parameters)
        move_mark(market, metric.price, parameters)
        apply_open_interest(market, metric.open_interest_base, metric.time_ms, self.layers, parameters)

    def _place(self, position: PositionRow) -> None:
        time_ms, account, side, quantity_base, liquidation_price = position
        put_measured(self.market, account, side_of(side), quantity_base, liquidation_price, time_ms)

    def _end(self, span: Span) -> None:
        """The hour's liquidations become known; the next event then ends the hour."""
        learning = self.market.learning
        observed = (0.0, 0.0) if span.liquidated is None else (span.liquidated.long_usd, span.liquidated.short_usd)
        for side in (LONG, SHORT):
            learning.observe(side, observed[side])
        if span.liquidated is None and span.end_ms % 3_600_000 == 0:
            learning.interrupt()  # an hour that is not in the file is unknown, not quiet
        known = span.liquidated is not None and learning.is_watched and learning.frozen is not None
        if known and self._mirrored is not None and learning.high > 0:
            self._mirror.learn(self._mirrored, learning.reaches(), observed, self.priors.drift)
        if self.market.mark_price is not None:
            ended = market_events.advance_market(self.market, span.end_ms + 1, self.priors)
            if ended is not None and learning.frozen is not None:
                self._mirrored = mirrored(learning.frozen)

    # ---- forecasts

    def _freeze(self, time_ms: int) -> None:
        market = self.market
        if market.map is None or not market.is_seeded or market.mark_price is None:
            return
        frozen = snapshot(market, time_ms, FORECAST_CELLS)
        reported = market.learning.filter or self._unlearned()
        other = mirrored(frozen)
        weights = market.layer_weights()
        near = frozen.near_usd.astype(np.float64)
        shown = near.sum(axis=1) if weights is None else (near * weights[:, :, None]).sum(axis=1)
        self.steps.append(
            FrozenStep(
                time_ms,
                market.mark_price if self.close is None else self.close,
                np.stack([reported.cumulative_usd(frozen, side, DISTANCES) for side in (0, 1)]),
                np.stack([reported.cumulative_usd(frozen, side, DISTANCES, calibrated=False) for side in (0, 1)]),
                np.stack([self._mirror.cumulative_usd(other, side, DISTANCES, calibrated=False) for side in (0, 1)]),
                shown.astype(np.float32),
                np.exp(reported.values[: len(self.layers.shares)]),
                market.open_interest_usd(),
            )
        )


def mirrored(frozen: FrozenMap) -> FrozenMap:
    """The same moment with the map of each side in the place of the other's."""
    return FrozenMap(
        frozen.mark_price, frozen.open_interest_usd, np.ascontiguousarray(frozen.near_usd[::-1]), frozen.features
    )


def _extreme_places(mark_price: float | None, metrics: list[Metric]) -> tuple[int, int]:
    """Between which rows the candle's low and high were, most likely: where the rows themselves are lowest, highest."""
    lows, highs = [], []
    before = mark_price
    for metric in metrics:
        lows.append(min(metric.price, before or metric.price))
        highs.append(max(metric.price, before or metric.price))
        before = metric.price
    lowest = min(range(len(lows)), key=lows.__getitem__, default=-1)
    highest = max(range(len(highs)), key=highs.__getitem__, default=-1)
    return lowest, highest


def interpolated(cumulative_usd: Floats, distance: float) -> float:
    """Expected USD up to a distance from a step's cumulative forecast of one side."""
    return float(np.interp(max(distance, 0.0), DISTANCES, cumulative_usd)) if math.isfinite(distance) else 0.0
