"""``liqheat tail``: the messages of a topic, one a line."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from liqheat_shared.command import Command
from liqheat_shared.commands.reading import is_about, run_reader, text_of

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from liqheat_shared.settings import ServiceSettings

#: Shown in the first columns, or of no use to the eye.
_SHOWN_APART = ("coin", "kind", "type", "phase", "event_time_ms", "schema_version")
_LINE_CHARACTERS = 220


class Tail(Command):
    """Print the messages of a topic, one a line: for the eye, or as JSON as they are."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("topic", help="without prefix, e.g. liquidation-clusters-v1")
        parser.add_argument("--coin", help="only messages of this coin, e.g. BTC")
        parser.add_argument("--from-beginning", action="store_true", help="from the first message that is kept")
        parser.add_argument("--until-now", action="store_true", help="stop at the end that the topic has now")
        parser.add_argument("--json", action="store_true", help="the values as they are, a JSON object a line")

    def run(self, options: Namespace) -> int:
        return run_reader("tail", lambda settings: _tail(settings, options))


async def _tail(settings: ServiceSettings, options: Namespace) -> int:
    from liqheat_shared.kafka.reading import open_topic

    unreadable = 0
    async with open_topic(settings, options.topic, from_beginning=options.from_beginning) as reader:
        async for record in reader.messages(until_now=options.until_now):
            if not is_about(record.key, options.coin):
                continue
            line = json_line(record.value) if options.json else readable_line(record)
            if line is None:
                unreadable += 1
                print(f"liqheat tail: p{record.partition}@{record.offset} is not JSON", file=sys.stderr)
                continue
            # Each line at once when somebody watches, in blocks when a program reads a whole topic.
            print(line, flush=not options.until_now)
    return 1 if unreadable else 0


def json_line(value: bytes | None) -> str | None:
    r"""A value as one line of JSON; None if it isn't JSON.

    >>> json_line(b'{"a":\n1}')
    '{"a":1}'
    """
    import orjson

    if value is None:  # deleted, in a compacted topic
        return "null"
    try:
        return orjson.dumps(orjson.loads(value)).decode()
    except orjson.JSONDecodeError:
        return None


def readable_line(record: ConsumerRecord[bytes | None, bytes | None]) -> str:
    """One message for the eye: place, time of the data, key, kind, phase, then its fields as far as they fit."""
    import orjson

    place = f"p{record.partition}@{record.offset}"
    key = text_of(record.key)
    if record.value is None:
        return f"{place:<12} {key} deleted"
    try:
        value = orjson.loads(record.value)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        return f"{place:<12} {key} {len(record.value)} bytes that are no JSON object"
    kind = value.get("kind") or value.get("type") or ""
    rest = " ".join(f"{name}={_shortened(field)}" for name, field in value.items() if name not in _SHOWN_APART)
    line = f"{place:<12} {_time_of(value)} {key:<14} {kind:<12} {value.get('phase', ''):<9} {rest}"
    return line if len(line) <= _LINE_CHARACTERS else line[: _LINE_CHARACTERS - 1] + "…"


def _time_of(value: dict[str, Any]) -> str:
    event_time_ms = value.get("event_time_ms")
    if not isinstance(event_time_ms, int) or not 0 <= event_time_ms < 10**13:
        return " " * 23
    return datetime.fromtimestamp(event_time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _shortened(field: Any) -> str:
    if isinstance(field, list):
        return f"[{len(field)}]"
    if isinstance(field, dict):
        return f"{{{len(field)}}}"
    if isinstance(field, float):
        return f"{field:.8g}"
    text = str(field)
    return text if len(text) <= 40 else text[:39] + "…"
