"""Laws that hold for every sequence of grids: legal lives, exact state, the same outputs at any cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterer_runs import LEGAL_BEFORE, Run
from liqheat_clusterer.core.clusterer_fold import ClustererFold
from liqheat_clusterer.core.parameters import Parameters
from synthetic_grids import BINS, FIRST_BIN, START_MS, GridSettings, Hump, MapBuilder, build_grid, encode_grid

#: Short times, so that a few hundred grids see every rule.
QUICK = Parameters(
    formed_after_ms=10_000,
    absence_tolerated_ms=15_000,
    maximum_age_ms=900_000,
    reaction_after_ms=60_000,
    mass_quantile_after_ms=300_000,
    maximum_clusters=12,
    maximum_zones_per_side=8,
    base_rate_interval_ms=10_000,
    horizons_ms=(60_000, 120_000, 600_000),
    magnet_horizon_ms=120_000,
    base_rate_samples_minimum=5,
)


class Wanderer:
    """A seeded market that does everything to its map: grows, closes, jumps, falls silent, loses volatility."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.maps = {name: MapBuilder(open_interest_usd=3e8) for name in ("aggregated", "binance")}
        self.time_ms = START_MS
        self.sequence = 0
        self.mark = 11_050.5

    def next_grid(self) -> bytes:
        """The next message."""
        chance = self.chance
        self.sequence += 1
        self.time_ms += chance.choice((1_000,) * 12 + (3_000, 7_000, 20_000, 70_000))
        self.mark += chance.gauss(0, 1.5) if chance.random() < 0.97 else chance.gauss(0, 25)
        self.mark = min(max(self.mark, FIRST_BIN + 30.0), FIRST_BIN + BINS - 30.0)
        for scope in self.maps.values():
            self._disturb(scope)
            scope.move_mark(self.mark + chance.gauss(0, 0.3))
        settings = GridSettings(
            sigma_1h=chance.choice((0.005, 0.005, 0.02, 0.0, None)),
            average_true_range_1h=chance.choice((300.0, None)),
            volume_usd=chance.choice((0.0, 1e5)),
            member_states=(("binance", "live" if chance.random() < 0.98 else "backfilling"),),
        )
        names = ["aggregated"] if chance.random() < 0.1 else list(self.maps)
        return encode_grid(build_grid(self.time_ms, self.sequence, {name: self.maps[name] for name in names}, settings))

    def _disturb(self, scope: MapBuilder) -> None:
        chance = self.chance
        for _ in range(chance.choice((0, 0, 1, 3))):
            side = chance.choice(("long", "short"))
            distance = chance.randint(4, 80) * (-1 if side == "long" else 1)
            centre = min(max(int(self.mark) + distance, FIRST_BIN + 20), FIRST_BIN + BINS - 20)
            scope.add(Hump(centre, chance.choice((-8e6, 1e6, 5e6, 2e7)), chance.uniform(1, 6), side))
        if chance.random() < 0.03:
            lower = FIRST_BIN + chance.randint(0, BINS)
            scope.scale(chance.choice(("long", "short")), chance.choice((0.0, 0.3, 1.5)), lower, lower + 60)
        scope.consumed_long_usd = scope.consumed_long_usd if chance.random() < 0.99 else 0.0


@pytest.fixture(scope="module")
def wandering_runs() -> list[Run]:
    """Runs over wandering markets; every output was checked on the way, and every bound."""
    runs = []
    for seed in range(5):
        wanderer, run = Wanderer(seed), Run(QUICK)
        for number in range(500):
            run.apply(wanderer.next_grid())
            if number % 170 == 169:
                run.fold.history_lost(run.state, number, number + 1)
            if number % 230 == 229:
                run.fold.quarantine_released(run.state)
            for scope in run.state.scopes.values():
                assert len(scope.clusters) <= QUICK.maximum_clusters
                assert len(scope.reacting) <= QUICK.maximum_clusters
        runs.append(run)
    return runs


def test_every_life_is_legal_and_every_output_valid(wandering_runs: list[Run]):
    for run in wandering_runs:
        assert run.state.event_count == run.sequences["liquidation-clusters-v1/None"] > 50


def test_the_wandering_markets_saw_every_kind_of_event(wandering_runs: list[Run]):
    seen = {
        value["kind"] for run in wandering_runs for topic, value in run.values if topic == "liquidation-clusters-v1"
    }
    assert seen == set(LEGAL_BEFORE)


def test_an_end_is_an_end(wandering_runs: list[Run]):
    for run in wandering_runs:
        ended: set[str] = set()
        for topic, value in run.values:
            if topic == "cluster-sets-v1":
                assert not ended & {cluster["cluster_id"] for cluster in value["clusters"]}
            elif value["kind"] in ("swept", "expired", "merged"):
                assert value["cluster"]["cluster_id"] not in ended
                ended.add(value["cluster"]["cluster_id"])


def outputs(fold: ClustererFold, state, messages: list[bytes]) -> list:
    return [
        (emission.topic, emission.kind, emission.key, emission.value)
        for message in messages
        for emission in fold.fold(state, fold.decode(message, "BTC", 0))
    ]


@settings(max_examples=14, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 160), min_size=1, max_size=4))
def test_at_any_cut_the_restored_state_goes_on_as_if_nothing_had_happened(seed: int, cuts: list[int]):
    wanderer = Wanderer(seed)
    messages = [wanderer.next_grid() for _ in range(160)]
    fold = ClustererFold(QUICK)
    whole = fold.new("BTC")
    expected = outputs(fold, whole, messages)
    state, found, begin = fold.new("BTC"), [], 0
    for cut in [*sorted(cuts), len(messages)]:
        found += outputs(fold, state, messages[begin:cut])
        body = fold.dump(state)
        state, begin = ClustererFold(QUICK).load(body, "BTC"), cut
        assert fold.dump(state) == body
    assert repr(found) == repr(expected)
    assert fold.dump(state) == fold.dump(whole)


def test_the_real_parameters_survive_a_cut_too():
    wanderer = Wanderer(77)
    messages = [wanderer.next_grid() for _ in range(1_200)]
    fold = ClustererFold()
    whole, first = fold.new("BTC"), fold.new("BTC")
    expected = outputs(fold, whole, messages)
    found = outputs(fold, first, messages[:700])
    second = fold.load(fold.dump(first), "BTC")
    assert repr(found + outputs(fold, second, messages[700:])) == repr(expected)
    assert fold.dump(second) == fold.dump(whole)


def test_a_flood_of_zones_and_scopes_stays_bounded():
    run, chance = Run(QUICK), random.Random(5)
    for number in range(60):
        maps = {}
        for scope in range(20):
            builder = MapBuilder(open_interest_usd=0.0)
            builder.long_usd = [chance.choice((0, 10**7)) for _ in range(BINS)]
            builder.short_usd = [chance.choice((0, 10**7)) for _ in range(BINS)]
            maps[f"venue{number // 4}-{scope}"] = builder
        venues = tuple((name, "live") for name in maps)
        run.step(maps, 5_000, member_states=venues)
    assert len(run.state.scopes) <= 64
    for scope in run.state.scopes.values():
        assert len(scope.clusters) <= QUICK.maximum_clusters


@pytest.mark.parametrize("body", [b"", b"rubbish"])
def test_bytes_that_are_no_state_are_refused(body: bytes):
    with pytest.raises(ValueError, match="state of BTC"):
        ClustererFold().load(body, "BTC")


def test_state_of_other_horizons_is_refused():
    fold = ClustererFold()
    with pytest.raises(ValueError, match="other horizons"):
        ClustererFold(Parameters(horizons_ms=(14_400_000,))).load(fold.dump(fold.new("BTC")), "BTC")
