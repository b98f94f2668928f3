"""Settings of the projector and the api."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from liqheat_shared.settings import Port, ServiceSettings


class ProjectorSettings(ServiceSettings):
    """What ``liqheat projector`` and ``liqheat redis`` can be told."""

    service: ClassVar[str] = "projector"

    projector_fetch_wait_ms: int = Field(
        default=25, ge=1, le=1000, description="Longest wait of a fetch: a bound on the delay of a grid."
    )
    projector_batch_messages: int = Field(default=2000, ge=1, le=100_000, description="Most messages handled at once.")
    projector_redis_timeout_ms: int = Field(default=5000, ge=50, le=60_000)
    projector_backoff_max_ms: int = Field(
        default=2000, ge=10, le=60_000, description="Between tries while Redis is away."
    )
    projector_check_interval_ms: int = Field(
        default=2000, ge=50, le=60_000, description="How often it looks whether Redis still holds what was written."
    )
    projector_events_kept: int = Field(
        default=20_000, ge=100, le=1_000_000, description="For Last-Event-ID, all coins."
    )


class ApiSettings(ServiceSettings):
    """What ``liqheat api`` can be told."""

    service: ClassVar[str] = "api"

    api_host: str = "127.0.0.1"
    api_port: Port = 8080
    api_redis_timeout_ms: int = Field(default=2000, ge=50, le=60_000)
    api_redis_connections: int = Field(default=32, ge=4, le=1000)
    api_stream_max_clients: int = Field(default=500, ge=1, le=100_000)
    api_stream_queue_events: int = Field(
        default=500, ge=1, le=100_000, description="Facts held for a slow client before it is told to start over."
    )
    api_stream_send_timeout_ms: int = Field(
        default=30_000, ge=100, le=600_000, description="A client that takes nothing for so long is disconnected."
    )
    api_heatmap_max_columns: int = Field(default=3000, ge=1, le=20_000)
