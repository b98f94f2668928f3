"""Settings of the clusterer."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from liqheat_shared.settings import ServiceSettings


class ClustererSettings(ServiceSettings):
    """What the clusterer can be told; read as ``LIQHEAT_CLUSTERER_*``."""

    service: ClassVar[str] = "clusterer"

    clusterer_instance_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,120}$")
    clusterer_session_timeout_seconds: float = Field(default=10.0, ge=1, le=300)
    clusterer_checkpoint_interval_seconds: float = Field(default=2.0, ge=0.1, le=60)
    clusterer_max_pending_messages: int = Field(default=20_000, ge=100, le=1_000_000)
    clusterer_dead_letter_share: float = Field(default=0.01, gt=0, le=1)
    clusterer_dead_letters_in_a_row: int = Field(default=100, ge=1)
