"""One WebSocket connection: dial, subscribe, watch, and all over again when it dies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any

from liqheat_ingest.raw import RawMessage, websocket_channel
from liqheat_ingest.readings import Market
from liqheat_ingest.sources.live.attended_silence import AttendedSilence
from liqheat_ingest.sources.live.backoff import Backoff
from liqheat_ingest.sources.live.connection_plan import chunks
from liqheat_ingest.sources.live.exchanges import ExchangePort
from liqheat_ingest.sources.live.feed_watch import LIQUIDATIONS, Stream
from liqheat_ingest.sources.live.patience import Patience
from liqheat_ingest.sources.live.rate_budget import RateBudget
from liqheat_ingest.sources.live.subscriptions import Subscriptions
from liqheat_ingest.sources.live.venue_intake import VenueIntake
from liqheat_ingest.sources.live.venues.feed import Topic, VenueFeed

#: ccxt's future of a connection: nothing resolves it, the end of the connection rejects it.
_UNTIL_CLOSED = "liqheat"


class Connection:
    """Keeps a set of topics flowing.

    Parameters
    ----------
    port : ExchangePort
        The venue's exchange of ccxt.
    number : int
        Tells the connections of a venue apart.
    on_up : callable
        Called with the streams when their subscriptions stand (again); it announces or refills.
    on_down : callable
        Called with the streams and the time of the last frame when the connection is lost.
    """

    def __init__(
        self,
        feed: VenueFeed,
        port: ExchangePort,
        intake: VenueIntake,
        address: str,
        number: int,
        topics: Sequence[Topic],
        *,
        connects: RateBudget,
        backoff: Backoff,
        now_ms: Callable[[], int],
        say: Callable[[str], None],
        on_up: Callable[[list[Stream]], None],
        on_down: Callable[[list[Stream], int], None],
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self.feed = feed
        self.address = address
        self.url = feed.url(port.exchange, address, number)
        self.topics: dict[str, Topic] = {topic.name: topic for topic in topics}
        self._port = port
        self._intake = intake
        self._connects = connects
        self._backoff = backoff
        self._now_ms = now_ms
        self._say = say
        self._on_up = on_up
        self._on_down = on_down
        self._patience = patience
        self._channel = websocket_channel(self.url)
        self._heard_ms = 0
        self._silence = AttendedSilence(round(patience.look * 2_000))
        self._up_ms = 0
        self._asked = False
        self._subscriptions = Subscriptions()
        self._changed = asyncio.Event()
        self._to_undo: list[Topic] = []
        self._waiting: list[Topic] = []
        self._was_up = False
        self.is_up = False
        self.reconnects = 0
        self.reasons: dict[str, int] = {}

    # ---- what the socket calls (a Tap)

    def heard(self) -> None:
        self._heard_ms = self._now_ms()
        self._silence.heard()

    def is_data(self, message: Any) -> bool:
        if self.feed.is_data(message):
            return True
        self._acknowledged(message)
        return False

    def take(self, message: Any) -> None:
        self._intake.accept(RawMessage(self.feed.venue, self._channel, self._heard_ms, message))

    def unreadable(self, data: str | bytes) -> None:
        self._intake.report_unreadable(self._channel, data, self._heard_ms)

    def is_full(self) -> bool:
        return self._intake.outlet.is_full()

    async def room(self) -> None:
        await self._intake.outlet.room()
        # The socket was not read while we waited, so its silence says nothing.
        self.heard()

    # ---- topics that come and go

    def streams(self) -> list[Stream]:
        """Everything that flows through it."""
        return [stream for topic in self.topics.values() for stream in topic.streams]

    def add(self, topics: Sequence[Topic]) -> None:
        """Subscribe to more."""
        self.topics |= {topic.name: topic for topic in topics}
        self._waiting += topics
        self._changed.set()

    def remove(self, names: Sequence[str]) -> None:
        """Unsubscribe."""
        self._to_undo += [self.topics.pop(name) for name in names if name in self.topics]
        self._changed.set()

    def carry(self, topic: Topic) -> None:
        """A topic of all markets carries those of ``topic``, too."""
        known = self.topics[topic.name]
        self.topics[topic.name] = known._replace(streams=known.streams + topic.streams)
        self._intake.watch.began(topic.streams)
        if self.is_up:
            self._on_up([stream for stream in topic.streams if self._flows(known, stream)])

    def shed(self, markets: Collection[Market]) -> None:
        """What the topics of all markets bring of these is not waited for any more."""
        for name, topic in self.topics.items():
            if topic.is_of_all:
                kept = tuple(stream for stream in topic.streams if stream.market not in markets)
                self.topics[name] = topic._replace(streams=kept)

    def renew(self, name: str) -> None:
        """Unsubscribe and subscribe again, for a new snapshot."""
        topic = self.topics.get(name)
        if topic is not None and topic not in self._waiting:
            self._to_undo.append(topic)
            self._waiting.append(topic)
            self._changed.set()

    # ---- its life

    async def run(self) -> None:
        """Keep it up until cancelled."""
        while True:
            self._intake.watch.began(self.streams())
            reason = "the connection ended"
            try:
                reason = await self._live_once()
            except asyncio.CancelledError:
                await self._drop()
                raise
            except Exception as error:  # noqa: BLE001 - no fault of one connection may end the feed
                reason = f"{type(error).__name__}: {error}"[:300]
            await self._down(reason)
            await asyncio.sleep(max(self._backoff.next_s(), self._port.retry_after_s(self.url)))

    async def _down(self, reason: str) -> None:
        now_ms = self._now_ms()
        from_ms = self._heard_ms if self._was_up else now_ms
        self.is_up = False
        self.reconnects += 1
        kind = reason.partition(":")[0]
        if len(self.reasons) < 100 or kind in self.reasons:
            self.reasons[kind] = self.reasons.get(kind, 0) + 1
        streams = self.streams()
        self._intake.add(self._intake.watch.lost(streams, from_ms or now_ms, now_ms, reason))
        self._on_down(streams, from_ms or now_ms)
        if self._was_up or self.reconnects == 1:
            self._say(f"{self.feed.venue} {self._channel}: {reason}; {len(self.topics)} topics are interrupted")
        self._was_up = False
        await self._drop()

    async def _drop(self) -> None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self._port.drop(self.url), 5.0)

    async def _live_once(self) -> str:
        """Dial and stay until it ends; the reason of the end."""
        while (delay_ms := self._connects.take(1.0, self._now_ms())) > 0:  # noqa: ASYNC110
            await asyncio.sleep(delay_ms / 1000.0)
        self._subscriptions.forget()
        self._waiting, self._to_undo = list(self.topics.values()), []
        closed = self._port.watch(self.url, _UNTIL_CLOSED)
        try:
            await asyncio.wait_for(self._port.connected(self.url, closed), self._patience.dial)
            self._begin_to_listen()
            await self._subscribe(closed)
            return await self._stay(closed)
        finally:
            closed.cancel()

    def _begin_to_listen(self) -> None:
        """The connection stands."""
        self._heard_ms = self._up_ms = self._now_ms()
        self._silence.begin(self._up_ms)
        self._asked = False

    async def _subscribe(self, closed: asyncio.Future[Any]) -> None:
        """Ask for what waits and see that it is acknowledged. Raises TimeoutError."""
        waiting, self._waiting = self._waiting, []
        undone, self._to_undo = self._to_undo, []
        pause_s = 1.0 / self.feed.requests_per_second
        for undo, topics in ((True, undone), (False, waiting)):
            for chunk in chunks(topics, self.feed.topics_per_request):
                number = self._port.next_request_id()
                message = self.feed.subscribe(chunk, number, undo=undo)
                if undo:
                    await self._port.send(self.url, message)
                else:
                    self._subscriptions.asked(str(number), chunk)
                    names = [topic.name for topic in chunk]
                    await self._port.subscribe(self.url, _UNTIL_CLOSED, message, names, number)
                await asyncio.sleep(pause_s)
        deadline_ms = self._now_ms() + round(self._patience.acknowledge * 1000)
        while self._subscriptions.waiting and not closed.done():
            if self._now_ms() > deadline_ms:
                raise TimeoutError(f"{self._subscriptions.waiting} subscriptions were not acknowledged")
            await asyncio.sleep(0.02)
        if not closed.done() and waiting:
            self._backoff.reset()
            self.is_up = self._was_up = True
            standing = [self.topics[topic.name] for topic in waiting if topic.name in self.topics]
            self._on_up([stream for topic in standing for stream in topic.streams if self._flows(topic, stream)])

    def _flows(self, topic: Topic, stream: Stream) -> bool:
        """Whether to announce a stream as flowing: of liquidations, refused ones sound like calm."""
        return stream.name != LIQUIDATIONS or topic.name not in self._subscriptions.refused

    async def _stay(self, closed: asyncio.Future[Any]) -> str:
        while not closed.done():
            changed = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait([closed, changed], timeout=self._patience.look, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if self._changed.is_set():
                self._changed.clear()
                await self._subscribe(closed)
            reason = await self._look()
            if reason is not None:
                return reason
        error = closed.exception()
        return f"closed: {error}" if error is not None else "closed"

    async def _look(self) -> str | None:
        """A reason to give the connection up; None: it is well."""
        now_ms, watch = self._now_ms(), self._intake.watch
        is_late = self._silence.looked(now_ms)
        if self.is_full():
            return None  # we do not read, so there is nothing to hear
        silent_s = self._silence.milliseconds / 1000.0
        if silent_s > self._patience.dead:
            return f"silent: no frame for {silent_s:.0f} s"
        if silent_s > self._patience.ask and not self._asked:
            self._asked = True
            await self._port.ask_for_life(self.url)
        elif silent_s <= self._patience.ask:
            self._asked = False
        if is_late:
            return None  # what the streams said meanwhile is still unread
        silent = watch.silent(self.streams(), self._up_ms, now_ms)
        return self._renew_silent(silent, now_ms) if silent else None

    def _renew_silent(self, silent: list[Stream], now_ms: int) -> str | None:
        """One quiet market is subscribed to anew; when half of a kind is quiet, the connection is given up."""
        self._intake.watch.tried(silent, now_ms)
        alike = sum(stream.name == silent[0].name for stream in self.streams())
        if len(silent) > 1 and len(silent) * 2 >= alike:
            return f"silent streams: {len(silent)} of {alike}, the first {silent[0].market.symbol} {silent[0].name}"
        for topic in [topic for topic in self.topics.values() if not topic.is_of_all]:
            if any(stream in topic.streams for stream in silent):
                self.renew(topic.name)
        return None

    def _acknowledged(self, message: Any) -> None:
        said = self.feed.acknowledgement(message)
        if said is None:
            return
        if said.problem is not None:
            self._say(f"{self.feed.venue} {self._channel}: subscription refused: {said.problem}")
        again = self._subscriptions.answered(said)
        if again:
            self._waiting += again
            self._changed.set()
