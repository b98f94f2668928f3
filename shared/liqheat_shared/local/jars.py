"""The broker's jars: named and hashed in ``kafka.lock``, fetched once, checked at every start."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOCK_FILE = Path(__file__).with_name("kafka.lock")
_ATTEMPTS = 4


class JarsError(RuntimeError):
    """The jars are not there, not as locked, and could not be fetched."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of ``kafka.lock``: ``group:artifact:version sha256``."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def from_line(cls, line: str) -> Jar:
        """Read a line.

        >>> Jar.from_line("org.slf4j:slf4j-api:1.7.36 d3ef").file_name
        'slf4j-api-1.7.36.jar'
        """
        coordinates, sha256 = line.split()
        group, artifact, version = coordinates.split(":")
        return cls(group, artifact, version, sha256)

    @property
    def file_name(self) -> str:
        """Name in the folder of jars."""
        return f"{self.artifact}-{self.version}.jar"

    def is_in(self, folder: Path) -> bool:
        """Whether the folder holds it with the locked content."""
        path = folder / self.file_name
        return path.is_file() and _sha256(path) == self.sha256


def locked_jars() -> list[Jar]:
    """All jars of the broker."""
    return [Jar.from_line(line) for line in LOCK_FILE.read_text().splitlines() if line.strip()]


def broker_version() -> str:
    """Version of Apache Kafka that the lock names."""
    return next(jar.version for jar in locked_jars() if jar.artifact == "kafka_2.13")


def missing_jars(folder: Path) -> list[Jar]:
    """Jars that the folder lacks or holds with another content."""
    jars = locked_jars()
    with ThreadPoolExecutor(4) as pool:
        present = pool.map(lambda jar: jar.is_in(folder), jars)
        return [jar for jar, there in zip(jars, present, strict=True) if not there]


def ensure_jars(folder: Path) -> list[Path]:
    """Paths of all jars, fetched into the folder where they are missing or differ from the lock.

    Raises
    ------
    JarsError
        One can't be fetched, or what came has another hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if missing_jars(folder):
        with exclusive(folder / ".fetching"), ThreadPoolExecutor(8) as pool:
            # Looked at again: another process may have fetched them while this one waited.
            list(pool.map(lambda jar: _fetch(jar, folder), missing_jars(folder)))
    return jar_paths(folder)


def jar_paths(folder: Path) -> list[Path]:
    """Where the jars are, or will be."""
    return [folder / jar.file_name for jar in locked_jars()]


def _fetch(jar: Jar, folder: Path) -> None:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=folder / ".cache", timeout=60)
    cause = "not tried"
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt)
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        if artifact.cached_path is not None:  # a broken download would be taken again
            artifact.cached_path.unlink(missing_ok=True)
        try:
            path = Path(artifact.resolve())
        except Exception as error:  # noqa: BLE001 - the library raises whatever its transport does
            cause = str(error) or type(error).__name__
            continue
        if _sha256(path) == jar.sha256:
            os.replace(path, folder / jar.file_name)  # noqa: PTH105 - atomic on the same file system
            return
        cause = "its sha256 differs from kafka.lock"
    raise JarsError(f"can't fetch {jar.group}:{jar.artifact}:{jar.version}: {cause}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file: of all processes only one is inside."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
