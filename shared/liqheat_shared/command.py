"""What a command of ``liqheat`` is. Services register theirs as entry points in ``pyproject.toml``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import ArgumentParser, Namespace


class Command(ABC):
    """One command. The first line of its docstring is its help; modules that hold one import lazily."""

    @abstractmethod
    def arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""

    @abstractmethod
    def run(self, options: Namespace) -> int:
        """Do it and return the exit code."""
