"""What traders of a simulated market do beside opening and closing whole isolated positions."""

from __future__ import annotations

from typing import Literal, NamedTuple

from liqheat_ingest.market_simulation.profiles import LEVERAGE_MIX

#: What the first forced order of a liquidation takes: all; a fifth of a position above 100,000 USD; or what brings
#: the position down to the tier below.
FirstStep = Literal["whole", "one-fifth", "tier-down"]


class Habits(NamedTuple):
    """Shares are of openings unless said otherwise.

    Attributes
    ----------
    leverage_mix : tuple of (leverage, weight)
        At opening.
    added_margin_share : float
        Isolated positions that get more margin than their leverage asks for: up to as much again.
    cross_share : float
        Positions of accounts with cross margin: the whole wallet stands behind them.
    cross_wallet_spread : float
        Standard deviation of the logarithm of (wallet over initial margin, less one); its median is one margin more.
    cross_daily_change : float
        Standard deviation of a day's log change of those wallets, from what they win and lose elsewhere.
    stop_share : float
        Positions with a stop order between entry and liquidation price. Nobody outside sees it.
    partial_close_share : float
        Of closings: only a part is closed.
    position_life_s : float
        Average life of a position that nothing forces to close.
    absorbed_share : float or None
        Of the open interest: what the market takes over of liquidations in a step. Positions beyond it go to the
        venue's fund without an order, and are closed against the other side's most profitable and most levered ones
        without a trade: auto-deleveraging. None: everything is taken over.
    first_step : {"whole", "one-fifth", "tier-down"}
        The venue's rule for liquidations.
    """

    leverage_mix: tuple[tuple[float, float], ...] = LEVERAGE_MIX
    added_margin_share: float = 0.3
    cross_share: float = 0.5
    cross_wallet_spread: float = 0.8
    cross_daily_change: float = 0.1
    stop_share: float = 0.2
    partial_close_share: float = 0.3
    position_life_s: float = 3.0 * 86_400.0
    absorbed_share: float | None = None
    first_step: FirstStep = "tier-down"
