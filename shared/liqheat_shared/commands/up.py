"""``liqheat up``: everything on this machine, in the foreground."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from liqheat_shared.command import Command

if TYPE_CHECKING:
    from liqheat_shared.local.running import StackFolder
    from liqheat_shared.local.settings import UpSettings

#: A fixed moment close to the start of the process, for the figure that `up` prints.
_STARTED = time.monotonic()


class Up(Command):
    """Run everything on this machine, broker and Redis included, until Ctrl-C: a live map in the browser."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--source",
            type=_source,
            default="auto",
            help="live, simulator or replay:PATH (default: live, and fake venues if no venue can be reached)",
        )
        parser.add_argument("--speed", type=_speed, default="1", help="1 (default), a factor such as 60, or max")
        parser.add_argument("--port", type=_port, help="of the page and the api; default 8080, or any if it is taken")
        parser.add_argument("--keep", action="store_true", help="go on from the data of the last time")

    def run(self, options: Namespace) -> int:
        # Told to end before the event loop listens for it: nothing runs yet.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _end_at_once)
        import asyncio

        from liqheat_shared.local.folder import local_dir
        from liqheat_shared.local.running import AlreadyRunningError, hold_folder
        from liqheat_shared.local.settings import UpSettings
        from liqheat_shared.local.stack import PortTakenError
        from liqheat_shared.settings import load_settings

        settings = load_settings(UpSettings)
        try:
            with hold_folder(local_dir()) as held:
                return asyncio.run(_up(options, settings, held))
        except (AlreadyRunningError, PortTakenError) as error:
            print(f"liqheat up: {error}", file=sys.stderr)
            return 2


async def _up(options: Namespace, settings: UpSettings, held: StackFolder) -> int:
    from liqheat_shared.local.console import Console
    from liqheat_shared.local.folder import local_dir
    from liqheat_shared.local.stack import StackPlan, choose_ports
    from liqheat_shared.local.upkeep import Upkeep

    console = Console()
    # Before the ports are looked at: leftovers may hold some.
    for child in held.clear_leftovers():
        console.say(f"ended {child.name} (process {child.pid}), left behind by a stack that was killed")
    ports = choose_ports(options.port)
    for sentence in ports.moved:
        console.say(sentence)
    plan = StackPlan(settings, local_dir(), ports, options.source, options.speed)
    return await Upkeep(plan, held, console, keep=options.keep, started=_STARTED).run()


def _end_at_once(*_: object) -> None:
    os._exit(0)  # an exception could come out in the middle of an import or of the loop's own start


def _source(text: str) -> str:
    if text in ("auto", "simulator", "live"):
        return text
    kind, colon, path = text.partition(":")
    if kind != "replay" or not colon or not path:
        raise ArgumentTypeError(f"{text!r} is no source; there are: simulator, live, replay:PATH")
    if not Path(path).exists():
        raise ArgumentTypeError(f"there is no file or folder {path!r} to replay")
    return text


def _speed(text: str) -> str:
    if text != "max" and not (re.fullmatch(r"\d+(\.\d+)?", text) and float(text) > 0):
        raise ArgumentTypeError(f"{text!r} is no speed: a factor above 0, or max")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)
