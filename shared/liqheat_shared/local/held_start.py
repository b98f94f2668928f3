"""Load a service while the broker still starts, and run it when its topics are there.

``python -m liqheat_shared.local.held_start GATE MODULE COMMAND [OPTIONS]``: imports the module, waits until the file
GATE exists, runs ``liqheat COMMAND``. Loading takes longer than anything else in a service's start.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from pathlib import Path

_POLL_SECONDS = 0.02


def main(arguments: list[str]) -> int:
    """Load, wait, run; the exit code of the command."""
    gate, module, *command = arguments
    with contextlib.suppress(ModuleNotFoundError):  # the command itself says best what is missing
        importlib.import_module(module)
    while not Path(gate).exists():
        time.sleep(_POLL_SECONDS)
    from liqheat_shared.cli import run

    return run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
