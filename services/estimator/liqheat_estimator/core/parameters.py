"""What the model assumes. Every number here is a stated prior; none was fitted to a market yet (docs/model.md)."""

from __future__ import annotations

from dataclasses import dataclass

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MINUTE_MS = 60_000

#: Bins of a market's window, about e^±1.02 of the mark.
WINDOW_BINS = 2_048
LONG, SHORT = 0, 1


@dataclass(frozen=True, slots=True)
class EstimatorParameters:
    """Settings of the fold. Another value is another map, so all that matters is named in ``model_version``.

    Attributes
    ----------
    leverages : tuple of float
        Leverage classes at opening, rising.
    open_interest_shares : tuple of float
        Share of the standing open interest in each class; sums to 1. The first one also stands for positions that no
        price within reach liquidates. Far classes as real positions on Hyperliquid stood in February 2026, near ones
        twice as many, in the proportions that liquidations of that winter taught (docs/model.md).
    half_life_hours : tuple of float
        Time in which half of a class's positions are closed by their owners, as positions on Hyperliquid lived.
    daily_volatility : float
        Standard deviation of a day's log return, assumed for where positions older than the data were opened.
    typical_position_usd : float
        Notional by which the margin tier is looked up: sizes of positions are not public.
    default_maintenance_margin_rate, default_max_leverage : float
        Used until the market's instrument is known.
    maintenance_stress : float
        Fraction by which maintenance requirements are supposed to rise in the stressed map; 0: none is published.
    mark_stale_after_ms : int
        A reported mark older than this is replaced by an estimate from trades.
    measured_stale_after_ms : int
        A measured position that was not confirmed for so long becomes an estimate. Ingest confirms every 10 minutes.
    """

    cadence_ms: int = 1_000
    leverages: tuple[float, ...] = (1.5, 3.1, 4.7, 7.2, 11.1, 17.1, 26.0, 39.4, 57.7, 81.3, 109.0, 139.0, 167.0)
    open_interest_shares: tuple[float, ...] = (
        *(0.4622, 0.20, 0.15, 0.08, 0.04, 0.022, 0.017, 0.012),
        *(0.008, 0.004, 0.003, 0.001, 0.0008),
    )
    half_life_hours: tuple[float, ...] = (100, 75, 55, 55, 55, 55, 24, 24, 24, 6, 4, 3, 3)
    daily_volatility: float = 0.025
    typical_position_usd: float = 25_000.0
    default_maintenance_margin_rate: float = 0.004
    default_max_leverage: float = 125.0
    maintenance_stress: float = 0.0
    mark_stale_after_ms: int = 3_000
    measured_stale_after_ms: int = HOUR_MS
    model_version: str = "layered-flow-2"

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers in files: their leverages."""
        return tuple(f"{leverage:g}x" for leverage in self.leverages)

    def __post_init__(self) -> None:
        if not len(self.leverages) == len(self.open_interest_shares) == len(self.half_life_hours):
            raise ValueError("leverages, open_interest_shares and half_life_hours need one value a class")
        if abs(sum(self.open_interest_shares) - 1) > 1e-9:
            raise ValueError(f"open_interest_shares sum to {sum(self.open_interest_shares)}, not 1")
        if list(self.leverages) != sorted(self.leverages) or self.leverages[0] <= 1:
            raise ValueError("leverages must rise and be above 1")
        if min(self.half_life_hours) <= 0 or min(self.open_interest_shares) < 0:
            raise ValueError("half-lives must be positive and shares not negative")
        if not 0 <= self.maintenance_stress <= 10:
            raise ValueError(f"maintenance_stress must be from 0 to 10, not {self.maintenance_stress}")
        if self.cadence_ms <= 0:
            raise ValueError(f"cadence_ms must be positive, not {self.cadence_ms}")
