"""Which inputs the fold refuses, judged against what it knows of the market, before anything is changed.

One thing does move with a refusal: the count of absurd prices in a row that agree with each other. Without it a coin
that was relisted at another price would be refused for ever.
"""

from __future__ import annotations

from typing import Literal

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.decode import Event, TradeBatch
from liqheat_estimator.core.margin import TierTableError, check_tiers
from liqheat_estimator.core.market_state import MarketState, Suspicion
from liqheat_estimator.core.parameters import DAY_MS
from liqheat_shared.contracts.market_events import Candle, Instrument, Liquidation, OnChainPosition, Ticker
from liqheat_shared.folding import Rejected

#: A price this much above or below the market's last one is absurd: no market moved so far between two messages.
MAX_PRICE_FACTOR = 5.0
#: Relisting: this many absurd prices in a row, over this time, within this factor of each other.
RELISTED_AFTER = 50
RELISTED_AFTER_MS = 60_000
RELISTED_WITHIN_FACTOR = 1.5
#: A message this much older than the market's newest is out of order.
MAX_BEHIND_MS = 10_000
#: Where no broker time bounds it (replay, simulation) the clock may jump this far; farther if messages insist.
MAX_CLOCK_JUMP_MS = 30 * DAY_MS
CLOCK_JUMPS_AFTER = 20
#: More than a venue's whole open interest ever was: the quantity is in the wrong unit.
MAX_NOTIONAL_USD = 1e12
#: Markets of one coin; more are invented ones.
MAX_MARKETS = 64

Verdict = Literal["accepted", "relisted"]


def judge(state: CoinState, market: MarketState | None, event: Event) -> Verdict:
    """Accept an event, or say that the market was relisted.

    Parameters
    ----------
    market : MarketState or None
        None: the first event of a market.

    Raises
    ------
    Rejected
        With reason unknown-market, from-the-future, out-of-order, invalid-field or absurd-price.
    """
    if market is None and len(state.cursors) >= MAX_MARKETS:
        raise Rejected("unknown-market", f"{event.venue} {event.symbol}: a coin has at most {MAX_MARKETS} markets")
    _check_clock(state, event)
    if market is not None:
        _check_order(market, event)
    _check_amounts(market, event)
    if isinstance(event, Instrument):
        _check_tiers(event)
    return _check_price(state, market, event)


def _check_clock(state: CoinState, event: Event) -> None:
    if event.phase == "live" or state.clock_ms is None:
        return
    ahead_ms = event.receive_time_ms - state.clock_ms
    if ahead_ms <= MAX_CLOCK_JUMP_MS:
        if state.clock_suspicion.count:
            state.clock_suspicion = Suspicion()
        return
    time_ms = float(event.receive_time_ms)
    suspicion = _suspect(state.clock_suspicion, time_ms, time_ms, event.receive_time_ms, apart=float(DAY_MS))
    state.clock_suspicion = suspicion
    if suspicion.count < CLOCK_JUMPS_AFTER:
        raise Rejected("from-the-future", f"receive_time_ms is {ahead_ms} ms after the coin's clock")


def _check_order(market: MarketState, event: Event) -> None:
    if isinstance(event, TradeBatch) and event.refilled:
        return  # fetched after an interruption, so older than what came before it
    ordered = isinstance(event, TradeBatch | Ticker) or (isinstance(event, Candle) and market.backfill_id is None)
    if ordered and event.event_time_ms < market.last_event_ms - MAX_BEHIND_MS:
        behind = market.last_event_ms - event.event_time_ms
        raise Rejected("out-of-order", f"{event.type} is {behind} ms older than the market's last event")


def _check_amounts(market: MarketState | None, event: Event) -> None:
    if isinstance(event, TradeBatch):
        notional = event.notional_usd
    elif isinstance(event, Ticker):
        price = event.mark_price or event.last_price or (market.mark_price if market else None)
        notional = (event.open_interest_base or 0.0) * (price or 0.0)
    elif isinstance(event, Candle):
        notional = max(event.volume_base or 0.0, event.open_interest_base or 0.0) * event.low
    elif isinstance(event, Liquidation):
        notional = event.notional_usd
    elif isinstance(event, OnChainPosition):
        notional = event.quantity_base * (market.mark_price if market and market.mark_price else event.entry_price)
    else:
        return
    if notional > MAX_NOTIONAL_USD:  # infinity, too
        raise Rejected("invalid-field", f"{event.type} over {notional:.3g} USD: more than {MAX_NOTIONAL_USD:.0e}")


def _check_tiers(instrument: Instrument) -> None:
    tiers = sorted(instrument.margin_tiers, key=lambda tier: tier.notional_floor_usd)
    try:
        check_tiers(tiers)
    except TierTableError as error:
        raise Rejected("invalid-field", f"margin_tiers: {error}") from None


def _check_price(state: CoinState, market: MarketState | None, event: Event) -> Verdict:
    prices = price_range(event)
    reference = market.last_price if market is not None and market.last_price is not None else state.last_price
    if prices is None or reference is None:
        return "accepted"
    low, high = prices
    if low >= reference / MAX_PRICE_FACTOR and high <= reference * MAX_PRICE_FACTOR:
        return "accepted"
    if market is not None and not isinstance(event, Liquidation):
        suspicion = _suspect(market.suspicion, low, high, event.receive_time_ms)
        market.suspicion = suspicion
        if suspicion.count >= RELISTED_AFTER and event.receive_time_ms - suspicion.first_ms >= RELISTED_AFTER_MS:
            return "relisted"
    raise Rejected("absurd-price", f"{event.type} at {low:.10g} to {high:.10g}, the last price was {reference:.10g}")


def _suspect(old: Suspicion, low: float, high: float, time_ms: int, apart: float | None = None) -> Suspicion:
    """The suspicion with one more refusal; it starts again where the new one contradicts the old ones."""
    if old.count:
        low_seen, high_seen = min(old.low, low), max(old.high, high)
        agrees = high_seen - low_seen <= apart if apart is not None else high_seen <= low_seen * RELISTED_WITHIN_FACTOR
        if agrees:
            return Suspicion(old.count + 1, old.first_ms, low_seen, high_seen)
    return Suspicion(1, time_ms, low, high)


def price_range(event: Event) -> tuple[float, float] | None:
    """Lowest and highest price of the market that an event states; None: it states none.

    Positions are not among them: their entry and liquidation prices may lie anywhere.
    """
    if isinstance(event, TradeBatch | Candle):
        return event.low, event.high
    if isinstance(event, Liquidation):
        return event.price, event.price
    if isinstance(event, Ticker):
        prices = [p for p in (event.mark_price, event.index_price, event.last_price) if p is not None]
        return (min(prices), max(prices)) if prices else None
    return None
