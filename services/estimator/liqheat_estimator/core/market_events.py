"""What each kind of event does to its market and to the coin."""

from __future__ import annotations

from collections.abc import Iterable

from liqheat_estimator.core.bins import bin_of, bins_of
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.decode import TradeBatch
from liqheat_estimator.core.layers import Layers
from liqheat_estimator.core.learning.prior_table import PriorTable
from liqheat_estimator.core.market_state import MarketState, Suspicion, peers_of, side_of
from liqheat_estimator.core.open_interest_flow import apply_open_interest, put_measured
from liqheat_estimator.core.parameters import EstimatorParameters
from liqheat_estimator.core.price_bar import PriceBar
from liqheat_estimator.core.sweep import move_mark, sweep_range
from liqheat_shared.contracts.base import AGGREGATED
from liqheat_shared.contracts.market_events import (
    BackfillBracket,
    Candle,
    FeedStatus,
    Heartbeat,
    Instrument,
    Liquidation,
    OnChainPosition,
    Ticker,
)

#: After a feed came back or a message was missed, the map stays marked as incomplete for this long.
INCOMPLETE_MS = 60_000
#: A basis between mark and last price beyond this is a stale pair of prices, not a basis.
MAX_BASIS = 0.1
#: Streams that a market remembers by name; a venue has a handful.
MAX_STREAMS = 32


def advance_market(
    market: MarketState, time_ms: int, priors: PriorTable, siblings: Iterable[MarketState] = ()
) -> int | None:
    """Let a market's time pass up to an event, from the state before it: samples, hours that end, what they teach.

    Returns the number of the hour that ended, if one did.
    """
    if market.mark_price is None or not market.learning.is_due(time_ms):
        return None
    if market.liquidation_minutes.minute is not None:
        _end_minute(market, time_ms, siblings)
    ended = market.learning.advance(time_ms, market.mark_price, market.situation, priors)
    if ended is not None:
        market.round_map()
        market.map_changed()
    return ended


def _end_minute(market: MarketState, time_ms: int, siblings: Iterable[MarketState]) -> None:
    """If the open minute of the liquidation feed is over, count what it has left out."""
    minutes = market.liquidation_minutes
    if minutes.is_over(time_ms):
        market.learning.hide(minutes.end_minute(time_ms, peers_of(market, siblings)))


def live_bars(state: CoinState, market: MarketState) -> list[PriceBar]:
    """Bars of the open minute that a market's prices belong to: of all together, and of its venue."""
    if market.backfill_id is not None:
        return []
    return [state.columns_of(AGGREGATED).bar, state.columns_of(market.venue).bar]


def apply_trades(state: CoinState, market: MarketState, batch: TradeBatch, parameters: EstimatorParameters) -> None:
    """Trades: volume by price, prices of the interval, and the mark while no fresh one is reported."""
    market.has_trades = market.volume_known = True
    low_bin, high_bin = bin_of(batch.low), bin_of(batch.high)
    if low_bin == high_bin:
        market.traded.add(low_bin, batch.total_base)
    else:
        market.traded.add_all(bins_of(batch.price), batch.quantity_base)
    _count_flow(state, market, batch)
    if batch.refilled:
        _sweep_refill(market, batch, parameters)
        return
    market.last_price = state.last_price = batch.close
    reported_ms = market.reported_mark_ms
    if reported_ms is None or batch.event_time_ms - reported_ms > parameters.mark_stale_after_ms:
        market.mark_is_reported = False
        move_mark(market, batch.volume_weighted_price * market.mark_to_last, parameters)


def _sweep_refill(market: MarketState, batch: TradeBatch, parameters: EstimatorParameters) -> None:
    """Trades of an interruption tell how far price went meanwhile, and nothing of where it is now.

    Their volume counts in the minute in which they arrive, which is marked as incomplete; no price of now changes.
    """
    market.incomplete_until_ms = max(market.incomplete_until_ms, batch.receive_time_ms + INCOMPLETE_MS)
    if market.mark_price is None:
        return
    sweep_range(market, batch.low * market.mark_to_last, batch.high * market.mark_to_last, parameters)


def _count_flow(state: CoinState, market: MarketState, batch: TradeBatch) -> None:
    delta = 2.0 * batch.taker_buy_usd - batch.notional_usd
    state.cumulative_volume_delta_usd += delta
    for scope in (AGGREGATED, market.venue):
        state.columns_of(scope).cumulative_volume_delta_usd += delta
    for bar in (state.interval, *live_bars(state, market)):
        if not batch.refilled:
            bar.add_prices(batch.open, batch.high, batch.low, batch.close)
        bar.volume_usd += batch.notional_usd
        bar.taker_buy_usd += batch.taker_buy_usd


def apply_ticker(
    state: CoinState, market: MarketState, ticker: Ticker, layers: Layers, parameters: EstimatorParameters
) -> None:
    """A ticker: the mark sweeps, then the open interest flows."""
    if ticker.index_price is not None:
        market.index_price = ticker.index_price
    price = ticker.last_price if ticker.last_price is not None else ticker.mark_price
    if ticker.mark_price is not None:
        last = ticker.last_price if ticker.last_price is not None else market.last_price
        if last is not None and abs(ticker.mark_price / last - 1) <= MAX_BASIS:
            market.mark_to_last = ticker.mark_price / last
        market.reported_mark_ms = ticker.event_time_ms
        market.mark_is_reported = True
        move_mark(market, ticker.mark_price, parameters)
    elif ticker.last_price is not None and _mark_is_stale(market, ticker.event_time_ms, parameters):
        market.mark_is_reported = False
        move_mark(market, ticker.last_price * market.mark_to_last, parameters)
    if price is not None:
        market.last_price = state.last_price = price
        if not market.has_trades:
            for bar in live_bars(state, market):
                bar.add_prices(price, price, price, price)
    if ticker.open_interest_base is not None:
        _take_open_interest(market, ticker.open_interest_base, ticker.event_time_ms, layers, parameters)


def _mark_is_stale(market: MarketState, time_ms: int, parameters: EstimatorParameters) -> bool:
    reported_ms = market.reported_mark_ms
    return reported_ms is None or time_ms - reported_ms > parameters.mark_stale_after_ms


def _take_open_interest(
    market: MarketState, open_interest_base: float, time_ms: int, layers: Layers, parameters: EstimatorParameters
) -> None:
    if market.map is None:  # no price yet: remember it for the first one
        market.open_interest_base = open_interest_base
        return
    apply_open_interest(market, open_interest_base, time_ms, layers, parameters)


def apply_candle(
    state: CoinState,
    market: MarketState,
    candle: Candle,
    bars: list[PriceBar],
    layers: Layers,
    parameters: EstimatorParameters,
) -> None:
    """A candle: its low and high sweep, then its volume and open interest flow. Its prices stand for the mark's.

    Parameters
    ----------
    bars : list of PriceBar
        Bars that the candle's prices and volume belong to.
    """
    end_ms = candle.open_time_ms + candle.interval_ms
    market.mark_is_reported = False
    for price in (candle.low, candle.high, candle.close):
        move_mark(market, price, parameters)
    market.last_price = state.last_price = candle.close
    typical = (candle.high + candle.low + candle.close) / 3
    for bar in bars:
        bar.add_prices(candle.open, candle.high, candle.low, candle.close)
        bar.volume_usd += (candle.volume_base or 0.0) * typical
        bar.taker_buy_usd += (candle.taker_buy_base or 0.0) * typical
    market.volume_known = candle.volume_base is not None
    if candle.volume_base is not None:
        market.traded.add_range(bin_of(candle.low), bin_of(candle.high), candle.volume_base)
    if candle.open_interest_base is not None:
        _take_open_interest(market, candle.open_interest_base, end_ms, layers, parameters)
    elif candle.volume_base is None:
        # It told where price has been and nothing else: what opens next opens at prices after it.
        market.start_sweep()


def is_known_candle(market: MarketState, candle: Candle) -> bool:
    """Whether a backfill candle ends before what the market knows already: it is left out."""
    return market.flow_ms is not None and candle.open_time_ms + candle.interval_ms <= market.flow_ms


def apply_liquidation(state: CoinState, market: MarketState, event: Liquidation) -> None:
    """A liquidation that the venue reported: a record beside the map, and what its hour teaches."""
    side, notional_usd = side_of(event.liquidated_side), event.notional_usd
    market.learning.observe(side, notional_usd)
    _end_minute(market, event.event_time_ms, state.markets.values())
    market.liquidation_minutes.take(event.event_time_ms, side, notional_usd, event.feed_completeness)
    market.liquidated_base += event.quantity_base / (market.liquidation_minutes.share() or 1.0)
    state.liquidation_totals.add(event.event_time_ms, side, notional_usd)
    columns = [state.columns_of(scope).bar for scope in (AGGREGATED, market.venue)]
    for bar in (state.interval, *columns):
        bar.liquidated_usd[side] += notional_usd


def apply_position(market: MarketState, position: OnChainPosition) -> None:
    """A position read from a chain takes the place of as much of the estimate."""
    side, quantity_base = side_of(position.side), position.quantity_base
    put_measured(market, position.account, side, quantity_base, position.liquidation_price, position.receive_time_ms)


def apply_instrument(market: MarketState, instrument: Instrument) -> None:
    """Margin rules: they hold for what is opened from now on; standing mass stays where it is."""
    market.instrument = instrument
    market.hearing.tell(instrument.liquidation_feed)
    market.hearing.advance(instrument.receive_time_ms)
    market.shifts = None


def apply_feed_status(market: MarketState, status: FeedStatus) -> None:
    """A stream stopped or came back."""
    if status.type == "feed-interrupted":
        if len(market.interrupted) < MAX_STREAMS:
            market.interrupted[status.stream] = status.from_ms
        if status.stream == "liquidations":
            market.learning.interrupt()
            market.hearing.interrupt(status.from_ms, status.receive_time_ms)
    else:
        market.interrupted.pop(status.stream, None)
        if status.stream == "liquidations":
            market.hearing.resume(status.from_ms, status.receive_time_ms)
        market.incomplete_until_ms = max(market.incomplete_until_ms, status.receive_time_ms + INCOMPLETE_MS)


def apply_bracket(market: MarketState, bracket: BackfillBracket) -> None:
    """A backfill begins or ends."""
    market.backfill_id = bracket.backfill_id if bracket.type == "backfill-started" else None


def apply_heartbeat(market: MarketState, heartbeat: Heartbeat) -> None:
    """Ages of the streams, as ingest knows them."""
    for stream, age_ms in heartbeat.stream_age_ms.items():
        if stream not in market.stream_seen_ms and len(market.stream_seen_ms) >= MAX_STREAMS:
            continue
        seen_ms = None if age_ms is None else heartbeat.receive_time_ms - age_ms
        known_ms = market.stream_seen_ms.get(stream)
        if known_ms is None or (seen_ms is not None and seen_ms > known_ms):
            market.stream_seen_ms[stream] = seen_ms


def confirm_price(market: MarketState) -> None:
    """An accepted price ends the suspicion that the market was relisted."""
    if market.suspicion.count:
        market.suspicion = Suspicion()
