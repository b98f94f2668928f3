"""What the messages of Binance have around them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from liqheat_ingest.mappers.fields import BadMessage, as_list, show
from liqheat_ingest.raw import RawMessage


def payload(raw: RawMessage) -> Any:
    """The message itself: streams that are combined wrap it in ``{"stream": …, "data": …}``."""
    data = raw.data
    if data.__class__ is dict and "stream" in data:
        if "data" not in data:
            raise BadMessage("invalid-field", "data is missing")
        return data["data"]
    return data


def events(raw: RawMessage, kind: str) -> list[Any]:
    """The events of a message: of all symbols in a list, or one. Each must be of the kind."""
    data = payload(raw)
    found = data if data.__class__ is list else [data]
    for event in found:
        if event.__class__ is dict and event.get("e") != kind:
            raise BadMessage("unknown-type", f"an event {show(event.get('e'))} among events {kind}")
    return found


def rows(raw: RawMessage) -> list[Any]:
    """The entries of an answer that is a list; one entry alone is an object. An error is told as such."""
    data = raw.data
    if data.__class__ is dict:
        refuse_error(data)
        return [data]
    return as_list(data, "answer")


def refuse_error(data: Any) -> None:
    """Raise for ``{"code": …, "msg": …}``."""
    if data.__class__ is dict and "code" in data and "msg" in data:
        raise BadMessage("invalid-field", f"the venue refused: {show(data['code'])} {show(data['msg'])}")


def asked(raw: RawMessage, name: str) -> str:
    """A parameter of the request."""
    found = parse_qs(urlsplit(raw.channel.partition(":")[2]).query).get(name)
    if not found:
        raise BadMessage("invalid-field", f"{name} is not in the request, and the answer does not repeat it")
    return found[0]
