"""Renders the kustomizations of this project as ``kubectl kustomize`` does, where there is no kubectl.

Only what is used here is understood, and anything else is an error: a test compares the result with kubectl's where
there is one, so the two can't drift apart unseen.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Hashable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

FIELDS = {"apiVersion", "kind", "namespace", "resources", "labels", "images", "configMapGenerator", "patches"}
WITH_TEMPLATE = {"Deployment", "StatefulSet", "Job"}
NAMESPACED = WITH_TEMPLATE | {
    "ConfigMap",
    "HorizontalPodAutoscaler",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Service",
    "ServiceAccount",
}
# What kustomize writes for hexadecimal digits, so that a hash never spells a word.
HASH_LETTERS = str.maketrans("013ae", "ghkmt")


class UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, which otherwise hides the first silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if key.value != "<<"]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise ValueError(f"{', '.join(twice)} given twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def load_all(text: str) -> list[Any]:
    """Documents of a YAML stream, empty ones left out."""
    return [document for document in yaml.load_all(text, UniqueKeys) if document is not None]


def render(folder: Path) -> list[Resource]:
    """The resources of a kustomization: a copy, to be changed at will."""
    return copy.deepcopy(_render(folder.resolve()))


@cache
def _render(folder: Path) -> list[Resource]:
    resources = _accumulate(folder)
    keys = [(resource["kind"], resource["metadata"]["name"]) for resource in resources]
    if len(set(keys)) != len(keys):
        raise ValueError(f"{folder}: a resource is there twice")
    return _with_hashed_names(resources)


def containers(resource: Resource) -> list[dict[str, Any]]:
    """Containers of a workload, those that run first included."""
    if resource["kind"] not in WITH_TEMPLATE:
        return []
    pod = resource["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def _accumulate(folder: Path) -> list[Resource]:
    (kustomization,) = load_all((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    _only(kustomization, FIELDS, folder)
    resources: list[Resource] = []
    for entry in kustomization.get("resources", []):
        path = folder / entry
        resources += _accumulate(path.resolve()) if path.is_dir() else load_all(path.read_text(encoding="utf-8"))
    for generator in kustomization.get("configMapGenerator", []):
        _generate(resources, generator)
    for patch in kustomization.get("patches", []):
        _patch(resources, patch)
    for resource in resources:
        _set_namespace(resource, kustomization.get("namespace"))
        for labels in kustomization.get("labels", []):
            _set_labels(resource, labels)
        for image in kustomization.get("images", []):
            _set_image(resource, image)
    return resources


def _generate(resources: list[Resource], generator: dict[str, Any]) -> None:
    _only(generator, {"name", "behavior", "literals"}, "configMapGenerator")
    data = dict(literal.split("=", 1) for literal in generator["literals"])
    behavior = generator.get("behavior", "create")
    found = [one for one in resources if one["kind"] == "ConfigMap" and one["metadata"]["name"] == generator["name"]]
    if behavior == "create" and not found:
        metadata = {"name": generator["name"]}
        resources.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    elif behavior == "merge" and found:
        found[0]["data"] |= data
    else:
        raise ValueError(f"configMapGenerator: can't {behavior} {generator['name']}")


def _patch(resources: list[Resource], patch: dict[str, Any]) -> None:
    _only(patch, {"target", "patch"}, "patches")
    _only(patch["target"], {"kind", "name"}, "target")
    hits = [
        resource
        for resource in resources
        if resource["kind"] == patch["target"]["kind"]
        and re.fullmatch(patch["target"]["name"], resource["metadata"]["name"])
    ]
    if not hits:
        raise ValueError(f"patches: nothing is {patch['target']}")
    (operations,) = load_all(patch["patch"])
    for resource in hits:
        for operation in operations:
            _apply(resource, operation)


def _apply(resource: Resource, operation: dict[str, Any]) -> None:
    _only(operation, {"op", "path", "value"}, "a JSON patch")
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].removeprefix("/").split("/")
    ]
    node: Any = resource
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    key = int(last) if isinstance(node, list) else last
    if operation["op"] == "replace":
        node[key]
        node[key] = copy.deepcopy(operation["value"])
    else:
        raise ValueError(f"JSON patch: can't {operation['op']}")


def _set_namespace(resource: Resource, namespace: str | None) -> None:
    if namespace is None:
        return
    if resource["kind"] in NAMESPACED:
        resource["metadata"]["namespace"] = namespace
    elif resource["kind"] != "Namespace":
        raise ValueError(f"has a {resource['kind']} a namespace?")


def _set_labels(resource: Resource, labels: dict[str, Any]) -> None:
    _only(labels, {"pairs", "includeTemplates"}, "labels")
    metadata = [resource["metadata"]]
    if labels.get("includeTemplates") and resource["kind"] in WITH_TEMPLATE:
        metadata.append(resource["spec"]["template"]["metadata"])
    for one in metadata:
        one["labels"] = one.get("labels", {}) | labels["pairs"]


def _set_image(resource: Resource, image: dict[str, Any]) -> None:
    _only(image, {"name", "newTag"}, "images")
    for container in containers(resource):
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image['name']}:{image['newTag']}"


def _with_hashed_names(resources: list[Resource]) -> list[Resource]:
    renamed = {}
    for resource in resources:
        if resource["kind"] == "ConfigMap":
            name = resource["metadata"]["name"]
            renamed[name] = f"{name}-{_hash(resource['data'])}"
            resource["metadata"]["name"] = renamed[name]
    for resource in resources:
        if resource["kind"] != "ConfigMap":
            for reference in _config_map_references(resource):
                reference["name"] = renamed[reference["name"]]
    return resources


def _config_map_references(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for member in node:
            yield from _config_map_references(member)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("configMapRef", "configMapKeyRef", "configMap"):
                yield value
            else:
                yield from _config_map_references(value)


def _hash(data: dict[str, str]) -> str:
    # The name is left empty: kustomize hashes it that way too.
    text = json.dumps({"data": data, "kind": "ConfigMap", "name": ""}, sort_keys=True, separators=(",", ":"))
    if set(text) & set("<>&") or not text.isascii():
        raise ValueError(f"{sorted(data)}: kustomize writes some characters in another way before it hashes")
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(HASH_LETTERS)


def _only(value: dict[str, Any], known: set[str], where: object) -> None:
    unknown = set(value) - known
    if unknown:
        raise ValueError(f"{where}: {', '.join(sorted(unknown))} is not understood here")
