"""Settings of ``liqheat up`` and ``liqheat doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from liqheat_shared.settings import ServiceSettings


class UpSettings(ServiceSettings):
    """What the local stack can be told by ``LIQHEAT_*``; it hands on what its processes know too."""

    service: ClassVar[str] = "up"

    partitions: int = Field(default=4, ge=1, le=1000, description="Of every topic; few, because one machine has few.")
    up_venue_hosts: str = Field(
        default="fapi.binance.com,api.bybit.com,www.okx.com,api.hyperliquid.xyz",
        pattern=r"^[A-Za-z0-9.-]+(:\d+)?(,[A-Za-z0-9.-]+(:\d+)?)*$",
        description="Asked at the start whether a venue can be reached.",
    )
    up_venue_timeout_s: float = Field(default=10.0, gt=0, le=60, description="How long they may take to answer.")
    up_local_dir: Path | None = Field(default=None, description="Instead of .local under the project root.")
