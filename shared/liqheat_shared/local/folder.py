"""Where the local stack keeps its files: one folder that may be thrown away as a whole."""

from __future__ import annotations

import os
from pathlib import Path

ENVIRONMENT_VARIABLE = "LIQHEAT_UP_LOCAL_DIR"


def project_root() -> Path:
    """Root of the source tree; of an installed wheel, the current folder."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def local_dir() -> Path:
    """Folder of everything that the local stack downloads or writes: ``.local`` under the project root.

    ``LIQHEAT_UP_LOCAL_DIR`` moves it.
    """
    configured = os.environ.get(ENVIRONMENT_VARIABLE)
    return Path(configured).expanduser().resolve() if configured else project_root() / ".local"


def jars_dir() -> Path:
    """Folder of the broker's jars, shared by everything that starts a broker."""
    return (local_dir() / "jars").resolve()
