"""What differs by venue: addresses, topics, requests and limits. Pure descriptions; nothing here opens a socket."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from liqheat_ingest.instruments import InstrumentSpec
from liqheat_ingest.raw import rest_channel
from liqheat_ingest.readings import Market, Trade
from liqheat_ingest.sources.live.feed_watch import Stream
from liqheat_ingest.sources.live.rate_budget import RateLimit

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Listed(NamedTuple):
    """A market that can be traded now: its name in the contracts, the venue's own symbol, how to read it."""

    market: Market
    symbol: str
    spec: InstrumentSpec


class Request(NamedTuple):
    """A REST call by ccxt's own table of endpoints.

    Attributes
    ----------
    path, api, method : str
        As ccxt's ``request`` takes them.
    parameters : dict
        Query, or JSON body.
    weight : float
        What it costs of ``limit``.
    limit : str
        Which of the venue's limits it counts against.
    venue_path : str
        The path on the venue's host, for the mapper.
    """

    path: str
    api: str
    method: str
    parameters: dict[str, Any]
    weight: float
    limit: str
    venue_path: str

    @property
    def channel(self) -> str:
        """Channel of the raw message made from the answer."""
        return rest_channel(self.venue_path, self.parameters)


class Topic(NamedTuple):
    """Something to subscribe to.

    Attributes
    ----------
    address : str
        Which of the venue's WebSocket addresses.
    name : str
        Unique at the address; for the venues that name topics by text, that text.
    argument : Any
        What stands in the subscription request.
    streams : tuple of Stream
        What it carries, of the chosen markets.
    is_of_all : bool
        It carries all markets, and stays when markets come and go.
    """

    address: str
    name: str
    argument: Any
    streams: tuple[Stream, ...]
    is_of_all: bool = False


class Poll(NamedTuple):
    """A request to be made again and again. ``stream``: what an answer keeps alive."""

    request: Request
    every_s: float
    streams: tuple[Stream, ...]


class Acknowledgement(NamedTuple):
    """What a venue says to a subscription.

    Attributes
    ----------
    names : tuple of str
        Topics that it speaks of; empty: all of the request.
    request_id : str or None
        The request it answers; None where the venue does not repeat it.
    problem : str or None
        Why it was refused; None: it stands.
    """

    names: tuple[str, ...]
    request_id: str | None
    problem: str | None


class VenueFeed:
    """A venue as the live source sees it. Subclasses say what the venue's documentation says.

    Attributes
    ----------
    limits : mapping
        REST limits by name; every venue has ``rest``.
    connects : RateLimit
        New WebSocket connections.
    topics_per_connection, topics_per_request : int
        Most topics.
    requests_per_second : float
        Subscription requests on one connection.
    longest_silence_ms : mapping
        By stream: no such stream of a market that trades is ever silent for longer.
    ban_status : int
        HTTP status by which the venue bans an address for a while.
    ban_s : float
        How long, where its answer does not say.
    counts_trades : bool
        Whether consecutive trades of a market have consecutive ids.
    tells_trades_forward : bool
        Whether a further page of past trades is newer than the one before it.
    """

    venue: ClassVar[str]
    exchange_id: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]
    limits: ClassVar[Mapping[str, RateLimit]]
    connects: ClassVar[RateLimit]
    topics_per_connection: ClassVar[int]
    topics_per_request: ClassVar[int]
    requests_per_second: ClassVar[float]
    longest_silence_ms: ClassVar[dict[str, int]] = {"ticker": 60_000}
    ban_status: ClassVar[int] = 418
    ban_s: ClassVar[float] = 120.0
    counts_trades: ClassVar[bool] = False
    tells_trades_forward: ClassVar[bool] = False

    # ---- WebSocket

    def url(self, exchange: Any, address: str, number: int) -> str:
        """Address of the ``number``-th connection; each is another text, so that ccxt keeps them apart."""
        raise NotImplementedError

    def topics(self, markets: Sequence[Listed], with_book: Collection[Market]) -> list[Topic]:
        """All topics of the chosen markets."""
        raise NotImplementedError

    def subscribe(self, topics: Sequence[Topic], request_id: int, *, undo: bool = False) -> dict[str, Any]:
        """The request that subscribes (or unsubscribes) to topics."""
        raise NotImplementedError

    def is_data(self, message: Any) -> bool:
        """Whether a message is market data."""
        raise NotImplementedError

    def acknowledgement(self, message: Any) -> Acknowledgement | None:
        """What a message that is no data says of subscriptions; None: nothing."""
        raise NotImplementedError

    # ---- REST

    def server_time(self) -> Request:
        """A cheap request whose answer holds the venue's time."""
        raise NotImplementedError

    def time_in(self, answer: Any) -> int:
        """The venue's time in that answer, ms. Raises KeyError, TypeError, ValueError."""
        raise NotImplementedError

    def instruments(self) -> list[Request]:
        """What tells all instruments. Answers go to the mapper."""
        raise NotImplementedError

    def symbols_in(self, answer: Any) -> set[str]:
        """Symbols that an answer to ``instruments`` names. Raises KeyError, TypeError where it names none."""
        raise NotImplementedError

    def next_page(self, request: Request, answer: Any) -> Request | None:  # noqa: ARG002 - most venues have one page
        """The request of the next page of instruments, tiers or history."""
        return None

    def margin_tiers(self, markets: Sequence[Listed]) -> list[Request]:  # noqa: ARG002 - Binance needs a key
        """What tells the margin tiers of markets, where the venue is public."""
        return []

    def ranking(self) -> list[Request]:
        """What tells the open interest (or, at Binance, the volume) of all markets in few calls."""
        raise NotImplementedError

    def ranked(self, request: Request, answer: Any) -> dict[str, float]:
        """USD by the venue's symbols from an answer to ``ranking``; what can't be read is left out."""
        raise NotImplementedError

    def polls(self, markets: Sequence[Listed], is_major: Any, with_book: Collection[Market]) -> list[Poll]:
        """What is polled while live."""
        raise NotImplementedError

    def book_snapshot(self, listed: Listed) -> Request | None:  # noqa: ARG002 - elsewhere the stream begins with one
        """What a book begins with; None: with the subscription."""
        return None

    def candles(self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int) -> list[Request]:
        """History of candles of a market, in pages, oldest first."""
        raise NotImplementedError

    def open_interest_history(
        self, listed: Listed, interval_ms: int, from_ms: int, to_ms: int, now_ms: int
    ) -> list[Request]:
        """History of its open interest; empty where the venue has none.

        Parameters
        ----------
        now_ms : int
            Some venues refuse times that are too long ago.
        """
        raise NotImplementedError

    def tells_open_interest_history(self, listed: Listed) -> bool:
        """Whether there is any such history of a market."""
        return bool(self.open_interest_history(listed, HOUR_MS, 0, HOUR_MS, HOUR_MS))

    def recent_trades(self, listed: Listed, after_id: str | None, from_ms: int) -> Request | None:  # noqa: ARG002
        """The trades since one, as far as one call goes; None where the venue has no such call."""
        return None

    def more_trades(self, listed: Listed, page: Sequence[Trade], after_id: str | None) -> Request | None:  # noqa: ARG002
        """The call that goes on where the last page of trades ended; None: that was all, or all that is told."""
        return None


def pages(from_ms: int, to_ms: int, interval_ms: int, per_page: int) -> list[tuple[int, int]]:
    """Cut a span into pages of at most ``per_page`` intervals, aligned to intervals; ends are exclusive.

    >>> pages(0, 3_000_000, 300_000, 4)
    [(0, 1200000), (1200000, 2400000), (2400000, 3000000)]
    """
    start = from_ms - from_ms % interval_ms
    step = interval_ms * per_page
    return [(at, min(at + step, to_ms)) for at in range(start, to_ms, step)]


def number_in(row: Any, name: str) -> float:
    """A number of a ranking answer, 0 where there is none: it only decides the order of coins."""
    try:
        value = float(row[name])
    except (KeyError, TypeError, ValueError, IndexError):
        return 0.0
    return value if 0.0 < value < 1e18 else 0.0
