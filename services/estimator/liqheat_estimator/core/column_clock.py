"""When columns are sampled: each minute on the output clock, and at each candle of a backfill by event time."""

from __future__ import annotations

from liqheat_estimator.core.coin_state import CoinState, scopes_of
from liqheat_estimator.core.column_output import column_message
from liqheat_estimator.core.columns import PendingCandles, Sample, ScopeColumns
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import MINUTE_MS
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.scope_grid import mark_price_of
from liqheat_shared.contracts.base import AGGREGATED, Phase
from liqheat_shared.folding import Emission

#: Minutes without any event for which the last map is still shown, marked incomplete. Beyond them there are no columns.
MAX_SILENT_MINUTES = 15


def close_minutes(state: CoinState, now_ms: int, phase: Phase) -> list[Emission]:
    """Sample every live scope at each minute that ends by ``now_ms``, from the state before the event.

    Must be called before the clock is moved to ``now_ms``.
    """
    assert state.clock_ms is not None
    first = (state.clock_ms // MINUTE_MS + 1) * MINUTE_MS
    last = now_ms // MINUTE_MS * MINUTE_MS
    if first > last:
        return []
    scopes = scopes_of(state.live_markets())
    emissions: list[Emission] = []
    for end_ms in range(first, min(last, first + (MAX_SILENT_MINUTES - 1) * MINUTE_MS) + 1, MINUTE_MS):
        for scope, markets in scopes.items():
            emissions += _sample_minute(state, scope, markets, end_ms, phase, silent=end_ms > first)
    for columns in state.columns.values():
        columns.bar = PriceBar()
    return emissions


def _sample_minute(
    state: CoinState, scope: str, markets: list[MarketState], end_ms: int, phase: Phase, *, silent: bool
) -> list[Emission]:
    columns = state.columns_of(scope)
    emissions = _flush(state, scope, phase)
    bar, columns.bar = columns.bar, PriceBar()
    if bar.open is None:
        mark = mark_price_of(markets)
        bar.add_prices(mark, mark, mark, mark)
    # The minute after a hole, and the first one of all, was not watched from its beginning.
    contiguous = columns.sampled_ms == end_ms - MINUTE_MS
    incomplete = silent or not contiguous or state.is_incomplete(end_ms - MINUTE_MS)
    return emissions + _add(state, scope, markets, phase, (end_ms, MINUTE_MS, bar, incomplete))


def before_candle(state: CoinState, market: MarketState, end_ms: int, phase: Phase) -> list[Emission]:
    """Sample the scopes of a backfilling market if a candle leads beyond the pending one."""
    emissions: list[Emission] = []
    for scope in (AGGREGATED, market.venue):
        pending = state.columns_of(scope).pending
        if pending is not None and pending.end_ms < end_ms:
            emissions += _flush(state, scope, phase)
    return emissions


def candle_bars(state: CoinState, market: MarketState, end_ms: int, span_ms: int) -> list[PriceBar]:
    """Bars that a backfill candle belongs to; none where a scope is already past it."""
    bars = []
    for scope in (AGGREGATED, market.venue):
        columns = state.columns_of(scope)
        if end_ms - span_ms < columns.sampled_ms:
            continue
        if columns.pending is None:
            columns.pending = PendingCandles(end_ms, span_ms)
        if columns.pending.end_ms == end_ms:
            bars.append(columns.pending.bar)
    return bars


def after_backfill(state: CoinState, market: MarketState, phase: Phase) -> list[Emission]:
    """Sample what is pending in the scopes in which no market backfills any more."""
    emissions: list[Emission] = []
    backfilling = [other for other in state.markets.values() if other.backfill_id is not None]
    if not backfilling:
        emissions += _flush(state, AGGREGATED, phase)
    if not any(other.venue == market.venue for other in backfilling):
        emissions += _flush(state, market.venue, phase)
    return emissions


def _flush(state: CoinState, scope: str, phase: Phase) -> list[Emission]:
    columns = state.columns_of(scope)
    pending, columns.pending = columns.pending, None
    if pending is None:
        return []
    markets = [
        market
        for market in state.markets.values()
        if scope in (AGGREGATED, market.venue) and market.map is not None and market.open_interest_base is not None
    ]
    if not markets:
        return []
    sample = (pending.end_ms, pending.span_ms, pending.bar, False)
    return _add(state, scope, markets, phase, sample)


def _add(
    state: CoinState, scope: str, markets: list[MarketState], phase: Phase, sample: tuple[int, int, PriceBar, bool]
) -> list[Emission]:
    end_ms, span_ms, bar, incomplete = sample
    columns: ScopeColumns = state.columns_of(scope)
    trimmed = state.scope_cache.trimmed_of(scope, markets)
    interest = sum(market.open_interest_usd() for market in markets)
    delta = columns.cumulative_volume_delta_usd
    closed = columns.add(Sample(end_ms, span_ms, trimmed, bar, interest, delta, incomplete))
    if scope == AGGREGATED:
        state.volatility.update(end_ms, bar.close)
        for column in closed:
            if column.timeframe == "1h":
                state.average_true_range.update(column.content.bar)
    return [column_message(state.coin, scope, phase, column) for column in closed]
