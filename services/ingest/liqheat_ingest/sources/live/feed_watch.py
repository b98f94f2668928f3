"""Which streams flow and which are interrupted, from when to when. Pure: every time is an argument.

A stream is one kind of message of one market (``trades`` of BTC/USDT:USDT). It is interrupted when the connection that
carries it is lost, or when it is silent for longer than such a stream ever is. Each interruption is announced by one
``feed-interrupted`` and, when the stream is back, one ``feed-resumed`` with the whole span.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from liqheat_ingest.readings import Fact, Market

#: The stream whose silence means something: that nobody was liquidated.
LIQUIDATIONS = "liquidations"
#: A stream that was subscribed to anew for its silence is left alone for so long.
RETRY_SILENT_MS = 30 * 60_000


class Stream(NamedTuple):
    """One kind of message of one market."""

    market: Market
    name: str


@dataclass(slots=True)
class _State:
    #: Receive time of the last message; None: none yet.
    last_ms: int | None = None
    #: Begin of the interruption; None: it flows.
    lost_ms: int | None = None
    #: When it was last subscribed to anew because of its silence.
    tried_ms: int = 0


class FeedWatch:
    """State of all streams of a venue.

    Parameters
    ----------
    longest_silence_ms : dict
        By stream name: a stream silent for longer while others flow is taken for interrupted. A stream that is not
        named may be silent for any time (trades of a small coin).

    Examples
    --------
    >>> btc = Stream(Market("BTC", "bybit", "BTC/USDT:USDT"), "trades")
    >>> watch = FeedWatch({})
    >>> watch.began([btc]); watch.seen(btc, 1_000)
    >>> [fact.type for fact in watch.lost([btc], from_ms=1_500, now_ms=4_000, reason="connection closed")]
    ['feed-interrupted']
    >>> [(f.fields["from_ms"], f.fields["to_ms"]) for f in watch.resumed([btc], now_ms=6_000)]
    [(1500, 6000)]
    """

    def __init__(self, longest_silence_ms: dict[str, int]) -> None:
        self._longest_silence_ms = longest_silence_ms
        self._streams: dict[Stream, _State] = {}
        #: Interruptions announced so far, by stream name.
        self.interruptions: dict[str, int] = {}

    def began(self, streams: Iterable[Stream]) -> None:
        """These are watched from now on."""
        for stream in streams:
            self._streams.setdefault(stream, _State())

    def delisted(self, markets: Collection[Market], now_ms: int) -> list[Fact]:
        """The venue trades these markets no more: announcements for all their streams, which are watched no more."""
        facts = []
        for stream in [stream for stream in self._streams if stream.market in markets]:
            state = self._streams.pop(stream)
            lost_ms = now_ms if state.lost_ms is None else state.lost_ms
            fact = _status("feed-interrupted", stream, now_ms, lost_ms, None, "delisted", None)
            fact.fields["delisted"] = True
            facts.append(fact)
        return facts

    def seen(self, stream: Stream, receive_ms: int) -> None:
        """A message of the stream came."""
        state = self._streams.get(stream)
        if state is not None:
            state.last_ms = receive_ms

    def last_ms(self, stream: Stream) -> int | None:
        """When the stream's last message came."""
        state = self._streams.get(stream)
        return None if state is None else state.last_ms

    def lost(self, streams: Iterable[Stream], from_ms: int, now_ms: int, reason: str) -> list[Fact]:
        """The streams are interrupted since a time; announcements for those that were not already."""
        facts = []
        for stream in streams:
            state = self._streams.get(stream)
            if state is None or state.lost_ms is not None:
                continue
            state.lost_ms = min(from_ms, now_ms)
            self.interruptions[stream.name] = self.interruptions.get(stream.name, 0) + 1
            facts.append(_status("feed-interrupted", stream, now_ms, state.lost_ms, None, reason, None))
        return facts

    def resumed(
        self, streams: Iterable[Stream], now_ms: int, reason: str = "", missed_trades: int | None = None
    ) -> list[Fact]:
        """The streams are back; announcements with the span for those that were interrupted."""
        facts = []
        for stream in streams:
            state = self._streams.get(stream)
            if state is None or state.lost_ms is None:
                continue
            lost_ms, state.lost_ms = state.lost_ms, None
            missed = missed_trades if stream.name == "trades" else None
            facts.append(_status("feed-resumed", stream, now_ms, lost_ms, now_ms, reason, missed))
        return facts

    def gap(self, stream: Stream, from_ms: int, to_ms: int, now_ms: int, reason: str, missed: int | None) -> list[Fact]:
        """A hole in a stream that flows, found after the fact: interrupted and resumed at once."""
        self.interruptions[stream.name] = self.interruptions.get(stream.name, 0) + 1
        return [
            _status("feed-interrupted", stream, now_ms, from_ms, None, reason, None),
            _status("feed-resumed", stream, now_ms, from_ms, max(from_ms, to_ms), reason, missed),
        ]

    def is_interrupted(self, stream: Stream) -> bool:
        """Whether the stream was announced as interrupted and is not back."""
        state = self._streams.get(stream)
        return state is not None and state.lost_ms is not None

    def interrupted(self) -> list[Stream]:
        """All streams that are interrupted now."""
        return [stream for stream, state in self._streams.items() if state.lost_ms is not None]

    def all(self) -> list[Stream]:
        """All streams that are watched."""
        return list(self._streams)

    def silent(self, streams: Collection[Stream], since_ms: int, now_ms: int) -> list[Stream]:
        """Streams of a connection that have been silent for too long, each once in ``RETRY_SILENT_MS``.

        Parameters
        ----------
        since_ms : int
            When the connection was made: silence counts from there at the earliest.
        """
        found = []
        for stream in streams:
            limit_ms = self._longest_silence_ms.get(stream.name)
            state = self._streams.get(stream)
            if limit_ms is None or state is None or state.lost_ms is not None:
                continue
            if state.tried_ms and now_ms - state.tried_ms < RETRY_SILENT_MS:
                continue  # that is how quiet the market is
            if now_ms - max(since_ms, state.last_ms or 0) > limit_ms:
                found.append(stream)
        return found

    def tried(self, streams: Iterable[Stream], now_ms: int) -> None:
        """These are subscribed to anew because of their silence."""
        for stream in streams:
            state = self._streams.get(stream)
            if state is not None:
                state.tried_ms = now_ms


def _status(
    kind: str, stream: Stream, now_ms: int, from_ms: int, to_ms: int | None, reason: str, missed: int | None
) -> Fact:
    fields: dict[str, Any] = {
        "stream": stream.name,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "reason": reason[:500],
        "missed_trades": missed,
    }
    return Fact(now_ms, stream.market, now_ms, kind, fields, None)
