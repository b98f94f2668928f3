"""What the messages of OKX have around them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.mappers.fields import BadMessage, has, items_of, show, text
from liqheat_ingest.raw import REST, RawMessage


def entries(raw: RawMessage) -> list[Any]:
    """The entries of a message or an answer. An error is told as such."""
    data = raw.data
    if "code" in data and data["code"] != "0":
        raise BadMessage("invalid-field", f"the venue refused: {show(data['code'])} {show(data.get('msg'))}")
    return items_of(data, "data")


def in_order(raw: RawMessage) -> list[Any]:
    """Entries oldest first: answers are newest first, messages are not."""
    found = entries(raw)
    return found if "arg" in raw.data else found[::-1]


def asked(raw: RawMessage, name: str) -> str:
    """What was subscribed to or asked for."""
    argument = raw.data.get("arg")
    if argument.__class__ is dict and has(argument, name):
        return text(argument, name)
    if raw.channel.startswith(REST):
        found = parse_qs(urlsplit(raw.channel.removeprefix(REST)).query).get(name)
        if found:
            return found[0]
    raise BadMessage("invalid-field", f"{name} is neither in the message nor in the request")
