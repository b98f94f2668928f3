"""``liqheat quarantine``: coins that a stage no longer folds, and the order to fold them again."""

from __future__ import annotations

import asyncio
import getpass
import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from liqheat_shared.command import Command
from liqheat_shared.commands.dead_letters import read_dead_letters
from liqheat_shared.commands.reading import run_reader

if TYPE_CHECKING:
    from liqheat_shared.contracts.dead_letters import DeadLetter
    from liqheat_shared.settings import ServiceSettings

#: Stands for the market in an operator's order.
OPERATOR = "operator"
_SEND_SECONDS = 30.0


class Quarantine(Command):
    """List coins that a stage stopped folding because it raised, or order it to fold one again (release)."""

    def arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        release = actions.add_parser("release", help="write the order to fold a coin again into market-events-v1")
        release.add_argument("--coin", required=True, type=_coin, help="e.g. BTC")
        release.add_argument("--stage", required=True, choices=("estimator", "clusterer"))
        release.add_argument("--reason", default="", help="why now, kept in the log; at most 500 letters")
        release.add_argument("--operator", default=None, help="who orders it (default: the user's name)")
        listing = actions.add_parser("list", help="coins whose fold raised, and whether an order came after it")
        listing.add_argument("--json", action="store_true", help="as JSON, an object a line")

    def run(self, options: Namespace) -> int:
        work = {"release": _release, "list": _list}[options.action]
        return run_reader("quarantine", lambda settings: work(settings, options))


def _coin(text: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{1,20}", text):
        raise ArgumentTypeError(f"{text!r} is no coin: 1 to 20 capital letters and digits, e.g. BTC")
    return text


async def _release(settings: ServiceSettings, options: Namespace) -> int:
    from aiokafka import AIOKafkaProducer

    from liqheat_shared.clock import now_ms
    from liqheat_shared.contracts.market_events import Control
    from liqheat_shared.contracts.topics import MARKET_EVENTS
    from liqheat_shared.kafka.connection import producer_options

    now = now_ms()
    order = Control(
        coin=options.coin,
        venue=OPERATOR,
        symbol=OPERATOR,
        phase="live",
        event_time_ms=now,
        receive_time_ms=now,
        ingest_epoch=now,  # a later order is never taken for a repeat of an earlier one
        sequence=0,
        action="release-quarantine",
        stage=options.stage,
        operator=(options.operator or getpass.getuser())[:100],
        reason=options.reason,
    )
    async with AIOKafkaProducer(**producer_options(settings)) as producer:
        sending = producer.send_and_wait(
            settings.topic(MARKET_EVENTS), order.model_dump_json().encode(), key=options.coin.encode()
        )
        place = await asyncio.wait_for(sending, _SEND_SECONDS)
    print(f"ordered: {options.stage} folds {options.coin} again from p{place.partition}@{place.offset} on")
    return 0


async def _list(settings: ServiceSettings, options: Namespace) -> int:
    raised: dict[tuple[str, str], DeadLetter] = {}
    async for letter in read_dead_letters(settings):
        if letter.reason == "fold-raised" and letter.coin is not None:
            raised[letter.stage, letter.coin] = letter
    ordered = await _orders(settings) if raised else {}
    for (stage, coin), letter in sorted(raised.items()):
        released = ordered.get((stage, coin), -1) > (letter.source_offset or 0)
        if options.json:
            fields = {"stage": stage, "coin": coin, "released": released, "event_id": letter.event_id}
            print(json.dumps(fields | {"detail": letter.detail}))
        else:
            print(f"{stage:<10} {coin:<8} {'released since' if released else 'quarantined'}  {letter.detail[:120]}")
    if not raised and not options.json:
        print("no fold has raised")
    return 0


async def _orders(settings: ServiceSettings) -> dict[tuple[str, str], int]:
    """Offset in ``market-events-v1`` of the last release of each (stage, coin)."""
    from pydantic import ValidationError

    from liqheat_shared.contracts.market_events import Control
    from liqheat_shared.contracts.topics import MARKET_EVENTS
    from liqheat_shared.kafka.reading import open_topic

    orders: dict[tuple[str, str], int] = {}
    async with open_topic(settings, MARKET_EVENTS, from_beginning=True) as reader:
        async for record in reader.messages(until_now=True):
            # A glance at the bytes first: decoding the whole log would take minutes.
            if record.value is None or b'"release-quarantine"' not in record.value:
                continue
            try:
                order = Control.model_validate_json(record.value)
            except ValidationError as error:
                print(f"p{record.partition}@{record.offset}: {error.error_count()} faults in an order", file=sys.stderr)
                continue
            orders[order.stage, order.coin] = record.offset
    return orders
