"""What every message of ``venue_messages`` becomes, word for word: a change of a mapping shows in the review.

``PYTHONPATH=tests .venv/bin/python tests/golden/test_mappers_normalized.py`` writes the files anew.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from liqheat_ingest.normalize import Normalizer
from venue_messages import AT_MS, MESSAGES, PRELUDES

FOLDER = Path(__file__).parent / "normalized"


def normalized(venue: str) -> str:
    """Each message with its channel, then what it becomes, indented."""
    normalizer = Normalizer(venue)
    found: list[str] = []
    messages = [*PRELUDES[venue], *MESSAGES[venue]]
    for number, (channel, data) in enumerate(messages):
        line = orjson.dumps({"ts": AT_MS - 2_000 + 1_100 * number, "channel": channel, "data": data})
        found.append(f"{channel} {orjson.dumps(data).decode()[:150]}")
        entries = normalizer.line(line, number + 1, AT_MS + 3_600_000)
        found += [f"  {'event' if entry.is_event else 'dead letter'} {entry.line.decode()}" for entry in entries]
    return "\n".join(found) + "\n"


@pytest.mark.parametrize("venue", MESSAGES)
def test_messages_become_what_they_became(venue: str) -> None:
    assert normalized(venue) == (FOLDER / f"{venue}.txt").read_text()


if __name__ == "__main__":
    for name in MESSAGES:
        (FOLDER / f"{name}.txt").write_text(normalized(name))
