"""What the deployment files say about our processes, in one shape for compose and Kubernetes."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from kustomize_renderer import Resource, containers, load_all, render
from liqheat_shared.settings import ServiceSettings

ROOT = Path(__file__).parent.parent
K8S = ROOT / "deploy" / "k8s"
KUSTOMIZATIONS = {path.parent.relative_to(K8S).as_posix(): path.parent for path in K8S.glob("**/kustomization.yaml")}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
IMAGE = f"liqheat:{VERSION}"
SETTINGS_CLASSES = {
    "topics": ("liqheat_shared.settings", "ServiceSettings"),
    "ingest": ("liqheat_ingest.settings", "IngestSettings"),
    "estimator": ("liqheat_estimator.settings", "EstimatorSettings"),
    "clusterer": ("liqheat_clusterer.settings", "ClustererSettings"),
    "projector": ("liqheat_api.settings", "ProjectorSettings"),
    "api": ("liqheat_api.settings", "ApiSettings"),
}
PROCESSES = set(SETTINGS_CLASSES)


@dataclass(frozen=True)
class Process:
    """One of our containers.

    Attributes
    ----------
    name : str
        What it runs: the first argument of ``liqheat``.
    environment : dict
        As the process will find it.
    """

    name: str
    arguments: list[str]
    environment: dict[str, str]


def settings_class(process: str) -> type[ServiceSettings]:
    """Settings of a process."""
    module, name = SETTINGS_CLASSES[process]
    found = getattr(import_module(module), name)
    assert issubclass(found, ServiceSettings)
    return found


def parse_arguments(arguments: list[str]) -> None:
    """Let the command itself read its arguments; SystemExit where it refuses."""
    (entry,) = entry_points(group="liqheat.commands", name=arguments[0])
    parser = ArgumentParser(prog=arguments[0])
    entry.load()().arguments(parser)
    parser.parse_args(arguments[1:])


def workloads(folder: Path) -> list[Resource]:
    """Everything that runs pods."""
    return [resource for resource in render(folder) if containers(resource)]


def kubernetes_processes(folder: Path) -> list[Process]:
    """Our main containers in a kustomization."""
    resources = render(folder)
    maps = {one["metadata"]["name"]: one["data"] for one in resources if one["kind"] == "ConfigMap"}
    found = []
    for workload in resources:
        if not containers(workload):
            continue
        for container in workload["spec"]["template"]["spec"]["containers"]:
            if container["image"] == IMAGE:
                environment = _environment(container, maps, workload["metadata"]["name"] + "-0")
                found.append(Process(container["args"][0], container["args"], environment))
    return found


def compose() -> dict[str, Any]:
    """The compose file."""
    (document,) = load_all((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def compose_processes() -> list[Process]:
    """Our containers in the compose file."""
    return [
        Process(service["command"][0], service["command"], service["environment"])
        for service in compose()["services"].values()
        if service["image"] == IMAGE
    ]


_POD_INDEX = "metadata.labels['apps.kubernetes.io/pod-index']"


def _environment(container: dict[str, Any], maps: dict[str, dict[str, str]], pod: str) -> dict[str, str]:
    environment: dict[str, str] = {}
    own: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            environment |= maps[source["configMapRef"]["name"]]
    for variable in container.get("env", []):
        if "value" in variable:
            value = variable["value"]
            for name, known in own.items():
                value = value.replace(f"$({name})", known)
            own[variable["name"]] = value
        else:
            own[variable["name"]] = {"metadata.name": pod, _POD_INDEX: pod.rpartition("-")[2]}[
                variable["valueFrom"]["fieldRef"]["fieldPath"]
            ]
    return environment | {name: value for name, value in own.items() if name.startswith("LIQHEAT_")}
