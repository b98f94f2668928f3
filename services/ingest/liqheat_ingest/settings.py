"""Settings of ingest: ``LIQHEAT_INGEST_*`` beside the shared ones."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from liqheat_ingest.batcher import BATCH_MS_CHOICES
from liqheat_shared.settings import ServiceSettings


def _divides_a_second(value: int) -> int:
    if value not in BATCH_MS_CHOICES:
        raise ValueError(f"must be one of {', '.join(map(str, BATCH_MS_CHOICES))} (it has to divide a second)")
    return value


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
    ingest_simulator_history_hours: float = Field(default=24.0, ge=0, le=24 * 30)
    ingest_simulator_seed: int = Field(default=1, ge=0)
    ingest_simulator_coins: str = Field(default="BTC,ETH,SOL,AVAX,DOGE", pattern=r"^[A-Z0-9]{1,20}(,[A-Z0-9]{1,20})*$")

    def window_ms(self, coin: str) -> int:
        """Batch window of a coin."""
        return self.ingest_batch_ms if coin in self.ingest_major_coins.split(",") else self.ingest_tail_batch_ms
