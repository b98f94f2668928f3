"""The estimate of half-lives from snapshots, against lives that are known."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def lifetimes() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import position_lifetimes

        yield position_lifetimes
    finally:
        sys.path.remove(str(BENCHMARKS))


def rows_of(lifetimes: ModuleType, account: str, lives: dict[int, dict[str, float | None]]) -> list[object]:
    """Long positions in coins with their liquidation prices, mark 100, by hour."""
    return [
        lifetimes.Seen(hour * HOUR_MS, account, coin, "long", 1.0, 100.0, 100.0, 5.0, 100.0, price, 50.0)
        for hour, positions in lives.items()
        for coin, price in positions.items()
    ]


def test_a_known_half_life_is_found_whatever_the_spacing(lifetimes: ModuleType) -> None:
    generator = np.random.default_rng(7)
    lives = generator.exponential(30 / np.log(2), 4_000)  # half-life 30 h
    hours, ended = [], []
    for life in lives:
        now = 0.0
        while now < 200:
            step = float(generator.choice([0.25, 3.0, 10.0]))
            hours.append(step)
            ended.append(float(now < life <= now + step))
            now += step
            if life <= now:
                break
    found = lifetimes.half_life_hours(np.array(hours), np.array(ended), np.ones(len(hours)))
    assert found == pytest.approx(30, rel=0.05)  # 4,000 lives: a standard error of 1.6 %


def test_the_ends_of_the_scale(lifetimes: ModuleType) -> None:
    one = np.ones(3)
    assert lifetimes.half_life_hours(one, 0 * one, one) == np.inf
    assert lifetimes.half_life_hours(one, one, one) == 0
    # Two of three end within an hour: the survival 1/3 is exp(-rate).
    found = lifetimes.half_life_hours(one, np.array([1.0, 1.0, 0.0]), one)
    assert found == pytest.approx(np.log(2) / np.log(3), rel=1e-6)


def test_stretches_tell_closed_from_liquidated_and_moved(lifetimes: ModuleType) -> None:
    rows = rows_of(lifetimes, "a", {0: {"X": 90.0, "Y": 50.0}, 5: {"X": 93.0, "Y": 50.0, "Z": None}, 9: {"Z": None}})
    # Another account shows that X had fallen to 92 by then.
    rows += [lifetimes.Seen(8 * HOUR_MS, "b", "X", "long", 1.0, 95.0, 92.0, 5.0, 100.0, 50.0, 50.0)]
    rows.sort(key=lambda row: row.time_ms)  # type: ignore[attr-defined]
    path = lifetimes.PricePath(rows)
    found = [s for s in lifetimes.stretches_of(rows, path) if s.account == "a"]
    assert [(s.hours, s.end, s.moved, s.moved_before, s.was_born) for s in found] == [
        (5, "", True, False, False),  # X from 90 to 93
        (5, "", False, False, False),  # Y
        (4, "liquidated", False, True, False),  # X at 93
        (4, "closed", False, False, False),  # Y at 50
        (4, "", False, False, True),  # Z, opened in sight
    ]
    assert found[0].first_layer == 8  # 10.5 % away: between 9.08 % and the bound above it
    assert found[4].first_layer == lifetimes.NONE
    gone = lifetimes.stretches_of(rows, path, gone_is_closed=True)
    assert [s.end for s in gone if s.account == "b"] == ["closed"]
