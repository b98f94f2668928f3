"""What a throttled feed leaves out: learned from a complete feed of the coin, and said beside what was reported."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_hours import FIRST_MS, Hours
from estimator_market import COIN, MarketWriter, feed, of_kind, start
from liqheat_estimator.core.learning.shown_share import (
    CLASSES,
    SECONDS_FROM,
    WINDOWS_MS,
    ShownShares,
    class_of,
    shipped_shares,
    shown_share,
)
from liqheat_estimator.core.liquidation_minutes import LiquidationMinutes
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT

COMPLETE, THROTTLED = "alpha", "beta"
Peer = tuple[float, ShownShares]
ORDERS = st.lists(st.tuples(st.integers(1, 180_000), st.integers(0, 1), st.floats(1.0, 1e6)), max_size=60)


def largest_of_each(window_ms: int, orders: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """What a feed throttled to one order a window publishes of these: the slow and obvious way."""
    ordered = sorted(orders, key=lambda order: order[0])
    windows = itertools.groupby(ordered, key=lambda order: (order[0] - 1) // window_ms)
    return [max(group, key=lambda order: order[2]) for _, group in windows]


def take(minutes: LiquidationMinutes, at_ms: int, side: int, usd: float, kind: str, peers: list[Peer]) -> list[float]:
    """As the fold does: a minute that is over ends first."""
    hidden = minutes.end_minute(at_ms, peers) if minutes.is_over(at_ms) else [0.0, 0.0]
    minutes.take(at_ms, side, usd, kind)  # type: ignore[arg-type]
    return hidden


@settings(max_examples=80, deadline=None)
@given(ORDERS)
def test_a_complete_feed_is_read_as_if_it_were_throttled(orders: list[tuple[int, int, float]]) -> None:
    minutes = LiquidationMinutes()
    for time_ms, side, usd in sorted(orders, key=lambda order: order[0]):
        assert take(minutes, time_ms, side, usd, "complete", []) == [0.0, 0.0]
    if minutes.is_over(10**6):
        minutes.end_minute(10**6, [])

    assert minutes.share() == (1.0 if orders else None)
    assert (minutes.shares is None) == (not orders)
    if minutes.shares is None:
        return
    shares, aged = minutes.shares, 1e-4  # a few minutes of ageing at most
    for place, window_ms in enumerate(WINDOWS_MS):
        cells = slice(place * CLASSES, (place + 1) * CLASSES)
        shown = sum(usd for _, _, usd in largest_of_each(window_ms, orders))
        assert sum(shares.shown_usd[cells]) == pytest.approx(shown, rel=aged)
        assert sum(shares.true_usd[cells]) == pytest.approx(sum(usd for _, _, usd in orders), rel=aged)
    for shown, true in zip(shares.shown_usd, shares.true_usd, strict=True):
        assert 0.0 <= shown <= true * (1 + 1e-12)


def test_classes_go_by_occupied_seconds_and_shipped_shares_fall_with_them() -> None:
    assert [class_of(seconds) for seconds in SECONDS_FROM] == list(range(CLASSES))
    assert class_of(60) == CLASSES - 1
    shipped = shipped_shares()
    assert list(shipped) == sorted(shipped, reverse=True)
    assert 0 < shipped[-1] < shipped[0] <= 1


def said(*minutes: tuple[float, float]) -> ShownShares:
    """Minutes with one occupied second: (shown, true) USD, the same through every window."""
    shares = ShownShares()
    for number, (shown, true) in enumerate(minutes):
        shares.learn(number, true, [(1, shown)] * len(WINDOWS_MS))
    return shares


def test_a_share_moves_from_the_shipped_to_the_learned_one_as_minutes_speak() -> None:
    seen = [shown_share([(1.0, said(*[(40.0, 100.0)] * count))], 1) for count in (0, 1, 5, 20, 200)]
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == shipped_shares()[0]
    assert seen[-1] == pytest.approx(0.4, abs=0.02)
    assert shown_share([(1.0, said((40.0, 100.0)))], 60) == pytest.approx(shipped_shares()[-1]), "another class"
    # One huge minute is one minute: it does not drown the others' evidence.
    assert shown_share([(1.0, said((1e9, 1e9), (1.0, 100.0)))], 1) == pytest.approx((1 + 5 * shipped_shares()[0]) / 6)


def test_a_larger_market_is_held_against_a_longer_window() -> None:
    """The feed has an order a second. Twice its size, two orders share a second; half of it, none."""
    shares = ShownShares()
    for number in range(1_000):
        shares.learn(number, 60.0, [(60, 60.0), (60, 60.0), (30, 30.0), (15, 15.0), (8, 8.0)])
    found = [shown_share([(size, shares)], 60) for size in (1.0, 2.0, 4.0, 7.5, 8.0, 100.0)]
    assert found == sorted(found, reverse=True)
    assert found[:3] == pytest.approx([1.0, 0.5, 0.25], abs=0.01)
    assert found[-1] == found[-2], "beyond the outermost window is the outermost"
    assert shown_share([(0.5, shares)], 30) == pytest.approx(1.0, abs=0.01)
    # Two feeds speak together, each by its evidence.
    few = said(*[(1.0, 10.0)] * 5)
    assert shown_share([(1.0, few), (1.0, few)], 1) == pytest.approx(
        (10 * 0.1 + 5 * shipped_shares()[0]) / 15, rel=1e-3
    )


def test_what_a_minute_said_half_counts_after_thirty_days() -> None:
    shares = said((50.0, 100.0))
    shares.learn(43_200, 1e-9, [(1, 0.0)] * len(WINDOWS_MS))
    assert shares.true_usd[0] == pytest.approx(50.0)
    shares.learn(10, 1.0, [(1, 1.0)] * len(WINDOWS_MS))  # the clock ran backwards: nothing grows older
    assert shares.minute == 43_200


def test_a_throttled_feed_hides_what_its_busy_minutes_say() -> None:
    minutes, hidden = LiquidationMinutes(), np.zeros(2)
    for second in range(60):
        hidden += take(minutes, second * 1_000 + 500, LONG, 100.0, "throttled", [])
    assert hidden.tolist() == [0.0, 0.0]
    expected = pytest.approx(6_000.0 * (1 / shipped_shares()[-1] - 1))
    assert minutes.hidden_so_far([]) == [expected, 0.0]
    assert take(minutes, 60_001, SHORT, 10.0, "throttled", []) == [expected, 0.0]
    assert minutes.share() == pytest.approx(shipped_shares()[-1], rel=1e-3)
    assert minutes.shares is None, "a throttled feed teaches nothing about what it hides"


@pytest.mark.parametrize("kind", ["partial", "unknown"])
def test_nothing_is_added_to_a_feed_of_which_nobody_knows_what_it_leaves_out(kind: str) -> None:
    minutes = LiquidationMinutes()
    take(minutes, 500, LONG, 100.0, kind, [])
    assert minutes.end_minute(100_000, []) == [0.0, 0.0]
    assert minutes.share() is None
    assert minutes.shares is None


def test_a_late_order_counts_and_says_nothing_about_seconds() -> None:
    minutes = LiquidationMinutes()
    for at_ms, side, usd in ((70_500, LONG, 100.0), (69_500, LONG, 30.0), (5_500, SHORT, 7.0)):
        take(minutes, at_ms, side, usd, "complete", [])
    minutes.end_minute(200_000, [])
    assert minutes.shares is not None
    assert max(minutes.shares.true_usd) == max(minutes.shares.shown_usd) == 100.0
    assert minutes.reported_sum == pytest.approx(137.0, rel=1e-3)


def burst(writer: MarketWriter, venue: str, orders: list[tuple[int, int, float]], kind: str) -> list[bytes]:
    """Liquidations of an hour's first minutes on a venue; times in ms since now."""
    return [
        writer.message(
            "liquidation",
            venue,
            liquidated_side="short" if side else "long",
            price=60_000.0,
            price_kind="average",
            quantity_base=usd / 60_000.0,
            notional_usd=usd,
            feed_completeness=kind,
            event_time_ms=writer.now_ms + at,
            receive_time_ms=writer.now_ms + at,
        )
        for at, side, usd in sorted(orders, key=lambda order: order[0])
    ]


def test_the_throttled_venue_of_a_coin_is_read_by_what_its_complete_venue_taught() -> None:
    """Both venues have the same bursts; one shows them all, the other the largest of each second."""
    fold, state, _ = start(cadence_ms=60_000)
    random = np.random.default_rng(4)
    hours = Hours(1)
    writer = hours.writer
    writer.now_ms = FIRST_MS + 1_000
    true_usd = reported_usd = 0.0
    emissions = []
    for number in range(60):
        for venue in (COMPLETE, THROTTLED):
            emissions += feed(fold, state, [writer.ticker(60_000.0 * (1 - 1e-4 * (number % 7)), 10_000.0, venue)])
        logs = {}
        for venue in (COMPLETE, THROTTLED):
            times = random.integers(1, 59_000, 100)
            orders = [(int(at), 0, float(usd)) for at, usd in zip(times, random.exponential(1e4, 100), strict=True)]
            shown = orders if venue == COMPLETE else largest_of_each(1_000, orders)
            logs[venue] = burst(writer, venue, shown, "complete" if venue == COMPLETE else "throttled")
            if venue == THROTTLED and number >= 20:
                true_usd += sum(usd for _, _, usd in orders)
                reported_usd += sum(usd for _, _, usd in shown)
        merged = [message for messages in logs.values() for message in messages]
        emissions += feed(fold, state, merged)
        writer.now_ms += HOUR_MS // 4
        if number == 19:
            state.markets[THROTTLED, f"{COIN}/USDT:USDT"].liquidation_minutes = LiquidationMinutes()
    for venue in (COMPLETE, THROTTLED):
        emissions += feed(fold, state, [writer.ticker(60_000.0, 10_000.0, venue)])

    market = state.markets[THROTTLED, f"{COIN}/USDT:USDT"]
    true_share = reported_usd / true_usd
    found = market.liquidation_minutes.share()
    assert found is not None
    assert found == pytest.approx(true_share, rel=0.1)
    assert abs(true_share / shipped_shares()[class_of(48)] - 1) > 0.3, "the shipped share alone would be wrong"
    members = of_kind(emissions, "grid")[-1]["provenance"]["members"]
    assert [each["shown_liquidation_usd_share"] for each in members] == [1.0, pytest.approx(found, rel=0.01)]
    sides = of_kind(emissions, "accuracy")[-1]["sides"]
    for side in sides:
        assert side["estimated_liquidated_usd"] >= side["observed_usd"], "what was observed is never changed"
    longs = sides[LONG]
    # Half of the hour's USD is the complete venue's.
    expected = longs["observed_usd"] * 2 / (1 + true_share)
    assert longs["estimated_liquidated_usd"] == pytest.approx(expected, rel=0.2)


def test_a_feed_with_one_order_a_second_is_taken_as_nearly_whole() -> None:
    fold, state, _ = start()
    hours = Hours(2)
    feed(fold, state, hours.walk(6))
    market = state.markets["alpha", f"{COIN}/USDT:USDT"]
    assert market.liquidation_minutes.share() == 1.0
    assert market.liquidation_minutes.shares is not None
    assert shown_share([(1.0, market.liquidation_minutes.shares)], 1) > 0.99
    assert market.learning.hidden_usd == [0.0, 0.0]
