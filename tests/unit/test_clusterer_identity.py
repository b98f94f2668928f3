"""Who keeps an identity when zones and clusters do not pair up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liqheat_clusterer.core.identity import match
from liqheat_clusterer.core.tracked_cluster import TrackedCluster
from liqheat_clusterer.core.zones import Zone


def zone(lower_bin: int, *density: float) -> Zone:
    return Zone(lower_bin, lower_bin + len(density) - 1, lower_bin, sum(density), np.array(density), sum(density))


def cluster(name: str, seen: Zone, formed: bool = True) -> TrackedCluster:
    tracked = TrackedCluster.seen(name, "long", seen, 0)
    tracked.formed_time_ms = 30_000 if formed else None
    return tracked


def test_half_of_the_smaller_mass_makes_a_match():
    before = [cluster("a", zone(0, 10, 10))]
    assert match(before, [zone(1, 10, 90)], 0.0, 0.5).zone_of == {0: 0}
    assert match(before, [zone(1, 9, 91)], 0.0, 0.5).zone_of == {}
    assert match(before, [zone(2, 10, 90)], 0.0, 0.5).zone_of == {}


def test_the_child_with_most_mass_keeps_the_identity_and_the_other_knows_its_parent():
    before = [cluster("a", zone(0, 10, 10, 10, 1, 10, 10))]
    matching = match(before, [zone(4, 10, 10), zone(0, 10, 10, 10)], 0.0, 0.5)
    assert matching.zone_of == {0: 1}
    assert matching.parent_of == {0: 0}


def test_the_heaviest_cluster_goes_on_when_zones_merge():
    before = [cluster("light", zone(0, 10, 10)), cluster("heavy", zone(3, 10, 10, 10))]
    matching = match(before, [zone(0, 10, 10, 10, 10, 10, 10)], 0.0, 0.5)
    assert matching.zone_of == {1: 0}
    assert matching.absorber_of == {0: 0}


def test_a_formed_cluster_goes_before_a_heavier_candidate():
    before = [cluster("candidate", zone(3, 10, 10, 10), formed=False), cluster("formed", zone(0, 10, 10))]
    matching = match(before, [zone(0, 10, 10, 10, 10, 10, 10)], 0.0, 0.5)
    assert matching.zone_of == {1: 0}
    assert matching.parent_of == {}


def test_a_candidate_needs_a_zone_heavy_enough_to_be_born():
    seen = zone(0, 10, 10)
    assert match([cluster("a", seen, formed=False)], [seen], 21.0, 0.5).zone_of == {}
    assert match([cluster("a", seen)], [seen], 21.0, 0.5).zone_of == {0: 0}


def test_the_whole_assignment_counts_and_not_the_first_choice():
    before = [cluster("a", zone(0, 10, 10, 10)), cluster("b", zone(2, 12, 0, 0, 5))]
    zones = [zone(0, 10, 10, 2), zone(1, 9, 10, 1)]
    matching = match(before, zones, 0.0, 0.5)
    assert matching.zone_of == {0: 0, 1: 1}


DENSITIES = st.lists(
    st.tuples(st.integers(0, 30), st.lists(st.floats(0.1, 100), min_size=1, max_size=8), st.booleans()), max_size=7
)


@settings(max_examples=200, deadline=None)
@given(before=DENSITIES, after=DENSITIES)
def test_no_zone_has_two_owners_and_every_pair_shares_half(before, after):
    clusters = [cluster(str(n), zone(low, *density), formed) for n, (low, density, formed) in enumerate(before)]
    zones = [zone(low, *density) for low, density, _ in after]
    matching = match(clusters, zones, 0.0, 0.5)
    assert len(set(matching.zone_of.values())) == len(matching.zone_of)
    for place, number in matching.zone_of.items():
        mine, theirs = np.zeros(50), np.zeros(50)
        mine[clusters[place].lower_bin : clusters[place].upper_bin + 1] = clusters[place].density
        theirs[zones[number].lower_bin : zones[number].upper_bin + 1] = zones[number].density
        shared = np.minimum(mine, theirs).sum()
        assert shared == pytest.approx(clusters[place].shared_mass(zones[number]))
        assert shared >= 0.5 * min(mine.sum(), theirs.sum()) - 1e-9
    assert not matching.parent_of.keys() & set(matching.zone_of.values())
    assert not matching.absorber_of.keys() & matching.zone_of.keys()
