"""Open interest and volume move positions in and out of the map.

At each update: turnover closes a part of every layer, then the map is brought to the reported open interest: what is
missing was opened at the prices traded since the last update, what is too much was closed in proportion. So afterwards
longs = shorts = open interest.
"""

from __future__ import annotations

import math

import numpy as np

from liqheat_estimator.core.accuracy.vendor_like import VendorLikeMap
from liqheat_estimator.core.bins import log_bins
from liqheat_estimator.core.deleveraging import close_best, grow
from liqheat_estimator.core.layers import Layers, kept_share
from liqheat_estimator.core.market_state import MarketState
from liqheat_estimator.core.measured_positions import MeasuredPosition, reachable
from liqheat_estimator.core.parameters import DAY_MS, LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.position_map import OpeningPrices
from liqheat_estimator.core.volume_profile import MAX_BINS, VolumeProfile

#: Updates between recounts of the totals; each costs about 30 µs.
RECOUNT_EVERY = 512
#: Longest time that turnover is applied for at once; beyond it hardly anything would be left.
MAX_TURNOVER_MS = 90 * DAY_MS
#: When deleveraging comes to light, at most this part of the winning side is given back to be taken in rank.
MOST_RETURNED = 0.25


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
    traded_base = market.traded.total_base()
    is_known = market.volume_known and "trades" not in market.interrupted
    volume_base = traded_base if is_known else math.inf
    if market.flow_ms is not None and time_ms > market.flow_ms:
        _turn_over(market, min(time_ms - market.flow_ms, MAX_TURNOVER_MS), layers, volume_base)
    before = market.open_interest_base
    market.open_interest_base = open_interest_base
    if market.vendor_like is None:
        market.vendor_like = VendorLikeMap(positions.first_bin)
    elif before is not None and open_interest_base > before:
        market.vendor_like.open(open_interest_base - before, market.mark_bin)
    targets = _targets(market)
    unexplained = _unexplained(market, time_ms, volume_base)
    if unexplained > 0.0:
        _deleverage(market, targets, unexplained, parameters)
    standing = _close_down_to(market, targets)
    needs = [targets[LONG] - standing[LONG], targets[SHORT] - standing[SHORT]]
    if needs != [0.0, 0.0]:
        _open(market, needs, traded_base, layers, parameters)
    market.flow_ms = time_ms if market.flow_ms is None else max(time_ms, market.flow_ms)
    _start_interval(market)


def put_measured(
    market: MarketState,
    account: str,
    side: int,
    quantity_base: float,
    liquidation_price: float | None,
    time_ms: int,
) -> None:
    """Replace what is known about an account's position; the estimate gives way to what is measured.

    Parameters
    ----------
    time_ms : int
        Receive time of the event that tells it.
    """
    ledger = market.ledger
    old = market.measured.take(account)
    if old is not None:
        ledger.closed_base[old.side] += old.quantity_base
    if quantity_base > 0:
        place = None if liquidation_price is None else log_bins(liquidation_price)
        place = reachable(side, place, None if market.map is None else market.mark_at)
        dropped = market.measured.put(account, MeasuredPosition(side, quantity_base, place, time_ms))
        ledger.deposited_base[side] += quantity_base
        if dropped is not None:
            ledger.closed_base[dropped.side] += dropped.quantity_base
        # The new position may stand in bins that the mark has been to since the last update.
        market.start_sweep()
    if market.map is not None and market.open_interest_base is not None:
        _close_down_to(market, _targets(market))
    market.map_changed()


def _turn_over(market: MarketState, elapsed_ms: int, layers: Layers, volume_base: float) -> None:
    """Close what half-lives say, at most the volume: each trade closes at most its size on either side."""
    assert market.map is not None
    closed = market.map.turn_over(kept_share(layers, elapsed_ms), volume_base)
    for side in (LONG, SHORT):
        market.ledger.closed_base[side] += closed[side]
    market.map_changed()


def _unexplained(market: MarketState, time_ms: int, volume_base: float) -> float:
    """How much of a fall of the open interest looks like auto-deleveraging; 0 where the volume is not known."""
    liquidated_base, market.liquidated_base = market.liquidated_base, 0.0
    if math.isinf(volume_base) or "liquidations" in market.interrupted:
        market.deleveraging.restart()
        return 0.0
    assert market.open_interest_base is not None
    return market.deleveraging.unexplained(
        time_ms, market.mark_at, market.open_interest_base, liquidated_base, volume_base
    )


def _deleverage(market: MarketState, targets: list[float], unexplained: float, parameters: EstimatorParameters) -> None:
    """The winning side loses its best positions first."""
    positions, watch, ledger = market.map, market.deleveraging, market.ledger
    assert positions is not None
    side = watch.side
    standing = positions.standing(side)
    if standing <= 0.0:
        return
    # What the minutes before took from all in proportion comes back first.
    most = min(MOST_RETURNED * standing, ledger.closed_base[side] - ledger.deleveraged_base[side])
    returned = max(min(unexplained - max(standing - targets[side], 0.0), most), 0.0)
    grow(positions, side, 1.0 + returned / standing)
    amount = min(unexplained, max(standing + returned - targets[side], 0.0))
    leverages = np.array(parameters.leverages)
    closed = close_best(positions, side, amount, market.layer_shifts(parameters), leverages, market.mark_at)
    ledger.closed_base[side] += closed - returned
    taken = max(closed, 0.0)  # where nothing was left to take, recounting the side may leave less than nothing
    ledger.deleveraged_base[side] += taken
    watch.deleveraged(taken, taken * (market.mark_price or 0.0))
    market.map_changed()


def _targets(market: MarketState) -> list[float]:
    """Estimated positions that there should be by side: the open interest that isn't measured."""
    assert market.open_interest_base is not None
    return [max(market.open_interest_base - measured, 0.0) for measured in market.measured.quantity_base]


def _close_down_to(market: MarketState, targets: list[float]) -> list[float]:
    """Close estimated positions in proportion until at most the targets are left; what stands then, by side."""
    assert market.map is not None
    *closed, longs, shorts = market.map.close_down(targets[LONG], targets[SHORT])
    if closed[LONG] > 0 or closed[SHORT] > 0:
        for side in (LONG, SHORT):
            market.ledger.closed_base[side] += closed[side]
        market.map_changed()
    return [longs, shorts]


def _open(
    market: MarketState, needs: list[float], traded_base: float, layers: Layers, parameters: EstimatorParameters
) -> None:
    positions = market.map
    assert positions is not None
    shifts = market.layer_shifts(parameters)
    amounts = np.array(needs)[:, None]
    if not market.is_seeded:
        # Nothing is known about these positions but how many there are: they stand as the prior says.
        positions.seed(amounts * layers.shares, shifts, layers.seed_width_bins, market.mark_bin)
        market.is_seeded = True
    else:
        positions.deposit(
            amounts * layers.opening_weights, _opening_prices(market, traded_base), shifts, market.mark_bin
        )
    for side in (LONG, SHORT):
        market.ledger.deposited_base[side] += needs[side]
    market.map_changed()


def _opening_prices(market: MarketState, traded_base: float) -> OpeningPrices:
    """Where the new positions were opened: over the volume, without volume over the way of the mark."""
    traded = market.traded
    if traded_base > 0:
        return OpeningPrices(traded.first_bin, traded.quantity_base / traded_base, 0.0)
    low, high = market.swept_low, market.swept_high
    low_bin = max(math.floor(low), market.mark_bin - MAX_BINS // 2)
    high_bin = min(math.floor(high), low_bin + MAX_BINS - 1)
    count = high_bin - low_bin + 1
    return OpeningPrices(low_bin, np.full(count, 1.0 / count), (low + high - low_bin - high_bin - 1) / 2)


def _start_interval(market: MarketState) -> None:
    market.traded = VolumeProfile()
    market.volume_known = market.has_trades
    market.start_sweep()
