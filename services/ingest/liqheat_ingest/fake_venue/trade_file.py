"""Every trade that happened, in a file: what a client published can be held against it, whatever died in between."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from liqheat_ingest.fake_venue.instrument import Listing
from liqheat_ingest.fake_venue.world import SlotOf


class TradeFile:
    """One line a trade: venue, symbol as ccxt writes it, running number, time in milliseconds; tabs between.

    Parameters
    ----------
    path : Path
        Written anew.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="ascii")

    def add(self, slots: Iterable[SlotOf]) -> None:
        """What happened at one venue in a slot."""
        for slot in slots:
            listing = slot.instrument.listing
            market = f"{listing.venue}\t{unified_symbol(listing)}"
            self._file.writelines(f"{market}\t{trade.number}\t{trade.time_ms}\n" for trade in slot.trades)

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


def unified_symbol(listing: Listing) -> str:
    """A market as ccxt and the contracts name it, such as ``BTC/USDT:USDT``."""
    return f"{listing.base.upper()}/{listing.quote}:{listing.settle}"
