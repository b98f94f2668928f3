"""What the commands start: the source they were asked for, the batcher, and the run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError

from liqheat_ingest.batcher import Batcher, messages
from liqheat_ingest.instruments import instrument_fields
from liqheat_ingest.log_position import last_ingest_epoch, log_tail
from liqheat_ingest.mappers.binance_vision import utc_ms
from liqheat_ingest.mappers.rows import BadRow
from liqheat_ingest.pacing import Pacer
from liqheat_ingest.publisher import DeliveryFailed
from liqheat_ingest.readings import Source, SourceError
from liqheat_ingest.run import IngestRun
from liqheat_ingest.settings import IngestSettings
from liqheat_ingest.sources.replay import open_replay
from liqheat_shared.clock import now_ms
from liqheat_shared.metrics import Metrics

if TYPE_CHECKING:
    from liqheat_ingest.sources.simulator import SimulatorSource

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def replay_source(
    paths: Sequence[str], coins: Sequence[str], days: Sequence[str], say: Callable[[str], None]
) -> Source:
    """A replay of files and folders; says which files of a folder it passes over. Raises SourceError."""
    source = open_replay([Path(path) for path in paths], coins, [_day_number(day) for day in days])
    for sentence in source.refused:
        say(f"liqheat: passed over: {sentence}")
    return source


def simulator_source(
    settings: IngestSettings, coins: Sequence[str], history_end_ms: int, until_ms: int | None
) -> SimulatorSource:
    """The simulator with its history up to ``history_end_ms``. Raises SourceError for a coin it does not have."""
    # Only here: numpy takes half a second to load, and a replay needs none.
    from liqheat_ingest.market_simulation.profiles import COINS
    from liqheat_ingest.sources.simulator import SimulatorSource

    chosen = tuple(coins) or tuple(settings.ingest_simulator_coins.split(","))
    unknown = [coin for coin in chosen if coin not in COINS]
    if unknown:
        raise SourceError(f"the simulator has no {', '.join(unknown)}; it has {', '.join(COINS)}")
    history_ms = round(settings.ingest_simulator_history_hours * 60) * MINUTE_MS
    return SimulatorSource(settings.ingest_simulator_seed, history_end_ms, history_ms, until_ms, chosen)


async def run_source(
    settings: IngestSettings,
    source: Source,
    pacer: Pacer,
    ingest_epoch: int | None,
    say: Callable[[str], None],
    metrics: Metrics | None = None,
) -> IngestRun:
    """Publish a source to its end, or until a signal.

    Parameters
    ----------
    ingest_epoch : int or None
        None: one more than the log holds (a simulation that starts anew tells another story).
    metrics : Metrics or None
        Served on the metrics port while it runs.

    Raises
    ------
    SourceError, DeliveryFailed
        The message is a sentence for the person who started it.
    """
    epoch = ingest_epoch if ingest_epoch is not None else await last_ingest_epoch(settings) + 1
    batcher = Batcher(
        source.phase, epoch, settings.window_ms, lambda market: instrument_fields(source.describe(market))
    )
    run = IngestRun(settings, source, messages(source.items(), batcher), pacer, metrics, say)
    if metrics is not None:
        port = metrics.serve(settings.metrics_host, settings.metrics_port, alive=lambda: None, ready=run.ready)
        say(f"liqheat ingest: metrics and probes on http://{settings.metrics_host}:{port}")
    await run.run()
    return run


async def run_live(
    settings: IngestSettings, ingest_epoch: int | None, say: Callable[[str], None], metrics: Metrics | None
) -> IngestRun:
    """Publish the venues' markets until a signal.

    Parameters
    ----------
    ingest_epoch : int or None
        None: above everything in the log, and above every earlier owner (the seconds since 1970, which only rise).

    Raises
    ------
    SourceError, DeliveryFailed
        The message is a sentence for the person who started it.
    """
    # Only here: ccxt takes seconds to load.
    from liqheat_ingest.live_run import LiveRun
    from liqheat_ingest.sources.live.live_source import LiveSource

    try:
        tail = await log_tail(settings)
    except (KafkaError, OSError, TimeoutError) as error:
        raise DeliveryFailed(f"no Kafka at {settings.kafka_bootstrap_servers}: {error or 'no answer'}") from error
    epoch = ingest_epoch if ingest_epoch is not None else max(tail.epoch + 1, now_ms() // 1000)
    options = settings.live_options()
    live = LiveSource(options, epoch, tail, settings.window_ms, say)
    run = LiveRun(settings, live, metrics, say)
    # What ccxt has loaded stays: a collector that looks through it stops everything for a tenth of a second.
    gc.collect()
    gc.freeze()
    if metrics is not None:
        port = metrics.serve(settings.metrics_host, settings.metrics_port, alive=lambda: None, ready=run.ready)
        say(f"liqheat ingest: metrics and probes on http://{settings.metrics_host}:{port}")
    what = "fake or other hosts (everything is marked simulated)" if options.endpoints else "live"
    say(f"liqheat ingest: {', '.join(options.venues)}: {what}, epoch {epoch}")
    await run.run()
    return run


def replay_pacer(speed: float) -> Pacer:
    """A tape begins when it is started, whatever its date."""
    return Pacer(speed)


def simulator_pacer(speed: float, history_end_ms: int | None, now_ms: int) -> Pacer:
    """The simulator's time is the wall time from its start on, or begins at a chosen end of its history.

    The history itself does not wait, nor do the seconds between its end and now.
    """
    return Pacer(speed, now_ms, now_ms) if history_end_ms is None else Pacer(speed, history_end_ms)


def run_to_end(main: Coroutine[Any, Any, IngestRun]) -> IngestRun:
    """Run a coroutine in uvloop, where there is one.

    The collector looks at new objects less often: a tape is millions of short-lived tuples without cycles, and looking
    at them all takes a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.run(main)
    else:
        run: IngestRun = uvloop.run(main)
        return run


def _day_number(day: str) -> int:
    try:
        return utc_ms(f"{day} 00:00:00".encode()) // DAY_MS
    except BadRow:
        raise SourceError(f"a day is written YYYY-MM-DD, not {day!r}") from None
