"""JSON Schemas and the AsyncAPI document, made from the contracts. Pure: text comes back, the command writes it.

The schemas have the consumer's form: unknown properties are allowed, which is what lets a contract grow. What pydantic
checks across fields (columns of one length, low <= high) can't be said in JSON Schema and is left to the models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from liqheat_shared.contracts.topics import TOPICS, TopicContract

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ASYNCAPI_FILE = "asyncapi.json"
#: What a cluster is planned with; ``LIQHEAT_PARTITIONS`` and ``liqheat topics apply --replication`` say otherwise.
DEFAULT_PARTITIONS = 24
DEFAULT_REPLICAS = 3
KAFKA_BINDING = "0.5.0"

Schema = dict[str, Any]
#: Decoded example messages by name.
Examples = Mapping[str, Any]


def schema_file(topic: str) -> str:
    """Name of the file with the schema of a topic.

    >>> schema_file("cluster-sets-v1")
    'cluster-sets-v1.json'
    """
    return f"{topic}.json"


def topic_schema(contract: TopicContract) -> Schema:
    """JSON Schema (2020-12) of a topic's values, as a consumer may rely on it.

    >>> topic_schema(TOPICS["dead-letters-v1"])["$id"]
    'urn:liqheat:dead-letters-v1'
    """
    generated = contract.adapter.json_schema(mode="validation")
    _require_tags(generated)
    schema = _plain(generated)
    header = {"$schema": DIALECT, "$id": f"urn:liqheat:{contract.name}", "title": contract.name}
    body = {name: value for name, value in schema.items() if name not in ("title", "description")}
    return header | {"description": contract.description} | body


def documents(examples: Mapping[str, Examples], *, version: str) -> dict[str, str]:
    """Every generated file: its name, and its text.

    Parameters
    ----------
    examples : mapping
        Example messages by topic and name.
    version : str
        Version of liqheat, for the AsyncAPI document.
    """
    files = {schema_file(name): as_text(topic_schema(contract)) for name, contract in TOPICS.items()}
    return files | {ASYNCAPI_FILE: as_text(asyncapi_document(examples, version=version))}


def as_text(document: Mapping[str, Any]) -> str:
    """The bytes that are checked in: the same for the same contracts."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def asyncapi_document(examples: Mapping[str, Examples], *, version: str) -> dict[str, Any]:
    """AsyncAPI 3.0: a channel a topic, who sends and receives it, and how long it is kept."""
    contracts = list(TOPICS.values())
    return {
        "asyncapi": "3.0.0",
        "id": "urn:liqheat",
        "info": {
            "title": "liqheat",
            "version": version,
            "description": (
                "Kafka topics of liqheat, a streaming liquidation heatmap. Values are JSON, compressed with zstd. "
                "Ignore properties and kinds that you do not know; drop messages whose event_id you have seen. "
                "Maps are estimates: read phase, valid_until_ms and provenance before acting on one."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {contract.name: _channel(contract) for contract in contracts},
        "operations": {name: operation for contract in contracts for name, operation in _operations(contract)},
        "components": {
            "messages": {contract.name: _message(contract, examples.get(contract.name, {})) for contract in contracts}
        },
    }


def _channel(contract: TopicContract) -> dict[str, Any]:
    configuration: dict[str, Any] = {"cleanup.policy": ["compact" if contract.compacted else "delete"]}
    if contract.retention_ms is not None:
        configuration["retention.ms"] = contract.retention_ms
    if contract.log_append_time:
        configuration["message.timestamp.type"] = "LogAppendTime"
    return {
        "address": contract.name,
        "title": contract.name,
        "description": contract.description,
        "messages": {contract.name: {"$ref": f"#/components/messages/{contract.name}"}},
        "bindings": {
            "kafka": {
                "topic": contract.name,
                "partitions": DEFAULT_PARTITIONS,
                "replicas": DEFAULT_REPLICAS,
                "topicConfiguration": configuration,
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-liqheat-status": contract.status,
        "x-liqheat-producers": list(contract.producers),
        "x-liqheat-consumers": list(contract.consumers),
    }


def _operations(contract: TopicContract) -> list[tuple[str, dict[str, Any]]]:
    return [
        *((f"{service}-sends-{contract.name}", _operation("send", contract)) for service in contract.producers),
        *((f"{service}-receives-{contract.name}", _operation("receive", contract)) for service in contract.consumers),
    ]


def _operation(action: str, contract: TopicContract) -> dict[str, Any]:
    reference = f"#/channels/{contract.name}"
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": reference},
        "messages": [{"$ref": f"{reference}/messages/{contract.name}"}],
    }
    return operation | ({"x-liqheat-status": "planned"} if contract.status == "planned" else {})


def _message(contract: TopicContract, examples: Examples) -> dict[str, Any]:
    return {
        "name": contract.name,
        "title": contract.name,
        "summary": contract.description,
        "contentType": "application/json",
        "payload": {"$ref": f"./{schema_file(contract.name)}"},
        "bindings": {
            "kafka": {"key": {"type": "string", "description": contract.key}, "bindingVersion": KAFKA_BINDING}
        },
        "examples": [{"name": name, "payload": payload} for name, payload in sorted(examples.items())],
    }


def _require_tags(schema: Schema) -> None:
    """Make the tag of a union required in its members: the models refuse a message without it, so must the schema."""
    for union in _objects(schema):
        if "discriminator" not in union:
            continue
        tag = union["discriminator"]["propertyName"]
        for reference in union["oneOf"]:
            member = schema["$defs"][reference["$ref"].removeprefix("#/$defs/")]
            member["required"] = [*member.get("required", []), *([] if tag in member.get("required", []) else [tag])]


def _plain(node: Any) -> Any:
    """Pydantic's schema without what only OpenAPI knows, and as strict about the keys of a map as the models are."""
    if isinstance(node, list):
        return [_plain(member) for member in node]
    if not isinstance(node, dict):
        return node
    result = {name: _plain(value) for name, value in node.items() if name != "discriminator"}
    if isinstance(node.get("patternProperties"), dict) and "properties" not in node:
        ((pattern, value),) = result.pop("patternProperties").items()
        result["propertyNames"] = result.get("propertyNames", {}) | {"pattern": pattern}
        result["additionalProperties"] = value
    return result


def _objects(node: Any) -> list[Schema]:
    members: Sequence[Any] = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    found = [inner for member in members for inner in _objects(member)]
    return [node, *found] if isinstance(node, dict) else found
