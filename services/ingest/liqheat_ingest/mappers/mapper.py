"""What the mappers of all venues share: finding the handler of a message, dated formats, and problems.

A venue's package gives three things: ``kind_of(raw)``, which names a message by what it says of itself (None: an
acknowledgement or a pong, nothing to map); handlers by kind; and the dates from which handlers hold. When a venue
changes a format, the old handler stays and the new one is added under the date of the change: a recording of last year
is mapped by what was true last year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from liqheat_ingest.instrument_table import InstrumentTable, UnknownSymbol, Wanted, every_market
from liqheat_ingest.instruments import InstrumentSpec, instrument_fields, is_coin
from liqheat_ingest.mappers.fields import BadMessage, show
from liqheat_ingest.raw import RawMessage
from liqheat_ingest.readings import Fact, Mapped, Market, Problem

MAX_REPORTED = 20_000
_NEVER = 1 << 62

#: Appends what a message says to the list. Raises BadMessage for the whole of it.
Handle = Callable[[Any, RawMessage, list[Mapped]], None]


class Handler(NamedTuple):
    """How one kind of message is mapped, and the stream that problems of it are named by."""

    stream: str
    handle: Handle


class Format(NamedTuple):
    """Handlers that hold from a date on (receive time), each until a later format names the same kind."""

    valid_from_ms: int
    handlers: dict[str, Handler]


class VenueMapper:
    """The mapper of one venue. Subclasses name kinds and formats; see ``mappers/__init__.py`` for the interface.

    Parameters
    ----------
    wanted : callable
        Whether a market is to be mapped.
    repeat_unknown : bool
        Whether a symbol that no instrument has is reported each time instead of once for each stream.

    Attributes
    ----------
    instruments : InstrumentTable
        Filled by the venue's instrument messages.
    unknown : dict
        How often each unknown (stream, symbol) was met.
    """

    venue: str
    #: In order of their dates; the first holds for all times before the second.
    formats: tuple[Format, ...]

    def __init__(self, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> None:
        self.instruments = InstrumentTable(self.venue, wanted)
        self.unknown: dict[tuple[str, str], int] = {}
        self._repeat_unknown = repeat_unknown
        self._handlers: dict[str, Handler] = {}
        self._valid_ms = (_NEVER, 0)

    def kind_of(self, raw: RawMessage) -> str | None:
        """Name of the message's kind, or None where it says nothing of a market. Raises BadMessage."""
        raise NotImplementedError

    def map(self, raw: RawMessage) -> list[Mapped]:
        """All that a message says, in its order. Never raises for what a venue sent."""
        out: list[Mapped] = []
        stream = "unknown"
        try:
            kind = self.kind_of(raw)
            if kind is None:
                return out
            first_ms, end_ms = self._valid_ms
            if not first_ms <= raw.receive_time_ms < end_ms:
                self._select(raw.receive_time_ms)
            handler = self._handlers.get(kind)
            if handler is None:
                raise BadMessage("unknown-type", f"no mapper for {show(kind)} ({raw.channel or 'channel unknown'})")
            stream = handler.stream
            handler.handle(self, raw, out)
        except BadMessage as fault:
            self.report(out, raw, stream, fault, raw.data)
        except Exception as error:  # noqa: BLE001 - a format that nobody foresaw must not end the feed
            self.report(out, raw, stream, BadMessage("invalid-field", f"the mapper failed: {error!r}"), raw.data)
        return out

    def each(
        self,
        raw: RawMessage,
        stream: str,
        elements: Iterable[Any],
        one: Callable[[Any], Mapped | None],
        out: list[Mapped],
    ) -> None:
        """Map the elements of a message one by one: a bad one is reported, the others are not lost."""
        for element in elements:
            try:
                mapped = one(element)
            except BadMessage as fault:
                self.report(out, raw, stream, fault, element)
            else:
                if mapped is not None:
                    out.append(mapped)

    def find(self, symbol: Any, name: str = "symbol") -> InstrumentSpec | None:
        """How to read a symbol; None: it is to be passed over. Raises BadMessage where it is unknown."""
        if symbol.__class__ is not str or not symbol:
            raise BadMessage("invalid-field", f"{name} is no symbol: {show(symbol)}")
        try:
            return self.instruments.find(symbol)
        except UnknownSymbol as error:
            raise _Unknown(symbol, str(error)) from None

    def market(self, coin: str, symbol: str) -> Market:
        """A market of this venue. Raises BadMessage where the coin has no name that the contracts allow."""
        if not is_coin(coin):
            raise BadMessage("unknown-market", f"no name of a coin: {show(coin)}")
        return Market(coin, self.venue, symbol)

    def learn(self, raw: RawMessage, symbol: str, spec: InstrumentSpec, *, listed: bool = True) -> Fact | None:
        """Note an instrument; the event that says so, if it is news of a wanted market."""
        if not self.instruments.learn(symbol, spec, listed=listed):
            return None
        return self.instrument_fact(raw, symbol)

    def instrument_fact(self, raw: RawMessage, symbol: str) -> Fact | None:
        """The ``instrument`` event of a known symbol, None where the market is not wanted."""
        spec = self.instruments.find(symbol)
        if spec is None:
            return None
        time_ms = raw.receive_time_ms
        return Fact(time_ms, spec.market, time_ms, "instrument", instrument_fields(spec), None)

    def report(self, out: list[Mapped], raw: RawMessage, stream: str, fault: BadMessage, part: Any) -> None:
        """Add a problem; of an unknown symbol only the first of its stream."""
        if isinstance(fault, _Unknown):
            key = stream, fault.symbol[:100]
            known = key in self.unknown
            if known or len(self.unknown) < MAX_REPORTED:
                self.unknown[key] = self.unknown.get(key, 0) + 1
            if known and not self._repeat_unknown:
                return
        out.append(Problem(raw.receive_time_ms, None, self.venue, stream, fault.reason, str(fault), _json(part)))

    def _select(self, receive_time_ms: int) -> None:
        """Take the handlers that hold at a time, and note for how long."""
        self._handlers = {}
        first_ms, end_ms = 0, _NEVER
        for index, entry in enumerate(self.formats):
            if index and entry.valid_from_ms > receive_time_ms:
                end_ms = entry.valid_from_ms
                break
            first_ms = entry.valid_from_ms if index else 0
            self._handlers |= entry.handlers
        self._valid_ms = first_ms, end_ms


class _Unknown(BadMessage):
    def __init__(self, symbol: str, detail: str) -> None:
        super().__init__("unknown-market", detail)
        self.symbol = symbol


def _json(part: Any) -> bytes:
    try:
        return orjson.dumps(part)
    except TypeError:
        return repr(part).encode("utf-8", "replace")
