"""What a log says against every trade that the fake venues made: missing, announced, in there twice, invented."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from live_runs import number_of

#: A trade lost at a cut may be older than the last frame before it by a slot of the fake venues and its way.
SLACK_MS = 1_000
#: What happened so shortly before the end may be on its way.
LAST_MS = 5_000
FOREVER_MS = 1 << 62
Market = tuple[str, str]


class Span(NamedTuple):
    """An announced interruption of a market's trades, or a bracket whose candles tell them instead."""

    from_ms: int
    to_ms: int
    missed: int | None
    reason: str

    def covers(self, time_ms: int) -> bool:
        """Whether a trade of that time may be missing because of it."""
        return self.from_ms - SLACK_MS <= time_ms <= self.to_ms


class Gap(NamedTuple):
    """Trades in a row that happened and are not in the log; ``reason`` is None where nothing announces them all."""

    market: Market
    first: int
    last: int
    from_ms: int
    to_ms: int
    reason: str | None

    @property
    def trades(self) -> int:
        """How many."""
        return self.last - self.first + 1


@dataclass
class SoakLog:
    """The log, read in its order.

    Attributes
    ----------
    numbers : dict
        By market, number of each trade and its time, in the order of the log.
    """

    numbers: dict[Market, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    spans: dict[Market, list[Span]] = field(default_factory=lambda: defaultdict(list))
    sequences: dict[tuple[str, str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    interruptions: Counter[str] = field(default_factory=Counter)
    _open: dict[Market, tuple[int, str]] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        """One event of the log."""
        market, kind = (event["venue"], event["symbol"]), event["type"]
        self.counts[event["venue"], kind] += 1
        self.sequences[*market, event["ingest_epoch"]].append(event["sequence"])
        if kind == "trades":
            self.counts[event["venue"], "refilled"] += len(event["trade_id"]) if event["refilled"] else 0
            for identity, offset_ms in zip(event["trade_id"], event["time_offset_ms"], strict=True):
                number = number_of(event["venue"], identity)
                self.numbers[market].append((number, event["event_time_ms"] + offset_ms))
        elif kind == "backfill-finished":
            self.spans[market].append(Span(event["from_ms"], event["to_ms"], None, "candles tell it"))
        elif kind == "feed-interrupted" and event["stream"] == "trades":
            self.interruptions[event["venue"]] += 1
            from_ms = min(event["from_ms"], self._open.get(market, (FOREVER_MS, ""))[0])
            self._open[market] = (from_ms, event["reason"])
        elif kind == "feed-resumed" and event["stream"] == "trades":
            self._open.pop(market, None)
            span = Span(event["from_ms"], event["to_ms"], event["missed_trades"], event["reason"])
            self.spans[market].append(span)

    def announced(self) -> dict[Market, list[Span]]:
        """All spans, with those that are still open at the end."""
        found = {market: list(spans) for market, spans in self.spans.items()}
        for market, (from_ms, reason) in self._open.items():
            found.setdefault(market, []).append(Span(from_ms, FOREVER_MS, None, f"still open: {reason}"))
        return found

    def sequence_holes(self) -> list[tuple[Any, ...]]:
        """Messages that were numbered and are not in the log, or are there twice or in another order."""
        return [
            (*key, before, after)
            for key, numbers in self.sequences.items()
            for before, after in pairwise(numbers)
            if after != before + 1
        ]


@dataclass
class Verdict:
    """Every trade from a market's first in the log to the end of the run, accounted for.

    Attributes
    ----------
    happened, published : int
        Trades that the venues made, and those of them in the log.
    repeated, invented : int
        Trades in the log twice; trades in the log that did not happen, or not then.
    gaps : list of Gap
        All that is missing.
    uncounted : dict
        By venue that counts its trades: missing ones more than were announced, where it was announced how many.
    """

    log: SoakLog
    happened: int = 0
    published: int = 0
    repeated: int = 0
    invented: int = 0
    gaps: list[Gap] = field(default_factory=list)
    uncounted: dict[str, int] = field(default_factory=dict)

    @property
    def undetected(self) -> list[Gap]:
        """Gaps that nothing announces."""
        return [gap for gap in self.gaps if gap.reason is None]

    def open_gaps(self) -> dict[str, dict[str, dict[str, int]]]:
        """By venue and stated reason: gaps that stayed open, and their trades."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for gap in self.gaps:
            reason = found.setdefault(gap.market[0], {}).setdefault(gap.reason or "NOT ANNOUNCED", Counter())
            reason["gaps"] += 1
            reason["trades"] += gap.trades
        return found


def judge(log: SoakLog, truth: dict[Market, dict[int, int]], until_ms: int) -> Verdict:
    """Hold a log against what happened up to a time.

    Parameters
    ----------
    truth : dict
        By market, number and time of each trade.
    """
    verdict, spans = Verdict(log), log.announced()
    verdict.invented = sum(len(entries) for market, entries in log.numbers.items() if market not in truth)
    for market, happened in truth.items():
        entries = log.numbers.get(market, [])
        seen = dict(entries)
        verdict.repeated += len(entries) - len(seen)
        verdict.invented += sum(happened.get(number) != time_ms for number, time_ms in seen.items())
        first = min(seen, default=min(happened, default=0))
        wanted = sorted(n for n, at_ms in happened.items() if n >= first and at_ms < until_ms - LAST_MS)
        verdict.happened += len(wanted)
        verdict.published += sum(number in seen for number in wanted)
        missing = [number for number in wanted if number not in seen]
        verdict.gaps += _gaps(market, missing, happened, spans.get(market, []))
        if market[0] in ("binance", "okx"):
            unknown = [span for span in spans.get(market, []) if span.missed is None]
            counted = [n for n in missing if not any(span.covers(happened[n]) for span in unknown)]
            said = sum(span.missed or 0 for span in spans.get(market, []))
            over = verdict.uncounted.get(market[0], 0)
            verdict.uncounted[market[0]] = over + max(0, len(counted) - said)
    return verdict


def _gaps(market: Market, missing: list[int], happened: dict[int, int], spans: list[Span]) -> list[Gap]:
    found: list[Gap] = []
    start = 0
    for end in range(1, len(missing) + 1):
        if end < len(missing) and missing[end] == missing[end - 1] + 1:
            continue
        numbers = missing[start:end]
        start = end
        times = [happened[number] for number in numbers]
        reason = _reason(times, spans)
        found.append(Gap(market, numbers[0], numbers[-1], min(times), max(times), reason))
    return found


def _reason(times: list[int], spans: list[Span]) -> str | None:
    """Why these are missing; None where one of them is in no span that says that trades may be missing."""
    open_spans = [span for span in spans if span.missed != 0]
    covering = [[span for span in open_spans if span.covers(at_ms)] for at_ms in times]
    if not all(covering):
        return None
    reasons = Counter(span.reason or "interrupted" for found in covering for span in found)
    return min(reasons, key=lambda reason: (-reasons[reason], reason))
