"""The live source as a process, on a real broker, while connections, venues, broker and the process itself die."""

from __future__ import annotations

import pytest

from liqheat_shared.local.prepare import prepare
from live_soak import soak, summary
from soak_plan import Plan

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_every_gap_is_announced_and_no_trade_comes_twice_whatever_dies(tmp_path):
    prepare()
    plan = Plan(seconds=20, disconnects=8, venue_restarts=2, broker_restarts=2, ingest_restarts=1, stalls=0, refusals=1)
    soaked = soak(tmp_path, plan)
    verdict, told = soaked.verdict, summary(soaked)
    assert soaked.acts == {"disconnect": 8, "restart": 2, "broker": 2, "ingest": 1, "throttle": 1}
    assert verdict.published > 100, told
    assert verdict.log.sequence_holes() == [], told
    assert verdict.undetected == [], told
    assert not any(verdict.uncounted.values()), told
    assert (verdict.repeated, verdict.invented) == (0, 0), told
    assert sum(verdict.log.interruptions.values()) > 0, told
    assert "Traceback" not in soaked.said
