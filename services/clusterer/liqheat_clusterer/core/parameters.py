"""Everything about clusters that is a choice and not a fact."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Parameters:
    """Thresholds of detection, identity, lifecycle and magnets. Two folds with other values give other outputs.

    Attributes
    ----------
    detection_interval_ms : int
        Event time between two searches for clusters. What the mark does is followed on every grid.
    smoothing_minimum_bins, smoothing_maximum_bins, smoothing_sigma_share : float
        The Gaussian is ``smoothing_sigma_share`` of the hour's sigma wide, within these bounds. The upper one keeps
        an absurd volatility from smearing the whole map into one zone.
    background_minimum_bins, background_widths
        What is wider than this many bins, or this many widths of the Gaussian, is background and no zone.
    reach_bins : int
        Bins beside the mark in which zones are looked for: 450 reach from 36 % below it to 57 % above. Beyond stand
        positions of so little leverage that no one knows where.
    prominence_mads : float
        A peak rises this many median absolute deviations above its surroundings.
    prominence_share_minimum : float
        And at least this share of the highest peak of its side: a calm map has no deviation to measure ripples by.
    open_interest_share_minimum : float
        A zone with less of the open interest than this is not born.
    mass_quantile, mass_quantile_days, mass_quantile_after_ms
        From the second day on a zone is born only above this quantile of the last days' zones.
    edge_share, merge_valley_share : float
        Edges lie where the smoothed map falls to this share of the peak; peaks with a valley above that share of the
        smaller one are one zone.
    overlap_minimum : float
        Shared mass, as a share of the smaller of two densities, that makes them the same cluster.
    approach_distances : float
        In standard deviations of the hour. A visit of the mark ends when it is this far outside again.
    """

    detection_interval_ms: int = 5_000
    smoothing_minimum_bins: float = 2.0
    smoothing_maximum_bins: float = 40.0
    smoothing_sigma_share: float = 0.25
    background_minimum_bins: int = 48
    background_widths: float = 12.0
    reach_bins: int = 450
    prominence_mads: float = 3.0
    prominence_share_minimum: float = 0.02
    open_interest_share_minimum: float = 0.005
    mass_quantile: float = 0.9
    mass_quantile_days: int = 7
    mass_quantile_after_ms: int = DAY_MS
    edge_share: float = 0.35
    merge_valley_share: float = 0.7
    overlap_minimum: float = 0.5
    maximum_zones_per_side: int = 64
    maximum_clusters: int = 200
    maximum_parents: int = 8

    formed_after_ms: int = 30_000
    absence_tolerated_ms: int = 60_000
    change_share: float = 0.2
    approach_distances: float = 1.0
    swept_share: float = 0.8
    expired_mass_share: float = 0.3
    maximum_age_ms: int = 7 * DAY_MS
    reaction_after_ms: int = 30 * MINUTE_MS
    timeframe_mass_share: float = 0.5

    magnet_horizon_ms: int = 4 * HOUR_MS
    horizons_ms: tuple[int, ...] = (HOUR_MS, 4 * HOUR_MS, DAY_MS)
    magnet_change_share: float = 0.05
    maximum_magnets: int = 20
    refresh_ms: int = 60_000
    set_mass_change_share: float = 0.05
    set_mark_move_bins: int = 3
    base_rate_interval_ms: int = 5 * MINUTE_MS
    base_rate_samples_minimum: int = 30

    def __post_init__(self) -> None:
        if self.detection_interval_ms <= 0 or self.base_rate_interval_ms <= 0:
            raise ValueError("intervals must be positive")
        if self.magnet_horizon_ms not in self.horizons_ms:
            raise ValueError(f"magnet_horizon_ms {self.magnet_horizon_ms} is none of {self.horizons_ms}")
        if any(horizon % self.base_rate_interval_ms for horizon in self.horizons_ms):
            raise ValueError(f"horizons {self.horizons_ms} are no multiples of {self.base_rate_interval_ms} ms")
        if not 1 <= self.maximum_clusters <= 200 or not 1 <= self.maximum_magnets <= 20:
            raise ValueError("cluster sets carry at most 200 clusters, magnets at most 20")
