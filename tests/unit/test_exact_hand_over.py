"""What a fetch becomes: folded in order, up to a hole or a rebalance; what is missing is asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from liqheat_shared.contracts.dead_letters import Reason
from liqheat_shared.contracts.topics import MARKET_EVENTS
from liqheat_shared.folding import Emission, Fold, Origin
from liqheat_shared.kafka.exact import worker as worker_module
from liqheat_shared.kafka.exact.hand_over import RecordsConsumer
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.kafka.exact.worker import StageWorker
from liqheat_shared.metrics import Metrics
from liqheat_shared.settings import ServiceSettings

TOPIC = TP(MARKET_EVENTS, 0)


class Numbers(Fold[list[int], int]):
    """Remembers what it got."""

    stage = "estimator"
    state_version = 1

    def decode(self, value: bytes, coin: str, append_time_ms: int) -> int:
        return int(value)

    def new(self, coin: str) -> list[int]:
        return []

    def load(self, body: bytes, coin: str) -> list[int]:
        return [int(part) for part in body.split()]

    def dump(self, state: list[int]) -> bytes:
        return b" ".join(b"%d" % number for number in state)

    def origin(self, event: int) -> Origin | None:
        return None

    def rejected(self, state: list[int], reason: Reason) -> None:
        raise AssertionError(reason)

    def history_lost(self, state: list[int], first_offset: int, last_offset: int) -> None:
        raise AssertionError((first_offset, last_offset))

    def releases_quarantine(self, event: int) -> bool:
        return False

    def quarantine_released(self, state: list[int]) -> None:
        raise AssertionError(state)

    def fold(self, state: list[int], event: int) -> list[Emission]:
        state.append(event)
        return []


def record(offset: int) -> Any:
    return SimpleNamespace(offset=offset, key=b"BTC", value=b"%d" % offset, timestamp=1000)


def records(*offsets: int) -> list[Any]:
    return [record(offset) for offset in offsets]


def with_worker(check: Any) -> None:
    async def main() -> None:
        options = StageOptions("estimator", MARKET_EVENTS, None, 10.0, 1.0, 20_000, 1.0, 1000)
        worker = StageWorker(Numbers(), ServiceSettings(), options, Metrics("estimator"))
        worker.ownership.partitions = {0: worker.engine.open(0, {})}
        await check(worker)

    asyncio.run(asyncio.wait_for(main(), 60))


def folded(worker: StageWorker) -> list[int]:
    slots = worker.ownership.partitions[0].slots
    return list(slots[b"BTC"].state) if slots else []


def test_records_are_folded_in_order_and_repeats_once() -> None:
    async def check(worker: StageWorker) -> None:
        assert await worker._take_records(TOPIC, records(0, 1, 2), lambda: True) == 2
        assert await worker._take_records(TOPIC, records(1, 2, 3), lambda: True) == 3
        assert folded(worker) == [0, 1, 2, 3]

    with_worker(check)


def test_nothing_is_folded_once_a_rebalance_has_begun() -> None:
    async def check(worker: StageWorker) -> None:
        answers = iter([True, True, False])
        assert await worker._take_records(TOPIC, records(0, 1, 2, 3), lambda: next(answers)) == 1
        assert folded(worker) == [0, 1]
        worker.ownership.partitions = {}
        assert await worker._take_records(TOPIC, records(2, 3), lambda: True) is None

    with_worker(check)


def test_beyond_a_hole_nothing_is_used_until_it_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(worker: StageWorker) -> None:
        asked: list[tuple[TP, int]] = []

        async def earliest_offsets(tp: TP) -> dict[TP, int]:
            return {tp: 0}

        async def seek(tp: TP, offset: int) -> None:
            asked.append((tp, offset))

        worker.app.consumer = SimpleNamespace(earliest_offsets=earliest_offsets, seek=seek)
        assert await worker._take_records(TOPIC, records(0, 1, 5, 6), lambda: True) == 1
        assert await worker._take_records(TOPIC, records(7), lambda: True) is None
        monkeypatch.setattr(worker_module, "AHEAD_GRACE_SECONDS", -1.0)
        await worker._fetch_skipped()
        assert asked == [(TP(MARKET_EVENTS, 0), 2)]
        assert await worker._take_records(TOPIC, records(2, 3, 4, 5, 6), lambda: True) == 6
        assert folded(worker) == list(range(7))

    with_worker(check)


Take = Callable[[TP, Sequence[Any], Callable[[], bool]], Any]


def consumer_with(take: Take) -> RecordsConsumer:
    consumer = RecordsConsumer.__new__(RecordsConsumer)
    consumer.flow_active = True
    consumer.app = SimpleNamespace(consumer_generation_id=1, take_records=take)
    consumer._read_offset = {TOPIC: None, TP(MARKET_EVENTS, 1): None}
    return consumer


def test_what_is_asked_for_again_is_not_dropped_as_known() -> None:
    """A fetch from before the seek may come after it; it must not move the place from which records are new."""
    taken: list[list[int]] = []

    async def take(tp: TP, fetched: Sequence[Any], is_current: Callable[[], bool]) -> int | None:
        taken.append([each.offset for each in fetched])
        return None if fetched[0].offset > 2 else fetched[-1].offset

    async def main() -> None:
        consumer = consumer_with(take)
        await consumer._hand_over({TOPIC: records(0, 1)}, None)
        await consumer._hand_over({TOPIC: records(5, 6)}, None)  # ahead: not used
        await consumer._hand_over({TOPIC: records(2, 3, 4, 5)}, None)
        await consumer._hand_over({TOPIC: records(3, 4, 5, 6)}, None)
        assert taken == [[0, 1], [5, 6], [2, 3, 4, 5], [5, 6]]

    asyncio.run(main())


def test_a_new_generation_gets_nothing_of_the_old_one() -> None:
    taken: list[TP] = []

    async def take(tp: TP, fetched: Sequence[Any], is_current: Callable[[], bool]) -> int | None:
        taken.append(tp)
        consumer.app.consumer_generation_id = 2
        assert not is_current()
        return 7

    consumer = consumer_with(take)
    asyncio.run(consumer._hand_over({TOPIC: records(7), TP(MARKET_EVENTS, 1): records(3)}, None))
    assert taken == [TOPIC]
    assert consumer._read_offset[TOPIC] is None
