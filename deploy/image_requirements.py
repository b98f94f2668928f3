"""The part of requirements.lock that an image needs, hashes included: no test tools, no broker, no browser.

    python deploy/image_requirements.py --extra services > services.txt
    python deploy/image_requirements.py --package hatchling > build.txt

The lock names for every package who asked for it ("via"), and that is enough to walk from the roots to all they need.
It needs nothing but Python, so that it runs in an image that has nothing else yet.
"""

from __future__ import annotations

import re
import sys
import tomllib
from argparse import ArgumentParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "liqheat"
_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==")
_REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^\]]*)\])?")


def canonical(name: str) -> str:
    """Name of a package as the lock writes it.

    >>> canonical("Faust_Streaming")
    'faust-streaming'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def lock_entries(lock: str) -> list[tuple[str, str]]:
    """Name and text of every entry; a package may have several, for different Pythons."""
    entries: list[tuple[str, list[str]]] = []
    for line in lock.splitlines():
        match = _ENTRY.match(line)
        if match:
            entries.append((canonical(match[1]), [line]))
        elif line.startswith((" ", "\t")) and entries:
            entries[-1][1].append(line)
        elif line.strip() and not line.startswith("#"):
            raise ValueError(f"requirements.lock: can't read {line!r}")
    return [(name, "\n".join(lines)) for name, lines in entries]


def requesters(entry: str) -> set[str]:
    """Who asked for the package of an entry."""
    _, found, via = entry.partition("# via")
    if not found:
        raise ValueError(f"requirements.lock: nobody asked for {entry.splitlines()[0]!r}")
    names = (line.strip().lstrip("#").strip() for line in via.splitlines())
    return {canonical(name.split(" ")[0].split("[")[0]) for name in names if name}


def extra_roots(project: dict[str, object], extra: str) -> set[str]:
    """Packages that the base and an extra of the project ask for, other extras it names included."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)
    if extra not in extras:
        raise ValueError(f"pyproject.toml has no extra {extra!r}; there are: {', '.join(sorted(extras))}")
    base = project["dependencies"]
    assert isinstance(base, list)
    waiting, seen, roots = [*base, *extras[extra]], {extra}, set()
    while waiting:
        match = _REQUIREMENT.match(waiting.pop())
        assert match is not None
        if canonical(match[1]) != PROJECT:
            roots.add(canonical(match[1]))
            continue
        for name in (match[2] or "").replace(" ", "").split(","):
            if name and name not in seen:
                seen.add(name)
                waiting += extras[name]
    return roots


def closure(lock: str, roots: set[str]) -> str:
    """The entries of the lock that the roots need, in the order of the lock.

    Raises
    ------
    ValueError
        A root is not in the lock: it is older than pyproject.toml.
    """
    entries = lock_entries(lock)
    missing = roots - {name for name, _ in entries}
    if missing:
        raise ValueError(f"requirements.lock has no {', '.join(sorted(missing))}; run `make lock`")
    wanted, grown = set(roots), True
    while grown:
        more = {name for name, text in entries if name not in wanted and requesters(text) & wanted}
        wanted, grown = wanted | more, bool(more)
    return "\n".join(text for name, text in entries if name in wanted) + "\n"


def main() -> int:
    """Print the part."""
    parser = ArgumentParser(description="The part of requirements.lock that an image needs.")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--extra", help="of pyproject.toml, with the base")
    choice.add_argument("--package", help="one package and what it needs")
    options = parser.parse_args()
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        roots = extra_roots(project, options.extra) if options.extra else {canonical(options.package)}
        sys.stdout.write(closure((ROOT / "requirements.lock").read_text(encoding="utf-8"), roots))
    except ValueError as error:
        sys.stderr.write(f"image_requirements: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
