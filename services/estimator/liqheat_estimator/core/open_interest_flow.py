"""Open interest and volume move positions in and out of the map.

At each update: turnover closes a part of every layer, then the map is brought to the reported open interest: what is
missing was opened at the prices traded since the last update, what is too much was closed in proportion. So afterwards
longs = shorts = open interest.
"""

from __future__ import annotations

import math

import numpy as np

from liqheat_estimator.core.bins import Floats, bin_of
from liqheat_estimator.core.layers import Layers, closed_share
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.measured_positions import MeasuredPosition, reachable_bin
from liqheat_estimator.core.parameters import DAY_MS, LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.volume_profile import MAX_BINS, VolumeProfile

#: Updates between recounts of the totals; each costs about 30 µs.
RECOUNT_EVERY = 256
#: Longest time that turnover is applied for at once; beyond it hardly anything would be left.
MAX_TURNOVER_MS = 90 * DAY_MS


def apply_open_interest(
    market: MarketState, open_interest_base: float, time_ms: int, layers: Layers, parameters: EstimatorParameters
) -> None:
    """Bring the map of a market with a mark to a reported open interest.

    Parameters
    ----------
    open_interest_base : float
        One side, in the coin.
    time_ms : int
        Event time of the report.
    """
    positions = market.map
    assert positions is not None
    market.flows += 1
    if market.flows % RECOUNT_EVERY == 0:
        positions.refresh_totals()
    if market.flow_ms is not None and time_ms > market.flow_ms:
        _turn_over(market, min(time_ms - market.flow_ms, MAX_TURNOVER_MS), layers)
    market.open_interest_base = open_interest_base
    targets = _targets(market)
    standing = _close_down_to(market, targets)
    needs = [targets[LONG] - standing[LONG], targets[SHORT] - standing[SHORT]]
    if needs != [0.0, 0.0]:
        _open(market, needs, layers, parameters)
    market.flow_ms = time_ms if market.flow_ms is None else max(time_ms, market.flow_ms)
    _start_interval(market)


def put_measured(
    market: MarketState, account: str, side: int, quantity_base: float, liquidation_price: float | None
) -> None:
    """Replace what is known about an account's position; the estimate gives way to what is measured."""
    ledger = market.ledger
    old = market.measured.take(account)
    if old is not None:
        ledger.closed_base[old.side] += old.quantity_base
    if quantity_base > 0:
        place = None if liquidation_price is None else bin_of(liquidation_price)
        place = reachable_bin(side, place, None if market.map is None else market.mark_bin)
        dropped = market.measured.put(account, MeasuredPosition(side, quantity_base, place))
        ledger.deposited_base[side] += quantity_base
        if dropped is not None:
            ledger.closed_base[dropped.side] += dropped.quantity_base
        # The new position may stand in bins that the mark has been to since the last update.
        market.swept_low_bin = market.swept_high_bin = market.mark_bin
    if market.map is not None and market.open_interest_base is not None:
        _close_down_to(market, _targets(market))
    market.map_changed()


def _turn_over(market: MarketState, elapsed_ms: int, layers: Layers) -> None:
    """Close what half-lives say, at most the volume: each trade closes at most its size on either side."""
    positions = market.map
    assert positions is not None
    share = closed_share(layers, elapsed_ms)
    closed = np.add.reduce(positions.total * share, axis=1).tolist()
    volume_is_known = market.volume_known and "trades" not in market.interrupted
    volume_base = market.traded.total_base() if volume_is_known else math.inf
    if max(closed) <= volume_base:
        positions.multiply(1.0 - share)
    else:
        bounds = [min(volume_base / each, 1.0) if each > 0 else 1.0 for each in closed]
        positions.multiply(1.0 - share * np.array(bounds)[:, None])
        closed = [each * bound for each, bound in zip(closed, bounds, strict=True)]
    for side in (LONG, SHORT):
        market.ledger.closed_base[side] += closed[side]
    market.map_changed()


def _targets(market: MarketState) -> list[float]:
    """Estimated positions that there should be by side: the open interest that isn't measured."""
    assert market.open_interest_base is not None
    return [max(market.open_interest_base - measured, 0.0) for measured in market.measured.quantity_base]


def _close_down_to(market: MarketState, targets: list[float]) -> list[float]:
    """Close estimated positions in proportion until at most the targets are left; what stands then, by side."""
    positions = market.map
    assert positions is not None
    standing: list[float] = np.add.reduce(positions.total, axis=1).tolist()
    kept = [min(have, target) for have, target in zip(standing, targets, strict=True)]
    if kept == standing:
        return standing
    factors = [left / have if have > 0 else 1.0 for left, have in zip(kept, standing, strict=True)]
    positions.multiply(np.array(factors)[:, None])
    for side in (LONG, SHORT):
        market.ledger.closed_base[side] += standing[side] - kept[side]
    market.map_changed()
    return kept


def _open(market: MarketState, needs: list[float], layers: Layers, parameters: EstimatorParameters) -> None:
    positions = market.map
    assert positions is not None
    shifts = market.layer_shifts(parameters)
    amounts = np.array(needs)[:, None]
    if not market.is_seeded:
        # Nothing is known about these positions but how many there are: they stand as the prior says.
        positions.seed(amounts * layers.shares, shifts, layers.seed_width_bins, market.mark_bin)
        market.is_seeded = True
    else:
        first_bin, profile = _opening_prices(market)
        positions.deposit(amounts * layers.opening_weights, first_bin, profile, shifts, market.mark_bin)
    for side in (LONG, SHORT):
        market.ledger.deposited_base[side] += needs[side]
    market.map_changed()


def _opening_prices(market: MarketState) -> tuple[int, Floats]:
    """Where the new positions were opened: over the volume, without volume over the way of the mark."""
    traded = market.traded
    total = traded.total_base()
    if total > 0:
        return traded.first_bin, traded.quantity_base / total
    low_bin = max(market.swept_low_bin, market.mark_bin - MAX_BINS // 2)
    high_bin = min(market.swept_high_bin, low_bin + MAX_BINS - 1)
    count = high_bin - low_bin + 1
    return low_bin, np.full(count, 1.0 / count)


def _start_interval(market: MarketState) -> None:
    market.traded = VolumeProfile()
    market.volume_known = market.has_trades
    market.swept_low_bin = market.swept_high_bin = market.mark_bin
