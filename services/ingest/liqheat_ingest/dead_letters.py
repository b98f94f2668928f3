"""Dead letters of ingest: what could not be read, as it came, and why."""

from __future__ import annotations

import base64

import orjson

from liqheat_ingest.message import Message
from liqheat_ingest.readings import BrokenLine
from liqheat_shared.contracts.topics import DEAD_LETTERS

MAX_RAW_BYTES = 65_536
MAX_DETAIL = 2_000


def dead_letter(line: BrokenLine) -> Message:
    """The message of ``dead-letters-v1`` for a line of a file.

    The key is the coin, or the file's name where the line does not say of which coin it is.
    """
    coin, venue, _ = line.market or (None, None, None)
    value = {
        "schema_version": 1,
        "event_id": f"ingest-{line.file_name[-150:]}-{line.line_number}",
        "kind": "dead-letter",
        "log_epoch": None,
        "sequence": None,
        "stage": "ingest",
        "reason": line.reason,
        "detail": f"{line.file_name}:{line.line_number}: {line.detail}"[:MAX_DETAIL],
        "event_time_ms": line.receive_time_ms or None,
        "source_topic": None,
        "source_partition": None,
        "source_offset": None,
        "source_file": line.file_name,
        "source_line": line.line_number,
        "venue": venue,
        "stream": None,
        "coin": coin,
        "raw_base64": base64.b64encode(line.raw[:MAX_RAW_BYTES]).decode("ascii"),
    }
    key = coin or line.file_name
    return Message(line.receive_time_ms, DEAD_LETTERS, key, orjson.dumps(value), venue or "", "dead-letter", 0)
