"""docs/metrics.md is the catalogue, and every metric that the code speaks of is in it, for the process that runs it."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from prometheus_client import generate_latest

from liqheat_shared.metrics import Metrics
from liqheat_shared.metrics.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "metrics.md"
# Which processes the code of a package runs in.
PROCESSES = {
    "liqheat_shared": {"ingest", "estimator", "clusterer", "projector", "api"},
    "liqheat_ingest": {"ingest"},
    "liqheat_estimator": {"estimator"},
    "liqheat_clusterer": {"clusterer"},
    "liqheat_api": {"projector", "api"},
}
SPECS = {spec.name: spec for spec in CATALOGUE}
NAME = re.compile(r"liqheat_(?:ingest|stage|projector|api|build)_[a-z_]+")


@cache
def _sources():
    return [
        (package, path, ast.parse(path.read_text(encoding="utf-8")))
        for package in PROCESSES
        for folder in (ROOT / "shared", *(ROOT / "services").iterdir())
        for path in sorted((folder / package).rglob("*.py"))
        if path.name != "catalogue.py"
    ]


def _uses():
    """Package, kind, name and place of every metric that the code asks for by a literal name."""
    for package, path, tree in _sources():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("counter", "gauge", "histogram", "tally")
                and node.args
                and isinstance(node.args[0], ast.Constant)
            ):
                yield package, node.func.attr, node.args[0].value, f"{path.relative_to(ROOT)}:{node.lineno}"


def _literals():
    """Every text in the code that is the name of a metric, however it is asked for."""
    return {
        node.value
        for _, _, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value)
    }


def test_the_table_is_the_catalogue():
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [
        tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        for line in lines
        if line.startswith("| `liqheat_")
    ]
    wanted = [
        (
            f"`{spec.name}`",
            spec.kind,
            ", ".join(f"`{label}`" for label in spec.labels) or "–",
            "all" if len(spec.processes) == 5 else ", ".join(spec.processes),
        )
        for spec in CATALOGUE
    ]
    assert [row for row in wanted if row not in [row[:4] for row in rows]] == [], "rows that docs/metrics.md lacks"
    assert [row[:4] for row in rows] == wanted, "the order of the catalogue, and no row more"
    assert [row[0] for row in rows if len(row[4]) < 10] == [], "say what it means"


def test_the_code_asks_for_metrics_that_its_process_has_and_by_their_kind():
    uses = list(_uses())
    assert len(uses) >= 20, "the scan finds the uses"
    wrong = [
        f"{where}: {name} as {kind}"
        for package, kind, name, where in uses
        if name not in SPECS
        or SPECS[name].kind != kind.replace("tally", "histogram")
        or not set(SPECS[name].processes) & PROCESSES[package]
    ]
    assert wrong == []


def test_no_name_in_the_code_is_unknown():
    assert _literals() - set(SPECS) == set()


def test_every_metric_of_the_catalogue_is_fed_by_code():
    assert set(SPECS) - _literals() == set()


def test_names_keep_the_rules():
    assert len(SPECS) == len(CATALOGUE)
    for spec in CATALOGUE:
        assert re.fullmatch(r"liqheat_[a-z0-9_]+", spec.name)
        assert (spec.kind == "counter") == spec.name.endswith("_total"), spec.name
        assert (spec.kind == "histogram") == bool(spec.buckets), spec.name
        assert list(spec.buckets) == sorted(set(spec.buckets))
        assert not {"price", "id", "offset", "event_id", "account"} & set(spec.labels), spec.name
        assert not re.search(r"_(ms|us|kb|mb|percent)(_|$)", spec.name), "base units"
        assert set(spec.processes) <= PROCESSES["liqheat_shared"]


def test_every_process_serves_what_the_catalogue_says():
    for process in PROCESSES["liqheat_shared"]:
        text = generate_latest(Metrics(process).registry).decode()
        families = {name for name in re.findall(r"^# TYPE (\w+) ", text, re.M) if name.startswith("liqheat_")}
        families = {name for name in families if not name.endswith("_created")}
        assert families == {spec.name for spec in CATALOGUE if process in spec.processes}
