"""The exact liquidation price of an isolated linear position, from the venue's tiers."""

from __future__ import annotations

from collections.abc import Sequence

from liqheat_ingest.margin_tables import Tier


def isolated_liquidation_price(
    side: int, quantity_base: float, entry_price: float, leverage: float, tiers: Sequence[Tier]
) -> float:
    """Mark price at which an isolated position no longer covers its maintenance margin.

    ``LP = (W + c - s q E) / (q (m - s))`` with margin ``W = q E / leverage``, in the tier of the notional at LP.

    Parameters
    ----------
    side : int
        +1 long, -1 short.
    quantity_base, entry_price, leverage : float
        Positive.
    tiers : sequence of Tier
        Lowest first.

    Returns
    -------
    float
        0 for a long that no positive price liquidates.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import tiers
    >>> round(isolated_liquidation_price(1, 1.0, 20_000.0, 50.0, tiers((None, 0.005, 100))), 2)
    19698.49
    >>> round(isolated_liquidation_price(-1, 1.0, 20_000.0, 50.0, tiers((None, 0.005, 100))), 2)
    20298.51
    """
    margin = quantity_base * entry_price / leverage
    price = 0.0
    for tier in tiers:
        numerator = margin + tier.maintenance_amount_usd - side * quantity_base * entry_price
        price = max(0.0, numerator / (quantity_base * (tier.maintenance_margin_rate - side)))
        if tier.notional_cap_usd is None or price * quantity_base <= tier.notional_cap_usd:
            break
    return price
