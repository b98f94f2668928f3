"""From single items to the messages of ``market-events-v1``: batches, sequence numbers, heartbeats.

Everything is cut by the times in the data, so the same items give the same bytes at any speed:

- trades of a market wait until the end of their window, a multiple of ``batch_ms``; since ``batch_ms`` divides a
  second, no batch spans a whole second and a grid at a second's end holds exactly the trades received before it;
- any other event of a market first releases its waiting trades and then goes at once;
- a whole second in which a market sent nothing ends with a heartbeat.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from liqheat_ingest.dead_letters import dead_letter
from liqheat_ingest.message import Message
from liqheat_ingest.readings import BrokenLine, Fact, Item, Market, Problem, Trade
from liqheat_shared.contracts.base import Phase
from liqheat_shared.contracts.topics import MARKET_EVENTS

SECOND_MS = 1_000
#: One message holds at most this many trades.
MAX_BATCH_TRADES = 200
#: Window lengths that end at every whole second.
BATCH_MS_CHOICES = (10, 20, 25, 40, 50, 100, 125, 200, 250, 500, 1000)
#: What a live source publishes of the past, under a phase of its own.
HISTORY_TYPES = frozenset({"candle", "backfill-started", "backfill-finished"})
_NEVER = 1 << 62


class _MarketState:
    __slots__ = (
        "ages",
        "index",
        "is_over",
        "last_receive_ms",
        "market",
        "scheduled_ms",
        "sequence",
        "trades",
        "window_ms",
    )

    def __init__(self, market: Market, index: int, window_ms: int) -> None:
        self.market = market
        self.index = index
        self.window_ms = window_ms
        self.sequence = 0
        self.last_receive_ms = 0
        self.trades: list[Trade] = []
        #: Receive time of each stream's last item; empty until a stream that heartbeats watch has begun.
        self.ages: dict[str, int | None] = {}
        self.scheduled_ms = _NEVER
        #: Delisted: no heartbeats, and told of anew if it comes back.
        self.is_over = False

    def deadline_ms(self) -> int:
        """Data time at which something of this market falls due."""
        if self.trades:
            first = self.trades[0].receive_time_ms
            return first - first % self.window_ms + self.window_ms
        if self.ages:
            return self.last_receive_ms - self.last_receive_ms % SECOND_MS + 2 * SECOND_MS
        return _NEVER


class Batcher:
    """Packs items of many markets into messages. Pure: it reads no clock and keeps at most a window of trades.

    Parameters
    ----------
    phase : str
        Where the data comes from; written into every message.
    ingest_epoch : int
        Rises with every new owner of a market.
    window_ms : callable
        Batch window of a coin in ms, one of ``BATCH_MS_CHOICES``.
    describe : callable
        Fields of the ``instrument`` event of a market, sent before the market's first event.
    independent : bool
        Each item stands for itself: receive times are kept as they are, and silence makes no heartbeats.

    Examples
    --------
    >>> market = Market("BTC", "hyperliquid", "BTC/USDC:USDC")
    >>> batcher = Batcher("replay", 1, lambda coin: 100, lambda market: {})
    >>> batcher.push(Trade(1_030, market, 1_020, 64_000.0, 0.5, "b", None))
    >>> batcher.push(Trade(1_099, market, 1_095, 64_001.0, 0.1, "s", None))
    >>> batcher.push(Trade(1_100, market, 1_098, 64_002.0, 0.2, "b", None))
    >>> [(message.type, message.rows) for message in batcher.take()]
    [('instrument', 0), ('trades', 2)]
    """

    def __init__(
        self,
        phase: Phase,
        ingest_epoch: int,
        window_ms: Callable[[str], int],
        describe: Callable[[Market], Mapping[str, Any]],
        *,
        independent: bool = False,
    ) -> None:
        self._independent = independent
        self._phase = phase
        self._epoch = ingest_epoch
        self._window_ms = window_ms
        self._describe = describe
        self._markets: dict[Market, _MarketState] = {}
        self._order: list[_MarketState] = []
        self._due: list[tuple[int, int]] = []
        self._next_due_ms = _NEVER
        self._clock_ms = 0
        self.ready: list[Message] = []

    def take(self) -> list[Message]:
        """Messages that are complete, in order; the batcher forgets them."""
        ready, self.ready = self.ready, []
        return ready

    def push(self, item: Trade | Fact) -> None:
        """Add an item. One that comes with an earlier receive time than the last gets the last one's."""
        receive_ms = item[0]
        if self._independent:
            pass
        elif receive_ms < self._clock_ms:
            item = item._replace(receive_time_ms=self._clock_ms)
            receive_ms = self._clock_ms
        elif receive_ms >= self._next_due_ms:
            self.advance(receive_ms)
        self._clock_ms = receive_ms
        state = self._markets.get(item[1]) or self._begin(item)
        if state.is_over:
            self._begin_again(state, item)
        if item.__class__ is Trade:
            self._push_trade(state, item)
        else:
            self._push_fact(state, item)  # type: ignore[arg-type]

    def advance(self, time_ms: int) -> None:
        """Release everything that falls due at or before this data time."""
        due = self._due
        while due and due[0][0] <= time_ms:
            due_ms, index = heapq.heappop(due)
            state = self._order[index]
            if due_ms != state.scheduled_ms:
                continue  # superseded by an earlier deadline that has passed
            state.scheduled_ms = _NEVER
            if state.deadline_ms() <= due_ms:
                if state.trades:
                    self._flush(state, due_ms)
                else:
                    self._heartbeat(state, due_ms)
            self._schedule(state)
        self._next_due_ms = due[0][0] if due else _NEVER
        self._clock_ms = max(self._clock_ms, time_ms)

    def finish(self) -> None:
        """Release all waiting trades: the source has ended."""
        waiting = [state for state in self._order if state.trades]
        for state in sorted(waiting, key=lambda state: (state.deadline_ms(), state.index)):
            self._flush(state, state.deadline_ms())

    def _begin(self, item: Trade | Fact) -> _MarketState:
        market = item.market
        state = _MarketState(market, len(self._order), self._window_ms(market.coin))
        if SECOND_MS % state.window_ms:
            raise ValueError(f"a batch window of {state.window_ms} ms does not divide a second")
        self._markets[market] = state
        self._order.append(state)
        self._describe_first(state, item)
        return state

    def _begin_again(self, state: _MarketState, item: Trade | Fact) -> None:
        """A delisted market is listed again, unless this is one more announcement of its end."""
        if item.__class__ is not Trade and item.fields.get("delisted"):  # type: ignore[union-attr]
            return
        state.is_over = False
        self._describe_first(state, item)

    def _describe_first(self, state: _MarketState, item: Trade | Fact) -> None:
        """Tell what the market is before its first item, unless that is the item."""
        if item.__class__ is Trade or item.type != "instrument":  # type: ignore[union-attr]
            fields = dict(self._describe(state.market))
            self._send(state, "instrument", item.event_time_ms, item.receive_time_ms, fields)

    def _push_trade(self, state: _MarketState, trade: Trade) -> None:
        trades = state.trades
        trades.append(trade)
        if len(trades) == 1 and not self._independent:
            self._watch(state, "trades", trade.receive_time_ms)
            self._schedule(state)
        elif len(trades) >= MAX_BATCH_TRADES:
            self._flush(state, trade.receive_time_ms)

    def _push_fact(self, state: _MarketState, fact: Fact) -> None:
        if state.trades:
            self._flush(state, fact.receive_time_ms)
        if fact.stream is not None and not self._independent:
            self._watch(state, fact.stream, fact.receive_time_ms)
        self._send(state, fact.type, fact.event_time_ms, fact.receive_time_ms, fact.fields, rows=1)
        if fact.fields.get("delisted"):
            state.is_over, state.ages = True, {}
        if not self._independent:
            self._schedule(state)

    def _watch(self, state: _MarketState, stream: str, receive_ms: int) -> None:
        if not state.ages:
            state.ages = {"trades": None, "ticker": None}
        state.ages[stream] = receive_ms

    def _schedule(self, state: _MarketState) -> None:
        """Note the market's next deadline; a later one than noted is found when the noted one passes."""
        deadline_ms = state.deadline_ms()
        if deadline_ms < state.scheduled_ms:
            state.scheduled_ms = deadline_ms
            heapq.heappush(self._due, (deadline_ms, state.index))
            self._next_due_ms = min(self._next_due_ms, deadline_ms)

    def _flush(self, state: _MarketState, due_ms: int) -> None:
        trades, state.trades = state.trades, []
        receive, _, event, price, quantity, side, ids, _ = zip(*trades, strict=True)
        event_ms = max(event)
        if state.ages:
            state.ages["trades"] = receive[-1]
        fields = {
            "time_offset_ms": [time_ms - event_ms for time_ms in event],
            "price": price,
            "quantity_base": quantity,
            "aggressor_side": "".join(side),
            "trade_id": None if None in ids else ids,
            "refilled": False,
        }
        self._send(state, "trades", event_ms, receive[-1], fields, rows=len(trades), due_ms=due_ms)

    def _heartbeat(self, state: _MarketState, due_ms: int) -> None:
        now_ms = due_ms - 1
        ages = {stream: None if last is None else now_ms - last for stream, last in state.ages.items()}
        self._send(state, "heartbeat", now_ms, now_ms, {"stream_age_ms": ages}, due_ms=due_ms)

    def _send(
        self,
        state: _MarketState,
        kind: str,
        event_ms: int,
        receive_ms: int,
        fields: Mapping[str, Any],
        *,
        rows: int = 0,
        due_ms: int | None = None,
    ) -> None:
        coin, venue, symbol = state.market
        encoded = orjson.dumps(
            {
                "schema_version": 1,
                "type": kind,
                "coin": coin,
                "venue": venue,
                "symbol": symbol,
                "phase": "backfill" if self._phase == "live" and kind in HISTORY_TYPES else self._phase,
                "event_time_ms": event_ms,
                "receive_time_ms": receive_ms,
                "ingest_epoch": self._epoch,
                "sequence": state.sequence,
                **fields,
            }
        )
        # orjson's result keeps the kilobytes that it was written into; a copy is as long as the message. Thousands of
        # messages of a history wait at a time.
        value = bytes(memoryview(encoded))
        state.sequence += 1
        state.last_receive_ms = receive_ms
        self.ready.append(
            Message(receive_ms if due_ms is None else due_ms, MARKET_EVENTS, coin, value, venue, kind, rows)
        )


def messages(items: Iterable[Item], batcher: Batcher) -> Iterator[Message]:
    """All messages of a finite or endless run of items; what could not be read becomes a dead letter in its place."""
    for item in items:
        if isinstance(item, BrokenLine | Problem):
            batcher.ready.append(dead_letter(item))
        else:
            batcher.push(item)
        if batcher.ready:
            yield from batcher.take()
    batcher.finish()
    yield from batcher.take()
