"""Whether a contract may change as it did: the schema of the last release against the one of today. Pure.

A topic holds messages of both (columns are kept for 800 days) and is read by programs built against both. So a change
is **breaking** where a message that was valid is no longer, or where a reader that relied on something is let down:
a removed field, a field newly required or no longer promised, another type, a null where there was none, a narrowed
enumeration, range or pattern, another default. It is **compatible**, and reported for the changelog, where readers that
keep the rule "ignore what you do not know" notice nothing: a new optional field, a new kind, a wider range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"})
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_STRUCTURE = frozenset(
    {"$ref", "anyOf", "oneOf", "type", "const", "enum", "default", "pattern", "properties", "required", "items"}
    | {"additionalProperties", "propertyNames"}
)
_KNOWN = _ANNOTATIONS | _STRUCTURE | set(_LOWER_BOUNDS) | set(_UPPER_BOUNDS)
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes
    ----------
    path : str
        Where: names of fields, ``[]`` for the members of a list, ``{}`` for the values of a map,
        ``(ticker)`` for the member of a union of that type.
    breaking : bool
        Whether it needs a new version of the topic.
    """

    path: str
    sentence: str
    breaking: bool

    def __str__(self) -> str:
        return f"{'BREAKING' if self.breaking else 'compatible'} {self.path or '(value)'}: {self.sentence}"


def compare_schemas(old: Schema, new: Schema) -> list[Change]:
    """Differences between two JSON Schemas that somebody could notice.

    Parameters
    ----------
    old, new : mapping
        Whole documents with their ``$defs``.

    Raises
    ------
    ValueError
        A schema uses a keyword that this comparison does not understand: it never passes over one in silence.

    Examples
    --------
    >>> old = {"type": "object", "properties": {"coin": {"type": "string"}}}
    >>> [str(change) for change in compare_schemas(old, {"type": "object"})]
    ['BREAKING coin: the field was removed']
    """
    return list(dict.fromkeys(_Comparison(old, new).compare("", old, new)))


class _Comparison:
    """One run over two documents. Pairs of definitions that are being compared are not entered again."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._entered: set[tuple[str, str]] = set()

    def compare(self, path: str, old: Schema, new: Schema) -> Iterator[Change]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if all(pair):
            if pair in self._entered:
                return
            self._entered.add(pair)
        yield from _default(path, old, new)
        before = {_label(self._old, one): one for one in _alternatives(self._old, old)}
        after = {_label(self._new, one): one for one in _alternatives(self._new, new)}
        yield from _alternatives_changed(path, set(before), set(after))
        for label in before:
            if label in after:
                inner = f"{path}({label.lstrip('=')})" if len(before) > 1 and label.startswith("=") else path
                yield from self._compare_one(inner, before[label], after[label])
        if all(pair):
            self._entered.discard(pair)

    def _compare_one(self, path: str, old: Schema, new: Schema) -> Iterator[Change]:
        for schema in (old, new):
            unknown = sorted(set(schema) - _KNOWN)
            if unknown:
                raise ValueError(f"{path or '(value)'}: can't compare the JSON Schema keywords {', '.join(unknown)}")
        yield from _values(path, old, new)
        yield from _bounds(path, old, new)
        yield from _pattern(path, old, new)
        yield from self._fields(path, old, new)
        for keyword, suffix in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{key}")):
            yield from self._members(path + suffix, old.get(keyword, True), new.get(keyword, True))

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        promised, demanded = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            where = f"{path}.{name}" if path else name
            if name not in after:
                yield Change(where, "the field was removed", True)
                continue
            if name in demanded - promised:
                yield Change(where, "the field is newly required: messages that are kept do not have it", True)
            if name in promised - demanded:
                yield Change(where, "the field is no longer promised: readers rely on it", True)
            yield from self.compare(where, before[name], after[name])
        for name in after:
            if name in before:
                continue
            where = f"{path}.{name}" if path else name
            if name in demanded:
                yield Change(where, "a new field is required: messages that are kept do not have it", True)
            else:
                yield Change(where, "a new optional field", False)

    def _members(self, path: str, old: Schema | bool, new: Schema | bool) -> Iterator[Change]:
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from self.compare(path, old, new)
        elif old != new:
            narrowed = new is False or old is True
            yield Change(path, "what is allowed here was narrowed" if narrowed else "anything is allowed now", True)


def _resolved(root: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        reference = schema["$ref"]
        name = reference.removeprefix("#/$defs/")
        if name == reference or name not in root.get("$defs", {}):
            raise ValueError(f"can't follow the reference {reference!r}")
        beside = {key: value for key, value in schema.items() if key not in ("$ref", "default") and key in _STRUCTURE}
        if beside:
            raise ValueError(f"can't compare {', '.join(beside)} beside the reference {reference!r}")
        schema = root["$defs"][name]
    return schema


def _alternatives(root: Schema, schema: Schema) -> list[Schema]:
    """The plain schemas that a value may match: one, or the members of its unions."""
    resolved = _resolved(root, schema)
    for keyword in ("anyOf", "oneOf"):
        if keyword in resolved:
            return [plain for member in resolved[keyword] for plain in _alternatives(root, member)]
    types = resolved.get("type")
    return [dict(resolved) | {"type": one} for one in types] if isinstance(types, list) else [resolved]


def _label(root: Schema, schema: Schema) -> str:
    """What tells the members of a union apart: the tag of a message, else the type."""
    tag = schema.get("properties", {}).get("type")
    if tag is not None:
        values = _allowed(_resolved(root, tag))
        if values:
            return f"={json.loads(min(values))}"
    kinds = {type(json.loads(value)).__name__ for value in _allowed(schema) or ()}
    return str(schema.get("type") or ",".join(sorted(kinds)) or "anything")


def _alternatives_changed(path: str, before: set[str], after: set[str]) -> Iterator[Change]:
    for label in sorted(before - after):
        yield Change(path, f"{label.lstrip('=')} is no longer allowed", True)
    for label in sorted(after - before):
        tagged = label.startswith("=")
        sentence = f"a new kind, {label.lstrip('=')}" if tagged else f"may be {label} now: readers do not expect it"
        yield Change(path, sentence, not tagged)


def _allowed(schema: Schema) -> set[str] | None:
    """The enumerated values as JSON text; None: any."""
    if "const" in schema:
        return {json.dumps(schema["const"])}
    return {json.dumps(value) for value in schema["enum"]} if "enum" in schema else None


def _values(path: str, old: Schema, new: Schema) -> Iterator[Change]:
    before, after = _allowed(old), _allowed(new)
    if before == after:
        return
    if before is None:
        yield Change(path, f"only {', '.join(sorted(after or ()))} is allowed now", True)
        return
    if after is None:
        yield Change(path, "the values are no longer enumerated", True)
        return
    for value in sorted(before - after):
        yield Change(path, f"the value {value} is no longer allowed", True)
    for value in sorted(after - before):
        yield Change(path, f"a new value, {value}", False)


def _bounds(path: str, old: Schema, new: Schema) -> Iterator[Change]:
    for keyword in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        sentence = f"{keyword} was {before}, is {after}"
        if before is None or after is None:
            yield Change(path, sentence, before is None)
        else:
            yield Change(path, sentence, after > before if keyword in _LOWER_BOUNDS else after < before)


def _pattern(path: str, old: Schema, new: Schema) -> Iterator[Change]:
    before, after = old.get("pattern"), new.get("pattern")
    if before != after:
        # Which of two patterns is wider can't be told: only its removal is known to be.
        yield Change(path, f"the pattern was {before}, is {after}", after is not None)


def _default(path: str, old: Schema, new: Schema) -> Iterator[Change]:
    before, after = old.get("default", _NOTHING), new.get("default", _NOTHING)
    if before is not _NOTHING and after is not _NOTHING and before != after:
        yield Change(path, f"absent meant {json.dumps(before)}, means {json.dumps(after)}", True)
