"""docs/settings.md has every setting with its default and what is allowed, and no variable is named that is none."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from liqheat_shared.settings import PREFIX, SERVICES, ServiceSettings

ROOT = Path(__file__).parents[2]
PACKAGES = sorted([ROOT / "shared" / "liqheat_shared", *(ROOT / "services").glob("*/liqheat_*")])
DOCUMENT = ROOT / "docs" / "settings.md"
VARIABLE = re.compile(r"LIQHEAT_[A-Z0-9]+(?:_[A-Z0-9]+)*")
# Read by tools and not by a service: the port that the page's development server speaks to.
ELSEWHERE = {"LIQHEAT_DEV_API"}
LOWER_BOUNDS = (("minimum", "from {}"), ("exclusiveMinimum", "above {}"))


def _settings_modules():
    """Modules of the source tree that define a class of settings."""
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
            bases = {base.id for one in classes for base in one.bases if isinstance(base, ast.Name)}
            if any(base.endswith("Settings") for base in bases):
                yield ".".join(path.relative_to(package.parent).with_suffix("").parts)


def _classes():
    for module in _settings_modules():
        importlib.import_module(module)
    found, waiting = [], [ServiceSettings]
    while waiting:
        one = waiting.pop()
        if one.__module__.startswith("liqheat_"):
            found.append(one)
            waiting += one.__subclasses__()
    return sorted(found, key=lambda one: one.service)


CLASSES = _classes()


def _allowed(schema):
    """What a value may be, in words."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    (option,) = options
    if "enum" in option:
        return ", ".join(map(str, option["enum"]))
    if option["type"] not in ("integer", "number"):
        return {"password": "secret", "path": "path"}.get(option.get("format"), "text")
    kind = {"integer": "whole number", "number": "number"}[option["type"]]
    parts = [words.format(f"{option[key]:.10g}") for key, words in LOWER_BOUNDS if key in option]
    parts += [f"to {option['maximum']:.10g}"] if "maximum" in option else []
    return " ".join([kind, *parts])


def _default(value):
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "–" if value is None or value == "" else f"`{value}`"


def _rows():
    """Variable, default and allowed values of every setting, by the service that has it as its own."""
    rows = {}
    for one in CLASSES:
        properties = one.model_json_schema()["properties"]
        for name, field in one.model_fields.items():
            if one is ServiceSettings or name not in ServiceSettings.model_fields:
                rows[PREFIX + name.upper()] = (_default(field.default), _allowed(properties[name]))
    return rows


def _documented():
    rows = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `LIQHEAT_"):
            name, default, allowed, meaning = cells
            assert name.strip("`") not in rows, f"{name} is there twice"
            rows[name.strip("`")] = (default, allowed, meaning)
    return rows


def test_the_table_is_the_settings():
    documented = _documented()
    wanted = _rows()
    lacking = [f"| `{name}` | {' | '.join(wanted[name])} | … |" for name in sorted(set(wanted) - set(documented))]
    assert lacking == [], "rows that docs/settings.md lacks"
    assert sorted(set(documented) - set(wanted)) == [], "settings that are none"
    assert {name: row[:2] for name, row in documented.items()} == wanted
    assert [name for name, row in documented.items() if len(row[2]) < 10] == [], "say what it means"


def test_every_service_has_its_settings_class():
    assert {one.service for one in CLASSES} - {""} == set(SERVICES) - {"notifier"}


def test_a_setting_of_a_service_begins_with_its_name():
    """What begins with the name of a service is skipped by the others; anything else they would refuse."""
    for one in CLASSES:
        own = set(one.model_fields) - set(ServiceSettings.model_fields)
        assert [name for name in own if not name.startswith(f"{one.service}_")] == []


@pytest.mark.parametrize("folder", ["shared", "services", "deploy", "docs", "tests", "benchmarks"])
def test_no_variable_is_named_that_is_no_setting(folder):
    known = set(_rows()) | ELSEWHERE
    strange = {}
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in (".py", ".md", ".yaml", ".yml", ".ts", ".sh") and "node_modules" not in path.parts:
            for name in set(VARIABLE.findall(path.read_text(encoding="utf-8"))) - known:
                # A prefix of several (LIQHEAT_INGEST_*) or the beginning of one that is put together.
                if not any(one.startswith(f"{name}_") for one in known):
                    strange.setdefault(name, str(path.relative_to(ROOT)))
    assert {name: where for name, where in strange.items() if "test" not in Path(where).name} == {}
