"""The schemas and example messages that come with the package, for bots and their tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
#: One JSON Schema a topic and the AsyncAPI document, generated: ``liqheat schemas write``.
SCHEMAS_FOLDER = _HERE / "schemas"
#: The schemas of the last release, which today's are compared with.
BASELINE_FOLDER = SCHEMAS_FOLDER / "baseline"
#: ``<topic>/<name>.json``, written by hand.
EXAMPLES_FOLDER = _HERE / "examples"


def packaged_schema(topic: str) -> dict[str, Any]:
    """JSON Schema of a topic's values.

    Raises
    ------
    KeyError
        There is no such topic.

    Examples
    --------
    >>> packaged_schema("liquidation-clusters-v1")["$id"]
    'urn:liqheat:liquidation-clusters-v1'
    """
    path = SCHEMAS_FOLDER / f"{topic}.json"
    if path.name not in {known.name for known in SCHEMAS_FOLDER.glob("*-v*.json")}:
        raise KeyError(topic)
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def packaged_examples(topic: str) -> dict[str, Any]:
    """Example messages of a topic by name; empty where there are none.

    >>> packaged_examples("market-events-v1")["trades"]["coin"]
    'BTC'
    """
    files = sorted((EXAMPLES_FOLDER / topic).glob("*.json"))
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
