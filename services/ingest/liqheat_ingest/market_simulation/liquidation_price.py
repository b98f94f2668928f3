"""The exact liquidation price of an isolated position, linear or inverse, from the venue's tiers."""

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


def tier_of_size(quantity: float, tiers: Sequence[Tier]) -> Tier:
    """The tier of a size where bounds are sizes, not notionals, and a tier's rate holds for the whole position.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import tiers
    >>> tier_of_size(20.0, tiers((10.0, 0.004, 100), (None, 0.01, 50)))[2:4]
    (0.01, 0.0)
    """
    for tier in tiers:
        if tier.notional_cap_usd is None or quantity <= tier.notional_cap_usd:
            break
    return tier._replace(notional_cap_usd=None, maintenance_amount_usd=0.0)


def isolated_inverse_liquidation_price(
    side: int, quantity_usd: float, entry_price: float, leverage: float, tiers: Sequence[Tier]
) -> float:
    """Mark price at which an isolated position in a coin-margined contract no longer covers its maintenance margin.

    ``LP = S (m + s) / (W + c + s S / E)`` with margin ``W = S / (E leverage)`` in the coin, in the tier of the value
    ``S / LP``.

    Parameters
    ----------
    side : int
        +1 long, -1 short.
    quantity_usd : float
        Contracts times their value in USD.
    entry_price, leverage : float
        Positive.
    tiers : sequence of Tier
        Lowest first; bounds and amounts in units of the COIN.

    Returns
    -------
    float
        0 for a short that no price liquidates.

    Examples
    --------
    >>> from liqheat_ingest.margin_tables import tiers
    >>> table = tiers((None, 0.005, 100))
    >>> round(isolated_inverse_liquidation_price(1, 60_000.0, 50_000.0, 10.0, table), 2)
    45681.82
    >>> round(isolated_inverse_liquidation_price(-1, 60_000.0, 50_000.0, 10.0, table), 2)
    55277.78
    """
    margin = quantity_usd / (entry_price * leverage)
    price = 0.0
    for tier in tiers:
        value = margin + tier.maintenance_amount_usd + side * quantity_usd / entry_price
        price = quantity_usd * (tier.maintenance_margin_rate + side) / value if side * value > 0.0 else 0.0
        if tier.notional_cap_usd is None or price <= 0.0 or quantity_usd / price <= tier.notional_cap_usd:
            break
    return max(price, 0.0)
