"""Settings of ingest: ``LIQHEAT_INGEST_*`` beside the shared ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from liqheat_ingest.batcher import BATCH_MS_CHOICES
from liqheat_ingest.mappers import VENUES
from liqheat_shared.settings import ServiceSettings

if TYPE_CHECKING:
    from liqheat_ingest.sources.live.options import LiveOptions


def _divides_a_second(value: int) -> int:
    if value not in BATCH_MS_CHOICES:
        raise ValueError(f"must be one of {', '.join(map(str, BATCH_MS_CHOICES))} (it has to divide a second)")
    return value


_VENUE = "|".join(VENUES)
_ENDPOINT = re.compile(rf"({_VENUE})=(https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._/-]*)?)")


def _names_coins(value: str) -> str:
    from liqheat_ingest.sources.live.selection import CoinChoice

    CoinChoice.parse(value, "0/1")
    return value


def _names_shard(value: str) -> str:
    from liqheat_ingest.sources.live.selection import CoinChoice

    CoinChoice.parse("top:1", value)
    return value


def _names_endpoints(value: str) -> str:
    parse_endpoints(value)
    return value


def parse_endpoints(value: str) -> dict[str, str]:
    """Addresses by venue.

    >>> parse_endpoints("bybit=http://127.0.0.1:9000,okx=http://127.0.0.1:9001")
    {'bybit': 'http://127.0.0.1:9000', 'okx': 'http://127.0.0.1:9001'}
    """
    found = {}
    for part in filter(None, value.split(",")):
        match = _ENDPOINT.fullmatch(part)
        if match is None:
            raise ValueError(f"an endpoint is written venue=http://host:port, not {part[:80]!r}")
        found[match[1]] = match[2]
    return found


BatchMs = Annotated[int, AfterValidator(_divides_a_second)]


class IngestSettings(ServiceSettings):
    """What ingest can be told."""

    service: ClassVar[str] = "ingest"

    ingest_batch_ms: BatchMs = Field(default=100, description="Window of data time that one message of trades covers.")
    ingest_tail_batch_ms: BatchMs = Field(default=1000, description="The same for coins that are not major.")
    ingest_major_coins: str = Field(
        default="BTC,ETH,SOL",
        pattern=r"^([A-Z0-9]{1,20}(,[A-Z0-9]{1,20})*)?$",
        description="Coins with the short window.",
    )
    ingest_in_flight_messages: int = Field(
        default=5_000, ge=1, le=100_000, description="Sent and not acknowledged yet."
    )
    ingest_delivery_timeout_s: float = Field(
        default=60.0, gt=0, le=3_600, description="Give up when nothing was acknowledged for so long."
    )
    ingest_simulator_history_hours: float = Field(default=96.0, ge=0, le=24 * 30)
    ingest_simulator_seed: int = Field(default=1, ge=0)
    ingest_simulator_coins: str = Field(default="BTC,ETH,SOL,AVAX,DOGE", pattern=r"^[A-Z0-9]{1,20}(,[A-Z0-9]{1,20})*$")

    ingest_live_venues: str = Field(
        default="binance,bybit,okx,hyperliquid",
        pattern=rf"^({_VENUE})(,({_VENUE}))*$",
        description="Venues that the live source connects to.",
    )
    ingest_live_coins: Annotated[str, AfterValidator(_names_coins)] = Field(
        default="top:20", description="BTC,ETH or top:N, the largest by open interest."
    )
    ingest_live_shard: Annotated[str, AfterValidator(_names_shard)] = Field(
        default="0/1", description="i/n: only the coins of this part of n."
    )
    ingest_live_endpoints: Annotated[str, AfterValidator(_names_endpoints)] = Field(
        default="", description="venue=http://host:port with commas, instead of the venues' own hosts."
    )
    ingest_live_accounts: int = Field(default=500, ge=0, le=5_000, description="Hyperliquid accounts followed.")
    ingest_live_books: int = Field(default=10, ge=0, le=200, description="Markets a venue with a book.")
    ingest_live_waiting_messages: int = Field(
        default=20_000, ge=100, le=200_000, description="Messages that may wait for Kafka before sockets are slowed."
    )
    ingest_live_held_items: int = Field(
        default=100_000, ge=1_000, le=2_000_000, description="Events a venue may hold back during a backfill."
    )
    ingest_live_silence_s: float = Field(
        default=15.0, ge=2, le=300, description="A connection without a frame for so long is given up."
    )
    ingest_live_refresh_s: float = Field(default=300.0, ge=5, le=86_400, description="Between two looks for listings.")
    ingest_live_flush_ms: int = Field(default=20, ge=1, le=1_000, description="Longest wait before a batch leaves.")
    ingest_backfill_hours: float = Field(default=24.0, ge=0, le=72, description="Candles of five minutes.")
    ingest_backfill_days: float = Field(default=30.0, ge=0, le=400, description="Candles of an hour before them.")
    ingest_backfill_patience_s: float = Field(
        default=2.0, ge=0, le=600, description="With one venue's history in, a coin waits so long for the others."
    )
    ingest_vision_folder: Path | None = Field(default=None, description="Binance Vision files of earlier days.")

    def live_options(self) -> LiveOptions:
        """What the live source is told."""
        from liqheat_ingest.sources.live.options import LiveOptions
        from liqheat_ingest.sources.live.patience import Patience
        from liqheat_ingest.sources.live.selection import CoinChoice

        silence_s = self.ingest_live_silence_s
        return LiveOptions(
            venues=tuple(dict.fromkeys(self.ingest_live_venues.split(","))),
            choice=CoinChoice.parse(self.ingest_live_coins, self.ingest_live_shard),
            endpoints=parse_endpoints(self.ingest_live_endpoints),
            major_coins=frozenset(self.ingest_major_coins.split(",")),
            fine_hours=self.ingest_backfill_hours,
            coarse_days=self.ingest_backfill_days,
            backfill_patience_s=self.ingest_backfill_patience_s,
            vision_folder=self.ingest_vision_folder,
            books_per_venue=self.ingest_live_books,
            accounts=self.ingest_live_accounts,
            refresh_instruments_s=self.ingest_live_refresh_s,
            most_held_items=self.ingest_live_held_items,
            most_waiting_messages=self.ingest_live_waiting_messages,
            patience=Patience(ask=silence_s / 3, dead=silence_s),
        )

    def window_ms(self, coin: str) -> int:
        """Batch window of a coin."""
        return self.ingest_batch_ms if coin in self.ingest_major_coins.split(",") else self.ingest_tail_batch_ms
