"""Outputs leave in order, and a checkpoint can wait for exactly those it needs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from liqheat_shared.kafka.exact import outputs
from liqheat_shared.kafka.exact.engine import OutgoingMessage
from liqheat_shared.kafka.exact.outputs import OutputProducer
from liqheat_shared.kafka.exact.slots import Partition
from liqheat_shared.settings import ServiceSettings


class Batch:
    """A batch of three messages."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.closed = False

    def append(self, *, timestamp: int | None, key: bytes, value: bytes) -> object | None:
        if self.closed or len(self.values) == 3:
            self.closed = True
            return None
        self.values.append(value)
        return object()

    def close(self) -> None:
        self.closed = True


class Producer:
    """A broker that answers when it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int, list[bytes]]] = []
        self.answers: list[asyncio.Future[None]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.stopped = False

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[None]:
        await self.open.wait()
        assert batch.closed, "it could still be written to"
        self.taken.append((topic, partition, batch.values))
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def stop(self) -> None:
        self.stopped = True


def outgoing(name: str, topic: str = "grids", partition: int = 0) -> OutgoingMessage:
    return OutgoingMessage(topic, b"BTC", name.encode(), partition)


def with_producer(check: Any) -> None:
    async def main() -> None:
        producer, out = Producer(), OutputProducer(ServiceSettings())
        out._producer = producer  # type: ignore[assignment]
        await check(out, producer)

    asyncio.run(asyncio.wait_for(main(), 60))


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_order_is_kept_per_topic_and_partition() -> None:
    async def check(out: OutputProducer, producer: Producer) -> None:
        partition = Partition(0, 0, has_position=False)
        for number in range(8):
            out.put(partition, number, [outgoing(f"g{number}"), outgoing(f"c{number}", "columns")])
        out.flush()
        await turns()
        for topic, letter in (("grids", "g"), ("columns", "c")):
            sent = [value.decode() for name, _, values in producer.taken if name == topic for value in values]
            assert sent == [f"{letter}{number}" for number in range(8)]

    with_producer(check)


def test_a_delivery_stands_for_its_whole_batch_under_its_lowest_offset() -> None:
    async def check(out: OutputProducer, producer: Producer) -> None:
        partition = Partition(0, 0, has_position=False)
        for number in range(5):
            out.put(partition, 10 + number, [outgoing(str(number))])
        assert [offset for offset, _ in partition.deliveries] == [10, 13]
        out.flush()
        await turns()
        assert not partition.deliveries[0][1].done()
        producer.answers[0].set_result(None)
        await turns()
        assert [future.done() for _, future in partition.deliveries] == [True, False]
        out.put(partition, 15, [outgoing("5")])
        assert [offset for offset, _ in partition.deliveries] == [13, 15], "what is delivered is forgotten"

    with_producer(check)


def test_after_a_flush_nothing_is_added_to_what_has_to_leave() -> None:
    async def check(out: OutputProducer, producer: Producer) -> None:
        producer.open.clear()
        before, after = Partition(0, 0, has_position=False), Partition(0, 0, has_position=True)
        out.put(before, 1, [outgoing("before")])
        out.flush()
        out.put(after, 1, [outgoing("after")])
        assert [len(partition.deliveries) for partition in (before, after)] == [1, 1]
        out.flush()
        producer.open.set()
        await turns()
        assert [values for _, _, values in producer.taken] == [[b"before"], [b"after"]]

    with_producer(check)


def test_folding_waits_while_too_much_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "MAX_WAITING_BYTES", 10)

    async def check(out: OutputProducer, producer: Producer) -> None:
        partition = Partition(0, 0, has_position=False)
        await out.wait_for_room()
        out.put(partition, 1, [outgoing("12345678"), outgoing("12345678")])
        waiting = asyncio.create_task(out.wait_for_room())
        await turns()
        assert not waiting.done()
        producer.answers[0].set_result(None)
        await waiting

    with_producer(check)


def test_what_is_not_delivered_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(outputs, "end_process", lambda code, why: ended.append(code))

    async def check(out: OutputProducer, producer: Producer) -> None:
        out.put(Partition(0, 0, has_position=False), 1, [outgoing("1")])
        out.flush()
        await turns()
        producer.answers[0].set_exception(RuntimeError("no"))
        await turns()
        assert ended == [outputs.EXIT_NOT_DELIVERED]

    with_producer(check)


def test_a_stop_sends_what_waits() -> None:
    async def check(out: OutputProducer, producer: Producer) -> None:
        for number in range(7):
            out.put(Partition(0, 0, has_position=False), number, [outgoing(str(number))])
        await out.stop(30)
        assert [value for _, _, values in producer.taken for value in values] == [b"%d" % n for n in range(7)]
        assert producer.stopped

    with_producer(check)


def test_a_batch_leaves_early_only_where_nothing_is_before_it() -> None:
    async def check(out: OutputProducer, producer: Producer) -> None:
        partition = Partition(0, 0, has_position=False)
        out.put(partition, 1, [outgoing("1")])
        out.flush_idle()
        await turns()
        out.put(partition, 2, [outgoing("2")])
        out.flush_idle()
        await turns()
        assert [values for _, _, values in producer.taken] == [[b"1"]]
        producer.answers[0].set_result(None)
        await turns()
        out.flush_idle()
        await turns()
        assert [values for _, _, values in producer.taken] == [[b"1"], [b"2"]]

    with_producer(check)
