"""What a source yields: facts about one market, before the batcher packs them into messages.

They are plain tuples because a day of one market is hundreds of thousands of them. Index 0 is always the receive
time, index 1 the market.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from liqheat_shared.contracts.base import Phase
from liqheat_shared.contracts.dead_letters import Reason

if TYPE_CHECKING:
    from liqheat_ingest.instruments import InstrumentSpec


class Market(NamedTuple):
    """A perpetual at a venue. ``symbol`` is the unified one, e.g. ``BTC/USDT:USDT``."""

    coin: str
    venue: str
    symbol: str


class Trade(NamedTuple):
    """One trade, normalised.

    Attributes
    ----------
    price : float
        Quote currency for ONE unit of the coin, after the price multiplier.
    quantity_base : float
        Units of the coin, never contracts.
    aggressor : str
        ``b``: the taker bought, ``s``: the taker sold.
    trade_id : str or None
        The venue's id, None where it has none.
    trade_count : int
        How many of the venue's numbered trades it is; of several, ``trade_id`` is that of the last.
    """

    receive_time_ms: int
    market: Market
    event_time_ms: int
    price: float
    quantity_base: float
    aggressor: str
    trade_id: str | None
    trade_count: int = 1


class Fact(NamedTuple):
    """Anything but a trade: the fields of its contract without the envelope.

    Attributes
    ----------
    type : str
        ``type`` of the contract in ``market-events-v1``.
    stream : str or None
        Stream whose age heartbeats report; None: history, which no heartbeat watches.
    """

    receive_time_ms: int
    market: Market
    event_time_ms: int
    type: str
    fields: dict[str, Any]
    stream: str | None


class BrokenLine(NamedTuple):
    """A line of a file that could not be used, as it came. ``market`` is None where the line does not say."""

    receive_time_ms: int
    market: Market | None
    file_name: str
    line_number: int
    reason: Reason
    detail: str
    raw: bytes


class Problem(NamedTuple):
    """A message of a venue, or a part of one, that could not be used. ``market`` is None where it does not say.

    Attributes
    ----------
    stream : str
        Kind of the message, e.g. ``trades``, ``liquidations``, ``instruments``.
    raw : bytes
        The part as JSON.
    """

    receive_time_ms: int
    market: Market | None
    venue: str
    stream: str
    reason: Reason
    detail: str
    raw: bytes


#: What a mapper makes of a venue's message.
Mapped = Trade | Fact | Problem
Item = Trade | Fact | BrokenLine | Problem


class Source(Protocol):
    """Where items come from. A source knows nothing of Kafka, batches or the wall clock.

    ``items`` yields in order of receive time; live, recorded and simulated markets differ in nothing else.
    """

    phase: Phase

    def items(self) -> Iterator[Item]:
        """All items, in order of receive time. Raises SourceError where reading can't go on."""

    def describe(self, market: Market) -> InstrumentSpec:
        """How to read a market that an item was of."""

    def share_done(self) -> float | None:
        """How much of the source was read, 0 to 1; None: it has no end."""


class SourceError(Exception):
    """A source can't be read. The message is a sentence for the person who named it."""
