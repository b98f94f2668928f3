"""The synthetic grids are grids: they hold to the contract and keep mass."""

from __future__ import annotations

from liqheat_shared.contracts.liquidation_grids import LiquidationGrid
from synthetic_grids import START_MS, Hump, MapBuilder, build_grid


def test_a_synthetic_grid_holds_to_the_contract():
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    LiquidationGrid.parse_strict(build_grid(START_MS, 1, {"aggregated": builder}))


def test_a_moving_mark_consumes_what_it_passes():
    builder = MapBuilder()
    builder.add(Hump(11_000, 2e7))
    before = sum(builder.long_usd)
    builder.move_mark(11_000.5)
    assert 0 < sum(builder.long_usd) < before
    assert sum(builder.long_usd) + builder.consumed_long_usd == before
