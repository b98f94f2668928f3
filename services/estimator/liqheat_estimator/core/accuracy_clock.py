"""When the record of a coin is written: at each hour of its reference market."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from liqheat_estimator.core.accuracy.baselines import KNOTS, FrozenForecasts
from liqheat_estimator.core.accuracy.book import AccuracyBook, EndedHour, MarketKey, OpenRecord
from liqheat_estimator.core.accuracy.message import accuracy_message
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.market_state import MarketState, peers_of
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.reported_share import (
    FORECAST_CELLS,
    can_forecast,
    expected_usd,
    reported_share,
    snapshot,
)
from liqheat_shared.contracts.base import Phase
from liqheat_shared.folding import Emission


def hour_ended(
    state: CoinState, market: MarketState, ended_hour: int, phase: Phase, parameters: EstimatorParameters
) -> list[Emission]:
    """Close, score and freeze records, if the market whose hour has just ended is the coin's reference.

    Must be called after the market has turned its hour and before the event that turned it is applied.
    """
    book = state.accuracy
    members = [each for each in state.markets.values() if can_forecast(each)]
    key = (market.venue, market.symbol)
    if book.reference is None:
        book.reference = _reference(members)
    if book.reference != key:
        return []
    if market not in members or market.learning.hour != ended_hour + 1:
        book.restart()
        return []
    about = {
        "model_version": parameters.model_version,
        "reporting_venues": sorted({each.venue for each in members}),
    }
    closed = book.take(_ended(market, members, ended_hour, state.markets.values()))
    emissions = [accuracy_message(state.coin, phase, book, each, about) for each in closed]
    book.open.append(_freeze(book, market, members))
    return emissions


def _reference(members: list[MarketState]) -> MarketKey | None:
    """The member with most open interest; of equals the first."""
    if not members:
        return None
    largest = max(members, key=lambda each: each.open_interest_usd())
    return largest.venue, largest.symbol


def _ended(
    market: MarketState, members: list[MarketState], ended_hour: int, siblings: Iterable[MarketState]
) -> EndedHour:
    observed, hidden = [0.0, 0.0], [0.0, 0.0]
    is_complete = True
    for member in members:
        learning = member.learning
        if learning.hour == ended_hour:  # this member's own clock has not turned yet
            amounts, watched = learning.observed_usd, learning.is_watched
            unseen = member.liquidation_minutes.hidden_so_far(peers_of(member, siblings))
            unheard = [learning.hidden_usd[side] + unseen[side] for side in (LONG, SHORT)]
        else:
            amounts, watched = list(learning.last_observed_usd), learning.last_watched
            unheard = list(learning.last_hidden_usd)
        for side in (LONG, SHORT):
            observed[side] += amounts[side]
            hidden[side] += unheard[side]
        is_complete &= watched and not member.interrupted
    low, high = market.learning.last_range
    return EndedHour(
        ended_hour, low, high, (observed[LONG], observed[SHORT]), (hidden[LONG], hidden[SHORT]), is_complete
    )


def _freeze(book: AccuracyBook, market: MarketState, members: list[MarketState]) -> OpenRecord:
    hour = market.learning.hour
    assert hour is not None
    assert market.mark_price is not None
    time_ms = (hour - 1) * HOUR_MS
    expected = np.zeros((2, len(KNOTS)))
    vendor = np.zeros((2, len(KNOTS)))
    for member in members:
        frozen = snapshot(member, time_ms)
        expected += expected_usd(member, frozen, KNOTS)
        if member.vendor_like is not None and member.map is not None:
            near = member.vendor_like.near_usd(member.mark_at, member.map.prices(), FORECAST_CELLS)
            vendor += frozen.sums_up_to(near, KNOTS)
    forecasts = FrozenForecasts(
        open_interest_usd=sum(member.open_interest_usd() for member in members),
        map_usd=expected.astype(np.float32),
        vendor_usd=vendor.astype(np.float32),
        extremes=book.extremes(market.mark_price),
    )
    return OpenRecord(hour, market.mark_price, forecasts, reported_share(members, time_ms))
