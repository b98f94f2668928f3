"""How much of the time a liquidation feed was heard: against a count of every second, and through the fold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator_market import COIN, MarketWriter, feed, instrument_fields, start
from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_estimator.core.liquidation_hearing import LONGEST_SILENCE_MS, MAX_GAPS, LiquidationHearing
from liqheat_estimator.core.parameters import DAY_MS, HOUR_MS, MINUTE_MS
from liqheat_shared.contracts.liquidation_grids import LiquidationFeed
from liqheat_shared.metrics import Metrics

SECOND_MS = 1_000
T0 = 1_780_000_000_000
#: Seconds from one event to the next, and what the event is.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 5, 10, 11, 60, 3_600, 40_000]),
        st.sampled_from(["event", "event", "interrupt", "late-interrupt", "resume"]),
    ),
    max_size=60,
)


class EverySecond:
    """The obviously right count: a flag for each second since the start of the log."""

    def __init__(self) -> None:
        self.heard: list[bool] = []
        self.interrupted = False

    def pass_by(self, seconds: int) -> None:
        flows = not self.interrupted and seconds * SECOND_MS <= LONGEST_SILENCE_MS
        self.heard += [flows] * seconds

    def interrupt(self, ago_s: int) -> None:
        self.interrupted = True
        for second in range(max(len(self.heard) - ago_s, 0), len(self.heard)):
            self.heard[second] = False

    def since(self) -> int | None:
        """The first heard second; the present one if it flows now."""
        if True in self.heard:
            return self.heard.index(True)
        return None if self.interrupted else len(self.heard)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_shares_are_those_of_a_count_of_every_second(steps: list[tuple[int, str]]) -> None:
    hearing, oracle, now_ms = LiquidationHearing(), EverySecond(), T0
    hearing.tell("complete")
    hearing.advance(T0)
    for seconds, what in steps:
        now_ms += seconds * SECOND_MS
        oracle.pass_by(seconds)
        hearing.advance(now_ms)
        if what.endswith("interrupt"):
            ago_s = 0 if what == "interrupt" else 7
            hearing.interrupt(now_ms - ago_s * SECOND_MS, now_ms)
            oracle.interrupt(ago_s)
        elif what == "resume":
            hearing.resume(now_ms, now_ms)
            oracle.interrupted = False
        told = hearing.value(now_ms)
        assert told is not None
        LiquidationFeed.model_validate(told)
        since, heard = oracle.since(), oracle.heard
        assert told["heard_share_24h"] == pytest.approx(sum(heard[-86_400:]) / 86_400, abs=2e-6)
        if since is None:
            assert (told["connected_since_ms"], told["heard_share_since_connected"]) == (None, None)
            continue
        assert told["connected_since_ms"] == T0 + since * SECOND_MS
        whole = len(heard) - since
        share = sum(heard[since:]) / whole if whole else 1.0
        assert told["heard_share_since_connected"] == pytest.approx(share, abs=2e-6)
        if oracle.interrupted:
            assert told["unbroken_since_ms"] is None
        else:
            unheard = [second for second in range(since, len(heard)) if not heard[second]]
            assert told["unbroken_since_ms"] == T0 + (unheard[-1] + 1 if unheard else since) * SECOND_MS


def test_a_disconnect_every_minute_for_three_days_is_counted_in_bounded_memory() -> None:
    hearing = LiquidationHearing()
    hearing.tell("partial")
    hearing.advance(T0)
    now_ms = T0
    for minute in range(3 * 24 * 60):
        now_ms = T0 + minute * MINUTE_MS
        for second in range(0, 56, 2):
            hearing.advance(now_ms + second * SECOND_MS)
        hearing.interrupt(now_ms + 54 * SECOND_MS, now_ms + 56 * SECOND_MS)
        hearing.resume(now_ms + 54 * SECOND_MS, now_ms + 57 * SECOND_MS)
        hearing.advance(now_ms + 59 * SECOND_MS)
    assert len(hearing.gaps) <= MAX_GAPS
    told = hearing.value(now_ms + MINUTE_MS)
    assert told is not None
    assert told["heard_share_since_connected"] == pytest.approx(0.95, abs=1e-4)
    assert told["heard_share_24h"] == pytest.approx(0.95, abs=3e-4), "joined spans leave the day in proportion"


# ---- through the fold


def running(kind: str | None) -> tuple[EstimatorFold, CoinState, MarketWriter]:
    """A market that is live, whose instrument told of its feed."""
    fold, state, writer = start()
    told = {} if kind is None else {"liquidation_feed": kind}
    first = [writer.message("instrument", **instrument_fields(), **told), writer.ticker(60_000.0, 1_000.0)]
    feed(fold, state, first)
    return fold, state, writer


def beat(fold: EstimatorFold, state: CoinState, writer: MarketWriter, seconds: int) -> Any:
    """A heartbeat a second; what the last grid says of the feed."""
    emissions = []
    for _ in range(seconds):
        writer.now_ms += SECOND_MS
        emissions += feed(fold, state, [writer.message("heartbeat", stream_age_ms={"trades": None})])
    grids = [emission.value for emission in emissions if emission.kind == "grid"]
    return grids[-1]["provenance"]["members"][0]["liquidation_feed"]


def status(writer: MarketWriter, kind: str, from_ms: int) -> bytes:
    return writer.message(f"feed-{kind}", stream="liquidations", from_ms=from_ms, reason="test")


def test_a_quiet_feed_is_heard_and_an_ingest_that_died_is_not() -> None:
    fold, state, writer = running("throttled")
    began_ms = writer.now_ms
    told = beat(fold, state, writer, 600)
    assert told["kind"] == "throttled"
    assert told["connected_since_ms"] == told["unbroken_since_ms"] == began_ms
    assert told["heard_share_since_connected"] == 1.0
    assert told["heard_share_24h"] == pytest.approx(600 / 86_400, abs=1e-4), "the hours before are unheard"
    writer.now_ms += 299_000  # nothing at all for five minutes: whoever wrote the log was gone
    told = beat(fold, state, writer, 1)
    assert told["heard_share_since_connected"] == pytest.approx(600 / 900, abs=2e-3)
    assert told["unbroken_since_ms"] is None, "of the moment before the first event"
    assert beat(fold, state, writer, 1)["unbroken_since_ms"] == writer.now_ms - SECOND_MS


def test_another_venue_that_goes_on_shows_the_silence_of_one_that_stopped() -> None:
    fold, state, writer = running("complete")
    beat(fold, state, writer, 60)
    told = None
    for _ in range(60):
        writer.now_ms += SECOND_MS
        for emission in feed(fold, state, [writer.ticker(60_000.0, 1_000.0, "beta")]):
            if emission.kind == "grid":
                told = emission.value["provenance"]["members"][0]["liquidation_feed"]
    assert told is not None
    assert told["unbroken_since_ms"] is None
    assert told["heard_share_since_connected"] == pytest.approx(0.5, abs=0.02)


def test_a_stream_that_begins_as_interrupted_is_connected_when_it_resumes() -> None:
    fold, state, writer = start()
    began_ms = writer.now_ms
    first = [
        writer.message("instrument", **instrument_fields(), liquidation_feed="complete"),
        status(writer, "interrupted", began_ms),
        writer.ticker(60_000.0, 1_000.0),
    ]
    feed(fold, state, first)
    told = beat(fold, state, writer, 5)
    assert told["connected_since_ms"] is None
    assert told["heard_share_24h"] == 0.0
    feed(fold, state, [status(writer, "resumed", began_ms)])
    connected_ms = writer.now_ms
    told = beat(fold, state, writer, 30)
    assert told["connected_since_ms"] == told["unbroken_since_ms"] == connected_ms
    assert told["heard_share_since_connected"] == 1.0


def test_a_restart_counts_from_where_the_log_ended() -> None:
    fold, state, writer = running("complete")
    beat(fold, state, writer, 100)
    ended_ms = writer.now_ms
    writer.now_ms += 95_000
    again = [
        writer.message("instrument", **instrument_fields(), liquidation_feed="complete", ingest_epoch=2, sequence=0),
        writer.message("feed-interrupted", stream="liquidations", from_ms=ended_ms, reason="restart", ingest_epoch=2),
    ]
    feed(fold, state, again)
    writer.now_ms += 5_000
    resumed = writer.message("feed-resumed", stream="liquidations", from_ms=ended_ms, reason="", ingest_epoch=2)
    feed(fold, state, [resumed])
    told = state.markets["alpha", f"{COIN}/USDT:USDT"].hearing.value(writer.now_ms)
    assert told is not None
    assert told["heard_share_since_connected"] == 0.5
    assert told["unbroken_since_ms"] == writer.now_ms


def test_a_venue_without_a_feed_says_so_and_one_that_was_not_told_says_nothing() -> None:
    told = beat(*running("none"), 30)
    assert told.pop("kind") == "none"
    assert set(told.values()) == {None}
    fold, state, writer = running(None)
    assert beat(fold, state, writer, 30) is None
    liquidation = {"liquidated_side": "long", "price": 60_000.0, "price_kind": "mark", "quantity_base": 1.0}
    event = writer.message("liquidation", **liquidation, notional_usd=60_000.0, feed_completeness="partial")
    feed(fold, state, [event])
    told = beat(fold, state, writer, 30)
    assert (told["kind"], told["heard_share_since_connected"]) == ("partial", 1.0), "one that came proves the feed"


def test_learning_begins_with_the_feed_and_not_with_the_first_liquidation_or_the_history() -> None:
    for kind, learns in (("complete", True), ("none", False), (None, False)):
        fold, state, writer = running(kind)
        feed(fold, state, [writer.bracket("started")])
        for _ in range(36):
            writer.now_ms += 300_000
            feed(fold, state, [writer.candle(59_900.0, 60_100.0, 1_000.0)])
        market = state.markets["alpha", f"{COIN}/USDT:USDT"]
        assert market.learning.filter is None, "hours of history tell no liquidations, which teaches nothing"
        feed(fold, state, [writer.bracket("finished")])
        for _ in range(HOUR_MS // MINUTE_MS * 2):
            writer.now_ms += MINUTE_MS
            feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
        assert (market.learning.filter is not None) is learns


def test_the_figure_survives_a_checkpoint() -> None:
    fold, state, writer = running("complete")
    for _ in range(5):
        beat(fold, state, writer, 20)
        feed(fold, state, [status(writer, "interrupted", writer.now_ms - 3_000)])
        beat(fold, state, writer, 3)
        feed(fold, state, [status(writer, "resumed", writer.now_ms - 6_000)])
    market = next(iter(state.markets.values()))
    loaded = next(iter(fold.load(fold.dump(state), COIN).markets.values()))
    assert loaded.hearing == market.hearing
    assert len(loaded.hearing.gaps) == 5


def test_events_that_were_lost_count_as_unheard() -> None:
    fold, state, writer = running("complete")
    beat(fold, state, writer, 100)
    feed(fold, state, [status(writer, "interrupted", writer.now_ms)])
    fold.history_lost(state, 0, 9)
    writer.now_ms += DAY_MS // 2
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0)])
    told = beat(fold, state, writer, 100)
    assert told["heard_share_since_connected"] == pytest.approx(200 / (200 + DAY_MS / 2_000), abs=1e-4)


def test_an_operator_sees_the_worst_market_of_each_venue_and_no_delisted_one() -> None:
    fold, state, writer = running("complete")
    for venue, kind in (("beta", "throttled"), ("gamma", "none")):
        told = instrument_fields() | {"liquidation_feed": kind}
        feed(fold, state, [writer.message("instrument", venue, **told), writer.ticker(60_000.0, 1_000.0, venue)])
    for _ in range(100):
        writer.now_ms += SECOND_MS
        feed(fold, state, [writer.ticker(60_000.0, 1_000.0, venue) for venue in ("alpha", "beta", "gamma")])
    feed(fold, state, [status(writer, "interrupted", writer.now_ms - 25_000)])
    found = {
        (measure.gauge.removeprefix("liqheat_stage_"), *measure.labels): measure.value
        for measure in fold.measures([state])
    }
    assert found == {
        ("liquidations_heard_share", "alpha", "24h"): pytest.approx(75 / 86_400, abs=1e-6),
        ("liquidations_heard_share", "alpha", "connected"): 0.75,
        ("liquidations_heard_share", "beta", "24h"): pytest.approx(100 / 86_400, abs=1e-6),
        ("liquidations_heard_share", "beta", "connected"): 1.0,
        ("liquidations_unheard_markets", "alpha"): 1,
        ("liquidations_unheard_markets", "beta"): 0,
    }
    for gauge, labels, value in fold.measures([state]):
        Metrics("estimator").gauge(gauge).labels(*labels).set(value)
    writer.now_ms += DAY_MS + SECOND_MS
    feed(fold, state, [writer.ticker(60_000.0, 1_000.0, "beta")])
    assert {measure.labels[0] for measure in fold.measures([state])} == {"beta"}
