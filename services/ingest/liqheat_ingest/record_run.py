"""The shell of ``liqheat record``: live venues into files, without Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from liqheat_ingest.log_position import LogTail
from liqheat_ingest.recording import RecordingWriter
from liqheat_ingest.settings import IngestSettings
from liqheat_ingest.sources.live.live_source import LiveSource
from liqheat_shared.clock import now_ms

FLUSH_EVERY_S = 1.0
SAY_EVERY_S = 30.0


class Recorded(NamedTuple):
    """What a recording came to."""

    messages: int
    bytes_written: int
    deleted_files: int
    seconds: float


async def record(
    settings: IngestSettings, writer: RecordingWriter, for_s: float | None, say: Callable[[str], None]
) -> Recorded:
    """Write every raw message of the chosen venues and coins until a signal, or for so long.

    Raises
    ------
    SourceError
        None of the chosen coins is listed.
    RecordingFailed
        The files can't be written.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    live = LiveSource(settings.live_options(), 1, LogTail(), settings.window_ms, say)
    live.listen(writer.take)
    started_s = said_s = time.monotonic()
    starting = asyncio.create_task(live.start())
    try:
        while not stop.is_set() and (for_s is None or time.monotonic() - started_s < for_s):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), FLUSH_EVERY_S)
            writer.flush(now_ms())
            live.outlet.advance(now_ms())
            live.outlet.take()  # events are made of the files later
            if starting.done():
                starting.result()
                if (failure := live.failure()) is not None:
                    raise failure
            if time.monotonic() - said_s >= SAY_EVERY_S:
                said_s = time.monotonic()
                say(f"liqheat record: {writer.messages:,} messages, {writer.bytes_written / 1e6:,.1f} MB")
    finally:
        starting.cancel()
        await live.close()
    writer.close()
    return Recorded(writer.messages, writer.bytes_written, writer.deleted_files, time.monotonic() - started_s)
