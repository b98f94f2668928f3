"""The candles before the start, made when they are asked for: the same every time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from liqheat_ingest.fake_venue.minute_bars import COLUMNS
from liqheat_ingest.market_simulation.flow_history import flow_history
from liqheat_ingest.market_simulation.market import SimulatedMarket
from liqheat_ingest.market_simulation.price_history import PriceHistory


class HistoryCache:
    """Rows of the markets that were asked about last; the others can be made anew.

    Parameters
    ----------
    size : int
        Markets whose rows are held.
    """

    def __init__(self, size: int = 48) -> None:
        self._size = size
        self._rows: OrderedDict[int, NDArray[np.float64]] = OrderedDict()

    def source(
        self, market: SimulatedMarket, prices: PriceHistory, daily_lots: float, seed: list[int]
    ) -> Callable[[], NDArray[np.float64]]:
        """What :class:`MinuteBars` asks for the rows of this market."""
        key = id(market)
        end_lots = market.open_interest_lots
        tick = market.coin.tick_size
        prints = market.coin.prints_per_second

        def rows() -> NDArray[np.float64]:
            held = self._rows.get(key)
            if held is None:
                held = history_rows(prices, tick, daily_lots, prints, end_lots, np.random.default_rng(seed))
                self._rows[key] = held
                if len(self._rows) > self._size:
                    self._rows.popitem(last=False)
            self._rows.move_to_end(key)
            return held

        return rows


def history_rows(
    prices: PriceHistory,
    tick_size: float,
    daily_lots: float,
    prints_per_second: float,
    open_interest_lots: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Minute rows of a market along the coin's price history, in ticks and lots; columns as in ``minute_bars``."""
    flow = flow_history(prices, daily_lots, prints_per_second, open_interest_lots, random)
    rows = np.empty((len(prices.close), COLUMNS))
    for column, values in enumerate((prices.open, prices.high, prices.low, prices.close)):
        rows[:, column] = np.maximum(1.0, np.round(values / tick_size))
    middle = (rows[:, 0] + rows[:, 3]) / 2.0
    rows[:, 4], rows[:, 5] = flow.volume_lots, flow.bought_lots
    rows[:, 6], rows[:, 7] = flow.volume_lots * middle, flow.bought_lots * middle
    rows[:, 8], rows[:, 9] = flow.prints, flow.open_interest_lots
    return rows
