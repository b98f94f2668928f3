"""Settings of the estimator."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from liqheat_shared.settings import ServiceSettings


class EstimatorSettings(ServiceSettings):
    """What the estimator can be told; read as ``LIQHEAT_ESTIMATOR_*``."""

    service: ClassVar[str] = "estimator"

    estimator_instance_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,120}$")
    estimator_grid_cadence_ms: int = Field(
        default=1_000, ge=100, le=3_600_000, description="Milliseconds of data time."
    )
    estimator_maintenance_stress: float = Field(
        default=0.0, ge=0, le=10, description="Also publish the map if maintenance requirements rose by this fraction."
    )
    estimator_priors_file: Path | None = Field(
        default=None, description="A table of priors by `liqheat pool-priors` in place of the shipped one."
    )
    estimator_session_timeout_seconds: float = Field(default=10.0, ge=1, le=300)
    estimator_checkpoint_interval_seconds: float = Field(default=2.0, ge=0.1, le=60)
    estimator_max_pending_messages: int = Field(default=20_000, ge=100, le=1_000_000)
    estimator_dead_letter_share: float = Field(default=0.01, gt=0, le=1)
    estimator_dead_letters_in_a_row: int = Field(default=100, ge=1)
