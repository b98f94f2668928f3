"""Which candles a backfill asks for, and how candles and open interest become one history. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from liqheat_ingest.readings import Fact, Market

MINUTE_MS = 60_000
FINE_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000


class Span(NamedTuple):
    """A stretch of history in candles of one length."""

    interval_ms: int
    from_ms: int
    to_ms: int


def spans(from_ms: int, to_ms: int, fine_from_ms: int) -> list[Span]:
    """Cut a stretch of history into hours, five minutes and single minutes, in order of time and without overlap.

    Parameters
    ----------
    from_ms : int
        Begin: the next whole minute counts, so that nothing known is told twice.
    to_ms : int
        End: the last whole minute before it.
    fine_from_ms : int
        Hours before this time, five minutes after it.

    Examples
    --------
    >>> hour = HOUR_MS
    >>> spans(0, 4 * hour + 7 * 60_000 + 1, 3 * hour)  # doctest: +NORMALIZE_WHITESPACE
    [Span(interval_ms=3600000, from_ms=0, to_ms=10800000),
     Span(interval_ms=300000, from_ms=10800000, to_ms=14700000),
     Span(interval_ms=60000, from_ms=14700000, to_ms=14820000)]
    """
    start, end = -(-from_ms // MINUTE_MS) * MINUTE_MS, to_ms // MINUTE_MS * MINUTE_MS
    coarse_end = min(end, fine_from_ms) // HOUR_MS * HOUR_MS
    edges = [
        (MINUTE_MS, start, min(end, -(-start // FINE_MS) * FINE_MS)),
        (FINE_MS, -(-start // FINE_MS) * FINE_MS, min(end, -(-start // HOUR_MS) * HOUR_MS, max(coarse_end, start))),
        (HOUR_MS, -(-start // HOUR_MS) * HOUR_MS, coarse_end),
        (FINE_MS, max(coarse_end, -(-start // FINE_MS) * FINE_MS), end // FINE_MS * FINE_MS),
        (MINUTE_MS, max(end // FINE_MS * FINE_MS, start), end),
    ]
    found: list[Span] = []
    at = start
    for interval, first, last in edges:
        first = max(first, at)
        last = first + (last - first) // interval * interval
        if last > first:
            found.append(Span(interval, first, last))
            at = last
    return found


def join(candles: Iterable[Fact], open_interest: Iterable[Fact]) -> list[Fact]:
    """Candles in order of time, each with the open interest at its end.

    Parameters
    ----------
    candles : iterable of Fact
        ``candle`` facts of one market, in any order; of two with one begin the later one counts.
    open_interest : iterable of Fact
        ``ticker`` facts of the market with ``open_interest_base``.

    Notes
    -----
    The open interest of a candle is the last one known at its end, not older than the candle is long.
    """
    by_open = {fact.fields["open_time_ms"]: fact for fact in candles}
    known = sorted(
        (fact.event_time_ms, fact.fields["open_interest_base"])
        for fact in open_interest
        if fact.fields.get("open_interest_base") is not None
    )
    found, index, latest = [], 0, (0, 0.0)
    for open_ms in sorted(by_open):
        fact = by_open[open_ms]
        while index < len(known) and known[index][0] <= fact.event_time_ms:
            latest = known[index]
            index += 1
        if latest[0] >= fact.event_time_ms - max(fact.fields["interval_ms"], FINE_MS):
            fact = fact._replace(fields=fact.fields | {"open_interest_base": latest[1]})
        found.append(fact)
    return _without_overlaps(found)


def _without_overlaps(candles: Sequence[Fact]) -> list[Fact]:
    """Leave out a candle that begins before the one before it ends."""
    found: list[Fact] = []
    for fact in candles:
        if not found or fact.fields["open_time_ms"] >= found[-1].event_time_ms:
            found.append(fact)
    return found


def merged(histories: dict[Market, list[Fact]], backfill_id: str, from_ms: int, to_ms: int, now_ms: int) -> list[Fact]:
    """The histories of a coin's markets as one: all brackets open, candles by time, all brackets close.

    A market whose history is empty gets none.
    """
    filled = {market: facts for market, facts in histories.items() if facts}
    found = [_bracket("backfill-started", market, backfill_id, from_ms, to_ms, now_ms) for market in filled]
    ordered = heapq.merge(*filled.values(), key=lambda fact: (fact.event_time_ms, fact.fields["interval_ms"]))
    found += [fact._replace(receive_time_ms=now_ms) for fact in ordered]
    return found + [_bracket("backfill-finished", market, backfill_id, from_ms, to_ms, now_ms) for market in filled]


def closing_bracket(market: Market, now_ms: int) -> Fact:
    """The end of a backfill that an earlier owner began and did not finish."""
    return _bracket("backfill-finished", market, f"{market.coin}-abandoned-{now_ms}", now_ms, now_ms, now_ms)


def _bracket(kind: str, market: Market, backfill_id: str, from_ms: int, to_ms: int, now_ms: int) -> Fact:
    fields = {"backfill_id": backfill_id[:100], "from_ms": from_ms, "to_ms": max(from_ms, to_ms)}
    return Fact(now_ms, market, to_ms if kind == "backfill-finished" else from_ms, kind, fields, None)
