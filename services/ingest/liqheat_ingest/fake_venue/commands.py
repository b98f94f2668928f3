"""``liqheat fake-venue``."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from liqheat_shared.command import Command

#: Ports from ``--port`` on: the control first, then the venues in this order.
PORT_ORDER = ("control", "binance", "bybit", "okx", "hyperliquid")


class FakeVenue(Command):
    """Serve simulated markets over four venues' own REST and WebSocket formats, on loopback."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--venue", nargs="+", default=[], help="only these: binance bybit okx hyperliquid")
        parser.add_argument(
            "--port",
            type=_between(0, 65_000),
            default=0,
            help="control here, then binance, bybit, okx, hyperliquid on the next four (default 0: free ports)",
        )
        parser.add_argument("--seed", type=int, default=7, help="chooses the story (default 7)")
        parser.add_argument("--coins", type=_between(1, 200), default=20, help="1 to 200 (default 20)")
        parser.add_argument("--speed", type=float, default=1.0, help="seconds of the story in a second (default 1)")
        parser.add_argument("--history-days", type=float, default=7.0, help="candles before the start (default 7)")
        parser.add_argument("--start-ms", type=int, help="time of the story at the start, a whole minute (default now)")
        parser.add_argument(
            "--prints-scale", type=float, default=1.0, help="factor of the number of trades (default 1)"
        )
        parser.add_argument(
            "--trades-file", type=Path, help="write every trade there: venue, symbol, number, milliseconds"
        )
        parser.add_argument(
            "--fault",
            action="append",
            default=[],
            type=_json_object,
            help="a control message to begin with, such as "
            '\'{"action": "disconnect", "every_s": 60, "kind": "reset"}\'; may be repeated',
        )

    def run(self, options: Namespace) -> int:
        import asyncio

        from liqheat_ingest.fake_venue.control import ControlError
        from liqheat_ingest.fake_venue.process import SERVERS, FakeVenueOptions, serve

        venues = tuple(options.venue) or tuple(SERVERS)
        unknown = [venue for venue in venues if venue not in SERVERS]
        if unknown:
            return _refuse(f"no venue {unknown[0]!r}; there are: {', '.join(SERVERS)}")
        if not 0.0 < options.speed <= 1_000.0 or not 0.0 < options.prints_scale <= 1_000.0:
            return _refuse("--speed and --prints-scale are between 0 and 1000")
        if not 0.0 < options.history_days <= 60.0:
            return _refuse("--history-days is between 0 and 60")
        if options.start_ms is not None and options.start_ms % 60_000:
            return _refuse("--start-ms is a whole minute")
        ports = {name: options.port + i for i, name in enumerate(PORT_ORDER)} if options.port else {}
        chosen = FakeVenueOptions(
            venues=venues,
            ports=ports,
            seed=options.seed,
            coins=options.coins,
            history_days=options.history_days,
            speed=options.speed,
            start_ms=options.start_ms,
            prints_scale=options.prints_scale,
            faults=tuple(options.fault),
            trades_file=options.trades_file,
        )
        try:
            _run(asyncio, chosen, serve)
        except ControlError as error:
            return _refuse(f"--fault: {error}")
        except OSError as error:
            return _refuse(str(error))
        return 0


def _run(asyncio: Any, options: Any, serve: Any) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(options, _say_ready))
        return
    uvloop.run(serve(options, _say_ready))


def _say_ready(addresses: dict[str, str]) -> None:
    """One line on standard output when everything answers: a parent reads it."""
    print(json.dumps(addresses), flush=True)


def _refuse(reason: str) -> int:
    print(f"liqheat fake-venue: {reason}", file=sys.stderr, flush=True)
    return 2


def _between(least: int, most: int) -> Any:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ArgumentTypeError(f"between {least} and {most}")
        return value

    return parse


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ArgumentTypeError("a JSON object")
    return value
