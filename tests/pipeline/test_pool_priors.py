"""`liqheat pool-priors` on a real broker: it reads what the estimator's checkpoints hold."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from estimator_hours import MARKET, Hours
from estimator_market import COIN, feed, start
from liqheat_estimator.core.estimator_fold import EstimatorFold
from liqheat_shared.cli import run
from liqheat_shared.kafka.exact.stored_state import POSITION_KEY, StoredState, pack
from liqheat_shared.kafka.topic_admin import apply_topics
from liqheat_shared.kafka.topics import laptop_topics, state_changelog_topic
from liqheat_shared.settings import ServiceSettings

pytestmark = pytest.mark.broker


@pytest.fixture
def settings(broker_settings: ServiceSettings) -> ServiceSettings:
    wanted = state_changelog_topic(broker_settings, "estimator")
    plans = [plan for plan in laptop_topics(broker_settings) if plan.name == wanted]
    asyncio.run(apply_topics(broker_settings, plans))
    return broker_settings


def _checkpoints(fold: EstimatorFold) -> list[tuple[bytes, bytes]]:
    """Records of a coin whose market has learned from about 40 hours: an old one, then the newest, and the position."""
    _, state, _ = start(cadence_ms=60_000)
    log = Hours(2).walk(40)
    feed(fold, state, log[:10])
    old = pack(StoredState(1, 10, {}, fold.dump(state)), fold.state_version)
    feed(fold, state, log[10:])
    new = pack(StoredState(1, 900, {}, fold.dump(state)), fold.state_version)
    return [
        (COIN.encode(), old),
        (COIN.encode(), new),
        (POSITION_KEY, pack(StoredState(1, 900, {}, b""), fold.state_version)),
    ]


def test_the_checkpoints_become_a_table_that_the_estimator_takes(
    settings: ServiceSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "priors.json"
    assert run(["pool-priors", "--out", str(out)]) == 1
    assert "no market has learned from 24 hours yet" in capsys.readouterr().err
    assert not out.exists()

    async def produce() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers) as producer:
            for key, value in _checkpoints(EstimatorFold()):
                await producer.send_and_wait(state_changelog_topic(settings, "estimator"), value, key=key, partition=0)

    asyncio.run(produce())
    assert run(["pool-priors", "--out", str(out)]) == 0
    made_of = json.loads(capsys.readouterr().out)
    venue, symbol = MARKET
    assert made_of["markets"] == 1
    assert made_of["hours"] >= 24
    assert {"*", venue, f"{venue}|{symbol}"} <= set(made_of["levels"])

    from liqheat_estimator.core.parameters import EstimatorParameters
    from liqheat_estimator.priors_file import priors_of

    table = priors_of(out, EstimatorParameters())
    assert table.of(venue, symbol, None).level == f"{venue}|{symbol}"
    assert table.of("elsewhere", symbol, None).level == "*"
