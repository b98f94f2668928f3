"""``liqheat schemas``: the JSON Schemas and the AsyncAPI document of the contracts."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from importlib.metadata import version
from typing import TYPE_CHECKING

from liqheat_shared.command import Command

if TYPE_CHECKING:
    from pathlib import Path

    from liqheat_shared.schema_compatibility import Change


class Schemas(Command):
    """Show the schema of a topic, or make the checked-in schemas from the contracts and check them."""

    def arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="print the JSON Schema of a topic, or the AsyncAPI document")
        show.add_argument("topic", help="e.g. liquidation-clusters-v1, or asyncapi")
        actions.add_parser("write", help="generate the files from the contracts, in the source tree")
        actions.add_parser("check", help="exit code 1 where a file is not current or a change would break readers")
        actions.add_parser("release", help="make the schemas of today the baseline: part of making a release")

    def run(self, options: Namespace) -> int:
        if options.action == "show":
            return _show(options.topic)
        return {"write": _write, "check": _check, "release": _release}[options.action]()


def _show(topic: str) -> int:
    from liqheat_shared.contracts.package_data import SCHEMAS_FOLDER
    from liqheat_shared.contracts.topics import TOPICS

    names = ["asyncapi", *TOPICS]
    if topic not in names:
        print(f"liqheat schemas: no topic {topic!r}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    sys.stdout.write((SCHEMAS_FOLDER / f"{topic}.json").read_text(encoding="utf-8"))
    return 0


def _write() -> int:
    from liqheat_shared.contracts.package_data import SCHEMAS_FOLDER

    try:
        _replace(SCHEMAS_FOLDER, generated())
    except OSError as error:
        print(f"liqheat schemas: {error}; write works in a source tree only", file=sys.stderr)
        return 1
    return 0


def _release() -> int:
    from liqheat_shared.contracts.package_data import BASELINE_FOLDER
    from liqheat_shared.contracts.topics import TOPICS

    _write()
    texts = generated()
    _replace(
        BASELINE_FOLDER,
        {f"{name}.json": texts[f"{name}.json"] for name, topic in TOPICS.items() if topic.status == "produced"},
    )
    return 0


def _check() -> int:
    from liqheat_shared.contracts.package_data import SCHEMAS_FOLDER

    faults = stale_files(SCHEMAS_FOLDER, generated())
    changes = changes_since_release()
    for fault in faults:
        print(fault)
    for topic, change in changes:
        print(f"{topic}: {change}")
    return 1 if faults or any(change.breaking for _, change in changes) else 0


def generated() -> dict[str, str]:
    """The files as they should be: name and text."""
    from liqheat_shared.contracts.package_data import packaged_examples
    from liqheat_shared.contracts.topics import TOPICS
    from liqheat_shared.schema_documents import documents

    return documents({name: packaged_examples(name) for name in TOPICS}, version=version("liqheat"))


def stale_files(folder: Path, texts: dict[str, str]) -> list[str]:
    """A sentence for each file of a folder that is missing, not current, or of no topic."""
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return [
        *(f"{name}: missing; run `make schemas`" for name in sorted(set(texts) - set(found))),
        *(f"{name}: no topic has this schema" for name in sorted(set(found) - set(texts))),
        *(
            f"{name}: not what the contracts give; run `make schemas`"
            for name in sorted(set(texts) & set(found))
            if texts[name] != found[name]
        ),
    ]


def changes_since_release() -> list[tuple[str, Change]]:
    """Topic and change: what differs from the schemas of the last release. A planned topic promises nothing yet."""
    from liqheat_shared.contracts.package_data import BASELINE_FOLDER
    from liqheat_shared.contracts.topics import TOPICS
    from liqheat_shared.schema_compatibility import Change, compare_schemas
    from liqheat_shared.schema_documents import topic_schema

    changes = []
    for path in sorted(BASELINE_FOLDER.glob("*.json")):
        if path.stem not in TOPICS:
            changes.append((path.stem, Change("", "the topic was removed", True)))
            continue
        old = json.loads(path.read_text(encoding="utf-8"))
        changes += [(path.stem, change) for change in compare_schemas(old, topic_schema(TOPICS[path.stem]))]
    return changes


def _replace(folder: Path, texts: dict[str, str]) -> None:
    """Write the files and remove those that are no longer generated."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
