"""``liqheat hash``: one hash over what a topic says, the same for two runs that said the same."""

from __future__ import annotations

import hashlib
import json
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from liqheat_shared.command import Command
from liqheat_shared.commands.reading import is_about, run_reader

if TYPE_CHECKING:
    from liqheat_shared.settings import ServiceSettings


class TopicHash:
    """A hash over values in the order of each key; how keys interleave doesn't matter.

    Left out: where a value lies (``COORDINATE_FIELDS``) and repeats, i.e. a second value of a key with the same
    ``event_id``. Values without ``event_id`` all count. Memory grows with the number of ids (about 100 bytes each).

    Examples
    --------
    >>> one, other = TopicHash(), TopicHash()
    >>> one.add(b"BTC", b'{"event_id":"a","x":1}'); one.add(b"ETH", b'{"event_id":"b","x":2}')
    >>> other.add(b"ETH", b'{"x":2,"event_id":"c"}'); other.add(b"BTC", b'{"event_id":"a","x":1}')
    >>> other.add(b"BTC", b'{"event_id":"a","x":1}')
    >>> one.hexdigest() == other.hexdigest(), other.count, other.repeats
    (True, 2, 1)
    """

    def __init__(self) -> None:
        self._keys: dict[bytes, hashlib._Hash] = {}
        self._seen: set[bytes] = set()
        self.count = 0
        self.repeats = 0

    def add(self, key: bytes | None, value: bytes | None) -> None:
        """Take the next message. A value that is no JSON object counts as the bytes it has."""
        import orjson

        from liqheat_shared.contracts.topics import COORDINATE_FIELDS

        name, content = key or b"", value or b""
        try:
            document = orjson.loads(content)
        except orjson.JSONDecodeError:
            document = None
        if isinstance(document, dict):
            event_id = document.get("event_id")
            if event_id is not None and self._is_repeat(name, str(event_id)):
                return
            kept = {field: part for field, part in document.items() if field not in COORDINATE_FIELDS}
            content = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
        self.count += 1
        self._keys.setdefault(name, hashlib.sha256()).update(len(content).to_bytes(8, "big") + content)

    @property
    def keys(self) -> int:
        """Number of different keys."""
        return len(self._keys)

    def hexdigest(self) -> str:
        """The hash of everything so far, 64 letters."""
        whole = hashlib.sha256()
        for name in sorted(self._keys):
            whole.update(len(name).to_bytes(8, "big") + name + self._keys[name].digest())
        return whole.hexdigest()

    def _is_repeat(self, name: bytes, event_id: str) -> bool:
        mark = hashlib.blake2b(name + b"\0" + event_id.encode(), digest_size=16).digest()
        if mark in self._seen:
            self.repeats += 1
            return True
        self._seen.add(mark)
        return False


class Hash(Command):
    """Print one hash over a topic's values in order per key, repeats dropped, offsets left out, and their count."""

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("topic", help="without prefix, e.g. liquidation-grids-v1")
        parser.add_argument("--coin", help="only messages of this coin, e.g. BTC")
        parser.add_argument("--json", action="store_true", help="hash, count, keys and repeats as a JSON object")

    def run(self, options: Namespace) -> int:
        return run_reader("hash", lambda settings: _hash(settings, options))


async def _hash(settings: ServiceSettings, options: Namespace) -> int:
    from liqheat_shared.kafka.reading import open_topic

    result = TopicHash()
    async with open_topic(settings, options.topic, from_beginning=True) as reader:
        if reader.span.trimmed:
            print(f"liqheat hash: {options.topic} has lost its beginning to retention", file=sys.stderr)
        async for record in reader.messages(until_now=True):
            if is_about(record.key, options.coin):
                result.add(record.key, record.value)
    if options.json:
        fields = {"hash": result.hexdigest(), "count": result.count, "keys": result.keys, "repeats": result.repeats}
        print(json.dumps(fields))
    else:
        print(f"{result.hexdigest()} {result.count}")
    return 0
