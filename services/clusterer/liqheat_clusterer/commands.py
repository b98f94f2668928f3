"""The command ``liqheat clusterer``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from liqheat_shared.command import Command


class Clusterer(Command):
    """Follow clusters and magnets through the maps."""

    def arguments(self, parser: ArgumentParser) -> None:
        """Only settings from the environment."""
        parser.epilog = "All settings come from LIQHEAT_* variables, see docs/settings.md."

    def run(self, options: Namespace) -> int:  # noqa: ARG002 - there are none
        """Run until SIGTERM."""
        from liqheat_clusterer.app import run

        return run()
