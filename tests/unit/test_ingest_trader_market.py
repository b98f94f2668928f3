"""A simulated market with habits: sums stay whole, liquidation by the venue's rule, the true map is what would go."""

from __future__ import annotations

import numpy as np
import pytest

from liqheat_ingest.margin_tables import tiers
from liqheat_ingest.market_simulation.habits import Habits
from liqheat_ingest.market_simulation.profiles import COINS, VENUES
from liqheat_ingest.market_simulation.trader_book import TraderBook
from liqheat_ingest.market_simulation.trader_market import TraderMarket

TABLE = tiers((300_000, 0.005, 100.0), (3_000_000, 0.01, 50.0), (None, 0.025, 20.0))
ISOLATED = Habits(added_margin_share=0.0, cross_share=0.0, stop_share=0.0, partial_close_share=0.0)


def book(habits: Habits, side: int = +1) -> TraderBook:
    return TraderBook(side, 0.001, TABLE, habits, np.random.default_rng(1))


@pytest.mark.parametrize("first_step", ["whole", "one-fifth", "tier-down"])
def test_both_sides_stay_equal_and_nothing_stands_that_should_be_gone(first_step: str) -> None:
    habits = Habits(first_step=first_step)  # type: ignore[arg-type]
    market = TraderMarket(COINS["BTC"], VENUES[0], TABLE, np.random.default_rng(3), habits, positions_per_side=800)
    random, price, liquidated = np.random.default_rng(4), 97_000.0, 0
    for _ in range(1_000):
        price *= float(np.exp(0.0025 * random.standard_normal()))
        liquidated += len(market.step(price, 300.0, 1.0).liquidated)
        assert market.longs.total_lots == market.shorts.total_lots
        for one in (market.longs, market.shorts):
            assert one.lots.sum() == one.total_lots
            assert (one.lots > 0).all()
    assert liquidated > 100
    assert 0.3 < market.longs.is_cross.mean() < 0.7
    density = market.true_density()
    halves = [market.true_density(of_accounts=half) for half in (0, 1)]
    assert density.long_usd.sum() == pytest.approx(sum(half.long_usd.sum() for half in halves))
    without_stop = market.longs.lots[(market.longs.stops <= 0) & (market.longs.liquidation_prices > 0)]
    assert 0 < density.long_usd.sum() < without_stop.sum() * 0.001 * price * 1.05


def test_a_large_position_goes_down_tier_by_tier_at_prices_ever_farther() -> None:
    longs = book(ISOLATED._replace(first_step="tier-down"))
    longs.open(100_000, 50_000.0, 20.0)  # 5 million USD: third tier
    orders = list(longs.forced_orders(0))

    assert sum(order.lots for order in orders) == 100_000
    assert len(orders) == 3
    assert [order.price for order in orders] == sorted((order.price for order in orders), reverse=True)
    closed = longs.liquidate(orders[0].price)
    assert [one.lots for one in closed] == [orders[0].lots]
    assert longs.total_lots == 100_000 - orders[0].lots
    assert longs.liquidation_prices[0] == pytest.approx(orders[1].price)
    assert longs.liquidate(orders[1].price + 1.0) == []
    assert [one.lots for one in longs.liquidate(orders[2].price - 0.01)] == [orders[1].lots + orders[2].lots]
    assert longs.total_lots == 0


def test_a_wallet_stands_behind_a_cross_position_and_moves_its_price() -> None:
    longs = book(ISOLATED._replace(cross_share=1.0, cross_daily_change=0.2))
    alone = book(ISOLATED)
    for one in (longs, alone):
        for _ in range(200):
            one.open(1_000, 50_000.0, 20.0)

    assert (longs.liquidation_prices < alone.liquidation_prices).all()
    before = longs.liquidation_prices.copy()
    longs.change_wallets(86_400.0)
    assert (longs.liquidation_prices != before).mean() > 0.9


def test_a_stop_closes_before_the_liquidation_price_and_is_in_no_true_map() -> None:
    longs = book(ISOLATED._replace(stop_share=1.0))
    for _ in range(50):
        longs.open(1_000, 50_000.0, 20.0)

    assert (longs.stops > longs.liquidation_prices).all()
    nearest = float(longs.stops.max())
    assert longs.take_stops(nearest + 1.0) == 0
    assert longs.take_stops(nearest) == 1_000
    assert longs.take_stops(float(longs.stops.min())) == 49_000
    assert (longs.total_lots, longs.liquidate(1.0)) == (0, [])
