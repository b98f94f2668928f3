"""The comparison of schemas sees every deliberate break, and lets pass what readers do not notice."""

from __future__ import annotations

import copy

import pytest

from liqheat_shared.contracts.topics import TOPICS
from liqheat_shared.schema_compatibility import compare_schemas
from liqheat_shared.schema_documents import topic_schema

CLUSTERS = "liquidation-clusters-v1"
EVENTS = "market-events-v1"
DEFINITIONS = ("Cluster", "Member", "Ticker")
MAYBE_PRICE = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]}
WHOLE = {"type": "integer"}
FUNDING = ("Ticker", "properties", "funding_rate")
MASS = {"type": "number", "minimum": 0, "default": None}
AGE = ("Member", "properties", "stream_age_ms", "additionalProperties", "anyOf", 0, "type")


def _changed(topic, edit):
    """Changes that an edit of the topic's schema makes, as (path, breaking)."""
    old = topic_schema(TOPICS[topic])
    new = copy.deepcopy(old)
    edit(new)
    assert new != old, "the edit does nothing"
    return [(change.path, change.breaking) for change in compare_schemas(old, new)]


def _field(schema, *path):
    for name in path[:-1]:
        schema = schema["$defs"][name] if name in DEFINITIONS else schema[name]
    return schema, path[-1]


def _put(value, *path):
    def edit(schema):
        parent, name = _field(schema, *path)
        parent[name] = value

    return edit


def _drop(*path):
    def edit(schema):
        parent, name = _field(schema, *path)
        del parent[name]

    return edit


def _optional(definition, name):
    def edit(schema):
        node = schema["$defs"][definition] if definition else schema
        node["required"].remove(name)

    return edit


def _remove_field(name):
    def edit(schema):
        del schema["properties"][name]
        schema["required"] = [field for field in schema["required"] if field != name]

    return edit


def _new_field(*, required):
    def edit(schema):
        schema["properties"]["news"] = {"type": "string"}
        if required:
            schema["required"].append("news")

    return edit


def _require(name):
    return lambda schema: schema["required"].append(name)


def _replace_in_union(schema):
    schema["oneOf"] = [member for member in schema["oneOf"] if member["$ref"] != "#/$defs/Ticker"]


def _add_to_union(schema):
    schema["$defs"]["Rumour"] = {"type": "object", "properties": {"type": {"const": "rumour", "type": "string"}}}
    schema["oneOf"].append({"$ref": "#/$defs/Rumour"})


def _enum(schema, edit):
    schema["properties"]["kind"]["enum"] = edit(schema["properties"]["kind"]["enum"])


BREAKING = {
    "a removed field": (CLUSTERS, _remove_field("mark_price"), "mark_price"),
    "an optional field newly required": (CLUSTERS, _require("merged_into"), "merged_into"),
    "a new field that is required": (CLUSTERS, _new_field(required=True), "news"),
    "a field no longer promised": (CLUSTERS, _optional("", "mark_price"), "mark_price"),
    "a nested field no longer promised": (CLUSTERS, _optional("Cluster", "mass_usd"), "cluster.mass_usd"),
    "a nested field removed": (CLUSTERS, _drop("Cluster", "properties", "side"), "cluster.side"),
    "another type": (CLUSTERS, _put("integer", "properties", "mark_price", "type"), "mark_price"),
    "null where there was none": (CLUSTERS, _put(MAYBE_PRICE, "properties", "mark_price"), "mark_price"),
    "null no longer allowed": (CLUSTERS, _put(MASS, "properties", "previous_mass_usd"), "previous_mass_usd"),
    "a value of an enumeration removed": (CLUSTERS, lambda s: _enum(s, lambda kinds: kinds[1:]), "kind"),
    "an enumeration where anything was allowed": (CLUSTERS, _put(["BTC"], "properties", "coin", "enum"), "coin"),
    "another constant": (CLUSTERS, _put(2, "properties", "schema_version", "const"), "schema_version"),
    "a higher minimum": (CLUSTERS, _put(5, "properties", "log_epoch", "minimum"), "log_epoch"),
    "a lower maximum": (CLUSTERS, _put(50, "properties", "event_id", "maxLength"), "event_id"),
    "a new maximum": (CLUSTERS, _put(10, "Cluster", "properties", "mass_usd", "maximum"), "cluster.mass_usd"),
    "another pattern": (CLUSTERS, _put("^[a-z]+$", "properties", "scope", "pattern"), "scope"),
    "another default": (CLUSTERS, _put(["x"], "Cluster", "properties", "parents", "default"), "cluster.parents"),
    "another type inside a list": (
        CLUSTERS,
        _put({"type": "integer"}, "Cluster", "properties", "parents", "items"),
        "cluster.parents[]",
    ),
    "closed to fields of tomorrow": (CLUSTERS, _put(False, "additionalProperties"), "{}"),
    "a member of a union removed": (EVENTS, _replace_in_union, ""),
    "a field of one member of a union removed": (
        EVENTS,
        _drop("Ticker", "properties", "funding_rate"),
        "(ticker).funding_rate",
    ),
    "a map's values narrowed": ("liquidation-grids-v1", _put("string", *AGE), "provenance.members[].stream_age_ms{}"),
}

COMPATIBLE = {
    "a new optional field": (CLUSTERS, _new_field(required=False), "news"),
    "a new value of an enumeration": (CLUSTERS, lambda s: _enum(s, lambda kinds: [*kinds, "doubled"]), "kind"),
    "a wider range": (CLUSTERS, _put(500, "properties", "event_id", "maxLength"), "event_id"),
    "a bound removed": (CLUSTERS, _drop("properties", "event_id", "maxLength"), "event_id"),
    "a pattern removed": (CLUSTERS, _drop("properties", "coin", "pattern"), "coin"),
    "a new member of a union": (EVENTS, _add_to_union, ""),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_seen_where_it_is(name):
    topic, edit, path = BREAKING[name]
    changes = _changed(topic, edit)
    assert (path, True) in changes
    assert {where for where, breaking in changes if breaking} == {path}, "nothing else was changed"


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_is_reported_and_not_breaking(name):
    topic, edit, path = COMPATIBLE[name]
    assert _changed(topic, edit) == [(path, False)]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_agrees_with_itself(topic):
    schema = topic_schema(TOPICS[topic])
    assert compare_schemas(schema, copy.deepcopy(schema)) == []


@pytest.mark.parametrize("edit", [_put("new words", "description"), _put("New", "properties", "scope", "title")])
def test_words_may_change(edit):
    assert _changed(CLUSTERS, edit) == []


def test_a_field_of_many_members_is_reported_in_each():
    def edit(schema):
        for definition in schema["$defs"].values():
            definition["properties"].pop("receive_time_ms", None)

    changes = _changed(EVENTS, edit)
    assert len(changes) == len(topic_schema(TOPICS[EVENTS])["oneOf"])
    assert all(breaking for _, breaking in changes)


def test_a_keyword_that_is_not_understood_is_an_error():
    with pytest.raises(ValueError, match="multipleOf"):
        _changed(CLUSTERS, _put(2, "properties", "sequence", "multipleOf"))


def test_a_dangling_reference_is_an_error():
    with pytest.raises(ValueError, match="Nowhere"):
        _changed(CLUSTERS, _put({"$ref": "#/$defs/Nowhere"}, "properties", "cluster"))


def test_a_schema_that_refers_to_itself_is_compared_once():
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}}}
    old = {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree}}
    new = {"$ref": "#/$defs/Tree", "$defs": {"Tree": tree | {"required": ["left"]}}}
    assert [change.path for change in compare_schemas(old, new)] == ["left"]
