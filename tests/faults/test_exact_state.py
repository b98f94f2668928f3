"""Whatever happens to the stages, their outputs and their final state are those of an undisturbed run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.market_log import START_MS, market_log, raising_event
from faults.oracle import Expected
from faults.stages import SESSION_SECONDS, Stages
from liqheat_shared.contracts.topics import DEAD_LETTERS, LIQUIDATION_CLUSTERS, LIQUIDATION_GRIDS
from liqheat_shared.local.kafka_server import KafkaServer

pytestmark = [pytest.mark.broker, pytest.mark.slow]

SECONDS = 150
PER_SECOND = 140.0


@pytest.fixture
def stages(kafka_broker: str, topic_prefix: str, tmp_path: Path) -> Iterator[Stages]:
    running = Stages(kafka_broker, topic_prefix, tmp_path)
    yield running
    running.kill()


async def judge(stages: Stages) -> Expected:
    """Let the stages finish, and hold what they left against the oracle."""
    expected = await stages.expected()
    assert len(expected.outputs[LIQUIDATION_GRIDS]) > 100
    assert expected.outputs[LIQUIDATION_CLUSTERS], "the market must move enough to form clusters"
    await stages.finish()
    wrong = await stages.faults(expected)
    assert wrong == [], f"{len(wrong)} faults\n" + "\n".join(wrong[:10]) + stages.logs()
    return expected


def test_kill_9_of_both_stages(stages: Stages) -> None:
    """kill -9 while a replay runs; the long interval makes each death fall between an output and its state."""

    async def scenario() -> None:
        await stages.create_topics()
        estimator, clusterer = (stages.start(stage, instance="one") for stage in ("estimator", "clusterer"))
        feeding = asyncio.create_task(stages.feed(market_log(SECONDS), per_second=PER_SECOND))
        for _ in range(2):
            await stages.at_work(estimator, clusterer)
            await asyncio.sleep(2)
            estimator.kill()
            estimator = stages.start("estimator", instance="one", checkpoint_seconds=2.5)
            await stages.at_work(estimator)
            await asyncio.sleep(1)
            clusterer.kill()
            clusterer = stages.start("clusterer", instance="one", checkpoint_seconds=2.5)
        await feeding
        await judge(stages)

    asyncio.run(scenario())


def test_workers_come_and_go_and_one_stands_still(stages: Stages) -> None:
    """Rebalances in both directions, and a SIGSTOP longer than the session: the sleeper was replaced meanwhile."""

    async def scenario() -> None:
        await stages.create_topics()
        first = stages.start("estimator")
        stages.start("clusterer")
        await stages.at_work(first)
        feeding = asyncio.create_task(stages.feed(market_log(SECONDS), per_second=PER_SECOND / 2))
        await asyncio.sleep(2)
        second = stages.start("estimator")
        await stages.at_work(second)
        await asyncio.sleep(2)
        first.send_signal(signal.SIGSTOP)
        await asyncio.sleep(SESSION_SECONDS + 4)
        first.send_signal(signal.SIGCONT)
        await asyncio.sleep(3)
        if first.poll() is not None:  # it noticed that it was replaced
            first = stages.start("estimator")
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 0
        await feeding
        await judge(stages)

    asyncio.run(scenario())


def test_two_workers_with_the_same_identity(stages: Stages) -> None:
    """They replace each other again and again; the fencing keeps the state right, and one is left at the end."""

    async def scenario() -> None:
        await stages.create_topics()
        twin = stages.start("estimator", instance="twin")
        stages.start("clusterer")
        await stages.at_work(twin)
        feeding = asyncio.create_task(stages.feed(market_log(SECONDS), per_second=PER_SECOND / 2))
        await asyncio.sleep(2)
        other = stages.start("estimator", instance="twin")
        for _ in range(16):
            await asyncio.sleep(0.5)
            if twin.poll() is not None:
                twin = stages.start("estimator", instance="twin")
            if other.poll() is not None:
                other = stages.start("estimator", instance="twin")
        other.kill()
        await asyncio.sleep(1)
        if twin.poll() is not None:
            stages.start("estimator", instance="twin")
        await feeding
        await judge(stages)

    asyncio.run(scenario())


def test_duplicates_poison_and_a_fold_that_raises(stages: Stages) -> None:
    """Bad messages are dead-lettered, duplicates change nothing, one coin is quarantined, the others go on."""
    log = market_log(60)
    good = log[len(log) // 2]
    noise = [
        good,
        (b"BTC", b"no json"),
        (b"BTC", b'{"schema_version": 99}'),
        (b"BTC", b"[]"),
        (b"no coin!", good[1]),
        (b"ETH", raising_event("ETH", START_MS + 30_000)),
        good,
    ]
    dirty = log[: len(log) // 2] + noise + log[len(log) // 2 :] + log[-20:]

    async def scenario() -> None:
        await stages.create_topics()
        estimator = stages.start("estimator", instance="one")
        stages.start("clusterer", instance="one")
        await stages.at_work(estimator)
        feeding = asyncio.create_task(stages.feed(dirty, per_second=PER_SECOND))
        await asyncio.sleep(3)
        estimator.kill()
        stages.start("estimator", instance="one")
        await feeding
        expected = await judge(stages)
        assert len(expected.outputs[DEAD_LETTERS]) == 5, "four bad messages and one that raised"
        last = {message.key: message.value for message in expected.outputs[LIQUIDATION_GRIDS]}
        assert set(last) == {b"BTC", b"ETH", b"SOL", b"DOGE", b"AVAX"}

    asyncio.run(scenario())


def test_broker_killed_and_frozen(tmp_path: Path) -> None:
    """The broker dies and comes back; then it stands still while a stage is killed between an output and its state."""

    async def scenario(broker: KafkaServer) -> None:
        stages = Stages(broker.bootstrap_servers, "broker-", tmp_path)
        try:
            await stages.create_topics()
            estimator = stages.start("estimator", instance="one")
            stages.start("clusterer", instance="one")
            await stages.at_work(estimator)
            feeding = asyncio.create_task(stages.feed(market_log(SECONDS), per_second=PER_SECOND))
            await asyncio.sleep(3)
            broker.send_signal(signal.SIGKILL)
            await asyncio.to_thread(broker.start)
            await asyncio.sleep(4)
            broker.send_signal(signal.SIGSTOP)
            await asyncio.sleep(1)
            estimator.kill()
            broker.send_signal(signal.SIGCONT)
            estimator = stages.start("estimator", instance="one")
            await feeding
            await judge(stages)
        finally:
            stages.kill()

    with KafkaServer(tmp_path / "kafka") as broker:
        asyncio.run(scenario(broker))
