"""Messages with one thing wrong, and what a mapper may make of them.

The oracle: let ``before`` be what a mapper makes of the sound message and ``after`` what it makes of the damaged one.

- Where ``after`` has a problem, the problem names venue, stream and reason, was foreseen by the mapper, and all other
  items are among ``before``: nothing was invented.
- Where it has none, ``after`` equals ``before`` but for the contract fields that ``OPTIONAL`` lists for the damaged
  field; each of those is None, or what the mapper knew before, or (a funding rate) any finite number.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

from liqheat_ingest.dead_letters import dead_letter
from liqheat_ingest.mappers.mapper import VenueMapper
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Problem
from liqheat_shared.contracts.dead_letters import DeadLetter

Path = tuple[str | int, ...]
Damage = tuple[str, Path, Any]
REMOVED = object()

#: Contract fields that a venue's field decides alone, and that the contract allows to be unknown.
OPTIONAL = {
    "binance": {"r": "funding_rate", "lastFundingRate": "funding_rate"},
    "bybit": {
        "markPrice": "mark_price",
        "indexPrice": "index_price",
        "lastPrice": "last_price",
        "openInterest": "open_interest_base",
        "singleOpenInterest": "open_interest_base",
        "fundingRate": "funding_rate",
        "nextFundingTime": "next_funding_time_ms",
    },
    "okx": {"fundingRate": "funding_rate", "ts": "event_time_ms"},
    "hyperliquid": {"funding": "funding_rate", "liquidationPx": "liquidation_price"},
}
#: Longer lists are damaged at their ends only: their members are alike.
_ENDS = 2


def damages(data: Any) -> Iterator[Damage]:
    """All single damages of a message: name, where, and what stands there instead."""
    for path, value in _places(data, ()):
        yield "removed", path, REMOVED
        yield "null", path, None
        for wrong in ({"unexpected": 1}, ["unexpected"], "unexpected", True, ""):
            if wrong != value and not (wrong is True and isinstance(value, bool)):
                yield f"of type {type(wrong).__name__}", path, wrong
        number = _number(value)
        if number is not None:
            for text in ("NaN", "Infinity", "-Infinity", "1e999"):
                yield text, path, text
                yield f"{text} as a number", path, float(text)
            if number > 0:
                yield "negative", path, f"-{value}" if isinstance(value, str) else -value
        if isinstance(value, dict):
            yield "of a future version", path, value | {"a field of tomorrow": {"nested": [1, "2"]}}
    if isinstance(data, dict):
        yield "of a future version", (), data | {"a field of tomorrow": 1}
    for whole in (None, 5, "text", [], {}, [[]], [5], {"data": None}):
        yield f"as a whole {whole!r}", (), whole


def damaged(data: Any, path: Path, replacement: Any) -> Any:
    """The message with the damage done."""
    if not path:
        return replacement
    result = copy.deepcopy(data)
    owner = result
    for step in path[:-1]:
        owner = owner[step]
    if replacement is REMOVED:
        del owner[path[-1]]
    else:
        owner[path[-1]] = replacement
    return result


def check(fresh: Callable[[], VenueMapper], raw: RawMessage) -> int:
    """Check all damages of a message on mappers that have read the same before it. Returns how many there were."""
    before = fresh().map(raw)
    assert not [item for item in before if isinstance(item, Problem)], before
    count = 0
    for name, path, replacement in damages(raw.data):
        mapper = fresh()
        data = damaged(raw.data, path, replacement)
        after = mapper.map(raw._replace(data=data))
        where = f"{raw.venue} {raw.channel} {name} {path}"
        _judge(raw, before, after, path, where)
        # The mapper's memory is not damaged either: the sound message then says nothing new.
        for item in mapper.map(raw):
            assert isinstance(item, Problem) or item in before or item in after, f"{where}: then {item}"
        count += 1
    return count


def _judge(raw: RawMessage, before: list[Mapped], after: list[Mapped], path: Path, where: str) -> None:
    problems = [item for item in after if isinstance(item, Problem)]
    for problem in problems:
        assert problem.venue == raw.venue, where
        assert problem.stream, where
        assert problem.detail, where
        assert not problem.detail.startswith("the mapper failed"), f"{where}: {problem.detail}"
        DeadLetter.model_validate_json(dead_letter(problem).value)
    names = [step for step in path if isinstance(step, str)]
    optional = OPTIONAL.get(raw.venue, {}).get(names[-1]) if names else None
    events = [item for item in after if not isinstance(item, Problem)]
    if names and not after and _may_be_silent(raw, names[-1]):
        return
    if not problems and path:
        assert len(events) == len(before), f"{where}: {after} instead of {before}"
        for event, expected in zip(events, before, strict=True):
            assert _equal(event, expected, optional), f"{where}: {event} instead of {expected}"
        return
    for event in events:
        assert any(_equal(event, expected, optional) for expected in before), f"{where}: {event}"


def _may_be_silent(raw: RawMessage, name: str) -> bool:
    """Whether a message says nothing without a field, because it tells only what has changed."""
    if raw.venue == "bybit" and raw.data.get("type") == "delta":
        return name in OPTIONAL["bybit"]
    return raw.venue == "binance" and name == "bks"


def _equal(event: Mapped, expected: Mapped, optional: str | None) -> bool:
    if event == expected:
        return True
    if optional is None or not isinstance(event, Fact) or not isinstance(expected, Fact):
        return False
    if optional == "event_time_ms":
        return event == expected._replace(event_time_ms=event.receive_time_ms)
    value = event.fields.get(optional)
    if value is not None and not math.isfinite(value):
        return False
    return event == expected._replace(fields=expected.fields | {optional: value})


def _places(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _places(part, (*path, name))
    elif isinstance(value, list):
        alike = len(value) > 2 * _ENDS and isinstance(value[0], dict | list)
        chosen = [*range(_ENDS), *range(len(value) - _ENDS, len(value))] if alike else range(len(value))
        for index in chosen:
            # A member of a list of objects that is missing is another message, not a damaged one.
            for place in _places(value[index], (*path, index)):
                if place[0] != (*path, index) or not isinstance(value[index], dict | list):
                    yield place


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
