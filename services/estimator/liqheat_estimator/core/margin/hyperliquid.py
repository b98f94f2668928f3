"""Hyperliquid's own form of the liquidation price: from the mark and the margin that is still available."""

from __future__ import annotations


def margin_available(equity: float, maintenance_required: float) -> float:
    """What may be lost before liquidation: equity less the maintenance required at the present mark.

    Cross: the account's equity, and the maintenance of all its cross positions. Isolated: the margin of the position
    with its unrealised profit, and its own maintenance.
    """
    return equity - maintenance_required


def maintenance_required(notional_usd: float, maintenance_margin_rate: float, maintenance_amount: float = 0.0) -> float:
    """Requirement of one position at a notional, deduction taken.

    >>> maintenance_required(200e6, 0.025, 1_875_000)
    3125000.0
    """
    return notional_usd * maintenance_margin_rate - maintenance_amount


def hyperliquid_liquidation_price(
    side: int, mark_price: float, quantity_base: float, available: float, maintenance_margin_rate: float
) -> float:
    """``LP = P - s * margin_available / size / (1 - m s)``, as the venue documents it.

    ``m`` is the rate of the tier at the liquidation price, and the requirement in ``available`` must be taken in that
    same tier, deduction included. It is then the linear formula with the mark for an entry: ``liquidation_of`` with
    ``Position(side, size, mark, equity - others' maintenance)`` gives the same and finds the tier by itself.

    Returns
    -------
    float
        Zero or less: no price liquidates the position.

    Examples
    --------
    A short of 0.00145 BTC at its entry of 68,139 with 19.72573 USD, maximum leverage 50:

    >>> left = margin_available(19.72573, maintenance_required(0.00145 * 68_139, 0.01))
    >>> round(hyperliquid_liquidation_price(-1, 68_139, 0.00145, left, 0.01), 3)
    80933.616
    """
    return mark_price - side * available / quantity_base / (1 - maintenance_margin_rate * side)
