"""The example of docs/add-a-venue.md is what it says: the code runs and prints what the page tells."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import orjson
import pytest

from liqheat_ingest import mappers
from liqheat_ingest.normalize import Normalizer
from liqheat_ingest.raw import RawMessage
from message_mutations import check

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-venue.md").read_text()
NAME = "liqheat_ingest.mappers.acme"


@pytest.fixture(autouse=True)
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's mapper, as a package of its own."""
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found
    module = ModuleType(NAME)
    exec(compile(found[1], "docs/add-a-venue.md", "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, NAME, module)
    monkeypatch.setattr(mappers, "VENUES", (*mappers.VENUES, "acme"))


def lines() -> list[bytes]:
    found = re.search(r"normalize --venue acme <<'EOF'\n(.*?)EOF", PAGE, re.DOTALL)
    assert found
    return found[1].encode().splitlines()


def test_it_prints_what_the_page_says() -> None:
    printed = list(Normalizer("acme").lines(lines(), 1_800_000_000_000))
    events = [orjson.loads(entry.line) for entry in printed if entry.is_event]
    [letter] = [orjson.loads(entry.line) for entry in printed if not entry.is_event]

    assert [event["type"] for event in events] == ["instrument", "trades"]
    assert events[1]["quantity_base"] == [0.003]
    assert f'"reason":"{letter["reason"]}" … "{letter["detail"]}"' in PAGE


def test_its_mapper_stands_the_damage_that_the_page_promises() -> None:
    markets, trade, _ = (orjson.loads(line) for line in lines())

    def fresh() -> mappers.VenueMapper:  # type: ignore[name-defined]
        mapper = mappers.mapper_of("acme")
        mapper.map(RawMessage("acme", "", 1_791_590_430_000, markets))
        return mapper

    assert check(fresh, RawMessage("acme", "", 1_791_590_430_100, trade)) > 50
    assert check(lambda: mappers.mapper_of("acme"), RawMessage("acme", "", 1_791_590_430_000, markets)) > 30
