"""Every kustomization renders, is valid for Kubernetes, and what it runs is hardened, probed and rightly configured."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings

import kubernetes_validate
import pytest

from deployment_files import (
    IMAGE,
    K8S,
    KUSTOMIZATIONS,
    PROCESSES,
    kubernetes_processes,
    parse_arguments,
    settings_class,
    workloads,
)
from kustomize_renderer import WITH_TEMPLATE, containers, load_all, render
from liqheat_shared.settings import load_settings

KUBECTL = shutil.which("kubectl")
# The oldest release that has all we use and is still met, and the newest that the schemas know.
KUBERNETES = ("1.30", kubernetes_validate.latest_version())
EVERY = pytest.mark.parametrize("name", KUSTOMIZATIONS)
WORKLOADS = [
    pytest.param(workload, id=f"{name}:{workload['metadata']['name']}")
    for name, folder in KUSTOMIZATIONS.items()
    for workload in workloads(folder)
]
RUNNING = [
    pytest.param(process, id=f"{name}:{process.name}")
    for name, folder in KUSTOMIZATIONS.items()
    for process in kubernetes_processes(folder)
]


def _by_key(resources):
    return {(resource["kind"], resource["metadata"]["name"]): resource for resource in resources}


def test_there_are_the_base_and_the_trial():
    assert set(KUSTOMIZATIONS) == {"base", "overlays/trial"}


@EVERY
@pytest.mark.parametrize("version", KUBERNETES)
def test_is_valid_for_kubernetes(name, version):
    for resource in render(KUSTOMIZATIONS[name]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kubernetes_validate.validate(resource, version, strict=True)


def test_validation_refuses_what_is_wrong():
    (workload, *_) = workloads(KUSTOMIZATIONS["base"])
    workload["spec"]["template"]["spec"]["containers"][0]["restartPolice"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolice"):
        kubernetes_validate.validate(workload, KUBERNETES[0], strict=True)


@EVERY
@pytest.mark.skipif(KUBECTL is None, reason="compared with kubectl's own rendering where kubectl is on the PATH")
def test_rendering_is_kubectls(name):
    command = [KUBECTL, "kustomize", str(KUSTOMIZATIONS[name])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert _by_key(render(KUSTOMIZATIONS[name])) == _by_key(load_all(result.stdout))


def test_rendering_refuses_what_it_does_not_understand(tmp_path):
    texts = ("namePrefix: x-\n", "images: [{name: liqheat, digest: sha256:0}]\nresources: [a.yaml]\n")
    for number, text in enumerate(texts):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "kustomization.yaml").write_text(text)
        (folder / "a.yaml").write_text("{apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}\n")
        with pytest.raises(ValueError, match="not understood"):
            render(folder)


@EVERY
def test_every_process_is_there_once(name):
    assert sorted(process.name for process in kubernetes_processes(KUSTOMIZATIONS[name])) == sorted(PROCESSES)


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
    parse_arguments(process.arguments)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_pod_is_hardened(workload):
    pod = workload["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == workload["metadata"]["name"], "an account of its own"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
    for container in containers(workload):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("workload", WORKLOADS)
def test_pod_gets_no_service_links(workload):
    """They would set LIQHEAT_API_PORT=tcp://10.0.0.1:80, which our settings refuse, and break the Kafka image too."""
    assert workload["spec"]["template"]["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("workload", WORKLOADS)
def test_containers_have_resources_and_a_pinned_image(workload):
    for container in containers(workload):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        assert re.fullmatch(r"[a-z]+(/[a-z]+)?:\d[\w.-]*", container["image"]), "short name and a version"
        if container["image"].startswith("liqheat"):
            assert container["image"] == IMAGE
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        assert mounts <= {volume["name"] for volume in workload["spec"]["template"]["spec"]["volumes"]}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_has_probes_and_time_to_end(workload):
    pod = workload["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 30
    if workload["kind"] == "Job":
        assert pod["restartPolicy"] == "OnFailure"
        return
    for container in pod["containers"]:
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            action = next(
                container[probe][kind] for kind in ("httpGet", "tcpSocket", "exec") if kind in container[probe]
            )
            assert "command" in action or action["port"] in ports
        if container["image"] == IMAGE:
            assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("process", [one for one in RUNNING if one.values[0].name != "topics"])
def test_probes_ask_where_the_process_answers(process):
    """The api answers on its own port, the others on the metrics port; both outside of loopback."""
    name = "API" if process.name == "api" else "METRICS"
    assert process.environment[f"LIQHEAT_{name}_HOST"] == "0.0.0.0"
    port = int(process.environment[f"LIQHEAT_{name}_PORT"])
    for folder in KUSTOMIZATIONS.values():
        (workload,) = [one for one in workloads(folder) if one["metadata"]["name"] == f"liqheat-{process.name}"]
        template = workload["spec"]["template"]
        (container,) = template["spec"]["containers"]
        (open_port,) = container["ports"]
        assert open_port["containerPort"] == port
        assert template["metadata"]["annotations"]["prometheus.io/port"] == str(port)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == open_port["name"]


@EVERY
def test_names_and_selectors_lead_somewhere(name):
    resources = render(KUSTOMIZATIONS[name])
    accounts = {one["metadata"]["name"] for one in resources if one["kind"] == "ServiceAccount"}
    pods = [one["spec"]["template"] for one in resources if one["kind"] in WITH_TEMPLATE]
    assert accounts == {pod["spec"]["serviceAccountName"] for pod in pods}
    for resource in resources:
        selector = resource.get("spec", {}).get("selector", {})
        if resource["kind"] in ("Service", "PodDisruptionBudget", "Deployment", "StatefulSet"):
            wanted = selector.get("matchLabels", selector)
            chosen = [pod for pod in pods if wanted.items() <= pod["metadata"]["labels"].items()]
            assert len(chosen) == 1, f"{resource['kind']} {resource['metadata']['name']}"
        if resource["kind"] == "Service":
            ports = {port["name"] for container in chosen[0]["spec"]["containers"] for port in container["ports"]}
            assert {port["targetPort"] for port in resource["spec"]["ports"]} <= ports
        if resource["kind"] == "StatefulSet":
            assert ("Service", resource["spec"]["serviceName"]) in _by_key(resources)


@EVERY
def test_every_process_that_stays_can_be_moved_by_one_pod_at_a_time(name):
    resources = render(KUSTOMIZATIONS[name])
    budgets = {one["metadata"]["name"]: one for one in resources if one["kind"] == "PodDisruptionBudget"}
    assert set(budgets) == {f"liqheat-{process}" for process in PROCESSES - {"topics"}}
    assert all(budget["spec"]["maxUnavailable"] == 1 for budget in budgets.values())


@EVERY
def test_stages_keep_their_identity(name):
    by_key = _by_key(render(KUSTOMIZATIONS[name]))
    for stage in ("ingest", "estimator", "clusterer"):
        assert ("StatefulSet", f"liqheat-{stage}") in by_key
    assert by_key["StatefulSet", "liqheat-ingest"]["spec"]["replicas"] == 1, "one owner of the markets"
    for process in kubernetes_processes(KUSTOMIZATIONS[name]):
        if process.name in ("estimator", "clusterer"):
            identity = process.environment[f"LIQHEAT_{process.name.upper()}_INSTANCE_ID"]
            assert identity == f"liqheat-{process.name}-0"


@EVERY
def test_the_api_knows_nothing_of_kafka(name):
    (api,) = [one for one in workloads(KUSTOMIZATIONS[name]) if one["metadata"]["name"] == "liqheat-api"]
    assert "kafka" not in str(api).lower()


@EVERY
def test_passwords_come_from_secrets_alone(name):
    for resource in render(KUSTOMIZATIONS[name]):
        if resource["kind"] == "ConfigMap":
            assert not [key for key in resource["data"] if "PASSWORD" in key or "USERNAME" in key]
            assert "@" not in str(resource["data"])
        assert resource["kind"] != "Secret", "a secret is made by who deploys"


def test_trial_asks_the_cluster_to_enforce_hardened_pods():
    (namespace,) = [one for one in render(KUSTOMIZATIONS["overlays/trial"]) if one["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_trial_has_as_many_partitions_as_one_machine():
    environments = {one.name: one.environment for one in kubernetes_processes(KUSTOMIZATIONS["overlays/trial"])}
    (topics,) = [one for one in kubernetes_processes(KUSTOMIZATIONS["overlays/trial"]) if one.name == "topics"]
    assert "--laptop" in topics.arguments
    assert {one["LIQHEAT_PARTITIONS"] for name, one in environments.items() if name != "api"} == {"4"}


def test_every_file_is_used():
    used = set()
    for folder in KUSTOMIZATIONS.values():
        (kustomization,) = load_all((folder / "kustomization.yaml").read_text(encoding="utf-8"))
        used |= {(folder / entry).resolve() for entry in kustomization["resources"]} | {folder / "kustomization.yaml"}
    assert {path for path in K8S.glob("**/*.yaml") if path.resolve() not in used} == set()
