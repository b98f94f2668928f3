"""Dead letters of ingest: what could not be read, as it came, and why."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson

from liqheat_ingest.message import Message
from liqheat_ingest.readings import BrokenLine, Problem
from liqheat_shared.contracts.topics import DEAD_LETTERS

MAX_RAW_BYTES = 65_536
MAX_DETAIL = 2_000


def dead_letter(broken: BrokenLine | Problem) -> Message:
    """The message of ``dead-letters-v1`` for a line of a file or a message of a venue.

    The key is the coin, or the file's or venue's name where it does not say of which coin it is.
    """
    if isinstance(broken, Problem):
        return _of_problem(broken)
    coin, venue, _ = broken.market or (None, None, None)
    value = _fields(broken, f"ingest-{broken.file_name[-150:]}-{broken.line_number}", coin, venue)
    value |= {
        "detail": f"{broken.file_name}:{broken.line_number}: {broken.detail}"[:MAX_DETAIL],
        "source_file": broken.file_name,
        "source_line": broken.line_number,
    }
    return _message(broken, coin or broken.file_name, venue, value)


def _of_problem(problem: Problem) -> Message:
    coin = problem.market.coin if problem.market else None
    # Deterministic: the same message that can't be used in the same way gets the same id.
    digest = hashlib.blake2b(problem.raw + problem.detail.encode("utf-8", "replace"), digest_size=8).hexdigest()
    event_id = f"ingest-{problem.venue}-{problem.stream[:60]}-{problem.receive_time_ms}-{digest}"
    value = _fields(problem, event_id, coin, problem.venue)
    value |= {"detail": f"{problem.stream}: {problem.detail}"[:MAX_DETAIL], "stream": problem.stream}
    return _message(problem, coin or problem.venue, problem.venue, value)


def _fields(broken: BrokenLine | Problem, event_id: str, coin: str | None, venue: str | None) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "event_id": event_id,
        "kind": "dead-letter",
        "log_epoch": None,
        "sequence": None,
        "stage": "ingest",
        "reason": broken.reason,
        "detail": "",
        "event_time_ms": broken.receive_time_ms or None,
        "source_topic": None,
        "source_partition": None,
        "source_offset": None,
        "source_file": None,
        "source_line": None,
        "venue": venue,
        "stream": None,
        "coin": coin,
        "raw_base64": base64.b64encode(broken.raw[:MAX_RAW_BYTES]).decode("ascii"),
    }


def _message(broken: BrokenLine | Problem, key: str, venue: str | None, value: dict[str, Any]) -> Message:
    return Message(broken.receive_time_ms, DEAD_LETTERS, key, orjson.dumps(value), venue or "", "dead-letter", 0)
