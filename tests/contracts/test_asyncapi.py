"""The AsyncAPI document holds what the specification of version 3.0 asks, and what the topics are.

The rules below are those a parser enforces on the parts used here: required fields, references that lead somewhere of
the right kind, unique addresses, examples that fit their payload, the fields of the Kafka bindings.
"""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from liqheat_shared.commands.schemas import generated
from liqheat_shared.contracts.package_data import SCHEMAS_FOLDER, packaged_examples
from liqheat_shared.contracts.topics import TOPICS
from liqheat_shared.kafka.topics import planned_topics
from liqheat_shared.schema_documents import DEFAULT_PARTITIONS, DEFAULT_REPLICAS
from liqheat_shared.settings import ServiceSettings

DOCUMENT = json.loads((SCHEMAS_FOLDER / "asyncapi.json").read_text(encoding="utf-8"))

# Fields that the specification knows: required and optional.
FIELDS = {
    "root": ({"asyncapi", "info"}, {"id", "servers", "defaultContentType", "channels", "operations", "components"}),
    "info": ({"title", "version"}, {"description", "termsOfService", "contact", "license", "tags", "externalDocs"}),
    "channel": (set(), {"address", "messages", "title", "summary", "description", "servers", "parameters", "bindings"}),
    "operation": ({"action", "channel"}, {"title", "summary", "description", "messages", "bindings", "reply"}),
    "message": (set(), {"headers", "payload", "contentType", "name", "title", "summary", "bindings", "examples"}),
    "kafka channel": (set(), {"topic", "partitions", "replicas", "topicConfiguration", "bindingVersion"}),
    "kafka message": (set(), {"key", "bindingVersion"}),
}
KEY = re.compile(r"^[a-zA-Z0-9.\-_]+$")


def _check_fields(kind, value):
    required, optional = FIELDS[kind]
    names = {name for name in value if not name.startswith("x-")}
    assert required <= names, f"{kind}: {required - names} missing"
    assert names <= required | optional, f"{kind}: {names - required - optional} unknown"


def _follow(reference):
    assert reference.startswith("#/")
    node = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        node = node[name.replace("~1", "/").replace("~0", "~")]
    return node


def test_root():
    _check_fields("root", DOCUMENT)
    _check_fields("info", DOCUMENT["info"])
    assert re.fullmatch(r"3\.0\.\d+", DOCUMENT["asyncapi"])
    for kind in ("channels", "operations"):
        assert all(KEY.match(name) for name in DOCUMENT[kind])
    assert all(KEY.match(name) for name in DOCUMENT["components"]["messages"])


def test_channels_are_the_topics():
    channels = DOCUMENT["channels"]
    assert list(channels) == list(TOPICS)
    assert len({channel["address"] for channel in channels.values()}) == len(channels)
    for name, channel in channels.items():
        _check_fields("channel", channel)
        assert channel["address"] == name
        assert channel["x-liqheat-status"] == TOPICS[name].status
        assert channel["messages"] == {name: {"$ref": f"#/components/messages/{name}"}}


def test_bindings_say_what_topics_apply_makes():
    plans = {
        plan.name: plan for plan in planned_topics(ServiceSettings(), replication=DEFAULT_REPLICAS, total_bytes=None)
    }
    assert ServiceSettings.model_fields["partitions"].default == DEFAULT_PARTITIONS
    for name, channel in DOCUMENT["channels"].items():
        binding, plan = channel["bindings"]["kafka"], plans[name]
        _check_fields("kafka channel", binding)
        assert binding["partitions"] == plan.partitions
        assert binding["replicas"] == plan.replication
        said = {
            key: ",".join(value) if isinstance(value, list) else str(value)
            for key, value in binding["topicConfiguration"].items()
        }
        assert said.items() <= plan.configs.items()
        for kept in ("cleanup.policy", "retention.ms", "message.timestamp.type"):
            assert (kept in said) == (kept in plan.configs), f"{name}: {kept}"


def test_operations_lead_from_services_to_channels():
    expected = {
        *((f"{who}-sends-{name}", "send") for name, topic in TOPICS.items() for who in topic.producers),
        *((f"{who}-receives-{name}", "receive") for name, topic in TOPICS.items() for who in topic.consumers),
    }
    assert {(name, operation["action"]) for name, operation in DOCUMENT["operations"].items()} == expected
    for name, operation in DOCUMENT["operations"].items():
        _check_fields("operation", operation)
        channel = _follow(operation["channel"]["$ref"])
        assert channel in DOCUMENT["channels"].values()
        assert name.endswith(channel["address"])
        assert operation.get("x-liqheat-status", "produced") == TOPICS[channel["address"]].status
        # A message of an operation must be referred to by way of its channel.
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
            assert _follow(_follow(message["$ref"])["$ref"])


@pytest.mark.parametrize("topic", TOPICS)
def test_message_refers_to_its_schema_and_its_examples_fit(topic):
    message = DOCUMENT["components"]["messages"][topic]
    _check_fields("message", message)
    _check_fields("kafka message", message["bindings"]["kafka"])
    path = SCHEMAS_FOLDER / message["payload"]["$ref"]
    validator = jsonschema.Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    assert {example["name"]: example["payload"] for example in message["examples"]} == packaged_examples(topic)
    for example in message["examples"]:
        validator.validate(example["payload"])


def test_the_schemas_mean_the_same_in_draft_7():
    """AsyncAPI reads a payload as draft 7: no keyword is newer, but ``$defs``, which is reached by reference."""
    newer = {"prefixItems", "unevaluatedProperties", "unevaluatedItems", "dependentRequired", "dependentSchemas"}
    newer |= {"minContains", "maxContains", "$dynamicRef", "$anchor"}
    for name, text in generated().items():
        assert not newer & set(_keys(json.loads(text))), name


def _keys(value):
    if isinstance(value, dict):
        return [*value, *(key for member in value.values() for key in _keys(member))]
    return [key for member in value for key in _keys(member)] if isinstance(value, list) else []
