"""Maintenance-margin tables by venue and coin, each with the date from which it holds and where it comes from.

An assumption says so in its source: ``tiers_source`` travels with every ``instrument`` event, so a reader of the map
can tell a known table from a guessed one.
"""

from __future__ import annotations

from typing import NamedTuple


class Tier(NamedTuple):
    """One step: holds for notionals above ``notional_floor_usd`` up to ``notional_cap_usd`` (None: no bound)."""

    notional_floor_usd: float
    notional_cap_usd: float | None
    maintenance_margin_rate: float
    maintenance_amount_usd: float
    max_leverage: float


class MarginTable(NamedTuple):
    """Tiers that hold from a date on; 0: the date of their introduction is not known, they are used for all times."""

    tiers: tuple[Tier, ...]
    valid_from_ms: int
    source: str


def tiers(*steps: tuple[float | None, float, float]) -> tuple[Tier, ...]:
    """Tiers from (notional cap in USD, maintenance-margin rate, greatest leverage), lowest first.

    The maintenance amount keeps the requirement continuous: ``c_n = c_(n-1) + floor_n * (m_n - m_(n-1))``.

    Examples
    --------
    >>> [tier.maintenance_amount_usd for tier in tiers((50_000, 0.004, 125), (None, 0.005, 100))]
    [0.0, 50.0]
    """
    result: list[Tier] = []
    floor, amount, previous_rate = 0.0, 0.0, steps[0][1]
    for cap, rate, leverage in steps:
        amount += floor * (rate - previous_rate)
        result.append(Tier(floor, cap, rate, round(amount, 6), leverage))
        floor, previous_rate = cap or floor, rate
    return tuple(result)


def half_of_initial(*steps: tuple[float | None, float]) -> tuple[Tier, ...]:
    """Tiers of a venue whose maintenance margin is half the initial margin at the greatest leverage.

    Parameters
    ----------
    *steps : tuple
        (notional cap in USD, greatest leverage), lowest first; the rate is ``1 / 2 / leverage``.
    """
    return tiers(*((cap, 0.5 / leverage, leverage) for cap, leverage in steps))


_HYPERLIQUID_RULE = "Hyperliquid docs, margin tiers: half of the initial margin at the greatest leverage"
_HYPERLIQUID: dict[str, tuple[Tier, ...]] = {
    "BTC": half_of_initial((150_000_000, 40), (None, 20)),
    "ETH": half_of_initial((100_000_000, 25), (None, 15)),
    "SOL": half_of_initial((None, 20)),
}
_HYPERLIQUID_ASSUMED = half_of_initial((None, 10))

_GENERIC_SOURCE = "assumption: generic tiers, the venue's own table for this market is not in the instrument table"
_GENERIC = tiers(
    (50_000, 0.01, 50),
    (250_000, 0.025, 20),
    (1_000_000, 0.05, 10),
    (5_000_000, 0.1, 5),
    (None, 0.25, 2),
)

_SIMULATED_SOURCE = "simulated venue: invented for the simulator, no real market"
_SIMULATED_LEVERAGE = {"BTC": 40.0, "ETH": 25.0, "SOL": 20.0}


def _simulated(venue: str, coin: str) -> tuple[Tier, ...]:
    leverage = _SIMULATED_LEVERAGE.get(coin, 10.0)
    if venue == "sim-alpha":
        return half_of_initial((100_000_000, leverage), (None, leverage / 2))
    rate = 0.4 / leverage
    return tiers((2_000_000, rate, leverage), (20_000_000, 2 * rate, leverage / 2), (None, 4 * rate, leverage / 4))


def margin_table(
    venue: str, coin: str, is_inverse: bool, time_ms: int | None = None, quote: str = "USDT"
) -> MarginTable:
    """The margin rules of a market.

    Parameters
    ----------
    venue, coin : str
        As in the contracts, e.g. ``hyperliquid``, ``BTC``.
    is_inverse : bool
        Tables are known for linear markets; an inverse one gets the generic assumption.
    time_ms : int or None
        When they are to hold; None: now, which is the newest table.
    quote : str
        Binance's markets in USDT and USDC have tables of their own.

    Examples
    --------
    >>> margin_table("hyperliquid", "BTC", is_inverse=False).tiers[0].maintenance_margin_rate
    0.0125
    >>> margin_table("binance", "BTC", is_inverse=False).tiers[0].max_leverage
    150
    >>> margin_table("okx", "XYZ", is_inverse=False).source.startswith("assumption")
    True
    """
    if venue.startswith("sim-"):
        return MarginTable(_simulated(venue, coin), 0, _SIMULATED_SOURCE)
    if venue == "hyperliquid":
        known = _HYPERLIQUID.get(coin)
        if known is not None:
            return MarginTable(known, 0, _HYPERLIQUID_RULE)
        return MarginTable(_HYPERLIQUID_ASSUMED, 0, f"assumption: greatest leverage 10; {_HYPERLIQUID_RULE}")
    if venue == "binance" and not is_inverse:
        from liqheat_ingest.binance_margin_data import tables_of

        at = [t for t in tables_of(coin, quote) if time_ms is None or t.valid_from_ms <= time_ms]
        if at:
            return at[-1]
    return MarginTable(_GENERIC, 0, _GENERIC_SOURCE)
