"""Which zone of this search is which cluster of before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liqheat_clusterer.core.assignment import best_assignment
from liqheat_clusterer.core.tracked_cluster import TrackedCluster
from liqheat_clusterer.core.zones import Zone


@dataclass(frozen=True, slots=True)
class Matching:
    """Result of one search on one side.

    Attributes
    ----------
    zone_of : dict of int to int
        Place of a cluster to the place of its zone.
    parent_of : dict of int to int
        Place of a zone that belongs to nobody to the place of the formed cluster it split from.
    absorber_of : dict of int to int
        Place of a cluster without zone to the place of the zone that holds its mass.
    """

    zone_of: dict[int, int]
    parent_of: dict[int, int]
    absorber_of: dict[int, int]


def match(clusters: list[TrackedCluster], zones: list[Zone], birth_mass_usd: float, overlap_minimum: float) -> Matching:
    """Assign zones to clusters so that the shared mass is largest (Hungarian method).

    A pair is possible when the integral of the smaller density is at least ``overlap_minimum`` of the smaller mass.
    Formed clusters go before candidates; a candidate takes only zones heavy enough to be born. So when a zone splits,
    the part with most of its mass keeps the identity, and when zones merge, the heaviest of them does.

    Parameters
    ----------
    clusters : list of TrackedCluster
        Of one side.
    zones : list of Zone
        Of the same side.
    """
    pairs: dict[tuple[int, int], float] = {}
    for place, cluster in enumerate(clusters):
        first, last = cluster.density_first_bin, cluster.density_first_bin + len(cluster.density) - 1
        for number, zone in enumerate(zones):
            if zone.lower_bin > last or zone.upper_bin < first:
                continue
            if cluster.formed_time_ms is None and zone.density_sum < birth_mass_usd:
                continue
            shared = cluster.shared_mass(zone)
            if shared > 0 and shared >= overlap_minimum * min(cluster.density_sum, zone.density_sum):
                pairs[place, number] = shared
    zone_of = _assign(clusters, len(zones), pairs)
    taken = set(zone_of.values())
    parent_of: dict[int, int] = {}
    absorber_of: dict[int, int] = {}
    for (place, number), shared in pairs.items():
        if number not in taken and clusters[place].formed_time_ms is not None:
            known = parent_of.get(number)
            if known is None or shared > pairs[known, number]:
                parent_of[number] = place
        if place not in zone_of and number in taken:
            known = absorber_of.get(place)
            if known is None or shared > pairs[place, known]:
                absorber_of[place] = number
    return Matching(zone_of, parent_of, absorber_of)


def _assign(clusters: list[TrackedCluster], zones: int, pairs: dict[tuple[int, int], float]) -> dict[int, int]:
    rivals = {number for _, number in pairs}
    if len({place for place, _ in pairs}) == len(pairs) == len(rivals):
        return dict(pairs.keys())  # nothing to decide, which is nearly always so
    first_rank = sum(pairs.values()) + 1.0
    weights = np.zeros((len(clusters), zones))
    for (place, number), shared in pairs.items():
        weights[place, number] = shared + (first_rank if clusters[place].formed_time_ms is not None else 0.0)
    return {place: number for place, number in best_assignment(weights) if (place, number) in pairs}
