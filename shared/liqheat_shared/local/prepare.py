"""Make once what every start of a broker uses: jars, a formatted data folder, a cache of loaded classes.

``python -m liqheat_shared.local.prepare`` does it as a process of its own: it can take a minute and must be
interruptible.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from liqheat_shared.local.broker_image import class_cache, formatted_template
from liqheat_shared.local.folder import jars_dir
from liqheat_shared.local.jars import JarsError, ensure_jars, exclusive, locked_jars
from liqheat_shared.local.kafka_server import KafkaServer
from liqheat_shared.local.supervisor import REFUSED_EXIT_CODE

#: Java writes the cache when the broker ends; about 8 s on a busy machine.
_WRITE_SECONDS = 60.0
_UNFINISHED = "making-classes-"


def is_needed() -> bool:
    """Whether something is still to be fetched or made (a look at names; contents are checked at every start)."""
    folder = jars_dir()
    made = formatted_template(folder).is_dir() and class_cache(folder).exists()
    return not made or any(not (folder / jar.file_name).exists() for jar in locked_jars())


def prepare() -> None:
    """Fetch the jars and make what is made from them. What is there already is left.

    Raises
    ------
    JarsError
        The jars are not there and can't be fetched.
    """
    folder = jars_dir()
    ensure_jars(folder)
    cache = class_cache(folder)
    if cache.exists():
        return
    with exclusive(folder / ".caching"):
        if not cache.exists():
            _cache_classes(cache)


def _cache_classes(cache: Path) -> None:
    """Run a broker once for nothing but the classes that it loads."""
    for unfinished in cache.parent.glob(f"{_UNFINISHED}*"):  # of a process that was killed
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=_UNFINISHED) as work:
        written = Path(work) / "classes.aot"
        broker = KafkaServer(Path(work) / "kafka", java_options=[f"-XX:AOTCacheOutput={written}"])
        # Only speed is lost without it.
        with contextlib.suppress(RuntimeError, OSError):
            broker.start()
            broker.stop(_WRITE_SECONDS)
        if not written.exists():
            written.touch()
        written.replace(cache)


def main() -> int:
    """Do it and say so; 0, or the code that says that trying again at once would not help."""
    print(f"fetching the broker: {len(locked_jars())} jars into {jars_dir()}", flush=True)
    try:
        ensure_jars(jars_dir())
        print("preparing the broker (once)", flush=True)
        prepare()
    except JarsError as error:
        print(f"{error}. Is there an internet connection? Once fetched, none is needed.", flush=True)
        return REFUSED_EXIT_CODE
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
