"""Bursts: many trades, one a message, within a given time, with the numbers that follow the market's last."""

from __future__ import annotations

from typing import Any

from liqheat_ingest.fake_venue.instrument import FakeInstrument
from liqheat_ingest.fake_venue.trade_prints import PlannedTrade
from liqheat_ingest.fake_venue.venue_server import VenueServer
from liqheat_ingest.fake_venue.world import SlotOf, number_trades


class Burst:
    """A burst under way at one venue.

    Parameters
    ----------
    server : VenueServer
        Where.
    instruments : list of FakeInstrument
        Take turns.
    start_ms, duration_ms : int
        When, in time of the story.
    messages : int
        How many trades in all.
    """

    def __init__(
        self, server: VenueServer, instruments: list[FakeInstrument], start_ms: int, duration_ms: int, messages: int
    ) -> None:
        self.server = server
        self._instruments = instruments
        self._start_ms = start_ms
        self._duration_ms = max(1, duration_ms)
        self._messages = messages
        self.done = 0

    @property
    def is_over(self) -> bool:
        """Whether all its trades have happened."""
        return self.done >= self._messages

    def advance(self, from_ms: int, to_ms: int) -> list[SlotOf]:
        """Trades whose turn it is, spread evenly over the slot that ends at ``to_ms``."""
        due = min(self._messages, self._messages * (to_ms - self._start_ms) // self._duration_ms) - self.done
        if due <= 0:
            return []
        slots: list[SlotOf] = []
        width = len(self._instruments)
        for order, one in enumerate(self._instruments):
            # Trade k of the burst is the (k mod width)-th market's.
            count = (self.done + due - order + width - 1) // width - (self.done - order + width - 1) // width
            planned = [_trade(one, from_ms + (to_ms - from_ms) * i // count, i) for i in range(count)]
            if planned:
                slots.append(SlotOf(one, number_trades(one, planned), []))
        self.done += due
        return slots

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"messages": self._messages, "symbols": [one.symbol for one in self._instruments]}


def start_burst(server: VenueServer, now_ms: int, messages: int, seconds: float, symbols: list[str] | None) -> Burst:
    """A burst that begins now. Raises KeyError with the first symbol that is not listed."""
    listed = {one.symbol: one for one in server.listed()}
    chosen = [listed[symbol] for symbol in symbols] if symbols else list(listed.values())
    return Burst(server, chosen, now_ms, round(seconds * 1_000.0), messages)


def _trade(one: FakeInstrument, time_ms: int, number: int) -> PlannedTrade:
    """One lot at a price near the last; neighbours differ in side, so each is a taker's order of its own."""
    side = 1 if number % 2 else -1
    return PlannedTrade(time_ms, max(1, one.last_ticks + (number % 3 - 1) * (number & 1)), 1, side, 0, 0)
