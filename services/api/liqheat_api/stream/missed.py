"""What a client missed while it was away, from the stream of facts in Redis."""

from __future__ import annotations

from liqheat_api.stream.mailbox import Mailbox, StreamEvent
from liqheat_api.view import Entry, View

ENTRIES_A_READ = 500


def entry_id(text: str) -> tuple[int, int] | None:
    """An id of a Redis stream as numbers, or None.

    >>> entry_id("1700000000000-3"), entry_id("x")
    ((1700000000000, 3), None)
    """
    milliseconds, dash, number = text.partition("-")
    if not dash or not (milliseconds.isascii() and milliseconds.isdigit() and number.isascii() and number.isdigit()):
        return None
    return (int(milliseconds), int(number)) if len(text) <= 41 else None


async def put_missed(view: View, box: Mailbox, last_event_id: str, until: str, at_most: int) -> None:
    """Put what a client missed before anything newer, or tell it to start over.

    Parameters
    ----------
    last_event_id, until : str
        What the client has seen, and where the newer begins.
    at_most : int
        Facts that are worth repeating: whoever missed more starts over.
    """
    key = view.keys.events
    asked, newest = entry_id(last_event_id), entry_id(until) or (0, 0)
    oldest = await view.entries(key, None, "+", 1)
    if asked is None or asked > newest or not oldest or (entry_id(oldest[0][0]) or (0, 0)) > asked:
        box.resync()
        return
    missed: list[StreamEvent] = []
    start = last_event_id
    while len(missed) <= at_most:
        entries = await view.entries(key, start, until, ENTRIES_A_READ)
        concerning = [entry for entry in entries if concerns(entry[1], box)]
        if any(fields[b"kind"] == b"resync" for _, fields in concerning):
            box.resync()
            return
        missed += [fact_of(entry) for entry in concerning]
        if len(entries) < ENTRIES_A_READ:
            break
        start = entries[-1][0]
    box.put_missed(missed)


def concerns(fields: dict[bytes, bytes], box: Mailbox) -> bool:
    """Whether an entry is about what a client watches."""
    return fields[b"coin"].decode() == box.coin and fields[b"scope"].decode() in ("", box.scope)


def fact_of(entry: Entry) -> StreamEvent:
    """An entry as clients get it."""
    return StreamEvent(entry[1][b"kind"].decode(), entry[1][b"data"], entry[0])
