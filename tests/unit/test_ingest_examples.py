"""The examples in ingest's docstrings run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import liqheat_ingest

MODULES = sorted(module.name for module in pkgutil.walk_packages(liqheat_ingest.__path__, "liqheat_ingest."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_pure_parts_have_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in ("batcher", "instruments", "margin_tables", "pacing", "mappers.tardis", "mappers.binance_vision"):
        module = importlib.import_module(f"liqheat_ingest.{name}")
        assert any(found.examples for found in finder.find(module)), name
