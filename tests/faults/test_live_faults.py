"""The live source as a process, on a real broker, while connections, venues, broker and the process itself die."""

from __future__ import annotations

import pytest

from liqheat_shared.local.prepare import prepare
from live_soak import Plan, soak, summary

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_every_gap_is_announced_and_no_trade_comes_twice_whatever_dies(tmp_path):
    prepare()
    plan = Plan(
        seconds=20,
        disconnect_every_s=4,
        venue_restart_every_s=9,
        broker_restart_every_s=7,
        ingest_restart_every_s=13,
    )
    verdict = soak(tmp_path, plan)
    assert verdict.acts["disconnect"] >= 3
    assert verdict.acts["venue"] >= 1
    assert verdict.acts["broker"] >= 1
    assert verdict.acts["ingest"] >= 1
    assert verdict.trades > 100
    assert verdict.sequence_holes == [], summary(verdict)
    assert verdict.undetected == [], summary(verdict)
    assert verdict.repeated == 0, summary(verdict)
    assert verdict.collected.of_type("feed-interrupted")
    assert "Traceback" not in verdict.said
