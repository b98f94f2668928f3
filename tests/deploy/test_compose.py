"""The compose file runs the same processes with the same settings, hardened, reachable from this machine alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment_files import (
    IMAGE,
    KUSTOMIZATIONS,
    PROCESSES,
    compose,
    compose_processes,
    parse_arguments,
    settings_class,
    workloads,
)
from kustomize_renderer import containers
from liqheat_shared.local import kafka_server
from liqheat_shared.local.settings import UpSettings
from liqheat_shared.local.stack import SERVICES as UP_SERVICES
from liqheat_shared.local.stack import Ports, StackPlan
from liqheat_shared.settings import load_settings

COMPOSE = compose()
SERVICES = COMPOSE["services"]
BROKERS = {"kafka", "valkey"}
RUNNING = [pytest.param(process, id=process.name) for process in compose_processes()]
# What Kubernetes needs and one machine does not.
TRIAL = workloads(KUSTOMIZATIONS["overlays/trial"])


def test_services_are_those_of_kubernetes_and_of_up():
    assert set(SERVICES) == PROCESSES | BROKERS
    assert set(SERVICES) == {workload["metadata"]["name"].removeprefix("liqheat-") for workload in TRIAL}
    assert set(UP_SERVICES) == PROCESSES - {"topics"}


def test_brokers_are_the_same_image_as_in_kubernetes():
    images = {container["image"] for workload in TRIAL for container in containers(workload)}
    assert {service["image"] for service in SERVICES.values()} == images


@pytest.mark.parametrize("process", RUNNING)
def test_settings_are_known_and_accepted(process, monkeypatch):
    for variable, value in process.environment.items():
        assert isinstance(value, str), f"{variable} has to be text"
        monkeypatch.setenv(variable, value)
    known = {f"LIQHEAT_{field.upper()}" for field in settings_class(process.name).model_fields}
    assert set(process.environment) <= known
    load_settings(settings_class(process.name))


@pytest.mark.parametrize("process", RUNNING)
def test_arguments_are_what_the_command_takes(process):
    assert process.name == process.arguments[0]
    parse_arguments(process.arguments)


def test_settings_are_those_of_up():
    plan = StackPlan(UpSettings(), Path("unused"), _ports(), "simulator", "1")
    for process in compose_processes():
        if process.name == "topics":
            continue
        own = {name for name in process.environment if not name.endswith("_INSTANCE_ID")}
        assert own <= set(plan.environment(process.name)), process.name
        if "LIQHEAT_PARTITIONS" in own:
            assert process.environment["LIQHEAT_PARTITIONS"] == str(UpSettings().partitions)


@pytest.mark.parametrize("name", ["compose", "trial"])
def test_the_broker_is_set_up_like_the_one_of_up(name):
    """A property set in two places has one value, so that what was tested on one machine holds in the others."""
    if name == "compose":
        environment = SERVICES["kafka"]["environment"]
    else:
        (kafka,) = [workload for workload in TRIAL if workload["metadata"]["name"] == "kafka"]
        (container,) = containers(kafka)
        environment = {variable["name"]: variable["value"] for variable in container["env"]}
    said = {key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in environment.items()}
    up = kafka_server._PROPERTIES
    both = {key: value for key, value in said.items() if key in up}
    assert len(both) >= 8
    assert both == {key: up[key] for key in both}
    assert {"auto.create.topics.enable", "message.max.bytes", "transaction.state.log.min.isr"} <= set(both)


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_hardened_and_bounded(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert not {"privileged", "network_mode", "pid", "devices", "cap_add"} & set(service)
    assert service["logging"]["options"]["max-size"], "logs do not fill the disk"
    assert "restart" in service


def test_only_the_api_is_published_and_only_on_loopback():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["127.0.0.1:8080:8080"]}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "topics"])
def test_health_is_looked_at_where_the_process_answers(name):
    test = " ".join(SERVICES[name]["healthcheck"]["test"])
    if SERVICES[name]["image"] != IMAGE:
        assert test.startswith("CMD ")
        return
    environment = SERVICES[name]["environment"]
    port = environment["LIQHEAT_API_PORT" if name == "api" else "LIQHEAT_METRICS_PORT"]
    assert f"http://127.0.0.1:{port}/readyz" in test


def test_waits_lead_to_services_that_can_end_them():
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other], f"{name} would wait for {other} for ever"
            else:
                assert (other, wait["condition"]) == ("topics", "service_completed_successfully")
    for name in PROCESSES - {"topics", "api"}:
        assert "topics" in SERVICES[name]["depends_on"], f"{name} needs its topics"


def test_volumes_and_builds_exist():
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert volumes == set(COMPOSE["volumes"])
    for name, service in SERVICES.items():
        if service["image"] == IMAGE:
            assert service["build"] == {"context": ".", "dockerfile": "Dockerfile"}, name


def _ports():
    return Ports(kafka=1, controller=2, redis=3, api=4, metrics=dict.fromkeys(UP_SERVICES, 5), fake_venue=6, moved=())
