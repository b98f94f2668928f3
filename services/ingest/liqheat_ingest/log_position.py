"""What the log holds already: the epoch that a new owner has to exceed, and how far each market is known."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from liqheat_ingest.readings import Market
from liqheat_ingest.settings import IngestSettings
from liqheat_shared.contracts.market_events import MarketEvent, OnChainPosition
from liqheat_shared.contracts.topics import MARKET_EVENTS
from liqheat_shared.kafka.connection import client_options
from liqheat_shared.kafka.topic_admin import partition_count

READ_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 30.0
#: Messages at the end of each partition that are looked at: several minutes of a busy coin, hours of a quiet one.
TAIL_MESSAGES = 5_000
TAIL_TIMEOUT_S = 10.0
#: What says that a market was known at a time. A heartbeat does not: nothing may have come for long.
_TELLING = frozenset({"trades", "ticker", "candle"})
_POSITION_FIELDS = tuple(
    name for name in OnChainPosition.model_fields if name not in {"type", *MarketEvent.model_fields}
)


#: Ids of a market's last trades that are kept, to tell repeats.
TRADE_IDS = 1_000


@dataclass(slots=True)
class LastTrades:
    """The last trades of a market in the log: their ids in order, and the time of the last."""

    ids: deque[str] = field(default_factory=lambda: deque(maxlen=TRADE_IDS))
    last_ms: int = 0


@dataclass(slots=True)
class LogTail:
    """The end of ``market-events-v1``.

    Attributes
    ----------
    epoch : int
        Greatest ingest epoch; 0: the log is empty.
    known_until_ms : dict
        By market, the latest event time. Markets that were silent for longer than the tail reaches are missing.
    last_trades : dict
        By market, what came last where the venue has ids.
    epochs : dict
        By market, the greatest ingest epoch.
    positions : dict
        By market and account, the fields of the last position told of it; closed ones are left out.
    unfinished : set
        Markets whose backfill was begun and not finished: whoever did it died in the middle.
    """

    epoch: int = 0
    known_until_ms: dict[Market, int] = field(default_factory=dict)
    last_trades: dict[Market, LastTrades] = field(default_factory=dict)
    epochs: dict[Market, int] = field(default_factory=dict)
    positions: dict[tuple[Market, str], dict[str, Any]] = field(default_factory=dict)
    unfinished: set[Market] = field(default_factory=set)

    def usurper(self, markets: Iterable[Market], epoch: int) -> int | None:
        """A higher epoch under which somebody else publishes one of the markets; None: there is none.

        >>> btc = Market("BTC", "okx", "BTC/USDT:USDT")
        >>> LogTail(epochs={btc: 7}).usurper([btc], 5), LogTail(epochs={btc: 5}).usurper([btc], 5)
        (7, None)
        """
        found = max((self.epochs.get(market, 0) for market in markets), default=0)
        return found if found > epoch else None

    def note(self, value: bytes) -> None:
        """Take a message; one that can't be read is passed over."""
        try:
            event = orjson.loads(value)
            epoch = int(event["ingest_epoch"])
            self.epoch = max(self.epoch, epoch)
            market = Market(event["coin"], event["venue"], event["symbol"])
            self.epochs[market] = max(self.epochs.get(market, 0), epoch)
            if event["type"] == "backfill-started":
                self.unfinished.add(market)
            elif event["type"] == "backfill-finished":
                self.unfinished.discard(market)
            elif event["type"] == "on-chain-position":
                self._note_position(market, event)
            if event["type"] in _TELLING:
                event_ms = int(event["event_time_ms"])
                self.known_until_ms[market] = max(self.known_until_ms.get(market, 0), event_ms)
                if event["type"] == "trades" and event["trade_id"]:
                    last = self.last_trades.setdefault(market, LastTrades())
                    last.ids.extend(map(str, event["trade_id"]))
                    last.last_ms = max(last.last_ms, event_ms)
        except (ValueError, KeyError, TypeError):
            return

    def _note_position(self, market: Market, event: dict[str, Any]) -> None:
        fields = {name: event[name] for name in _POSITION_FIELDS}
        if fields["quantity_base"] > 0:
            self.positions[market, fields["account"]] = fields
        else:
            self.positions.pop((market, fields["account"]), None)


async def last_ingest_epoch(settings: IngestSettings) -> int:
    """Greatest ingest epoch among the last messages of all partitions; 0: the log is empty.

    The events of a simulation that starts anew are others than those of the one before, but carry the same sequence
    numbers; a higher epoch is what tells the folds that they are no repeats.
    """
    return (await log_tail(settings, messages=1)).epoch


async def log_tail(settings: IngestSettings, messages: int = TAIL_MESSAGES) -> LogTail:
    """Read the last messages of every partition.

    Parameters
    ----------
    messages : int
        Of each partition.
    """
    topic = settings.topic(MARKET_EVENTS)
    tail = LogTail()
    count = await partition_count(settings, topic)
    if count is None:
        return tail
    consumer: AIOKafkaConsumer[Any, Any] = AIOKafkaConsumer(
        **client_options(settings), enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await asyncio.wait_for(consumer.start(), CONNECT_TIMEOUT_S)
    try:
        partitions = [TopicPartition(topic, number) for number in range(count)]
        ends = await asyncio.wait_for(consumer.end_offsets(partitions), CONNECT_TIMEOUT_S)
        begins = await asyncio.wait_for(consumer.beginning_offsets(partitions), CONNECT_TIMEOUT_S)
        for partition in partitions:
            if ends[partition] > begins[partition]:
                consumer.assign([partition])
                first = max(begins[partition], ends[partition] - messages)
                await _read(consumer, partition, first, ends[partition], tail)
        return tail
    finally:
        await consumer.stop()


async def _read(consumer: Any, partition: TopicPartition, first: int, end: int, tail: LogTail) -> None:
    consumer.seek(partition, first)
    try:
        async with asyncio.timeout(READ_TIMEOUT_S if end - first == 1 else TAIL_TIMEOUT_S):
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=500)).values():
                    for record in records:
                        tail.note(record.value)
    except TimeoutError:
        return  # a part of the tail is better than none
