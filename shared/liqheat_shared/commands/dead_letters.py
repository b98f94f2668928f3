"""``liqheat dead-letters``: what could not be used, and why."""

from __future__ import annotations

import base64
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from liqheat_shared.command import Command
from liqheat_shared.commands.reading import run_reader

if TYPE_CHECKING:
    from liqheat_shared.contracts.dead_letters import DeadLetter
    from liqheat_shared.settings import ServiceSettings

_MOST_LISTED = 1000
_MOST_COUNTED = 50


class DeadLetters(Command):
    """Look at messages that could not be used: list the last, show one with its bytes, count them by cause."""

    def arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="the last ones, a line each")
        listing.add_argument("--limit", type=_limit, default=20, metavar="N", help=f"1 to {_MOST_LISTED}, default 20")
        show = actions.add_parser("show", help="one with its bytes")
        show.add_argument("event_id", help="as list prints it")
        counting = actions.add_parser("stats", help="how many by stage, reason and coin")
        for action in (listing, counting):
            action.add_argument("--stage", help="ingest, estimator, clusterer or projector")
            action.add_argument("--reason", help="e.g. invalid-field")
            action.add_argument("--coin", help="e.g. BTC")
        for action in (listing, counting, show):
            action.add_argument("--json", action="store_true", help="as JSON")

    def run(self, options: Namespace) -> int:
        work = {"list": _list, "show": _show, "stats": _stats}[options.action]
        return run_reader("dead-letters", lambda settings: work(settings, options))


def _limit(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_LISTED:
        raise ArgumentTypeError(f"{text!r} is not 1 to {_MOST_LISTED}")
    return int(text)


async def read_dead_letters(settings: ServiceSettings) -> AsyncIterator[DeadLetter]:
    """All that are kept, in the order of each partition, repeats (same ``event_id``) dropped.

    Ids are remembered up to a bound, beyond which a repeat may come twice.
    """
    from pydantic import ValidationError

    from liqheat_shared.contracts.dead_letters import DeadLetter
    from liqheat_shared.contracts.topics import DEAD_LETTERS
    from liqheat_shared.kafka.reading import open_topic

    seen: set[str] = set()
    async with open_topic(settings, DEAD_LETTERS, from_beginning=True) as reader:
        async for record in reader.messages(until_now=True):
            try:
                letter = DeadLetter.model_validate_json(record.value or b"null")
            except ValidationError:
                print(f"p{record.partition}@{record.offset} is no dead letter itself", file=sys.stderr)
                continue
            if letter.event_id in seen:
                continue
            if len(seen) < 1_000_000:
                seen.add(letter.event_id)
            yield letter


def _matches(letter: DeadLetter, options: Namespace) -> bool:
    wanted = {"stage": options.stage, "reason": options.reason, "coin": options.coin}
    return all(value is None or getattr(letter, name) == value for name, value in wanted.items())


async def _list(settings: ServiceSettings, options: Namespace) -> int:
    letters: deque[DeadLetter] = deque(maxlen=options.limit)
    async for letter in read_dead_letters(settings):
        if _matches(letter, options):
            letters.append(letter)
    for letter in letters:
        if options.json:
            print(letter.model_dump_json(exclude={"raw_base64"}))
        else:
            print(f"{letter.event_id}  {letter.stage} {letter.reason}  {letter.coin or '-'}  {_source(letter)}")
            print(f"    {letter.detail[:200]}")
    if not letters and not options.json:
        print("no dead letters")
    return 0


def _source(letter: DeadLetter) -> str:
    if letter.source_topic is not None:
        return f"{letter.source_topic} p{letter.source_partition}@{letter.source_offset}"
    if letter.source_file is not None:
        return f"{letter.source_file}:{letter.source_line}"
    return f"{letter.venue or 'unknown venue'} {letter.stream or ''}".rstrip()


async def _show(settings: ServiceSettings, options: Namespace) -> int:
    async for letter in read_dead_letters(settings):
        if letter.event_id != options.event_id:
            continue
        if options.json:
            print(letter.model_dump_json())
            return 0
        for name, value in letter.model_dump(exclude={"raw_base64"}, exclude_none=True).items():
            print(f"{name:<17} {value}")
        raw = base64.b64decode(letter.raw_base64)
        print(f"raw ({len(raw)} bytes)")
        # repr: a hostile message must not drive the terminal.
        print(repr(raw.decode()) if _is_text(raw) else repr(raw))
        return 0
    print(f"liqheat dead-letters: none has the id {options.event_id!r}", file=sys.stderr)
    return 1


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _stats(settings: ServiceSettings, options: Namespace) -> int:
    counts: Counter[tuple[str, str, str]] = Counter()
    async for letter in read_dead_letters(settings):
        if _matches(letter, options):
            counts[letter.stage, letter.reason, letter.coin or "-"] += 1
    rows = counts.most_common(_MOST_COUNTED)
    if options.json:
        table = [{"stage": stage, "reason": reason, "coin": coin, "count": n} for (stage, reason, coin), n in rows]
        print(json.dumps({"total": counts.total(), "counts": table}))
        return 0
    for (stage, reason, coin), count in rows:
        print(f"{count:>9}  {stage:<10} {reason:<24} {coin}")
    print(f"{counts.total():>9}  in all")
    return 0
