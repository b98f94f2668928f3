"""The shell of the live source: what comes is sent at once, and everything that is known of the feeds is exported."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from aiokafka.errors import KafkaError

from liqheat_ingest.log_position import log_tail
from liqheat_ingest.message import Message
from liqheat_ingest.pacing import Pacer
from liqheat_ingest.readings import SourceError
from liqheat_ingest.run import IngestRun
from liqheat_ingest.settings import IngestSettings
from liqheat_ingest.sources.live.live_metrics import LiveMetrics
from liqheat_ingest.sources.live.live_source import LiveSource
from liqheat_shared.clock import now_ms
from liqheat_shared.metrics import Metrics

#: Messages between two turns of the event loop while they are handed to the producer.
MESSAGES_A_TURN = 200
#: How often the end of the log is looked at for another owner, and how much of each partition.
OWNER_EVERY_S, OWNER_MESSAGES = 60.0, 200
#: Together shorter than what the shell waits for the end of the publishing.
CLOSE_TIMEOUT_S, LAST_WORDS_TIMEOUT_S = 0.7, 1.0


class LiveRun(IngestRun):
    """A run of the live source into Kafka."""

    def __init__(
        self, settings: IngestSettings, live: LiveSource, metrics: Metrics | None, say: Callable[[str], None]
    ) -> None:
        super().__init__(settings, live, live.items(), Pacer(1.0), metrics, say)
        self.live = live
        self._taken: deque[Message] = deque()
        self._settings = settings
        self._flush_s = settings.ingest_live_flush_ms / 1000.0
        self._live_metrics = LiveMetrics(live, metrics) if metrics is not None else None

    def ready(self) -> str | None:
        """None, or why this process should not be counted on."""
        if self._problem is not None:
            return self._problem
        if not any(connection.is_up for run in self.live.runs.values() for connection in run.connections):
            return "no connection to a venue stands"
        return None

    async def _publish(self) -> None:
        starting = asyncio.create_task(self.live.start())
        owning = asyncio.create_task(self._see_that_nobody_else_publishes())
        try:
            while True:
                if owning.done():
                    owning.result()
                await self.live.outlet.filled(self._flush_s)
                self.live.outlet.advance(now_ms())
                await self._send()
                if starting.done():
                    starting.result()
                    if (failure := self.live.failure()) is not None:
                        raise failure
        finally:
            starting.cancel()
            owning.cancel()
            # What was received is published, whoever ended us, as far as Kafka takes it in time. What it does not take
            # is the end of what this owner says, and the next one announces the time from there on.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self.live.close()
            self._taken.extend(self.live.outlet.finish())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_TIMEOUT_S):
                    await self._send()

    async def _see_that_nobody_else_publishes(self) -> None:
        """Raise SourceError once a later owner publishes our markets: the folds drop what we say since."""
        while True:
            await asyncio.sleep(OWNER_EVERY_S)
            try:
                tail = await log_tail(self._settings, OWNER_MESSAGES)
            except (KafkaError, OSError, TimeoutError):
                continue  # whether Kafka is well is seen elsewhere
            markets = [listed.market for run in self.live.runs.values() for listed in run.markets]
            usurper = tail.usurper(markets, self.live.ingest_epoch)
            if usurper is not None:
                raise SourceError(
                    f"another process publishes the same markets under the epoch {usurper}, above our "
                    f"{self.live.ingest_epoch}: only one may own a venue and shard, so this one ends"
                )

    async def _send(self) -> None:
        """Hand over what is complete, in order, and let it go.

        Cancelled in the middle, it keeps what it did not hand over: a message must not overtake one before it.
        """
        self._taken.extend(self.live.outlet.take())
        number = 0
        while self._taken:
            message = self._taken[0]
            await self.publisher.send(message)
            self._taken.popleft()
            self.progress.count(message)
            number += 1
            if number % MESSAGES_A_TURN == 0:
                await self.publisher.flush()
                await asyncio.sleep(0)
        await self.publisher.flush()

    def _update_metrics(self) -> None:
        super()._update_metrics()
        if self._live_metrics is not None:
            self._live_metrics.update(now_ms())
