"""What a throttled feed leaves out: learned from a complete feed of the coin, and said beside what was reported."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_hours import FIRST_MS, Hours
from estimator_market import COIN, MarketWriter, feed, of_kind, start
from liqheat_estimator.core.learning.shown_share import CLASSES, SECONDS_FROM, ShownShares, class_of, shipped_shares
from liqheat_estimator.core.liquidation_minutes import LiquidationMinutes
from liqheat_estimator.core.parameters import HOUR_MS, LONG, SHORT

COMPLETE, THROTTLED = "alpha", "beta"
ORDERS = st.lists(st.tuples(st.integers(1, 180_000), st.integers(0, 1), st.floats(1.0, 1e6)), max_size=60)


def largest_of_each_second(orders: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """What a throttled feed publishes of these: the slow and obvious way."""
    ordered = sorted(orders, key=lambda order: order[0])
    seconds = itertools.groupby(ordered, key=lambda order: (order[0] - 1) // 1_000)
    return [max(group, key=lambda order: order[2]) for _, group in seconds]


@settings(max_examples=80, deadline=None)
@given(ORDERS)
def test_a_complete_feed_is_read_as_if_it_were_throttled(orders: list[tuple[int, int, float]]) -> None:
    minutes, shares = LiquidationMinutes(), ShownShares()
    for time_ms, side, usd in sorted(orders, key=lambda order: order[0]):
        assert minutes.take(time_ms, side, usd, "complete", shares) == [0.0, 0.0]
    minutes.end_minute(10**9, shares)

    shown = sum(usd for _, _, usd in largest_of_each_second(orders))
    kept = 1 - 1e-4  # two minutes of ageing at most
    assert sum(shares.shown_usd) == pytest.approx(shown, rel=1 - kept)
    assert sum(shares.true_usd) == pytest.approx(sum(usd for _, _, usd in orders), rel=1 - kept)
    for number in range(CLASSES):
        assert 0.0 <= shares.shown_usd[number] <= shares.true_usd[number] * (1 + 1e-12)
    assert minutes.share() == (1.0 if orders else None)


def test_classes_go_by_occupied_seconds_and_shipped_shares_fall_with_them() -> None:
    assert [class_of(seconds) for seconds in SECONDS_FROM] == list(range(CLASSES))
    assert class_of(60) == CLASSES - 1
    shipped = shipped_shares()
    assert list(shipped) == sorted(shipped, reverse=True)
    assert 0 < shipped[-1] < shipped[0] <= 1


def test_a_share_moves_from_the_shipped_to_the_learned_one_as_minutes_speak() -> None:
    shares = ShownShares()
    seen = [shares.share(1)]
    for minute in range(200):
        shares.learn(minute, 1, 40.0, 100.0)
        seen.append(shares.share(1))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == shipped_shares()[0]
    assert seen[-1] == pytest.approx(0.4, abs=0.02)
    assert shares.share(60) == shipped_shares()[-1], "another class has said nothing"
    # One huge minute is one minute: it does not drown the others' evidence.
    loud = ShownShares()
    loud.learn(0, 1, 1e9, 1e9)
    loud.learn(1, 1, 1.0, 100.0)
    assert loud.share(1) == pytest.approx((1.0 + 5 * shipped_shares()[0]) / 6)


def test_what_a_minute_said_half_counts_after_thirty_days() -> None:
    shares = ShownShares()
    shares.learn(0, 1, 50.0, 100.0)
    shares.learn(43_200, 1, 0.0, 1e-9)
    assert shares.true_usd[0] == pytest.approx(50.0)
    shares.learn(10, 1, 1.0, 1.0)  # the clock ran backwards: nothing grows older
    assert shares.minute == 43_200


def test_a_throttled_feed_hides_what_its_busy_minutes_say() -> None:
    shares, minutes = ShownShares(), LiquidationMinutes()
    hidden = np.zeros(2)
    for second in range(60):
        hidden += minutes.take(second * 1_000 + 500, LONG, 100.0, "throttled", shares)
    assert minutes.hidden_so_far(shares) == [pytest.approx(6_000.0 * (1 / shares.share(60) - 1)), 0.0]
    hidden += minutes.take(60_001, SHORT, 10.0, "throttled", shares)
    assert hidden.tolist() == [pytest.approx(6_000.0 * (1 / shares.share(60) - 1)), 0.0]
    assert minutes.share() == pytest.approx(shares.share(60), rel=1e-3)
    assert sum(shares.true_usd) == 0.0, "a throttled feed teaches nothing about what it hides"


@pytest.mark.parametrize("kind", ["partial", "unknown"])
def test_nothing_is_added_to_a_feed_of_which_nobody_knows_what_it_leaves_out(kind: str) -> None:
    shares, minutes = ShownShares(), LiquidationMinutes()
    assert minutes.take(500, LONG, 100.0, kind, shares) == [0.0, 0.0]  # type: ignore[arg-type]
    assert minutes.end_minute(100_000, shares) == [0.0, 0.0]
    assert minutes.share() is None
    assert sum(shares.true_usd) == 0.0


def test_a_late_order_counts_and_says_nothing_about_seconds() -> None:
    shares, minutes = ShownShares(), LiquidationMinutes()
    minutes.take(70_500, LONG, 100.0, "complete", shares)
    minutes.take(69_500, LONG, 30.0, "complete", shares)
    minutes.take(5_500, SHORT, 7.0, "complete", shares)
    minutes.end_minute(200_000, shares)
    assert (sum(shares.true_usd), sum(shares.shown_usd)) == (100.0, 100.0)
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
            shown = orders if venue == COMPLETE else largest_of_each_second(orders)
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
    assert state.shown_shares.share(1) > 0.99
    assert market.learning.hidden_usd == [0.0, 0.0]
