"""The checked-in schemas are what the contracts give, every topic has one, and readers are not let down."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import jsonschema
import pytest

from liqheat_shared import schema_compatibility, schema_documents
from liqheat_shared.cli import run
from liqheat_shared.commands.schemas import changes_since_release, generated, stale_files
from liqheat_shared.contracts import package_data
from liqheat_shared.contracts.package_data import BASELINE_FOLDER, SCHEMAS_FOLDER, packaged_schema
from liqheat_shared.contracts.topics import TOPICS
from liqheat_shared.schema_documents import topic_schema


@pytest.mark.parametrize("module", [schema_documents, schema_compatibility, package_data])
def test_the_examples_in_the_documentation_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_files_are_what_the_contracts_give():
    assert stale_files(SCHEMAS_FOLDER, generated()) == []


def test_a_stale_missing_or_orphan_file_is_named(tmp_path):
    (tmp_path / "stale-v1.json").write_text("{}\n")
    (tmp_path / "orphan-v1.json").write_text("{}\n")
    faults = stale_files(tmp_path, {"stale-v1.json": "{}", "missing-v1.json": "{}"})
    assert [fault.split(":")[0] for fault in faults] == ["missing-v1.json", "orphan-v1.json", "stale-v1.json"]


def test_generation_is_deterministic():
    assert generated() == generated()


@pytest.mark.parametrize("topic", TOPICS)
def test_schema_is_valid_2020_12_and_open(topic):
    schema = topic_schema(TOPICS[topic])
    jsonschema.Draft202012Validator.check_schema(schema)
    closed = [node for node in _nodes(schema) if node.get("additionalProperties") is False]
    assert not closed, "a consumer's schema lets unknown properties pass"
    assert "discriminator" not in json.dumps(schema), "that is OpenAPI's, not JSON Schema's"


def test_no_change_since_the_last_release_breaks_a_reader():
    breaking = [f"{topic}: {change}" for topic, change in changes_since_release() if change.breaking]
    assert breaking == []


def test_the_baseline_holds_every_released_topic_and_no_planned_one():
    released = {path.stem for path in BASELINE_FOLDER.glob("*.json")}
    planned = {name for name, topic in TOPICS.items() if topic.status == "planned"}
    assert released
    assert not released & planned


def test_an_event_without_its_type_is_refused_by_schema_and_model_alike():
    event = {"coin": "BTC", "venue": "binance", "symbol": "BTC/USDT:USDT", "phase": "live", "event_time_ms": 1}
    event |= {"receive_time_ms": 1, "ingest_epoch": 0, "sequence": 0, "stream_age_ms": {}}
    contract = TOPICS["market-events-v1"]
    validator = jsonschema.Draft202012Validator(topic_schema(contract))
    assert validator.is_valid(event | {"type": "heartbeat"})
    assert not validator.is_valid(event)
    with pytest.raises(ValueError, match="type"):
        contract.adapter.validate_python(event)


def test_keys_of_a_map_are_checked():
    schema = topic_schema(TOPICS["liquidation-grids-v1"])
    scopes = jsonschema.Draft202012Validator(schema["properties"]["scopes"] | {"$defs": schema["$defs"]})
    assert scopes.is_valid({})
    assert not scopes.is_valid({"Not A Scope": {}})
    assert not scopes.is_valid({"binance": {}})


def test_show_prints_the_packaged_schema(capsys):
    assert run(["schemas", "show", "cluster-sets-v1"]) == 0
    assert json.loads(capsys.readouterr().out) == packaged_schema("cluster-sets-v1")


def test_show_of_an_unknown_topic_names_those_that_exist(capsys):
    assert run(["schemas", "show", "cluster-sets-v9"]) == 2
    error = capsys.readouterr().err
    assert "cluster-sets-v9" in error
    assert "cluster-sets-v1" in error


def test_an_unknown_topic_has_no_packaged_schema():
    with pytest.raises(KeyError):
        packaged_schema("../examples/secret-v1")


def test_check_passes_on_the_tree(capsys):
    assert run(["schemas", "check"]) == 0, capsys.readouterr().out


def _nodes(value):
    if isinstance(value, dict):
        return [value, *(node for member in value.values() for node in _nodes(member))]
    return [node for member in value for node in _nodes(member)] if isinstance(value, list) else []


def test_the_table_of_topics_in_the_documentation_is_the_topics():
    text = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
    rows = []
    for topic in TOPICS.values():
        days, rest = divmod((topic.retention_ms or 0) / 3_600_000, 24)
        kept = "the last of each key" if topic.compacted else f"{days * 24 + rest:g} h" if rest else f"{days:g} d"
        planned = " (planned)" if topic.status == "planned" else ""
        key = topic.key.replace("|", r"\|")
        rows.append(f"| `{topic.name}` | {key} | {kept} | {', '.join(topic.producers)}{planned} |")
    assert [line for line in text.splitlines() if line.startswith("| `")] == rows
