"""The grid message: the map of a coin in every scope, and how far to trust it."""

from __future__ import annotations

from typing import Any

import numpy as np

from liqheat_estimator.core.coin_state import CoinState, scopes_of
from liqheat_estimator.core.maintenance_stress import stressed_value
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.parameters import DAY_MS, LONG, MINUTE_MS, SHORT, EstimatorParameters
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.reported_share import reported_share
from liqheat_estimator.core.scope_grid import mark_price_of, scope_grid
from liqheat_shared.contracts.base import AGGREGATED, Phase
from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.topics import LIQUIDATION_GRIDS
from liqheat_shared.folding import Emission

#: A grid is stale after this many cadences, and never before MIN_VALID_MS.
VALID_CADENCES = 3
MIN_VALID_MS = 5_000


def grid_at(state: CoinState, time_ms: int, phase: Phase, parameters: EstimatorParameters) -> list[Emission]:
    """The grid of a boundary from the state as it is, and the end of the interval; nothing while no market is live."""
    markets = state.live_markets()
    if not markets:
        return []
    cadence_ms = parameters.cadence_ms
    interval, state.interval = state.interval, PriceBar()
    index_prices = [market.index_price for market in markets if market.index_price is not None]
    value: dict[str, Any] = {
        "schema_version": 1,
        "coin": state.coin,
        "phase": phase,
        "event_time_ms": time_ms,
        "valid_until_ms": time_ms + max(MIN_VALID_MS, VALID_CADENCES * cadence_ms),
        "cadence_ms": cadence_ms,
        "bin_width": BIN_WIDTH,
        "mark_price": mark_price_of(markets),
        "index_price": sum(index_prices) / len(index_prices) if index_prices else None,
        "candle": _candle(interval),
        "cumulative_volume_delta_usd": state.cumulative_volume_delta_usd,
        "sigma_1h": state.volatility.sigma_1h(),
        "average_true_range_1h": state.average_true_range.value,
        "liquidated_long_usd": interval.liquidated_usd[LONG],
        "liquidated_short_usd": interval.liquidated_usd[SHORT],
        "scopes": _scopes(state, markets),
        "leverage_classes": _leverage_classes(state, markets, time_ms, parameters),
        "stressed": _stressed(state, markets, time_ms, parameters),
        "provenance": _provenance(state, markets, time_ms, parameters),
        "release_quarantine": ["clusterer"] if state.clusterer_released else [],
    }
    state.clusterer_released = False
    return [Emission(LIQUIDATION_GRIDS, "grid", value)]


def _scopes(state: CoinState, markets: list[MarketState]) -> dict[str, Any]:
    """Value of each scope; where one venue is everything, ``aggregated`` and the venue are the same object."""
    scopes = scopes_of(markets)
    grids: dict[str, Any] = {}
    for scope, members in scopes.items():
        if len(scopes) == 2 and grids:
            grids[scope] = grids[AGGREGATED]
        else:
            grids[scope] = scope_grid(state.scope_cache, scope, members)
    return grids


def _candle(bar: PriceBar) -> dict[str, float] | None:
    if bar.open is None:
        return None
    return {
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "volume_usd": bar.volume_usd,
        "taker_buy_usd": bar.taker_buy_usd,
    }


def _leverage_classes(
    state: CoinState, markets: list[MarketState], time_ms: int, parameters: EstimatorParameters
) -> dict[str, Any] | None:
    """Estimated USD of each class at the mark, in the first grid of a minute."""
    minute = time_ms // MINUTE_MS
    if minute == state.classes_minute:
        return None
    state.classes_minute = minute
    state.reported_share = reported_share(markets, time_ms)
    usd = np.zeros((2, len(parameters.leverages)))
    for market in markets:
        assert market.map is not None
        weights = market.layer_weights()
        usd += market.map.total * (1.0 if weights is None else weights) * (market.mark_price or 0.0)
    whole = np.rint(usd).astype(np.int64)
    return {
        "leverage": list(parameters.leverages),
        "long_usd": np.ascontiguousarray(whole[LONG]),
        "short_usd": np.ascontiguousarray(whole[SHORT]),
    }


def _stressed(
    state: CoinState, markets: list[MarketState], time_ms: int, parameters: EstimatorParameters
) -> dict[str, Any] | None:
    """The map under raised maintenance, in the first grid of a minute, if it was asked for."""
    minute = time_ms // MINUTE_MS
    if parameters.maintenance_stress <= 0 or minute == state.stressed_minute:
        return None
    state.stressed_minute = minute
    return stressed_value(markets, parameters, parameters.maintenance_stress)


def _provenance(
    state: CoinState, markets: list[MarketState], time_ms: int, parameters: EstimatorParameters
) -> dict[str, Any]:
    standing = measured = covered = interest = 0.0
    for market in markets:
        mark = market.mark_price or 0.0
        standing += market.standing_of_both() * mark
        measured += sum(market.measured.quantity_base) * mark
        interest += market.open_interest_usd()
        covered += market.open_interest_usd() * market.coverage_share()
    measured_share = min(measured / standing, 1.0) if standing > 0 else 0.0
    lost_ms = state.history_lost_ms
    return {
        "members": [_member(market, time_ms) for market in state.markets.values()],
        "estimated_share": 1.0 - measured_share,
        "measured_share": measured_share,
        "reported_share": state.reported_share,
        "coverage_share": min(covered / interest, 1.0) if interest > 0 else 0.0,
        "model_version": parameters.model_version,
        "history_lost": lost_ms is not None and time_ms < lost_ms + DAY_MS,
        "incomplete": state.is_incomplete(time_ms),
        "rejected_events": state.rejected_events,
    }


def _member(market: MarketState, time_ms: int) -> dict[str, Any]:
    known = market.open_interest_base is not None and market.mark_price is not None
    return {
        "venue": market.venue,
        "symbol": market.symbol,
        "state": market.phase(),
        "open_interest_usd": market.open_interest_usd() if known else None,
        "stream_age_ms": {
            stream: None if seen_ms is None else max(time_ms - seen_ms, 0)
            for stream, seen_ms in market.stream_seen_ms.items()
        },
        "mark_price_kind": "reported" if market.mark_is_reported else "estimated-from-trades",
        "coverage_share": market.coverage_share() if known else 0.0,
        "interrupted_streams": list(market.interrupted),
        "liquidation_feed": market.hearing.value(time_ms),
        "deleveraging": _deleveraging(market, time_ms),
        "shown_liquidation_usd_share": market.liquidation_minutes.share(),
    }


def _deleveraging(market: MarketState, time_ms: int) -> dict[str, Any] | None:
    """The last suspicion of auto-deleveraging, as long as it is told."""
    watch = market.deleveraging
    if not watch.is_told(time_ms):
        return None
    return {
        "suspected_from_ms": watch.from_ms,
        "suspected_to_ms": watch.to_ms,
        "deleveraged_side": "long" if watch.side == LONG else "short",
        "deleveraged_usd": watch.deleveraged_usd,
    }
