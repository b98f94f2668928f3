"""The shell of ingest: pulls items from a source, paces them, publishes them, tells how far it is."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from liqheat_ingest.message import Message
from liqheat_ingest.pacing import Pacer
from liqheat_ingest.publisher import Publisher
from liqheat_ingest.readings import Source
from liqheat_ingest.settings import IngestSettings
from liqheat_shared.clock import now_ms
from liqheat_shared.contracts.topics import DEAD_LETTERS
from liqheat_shared.metrics import Metrics

PROGRESS_EVERY_S = 5.0
METRICS_EVERY_S = 1.0
#: The event loop turns at least once in so many messages, so that batches leave and signals are heard.
MESSAGES_A_TURN = 500
SHUTDOWN_TIMEOUT_S = 2.0
#: Not ready when messages wait and none was acknowledged for so long.
STALL_S = 10.0


@dataclass(slots=True)
class Progress:
    """How far the run is. ``events`` counts rows of the source, ``messages`` what was sent for them and beside them."""

    started_s: float = field(default_factory=time.monotonic)
    events: int = 0
    messages: int = 0
    dead_letters: int = 0
    data_time_ms: int = 0
    venue_time_ms: dict[str, int] = field(default_factory=dict)
    since_last: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, message: Message) -> None:
        """Note a message that was handed to Kafka."""
        self.data_time_ms = message.due_ms
        if message.topic == DEAD_LETTERS:
            self.dead_letters += 1
            return
        self.messages += 1
        self.events += message.rows
        self.since_last[message.venue, message.type] += message.rows or 1
        self.venue_time_ms[message.venue] = message.due_ms

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started_s


class IngestRun:
    """One run of a source into Kafka.

    Parameters
    ----------
    messages : iterator of Message
        From the batcher, in order.
    source : Source
        Where they come from; asked for its progress.
    metrics : Metrics or None
        None: not counted anywhere (a command that ends soon).
    say : callable
        Receives progress lines.
    """

    def __init__(
        self,
        settings: IngestSettings,
        source: Source,
        messages: Iterator[Message],
        pacer: Pacer,
        metrics: Metrics | None = None,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201 - its output
    ) -> None:
        self._source = source
        self._messages = messages
        self._pacer = pacer
        self._metrics = metrics
        self._say = say
        self.publisher = Publisher(settings)
        self.progress = Progress()
        self.interrupted = False
        self._stop = asyncio.Event()
        self._counted_dead_letters = 0
        self._last_acknowledged = (0, time.monotonic())
        self._problem: str | None = "not connected to Kafka yet"

    def ready(self) -> str | None:
        """None, or why this process should not be counted on."""
        return self._problem

    async def run(self) -> None:
        """Publish everything, or until SIGTERM or SIGINT. Raises DeliveryFailed and SourceError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        reporter = asyncio.create_task(self._report())
        try:
            starting = asyncio.create_task(self.publisher.start())
            if await self._first(starting):
                starting.result()
                self._problem = None
                publishing = asyncio.create_task(self._publish())
                if await self._first(publishing):
                    publishing.result()
            self.interrupted = self._stop.is_set()
        finally:
            reporter.cancel()
            left = await self.publisher.close(SHUTDOWN_TIMEOUT_S)
            self._update_metrics()
            if left:
                self._say(f"liqheat ingest: {left} messages were not acknowledged before the end")

    async def _publish(self) -> None:
        for number, message in enumerate(self._messages, 1):
            delay_s = self._pacer.delay_s(message.due_ms, now_ms())
            if delay_s > 0:
                await self.publisher.flush()
                await asyncio.sleep(delay_s)
            elif number % MESSAGES_A_TURN == 0:
                await self.publisher.flush()
                await asyncio.sleep(0)
            await self.publisher.send(message)
            self.progress.count(message)
        await self.publisher.finish()

    async def _first(self, task: asyncio.Task[None]) -> bool:
        """Wait for the task or a signal; False: the signal came first, and the task was told to end."""
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if task.done():
            return True
        task.cancel()
        await asyncio.wait([task], timeout=SHUTDOWN_TIMEOUT_S)
        return False

    async def _report(self) -> None:
        said_s, said_events = time.monotonic(), 0
        while True:
            await asyncio.sleep(METRICS_EVERY_S)
            self._update_metrics()
            now_s = time.monotonic()
            if now_s - said_s >= PROGRESS_EVERY_S:
                rate = (self.progress.events - said_events) / (now_s - said_s)
                self._say(self.progress_line(rate))
                said_s, said_events = now_s, self.progress.events

    def progress_line(self, rows_per_second: float) -> str:
        """One line for a person: share done, speed, time in the data."""
        share = self._source.share_done()
        done = "" if share is None else f"{share:.0%} done, "
        p = self.progress
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(p.data_time_ms / 1000))
        return (
            f"liqheat ingest: {done}{rows_per_second:,.0f} rows/s, {p.events:,} rows in {p.messages:,} messages, "
            f"{p.dead_letters} broken lines, data time {at} UTC"
        )

    def _update_metrics(self) -> None:
        acknowledged, since_s = self._last_acknowledged
        now_s = time.monotonic()
        publisher = self.publisher
        if publisher.acknowledged != acknowledged or publisher.in_flight == 0:
            self._last_acknowledged = (publisher.acknowledged, now_s)
            if self._problem and self._problem.startswith("nothing"):
                self._problem = None
        elif now_s - since_s > STALL_S and self._problem is None:
            self._problem = f"nothing was acknowledged for {now_s - since_s:.0f} s"
        metrics = self._metrics
        if metrics is None:
            return
        counted = metrics.counter("liqheat_ingest_events_total")
        for (venue, kind), rows in self.progress.since_last.items():
            counted.labels(venue=venue, type=kind).inc(rows)
        self.progress.since_last.clear()
        metrics.counter("liqheat_ingest_messages_total").inc(publisher.acknowledged - acknowledged)
        metrics.gauge("liqheat_ingest_undelivered_messages").set(publisher.in_flight)
        broken = metrics.counter("liqheat_ingest_broken_lines_total")
        broken.inc(self.progress.dead_letters - self._counted_dead_letters)
        self._counted_dead_letters = self.progress.dead_letters
        if self._source.phase in ("live", "simulated"):
            for venue, time_ms in self.progress.venue_time_ms.items():
                age_s = max(0.0, (now_ms() - time_ms) / 1000.0)
                metrics.gauge("liqheat_ingest_feed_age_seconds").labels(venue=venue).set(age_s)
