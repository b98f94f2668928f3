"""Pure mappers: a raw message of a venue in, items for the batcher out.

The interface, the same for live, recorded and fake messages:

>>> from liqheat_ingest.mappers import mapper_of
>>> from liqheat_ingest.raw import RawMessage, websocket_channel
>>> mapper = mapper_of("bybit")
>>> data = {"topic": "allLiquidation.BTCUSDT", "type": "snapshot", "ts": 1791590423500,
...         "data": [{"T": 1791590423385, "s": "BTCUSDT", "S": "Buy", "v": "0.01", "p": "65000"}]}
>>> channel = websocket_channel("wss://stream.bybit.com/v5/public/linear")
>>> [fact] = mapper.map(RawMessage("bybit", channel, 1791590423600, data))
>>> fact.type, fact.market.symbol, fact.fields["liquidated_side"]
('liquidation', 'BTC/USDT:USDT', 'long')

``map`` never raises for what a venue sent: what can't be used becomes a :class:`~liqheat_ingest.readings.Problem`
among the items, and the rest of the message is mapped. A mapper keeps the little state that a venue's format needs
(instruments, the last full ticker, books) and reads no clock. The files:

- ``mapper.py``: dispatch, dated formats, problems. ``fields.py``: reading typed fields.
- ``binance/``, ``bybit/``, ``okx/``, ``hyperliquid/``: one package a venue.
- ``tardis.py``, ``binance_vision.py``: rows of files.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from liqheat_ingest.instrument_table import Wanted, every_market

if TYPE_CHECKING:
    from liqheat_ingest.mappers.mapper import VenueMapper

#: Venues with a live mapper.
VENUES = ("binance", "bybit", "okx", "hyperliquid")


def mapper_of(venue: str, wanted: Wanted = every_market, *, repeat_unknown: bool = False) -> VenueMapper:
    """A new mapper of a venue.

    Parameters
    ----------
    venue : str
        One of ``VENUES``.
    wanted : callable
        Whether a market is to be mapped; others are known to the instrument table and yield nothing else.

    repeat_unknown : bool
        Whether a symbol that no instrument has is reported each time instead of once for each stream.

    Raises
    ------
    ValueError
        There is no such venue; the message names those there are.
    """
    if venue not in VENUES:
        raise ValueError(f"no mapper of venue {venue!r}; there are: {', '.join(VENUES)}")
    mapper: VenueMapper = import_module(f"liqheat_ingest.mappers.{venue}").mapper(wanted, repeat_unknown=repeat_unknown)
    return mapper
