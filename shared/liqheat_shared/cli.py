"""``liqheat``: one command line for everything."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from importlib.metadata import EntryPoint, entry_points

from liqheat_shared.command import Command

GROUP = "liqheat.commands"


def main() -> None:
    """Entry point of the ``liqheat`` script."""
    raise SystemExit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run ``liqheat`` with these arguments and return its exit code."""
    commands = {entry.name: entry for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview(commands))
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in commands:
        print(f"liqheat: no command {name!r}; there are: {', '.join(commands)}", file=sys.stderr)
        return 2
    command = _load(commands[name])
    parser = ArgumentParser(prog=f"liqheat {name}", description=type(command).__doc__)
    command.arguments(parser)
    return command.run(parser.parse_args(rest))


def _load(entry: EntryPoint) -> Command:
    try:
        command_class = entry.load()
    except ModuleNotFoundError as error:
        raise SystemExit(
            f"liqheat {entry.name}: the module {error.name} is not installed. "
            "Each service has an extra: pip install 'liqheat[services]' installs all."
        ) from error
    command = command_class()
    if not isinstance(command, Command):
        raise TypeError(f"{entry.value} is no Command")
    return command


def _overview(commands: dict[str, EntryPoint]) -> str:
    lines = ["usage: liqheat COMMAND [options]", "", "commands:"]
    for name, entry in commands.items():
        try:
            summary = (entry.load().__doc__ or "").strip().splitlines()[0]
        except ModuleNotFoundError as error:
            summary = f"(needs the module {error.name})"
        lines.append(f"  {name:<14}{summary}")
    return "\n".join([*lines, "", "liqheat COMMAND --help tells more."])
