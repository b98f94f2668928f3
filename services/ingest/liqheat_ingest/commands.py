"""``liqheat ingest``, ``liqheat replay``, ``liqheat record`` and ``liqheat normalize``."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from liqheat_shared.command import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from liqheat_ingest.run import IngestRun
    from liqheat_ingest.settings import IngestSettings

INTERRUPTED = 130


class Ingest(Command):
    """Publish market events from a source: live venues, the simulator or files."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--source",
            default="simulator",
            help="simulator (default), live, or replay:PATH with a file or a folder",
        )
        _add_live(parser)
        parser.add_argument("--speed", type=_speed, default=1.0, help="data seconds a second, or max (default 1)")
        parser.add_argument("--ingest-epoch", type=int, help="rises with every new owner of the markets (replay: 1)")
        parser.add_argument("--hours", type=float, help="simulator: end after so many hours of data time")
        parser.add_argument("--until-ms", type=int, help="simulator: end at this data time")
        parser.add_argument("--history-end-ms", type=int, help="simulator: end of the history (default now)")
        _add_choice(parser)

    def run(self, options: Namespace) -> int:
        from liqheat_ingest.settings import IngestSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(IngestSettings, **_batch(options), **_live(options))
        kind, _, path = options.source.partition(":")
        if kind == "replay" and path:
            code, _ = _guard(lambda: _replay(settings, [path], options, with_metrics=True))
        elif options.source == "simulator":
            code, _ = _guard(lambda: _simulate(settings, options))
        elif options.source == "live":
            code, _ = _guard(lambda: _go_live(settings, options))
        else:
            _say(f"liqheat ingest: no source {options.source!r}; there are: live, simulator, replay:PATH")
            return 2
        return 0 if code == INTERRUPTED else code


class Replay(Command):
    """Publish a tape of recorded files and print one JSON line about it."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", nargs="+", help="files or folders: CSV of Tardis or Binance Vision, recordings")
        parser.add_argument("--speed", type=_speed, default=inf, help="data seconds a second, or max (default max)")
        parser.add_argument("--until-done", action="store_true", help="return when all is acknowledged (always so)")
        parser.add_argument("--ingest-epoch", type=int, help="default 1: a repetition is dropped by the folds")
        _add_choice(parser)

    def run(self, options: Namespace) -> int:
        from liqheat_ingest.settings import IngestSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(IngestSettings, **_batch(options))
        code, run = _guard(lambda: _replay(settings, options.path, options, with_metrics=False))
        if run is not None and code == 0:
            progress = run.progress
            summary = {
                "events": progress.events,
                "messages": progress.messages,
                "dead_letters": progress.dead_letters,
                "seconds": round(progress.seconds, 3),
            }
            print(json.dumps(summary), flush=True)
        elif code == INTERRUPTED:
            _say("liqheat replay: interrupted before the end of the tape")
        return code


class Record(Command):
    """Write the raw messages of live venues to files that replay reads; prints one JSON line at the end."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", required=True, type=Path, help="folder for the files, made if it is not there")
        parser.add_argument("--hours", type=_hours, help="end after so long (default: at a signal)")
        parser.add_argument("--max-file-mb", type=_megabytes, default=256, help="a file has as much at most (256)")
        parser.add_argument("--max-total-mb", type=_megabytes, default=20_480, help="then the oldest go (20,480)")
        _add_live(parser)
        parser.add_argument("--coin", nargs="+", default=[], type=str.upper, help="only these coins")

    def run(self, options: Namespace) -> int:
        import asyncio

        from liqheat_ingest.readings import SourceError
        from liqheat_ingest.recording import RecordingFailed, RecordingWriter
        from liqheat_ingest.settings import IngestSettings
        from liqheat_shared.settings import load_settings

        settings = load_settings(IngestSettings, **_live(options))
        for_s = None if options.hours is None else options.hours * 3600
        try:
            writer = RecordingWriter(
                options.out, max_file_bytes=options.max_file_mb << 20, max_total_bytes=options.max_total_mb << 20
            )
            from liqheat_ingest.record_run import record  # ccxt takes seconds to load: only when there is a folder

            recorded = asyncio.run(record(settings, writer, for_s, _say))
        except (RecordingFailed, SourceError) as error:
            _say(f"liqheat record: {error}")
            return 1
        print(json.dumps(recorded._asdict() | {"seconds": round(recorded.seconds, 3)}), flush=True)
        return 0


class Normalize(Command):
    """Map raw messages of a venue, one JSON a line on standard input, to contracts, one a line."""

    def arguments(self, parser: ArgumentParser) -> None:
        from liqheat_ingest.mappers import VENUES

        parser.add_argument("--venue", required=True, choices=VENUES, help="whose messages they are")

    def run(self, options: Namespace) -> int:
        from liqheat_ingest.normalize import MAX_LINE_BYTES, Normalizer
        from liqheat_shared.clock import now_ms

        normalizer = Normalizer(options.venue)
        lines = iter(lambda: sys.stdin.buffer.readline(MAX_LINE_BYTES + 1), b"")
        try:
            for normalized in normalizer.lines(lines, now_ms()):
                stream = sys.stdout if normalized.is_event else sys.stderr
                stream.buffer.write(normalized.line + b"\n")
            sys.stdout.flush()
        except BrokenPipeError:
            # Whoever read the output has seen enough; the interpreter must not complain of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _replay(settings: IngestSettings, paths: list[str], options: Namespace, *, with_metrics: bool) -> IngestRun:
    from liqheat_ingest import start
    from liqheat_shared.metrics import Metrics

    source = start.replay_source(paths, options.coin, options.day, _say)
    metrics = Metrics("ingest") if with_metrics else None
    epoch = 1 if options.ingest_epoch is None else options.ingest_epoch
    return start.run_to_end(start.run_source(settings, source, start.replay_pacer(options.speed), epoch, _say, metrics))


def _simulate(settings: IngestSettings, options: Namespace) -> IngestRun:
    from liqheat_ingest import start
    from liqheat_ingest.readings import SourceError
    from liqheat_shared.clock import now_ms
    from liqheat_shared.metrics import Metrics

    now = now_ms()
    history_end_ms = options.history_end_ms if options.history_end_ms is not None else now
    history_end_ms -= history_end_ms % 60_000
    until_ms = options.until_ms
    if options.hours is not None:
        until_ms = history_end_ms + round(options.hours * start.HOUR_MS)
    if options.speed == inf and until_ms is None:
        raise SourceError("the simulator has no end: --speed max needs --hours or --until-ms")
    source = start.simulator_source(settings, options.coin, history_end_ms, until_ms)
    pacer = start.simulator_pacer(options.speed, options.history_end_ms, now)
    metrics = Metrics("ingest")
    return start.run_to_end(start.run_source(settings, source, pacer, options.ingest_epoch, _say, metrics))


def _go_live(settings: IngestSettings, options: Namespace) -> IngestRun:
    from liqheat_ingest import start
    from liqheat_shared.metrics import Metrics

    return start.run_to_end(start.run_live(settings, options.ingest_epoch, _say, Metrics("ingest")))


def _guard(work: Callable[[], IngestRun]) -> tuple[int, IngestRun | None]:
    """Run it; a failure that has a sentence ends with that sentence and exit code 1 (2: a bad input)."""
    from liqheat_ingest.publisher import DeliveryFailed
    from liqheat_ingest.readings import SourceError

    try:
        run = work()
    except SourceError as error:
        _say(f"liqheat: {error}")
        return 2, None
    except DeliveryFailed as error:
        _say(f"liqheat ingest: {error}")
        return 1, None
    return (INTERRUPTED if run.interrupted else 0), run


def _add_live(parser: ArgumentParser) -> None:
    parser.add_argument("--venue", nargs="+", help="live: only these venues")
    parser.add_argument("--coins", help="live: BTC,ETH or top:50, the largest by open interest")
    parser.add_argument("--shard", help="live: i/n, only the coins of this part of n")
    parser.add_argument("--endpoints", help="live: venue=http://host:port,… instead of the venues' own hosts")


def _add_choice(parser: ArgumentParser) -> None:
    parser.add_argument("--coin", nargs="+", default=[], type=str.upper, help="only these coins")
    parser.add_argument("--day", nargs="+", default=[], help="files: only these days, YYYY-MM-DD (UTC)")
    parser.add_argument("--batch-ms", type=int, help="window of one message of trades, for all coins")


def _batch(options: Namespace) -> dict[str, int | None]:
    return {"ingest_batch_ms": options.batch_ms, "ingest_tail_batch_ms": options.batch_ms}


def _live(options: Namespace) -> dict[str, str | None]:
    venues = None if options.venue is None else ",".join(part for name in options.venue for part in name.split(","))
    coins = options.coins or (",".join(options.coin) or None)
    return {
        "ingest_live_venues": venues,
        "ingest_live_coins": coins,
        "ingest_live_shard": options.shard,
        "ingest_live_endpoints": options.endpoints,
    }


def _speed(text: str) -> float:
    from liqheat_ingest.pacing import parse_speed

    try:
        return parse_speed(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours < inf:
        raise ArgumentTypeError(f"a positive number of hours, not {text!r}")
    return hours


def _megabytes(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 1 << 24:
        raise ArgumentTypeError(f"a number of megabytes from 1 on, not {text!r}")
    return int(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
