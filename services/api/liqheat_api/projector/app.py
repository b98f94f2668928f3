"""The projector's process: two consumers, so that bursts of history never hold up the second hand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

import orjson
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from liqheat_api.process import version
from liqheat_api.projector.accuracy import AccuracyRecords
from liqheat_api.projector.consumer import TopicConsumer
from liqheat_api.projector.counters import Counters
from liqheat_api.projector.history import ClusterEvents, Columns, Liquidations
from liqheat_api.projector.latest import Grids, Magnets, Sets
from liqheat_api.projector.projection import Projection
from liqheat_api.projector.store import Store
from liqheat_api.settings import ProjectorSettings
from liqheat_shared import clock
from liqheat_shared.cancellation import end_tasks
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS
from liqheat_shared.metrics import Metrics
from liqheat_shared.redis_keys import RedisKeys

log = logging.getLogger(__name__)

#: Columns are minutes old when they come: a slow fetch saves both sides work.
COLUMN_FETCH_WAIT_MS = 250
COLUMN_PAUSE_SECONDS = 0.5
#: Ten maps a second are more than eyes follow, and a live coin brings one.
LIVE_PAUSE_SECONDS = 0.1
STATUS_SECONDS = 2.0
STATUS_EXPIRES_SECONDS = 10
KAFKA_RETRY_SECONDS = 2.0
STOP_SECONDS = 2.0
#: Without a turn of the loop for so long, the process is stuck and should be restarted.
STUCK_SECONDS = 60.0


def live_projections(keys: RedisKeys, events_kept: int) -> list[Projection]:
    """What follows the market by the second."""
    return [kind(keys, events_kept) for kind in (Grids, Sets, Magnets, ClusterEvents, Liquidations, AccuracyRecords)]


def column_projections(keys: RedisKeys, events_kept: int) -> list[Projection]:
    """The history of the map."""
    return [Columns(keys, events_kept, timeframe) for timeframe in TIMEFRAME_MS]


def consumers(
    settings: ProjectorSettings, store: Store, counters: Counters, *, grouped: bool = True
) -> list[TopicConsumer]:
    """The two consumers; without groups each reads all partitions."""
    group = settings.group_prefix + "projector" if grouped else None
    kept = settings.projector_events_kept
    parts = [
        (live_projections(store.keys, kept), "", settings.projector_fetch_wait_ms, LIVE_PAUSE_SECONDS),
        (column_projections(store.keys, kept), ".columns", COLUMN_FETCH_WAIT_MS, COLUMN_PAUSE_SECONDS),
    ]
    return [
        TopicConsumer(
            settings,
            store,
            projections,
            counters,
            group=group and group + suffix,
            fetch_wait_ms=fetch_wait_ms,
            pause_seconds=pause_seconds,
        )
        for projections, suffix, fetch_wait_ms, pause_seconds in parts
    ]


class ProjectorApp:
    """The process, from its settings.

    Parameters
    ----------
    settings : ProjectorSettings
    metrics : Metrics
    """

    def __init__(self, settings: ProjectorSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.problem: str | None = "it is still starting"
        self.metrics = metrics
        self.counters = Counters(metrics)
        self.store = Store(settings, self._redis_problem)
        self.consumers: list[TopicConsumer] = []
        self._redis_is_away: str | None = None
        self._last_turn = 0.0

    def _redis_problem(self, problem: str | None) -> None:
        self._redis_is_away = problem

    def alive(self) -> str | None:
        """Why the process should be restarted, if it should."""
        if self._last_turn and clock.now_ms() / 1000 - self._last_turn > STUCK_SECONDS:
            return f"the event loop made no turn for {STUCK_SECONDS:.0f} s"
        return None

    def ready(self) -> str | None:
        """Why the view in Redis is not being kept up, if it is not."""
        return self._redis_is_away or self.problem

    async def run(self) -> None:
        """Project until cancelled."""
        self.consumers = consumers(self.settings, self.store, self.counters)
        status = asyncio.create_task(self._tell_status(), name="tell status")
        following = [
            asyncio.create_task(self._follow(consumer), name=f"project {', '.join(consumer.projections)}")
            for consumer in self.consumers
        ]
        try:
            # Neither ever ends but by failing.
            done, _ = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end_tasks([status, *following], STOP_SECONDS)
            await asyncio.gather(*(consumer.stop() for consumer in self.consumers))
            await self.store.close()

    async def _follow(self, consumer: TopicConsumer) -> None:
        while True:
            try:
                await consumer.start()
                break
            except (KafkaError, OSError) as error:
                self.problem = f"Kafka at {self.settings.kafka_bootstrap_servers} does not answer: {error}"
                log.warning("%s; trying again", self.problem)
                await asyncio.sleep(KAFKA_RETRY_SECONDS)
        await consumer.run()

    async def _tell_status(self) -> None:
        while True:
            self._last_turn = clock.now_ms() / 1000
            if all(consumer.places.states for consumer in self.consumers):
                self.problem = None
            lag = sum(consumer.lag() for consumer in self.consumers)
            self.counters.lag.set(lag)
            status = {
                "time_ms": clock.now_ms(),
                "lag_messages": lag,
                "reading_history": any(consumer.reads_history() for consumer in self.consumers),
                "invalid_messages": self.counters.invalid,
            }
            with contextlib.suppress(RedisError, OSError):
                await self.store.set_status(orjson.dumps(status), STATUS_EXPIRES_SECONDS)
            await asyncio.sleep(STATUS_SECONDS)


async def serve(settings: ProjectorSettings) -> None:
    """Run the projector with its metrics server until SIGINT or SIGTERM."""
    metrics = Metrics("projector")
    metrics.gauge("liqheat_build_info").labels(version()).set(1)
    app = ProjectorApp(settings, metrics)
    port = metrics.serve(settings.metrics_host, settings.metrics_port, alive=app.alive, ready=app.ready)
    log.info("projector: metrics on http://%s:%d/metrics", settings.metrics_host, port)
    task = asyncio.create_task(app.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    log.info("projector: ended")
