"""Fetch and format what the broker needs, as a process of its own: it can take a minute and must be interruptible."""

from __future__ import annotations

import sys
from pathlib import Path

from liqheat_shared.local.folder import jars_dir
from liqheat_shared.local.jars import JarsError, locked_jars
from liqheat_shared.local.kafka_server import KafkaServer, is_formatted_once
from liqheat_shared.local.supervisor import REFUSED_EXIT_CODE


def main(data_dir: Path) -> int:
    """Do it; 0, or the code that says that trying again at once would not help."""
    jars = locked_jars()
    print(f"fetching the broker: {len(jars)} jars into {jars_dir()}", flush=True)
    try:
        KafkaServer(data_dir, 9092, 9093).prepare()
    except JarsError as error:
        print(f"{error}. Is there an internet connection? Once fetched, none is needed.", flush=True)
        return REFUSED_EXIT_CODE
    print("the broker is ready to start", flush=True)
    return 0


def is_needed() -> bool:
    """Whether something is still to be fetched or made (a look at names alone; contents are checked at the start)."""
    folder = jars_dir()
    return not is_formatted_once(folder) or any(not (folder / jar.file_name).exists() for jar in locked_jars())


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
