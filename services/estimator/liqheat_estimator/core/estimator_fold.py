"""The estimator's fold: market events of one coin in, its maps out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar, Literal

from liqheat_estimator.core import market_events as apply
from liqheat_estimator.core.accuracy_clock import hour_ended
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.column_clock import after_backfill, before_candle, candle_bars, close_minutes
from liqheat_estimator.core.decode import Event, TradeBatch, decode_event
from liqheat_estimator.core.grid import grid_at
from liqheat_estimator.core.hearing_measures import hearing_measures
from liqheat_estimator.core.layers import Layers
from liqheat_estimator.core.learning.prior_table import PriorTable, shipped_priors
from liqheat_estimator.core.liquidations import realised_liquidation
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.open_interest_flow import apply_open_interest
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.rejection import judge, price_range
from liqheat_estimator.core.stored.coin import dump_state, load_state
from liqheat_estimator.core.stored.migration import migrate_from_1, migrate_from_2
from liqheat_estimator.core.unconfirmed_positions import release_unconfirmed
from liqheat_shared.contracts.dead_letters import Reason
from liqheat_shared.contracts.market_events import (
    BackfillBracket,
    BookDepth,
    Candle,
    Control,
    FeedStatus,
    Heartbeat,
    Instrument,
    Liquidation,
    OnChainPosition,
    Ticker,
)
from liqheat_shared.folding import Emission, Fold, Measure, Origin

__all__ = ["CoinState", "EstimatorFold", "EstimatorParameters", "Event"]

#: After events were skipped in a quarantine, the coin stays marked as incomplete for this long.
QUARANTINE_SHADOW_MS = HOUR_MS


class EstimatorFold(Fold[CoinState, Event]):
    """Folds ``market-events-v1`` of a coin into grids, columns and the record of liquidations.

    Parameters
    ----------
    parameters : EstimatorParameters
        Cadence and the model's stated priors.
    priors : PriorTable
        What is believed about reported liquidations before a market has said anything; by default the shipped ones.
        Others are another model: its version in all outputs says which.

    Examples
    --------
    >>> fold = EstimatorFold()
    >>> state = fold.new("BTC")
    >>> fold.load(fold.dump(state), "BTC").coin
    'BTC'
    """

    stage: ClassVar[Literal["estimator", "clusterer"]] = "estimator"
    state_version: ClassVar[int] = 3
    migrates_from: ClassVar[frozenset[int]] = frozenset({1, 2})

    def __init__(self, parameters: EstimatorParameters | None = None, priors: PriorTable | None = None) -> None:
        parameters = EstimatorParameters() if parameters is None else parameters
        if priors is None:
            priors = shipped_priors(parameters)
        self.priors = priors
        self.parameters = replace(parameters, model_version=priors.model_version(parameters.model_version))
        self.layers = Layers.from_parameters(self.parameters)

    # ---- the shell's side

    def decode(self, value: bytes, coin: str, append_time_ms: int) -> Event:
        return decode_event(value, coin, append_time_ms)

    def new(self, coin: str) -> CoinState:
        return CoinState(coin)

    def load(self, body: bytes, coin: str) -> CoinState:
        return load_state(body, coin, len(self.parameters.leverages))

    def migrate(self, version: int, body: bytes, coin: str) -> bytes:
        assert version in self.migrates_from
        return migrate_from_1(body, coin, self.parameters) if version == 1 else migrate_from_2(body, coin)

    def dump(self, state: CoinState) -> bytes:
        return dump_state(state)

    def origin(self, event: Event) -> Origin | None:  # noqa: ARG002 - market events are the source
        return None

    def rejected(self, state: CoinState, reason: Reason) -> None:  # noqa: ARG002 - every reason counts the same
        state.rejected_events += 1
        self._mark_incomplete(state, apply.INCOMPLETE_MS)

    def history_lost(self, state: CoinState, first_offset: int, last_offset: int) -> None:  # noqa: ARG002
        state.history_lost_ms = -1 if state.clock_ms is None else state.clock_ms
        for market in state.markets.values():
            market.restart_cold()
            market.backfill_id = None
            market.interrupted.clear()
            market.hearing.lost_track()
        state.restart_cold()

    def measures(self, states: Iterable[CoinState]) -> list[Measure]:
        return hearing_measures(states)

    def releases_quarantine(self, event: Event) -> bool:
        return isinstance(event, Control) and event.stage == self.stage

    def quarantine_released(self, state: CoinState) -> None:
        self._mark_incomplete(state, QUARANTINE_SHADOW_MS)

    def _mark_incomplete(self, state: CoinState, duration_ms: int) -> None:
        if state.clock_ms is not None:
            state.incomplete_until_ms = max(state.incomplete_until_ms, state.clock_ms + duration_ms)

    # ---- one event

    def fold(self, state: CoinState, event: Event) -> list[Emission]:
        key = (event.venue, event.symbol)
        cursor = state.cursors.get(key)
        if cursor is not None and (event.ingest_epoch, event.sequence) <= cursor:
            state.duplicates += 1
            return []
        market = state.markets.get(key)
        relisted = judge(state, market, event) == "relisted"
        emissions = self._advance_clock(state, event)
        if market is None:
            market = MarketState(event.venue, event.symbol)
            if not isinstance(event, Control):
                state.markets[key] = market
        self._advance_cursor(state, market, event)
        if not isinstance(event, Control):  # an operator's order does not tell that ingest lives
            market.hearing.advance(event.receive_time_ms)
            release_unconfirmed(market, event.receive_time_ms, self.parameters)
        if relisted:
            market.restart_cold()
            state.restart_cold()
        if event.phase != "backfill":
            state.live_phase = event.phase
        ended_hour = apply.advance_market(market, event.event_time_ms, self.priors, state.markets.values())
        if ended_hour is not None:
            emissions += hour_ended(state, market, ended_hour, event.phase, self.parameters)
        emissions += self._apply(state, market, event)
        if isinstance(event, FeedStatus) and event.delisted:
            # Its positions were settled. Only its cursor stays, so that nothing of it is taken twice.
            state.markets.pop(key, None)
        return emissions

    def _advance_clock(self, state: CoinState, event: Event) -> list[Emission]:
        """Emit what falls due before the event: closed columns, then the grid of the last boundary passed."""
        now_ms, clock_ms = event.receive_time_ms, state.clock_ms
        if clock_ms is None or now_ms <= clock_ms:
            state.clock_ms = now_ms if clock_ms is None else clock_ms
            return []
        # A market that backfills does not make the grids and minutes of those that are live a backfill.
        phase = state.live_phase if event.phase == "backfill" and state.live_phase is not None else event.phase
        emissions = close_minutes(state, now_ms, phase)
        cadence_ms = self.parameters.cadence_ms
        boundary_ms = now_ms // cadence_ms * cadence_ms
        if boundary_ms > clock_ms:
            emissions += grid_at(state, boundary_ms, phase, self.parameters)
        state.clock_ms = now_ms
        return emissions

    def _advance_cursor(self, state: CoinState, market: MarketState, event: Event) -> None:
        key = (event.venue, event.symbol)
        cursor = state.cursors.get(key)
        if cursor is not None and event.ingest_epoch == cursor[0] and event.sequence > cursor[1] + 1:
            market.incomplete_until_ms = max(market.incomplete_until_ms, event.receive_time_ms + apply.INCOMPLETE_MS)
        state.cursors[key] = (event.ingest_epoch, event.sequence)

    def _apply(self, state: CoinState, market: MarketState, event: Event) -> list[Emission]:
        consumed = tuple(market.ledger.consumed_usd)
        backfill_bars: list[PriceBar] = []
        emissions: list[Emission] = []
        if isinstance(event, TradeBatch):
            self._note(market, event, "trades")
            apply.apply_trades(state, market, event, self.parameters)
        elif isinstance(event, Ticker):
            self._note(market, event, "ticker")
            apply.apply_ticker(state, market, event, self.layers, self.parameters)
        elif isinstance(event, Candle):
            emissions, backfill_bars = self._apply_candle(state, market, event)
        else:
            emissions = self._apply_other(state, market, event)
        if market.flow_ms is None and market.map is not None and market.open_interest_base is not None:
            # The open interest was known before the first price.
            apply_open_interest(market, market.open_interest_base, event.event_time_ms, self.layers, self.parameters)
        if price_range(event) is not None:
            apply.confirm_price(market)
        for side in (LONG, SHORT):
            swept = market.ledger.consumed_usd[side] - consumed[side]
            if swept > 0:
                for bar in backfill_bars or apply.live_bars(state, market):
                    bar.consumed_usd[side] += swept
        return emissions

    def _note(self, market: MarketState, event: Event, stream: str) -> None:
        market.stream_seen_ms[stream] = event.receive_time_ms
        if stream in ("trades", "ticker"):
            market.last_event_ms = max(market.last_event_ms, event.event_time_ms)

    def _apply_candle(
        self, state: CoinState, market: MarketState, candle: Candle
    ) -> tuple[list[Emission], list[PriceBar]]:
        end_ms = candle.open_time_ms + candle.interval_ms
        if market.backfill_id is None:
            self._note(market, candle, "candle")
            bars = [state.interval, *apply.live_bars(state, market)]
            apply.apply_candle(state, market, candle, bars, self.layers, self.parameters)
            return [], []
        if apply.is_known_candle(market, candle):
            return [], []
        emissions = before_candle(state, market, end_ms, candle.phase)
        bars = candle_bars(state, market, end_ms, candle.interval_ms)
        apply.apply_candle(state, market, candle, bars, self.layers, self.parameters)
        return emissions, bars

    def _apply_other(self, state: CoinState, market: MarketState, event: Event) -> list[Emission]:
        if isinstance(event, Liquidation):
            return self._apply_liquidation(state, market, event)
        if isinstance(event, OnChainPosition):
            apply.apply_position(market, event)
        elif isinstance(event, Instrument):
            apply.apply_instrument(market, event)
        elif isinstance(event, Heartbeat):
            apply.apply_heartbeat(market, event)
        elif isinstance(event, FeedStatus):
            apply.apply_feed_status(market, event)
        elif isinstance(event, BackfillBracket):
            apply.apply_bracket(market, event)
            if event.type == "backfill-finished":
                return after_backfill(state, market, event.phase)
        elif isinstance(event, BookDepth):
            self._note(market, event, "book-depth")
        elif isinstance(event, Control) and event.stage == "clusterer":
            state.clusterer_released = True
        return []

    def _apply_liquidation(self, state: CoinState, market: MarketState, event: Liquidation) -> list[Emission]:
        self._note(market, event, "liquidations")
        market.hearing.came(event.feed_completeness)
        apply.apply_liquidation(state, market, event)
        return [realised_liquidation(event, market, state.liquidation_totals)]
