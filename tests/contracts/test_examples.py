"""Example messages: every topic has one, and they pass the models, the schemas and the rules between fields."""

from __future__ import annotations

import json
import math
from functools import cache

import jsonschema
import orjson
import pytest

from liqheat_shared.contracts.liquidation_grids import BIN_WIDTH
from liqheat_shared.contracts.market_events import AnyMarketEvent
from liqheat_shared.contracts.package_data import EXAMPLES_FOLDER, packaged_examples
from liqheat_shared.contracts.topics import TOPICS
from liqheat_shared.schema_documents import topic_schema

EXAMPLES = {
    f"{path.parent.name}/{path.stem}": json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(EXAMPLES_FOLDER.glob("*/*.json"))
}
EVENT_TYPES = {
    value for member in AnyMarketEvent.__origin__.__args__ for value in member.model_fields["type"].annotation.__args__
}


def _contract(name):
    return TOPICS[name.split("/")[0]]


@cache
def _topic_validator(topic):
    return jsonschema.Draft202012Validator(topic_schema(TOPICS[topic]))


def _validator(name):
    return _topic_validator(name.split("/")[0])


@pytest.mark.parametrize("topic", TOPICS)
def test_every_topic_has_an_example(topic):
    assert packaged_examples(topic)


def test_no_example_is_an_orphan():
    assert {path.name for path in EXAMPLES_FOLDER.iterdir()} == set(TOPICS)
    assert [path.name for path in EXAMPLES_FOLDER.glob("*/*") if path.suffix != ".json"] == []


def test_every_type_of_market_event_has_an_example():
    assert {event["type"] for event in packaged_examples("market-events-v1").values()} == EVENT_TYPES


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_passes_the_model_as_a_producer_must(name):
    adapter = _contract(name).adapter
    value = adapter.validate_python(EXAMPLES[name], extra="forbid")
    assert adapter.dump_python(value, mode="json") == EXAMPLES[name], "an example shows every field, as it is sent"


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_passes_the_schema(name):
    _validator(name).validate(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_consumers_ignore_what_they_do_not_know_and_producers_refuse_it(name):
    contract = _contract(name)
    grown = EXAMPLES[name] | {"field_of_tomorrow": 1}
    contract.adapter.validate_python(grown)
    _validator(name).validate(grown)
    with pytest.raises(ValueError, match="field_of_tomorrow"):
        contract.adapter.validate_python(grown, extra="forbid")


@pytest.mark.parametrize("name", EXAMPLES)
def test_schema_and_model_demand_the_same_fields(name):
    contract, example = _contract(name), EXAMPLES[name]
    validator = _validator(name)
    for field in example:
        rest = {key: value for key, value in example.items() if key != field}
        assert validator.is_valid(rest) == _accepted(contract, rest), f"without {field}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_schema_is_no_stricter_than_the_model(name):
    """What the schema refuses, the model refuses: a bot that trusts the schema misses nothing that is sent."""
    contract, example = _contract(name), EXAMPLES[name]
    validator = _validator(name)
    for field in example:
        for wrong in ("", -1, 10**14, None):
            changed = example | {field: wrong}
            if not validator.is_valid(changed):
                assert not _accepted(contract, changed), f"{field} = {wrong!r}"


@pytest.mark.parametrize("name", [name for name in EXAMPLES if EXAMPLES[name].get("source_offset") is not None])
def test_event_id_says_where_the_message_comes_from(name):
    example = EXAMPLES[name]
    coordinates = [example["log_epoch"], example["source_partition"], example["source_offset"], example["kind"]]
    assert example["event_id"].rpartition("-")[0] == "-".join(map(str, coordinates))


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("liquidation-clusters-v1")])
def test_edges_of_a_cluster_are_those_of_its_bins(name):
    cluster = EXAMPLES[name]["cluster"]
    assert cluster["lower_price"] == pytest.approx(math.exp(cluster["lower_bin"] * BIN_WIDTH), abs=0.01)
    assert cluster["upper_price"] == pytest.approx(math.exp((cluster["upper_bin"] + 1) * BIN_WIDTH), abs=0.01)
    assert cluster["lower_price"] <= cluster["peak_price"] <= cluster["upper_price"]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("liquidation-grids-v1")])
def test_longs_stand_below_the_mark_and_shorts_above(name):
    for scope in EXAMPLES[name]["scopes"].values():
        mark_bin = math.floor(math.log(scope["mark_price"]) / BIN_WIDTH) - scope["first_bin"]
        assert not any(scope["long_usd"][mark_bin + 1 :])
        assert not any(scope["short_usd"][:mark_bin])


def _accepted(contract, value):
    try:
        contract.adapter.validate_json(orjson.dumps(value), strict=True)
    except ValueError:
        return False
    return True
