"""The image compiles the estimator's inner loops when it is built, and never again: its file system is read-only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployment_files import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
SETTINGS = dict(re.findall(r"(NUMBA_\w+)=(\S+)", DOCKERFILE))
IMPORT = "import liqheat_estimator.core.estimator_fold"
#: Refuses every write below a folder, as a read-only file system does, then tells what was loaded and what compiled.
READ_ONLY_START = """
import errno, os, sys
folder = sys.argv[1]
writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(folder):
        if (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")) or arguments[2] & writing:
            raise OSError(errno.EROFS, "read-only", arguments[0])
    if event in ("os.mkdir", "os.rename", "os.remove") and str(arguments[0]).startswith(folder):
        raise OSError(errno.EROFS, "read-only", arguments[0])
sys.addaudithook(refuse)
import liqheat_estimator.core.estimator_fold
from liqheat_estimator.core import map_kernels
from liqheat_estimator.core.learning import kernels
assert map_kernels.__file__.startswith(folder), map_kernels.__file__
loops = [each for module in (map_kernels, kernels) for each in vars(module).values() if hasattr(each, "stats")]
hits = sum(sum(each.stats.cache_hits.values()) for each in loops)
print(len(loops), hits, sum(len(each.signatures) for each in loops))
"""


def test_build_and_start_compile_for_the_same_processor_into_the_same_place():
    for name, value in SETTINGS.items():
        assert DOCKERFILE.count(f"{name}={value}") == 2, f"{name}: once in the build, once in the image"
    assert set(SETTINGS) == {"NUMBA_CPU_NAME", "NUMBA_CACHE_LOCATOR_CLASSES"}
    (build,) = (stage for stage in DOCKERFILE.split("\nFROM ") if stage.partition("\n")[0].endswith(" AS build"))
    assert build.index("compileall") < build.index(IMPORT) < build.index("pip uninstall")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, without what was compiled here."""
    folder = tmp_path_factory.mktemp("image")
    source = ROOT / "services" / "estimator" / "liqheat_estimator"
    shutil.copytree(source, folder / "liqheat_estimator", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _start(tree: Path, code: str, **settings: str) -> str:
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(tree)}
    started = subprocess.run(
        [sys.executable, "-c", code, str(tree)],
        env=home | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    return started.stdout


@pytest.mark.slow
def test_a_read_only_image_compiles_nothing(tree: Path):
    _start(tree, IMPORT, **SETTINGS)  # the build
    settings = SETTINGS | {"PYTHONDONTWRITEBYTECODE": "1"}
    loops, hits, compiled = map(int, _start(tree, READ_ONLY_START, **settings).split())
    assert loops == hits == compiled > 10


@pytest.mark.slow
def test_where_nothing_can_be_written_the_estimator_starts_all_the_same(tree: Path):
    settings = SETTINGS | {"PYTHONDONTWRITEBYTECODE": "1", "NUMBA_CPU_NAME": "penryn", "NUMBA_CPU_FEATURES": "+sse4.1"}
    loops, hits, compiled = map(int, _start(tree, READ_ONLY_START, **settings).split())
    assert (hits, compiled) == (0, loops)
