"""A bot installs the base package: the contracts must import with pydantic and orjson, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest

from liqheat_shared.contracts.topics import TOPICS

# What the base dependencies bring with them.
BASE = ("annotated_types", "orjson", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection")

BLOCKER = f"""
import sys

class OnlyBase:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "liqheat_shared" or top in {BASE!r}:
            return None
        if top.startswith("_"):
            return None
        raise ModuleNotFoundError(f"{{name}} is not in the base installation", name=name)

sys.meta_path.insert(0, OnlyBase())
"""


def _run_in_base(code):
    return subprocess.run(
        [sys.executable, "-c", BLOCKER + code], capture_output=True, text=True, timeout=60, check=False
    )


def test_contracts_import_with_the_base_alone():
    code = """
import json
from liqheat_shared.contracts.package_data import packaged_examples, packaged_schema
from liqheat_shared.contracts.topics import TOPICS
for name, topic in TOPICS.items():
    assert packaged_schema(name)
    for example in packaged_examples(name).values():
        topic.adapter.validate_json(json.dumps(example))
print(len(TOPICS), *{"numpy", "aiokafka", "prometheus_client"} & set(sys.modules))
"""
    result = _run_in_base(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [str(len(TOPICS))]


@pytest.mark.parametrize("arguments", [["schemas", "show", "liquidation-clusters-v1"], ["schemas", "check"]])
def test_the_schemas_command_works_with_the_base_alone(arguments):
    result = _run_in_base(f"from liqheat_shared.cli import run\nraise SystemExit(run({arguments!r}))")
    assert result.returncode == 0, result.stderr


def test_the_blocker_blocks():
    result = _run_in_base("import numpy")
    assert result.returncode != 0
    assert "not in the base installation" in result.stderr


def test_the_base_is_small():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [requirement.split(">")[0] for requirement in project["dependencies"]] == ["pydantic", "orjson"]
    needed = {requirement for requirement in requires("pydantic") or [] if "extra ==" not in requirement}
    assert len(needed) <= 4, "pydantic needs more than BASE names"
