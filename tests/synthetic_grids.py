"""Grids whose clusters are known, for tests of everything that reads ``liquidation-grids-v1``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

START_MS = 1_750_000_000_000 // 86_400_000 * 86_400_000
BIN_WIDTH = 0.001
FIRST_BIN = 10_900
BINS = 300


def price_of_bin(position: float) -> float:
    """Price at a place on the bin axis; the middle of bin k is ``k + 0.5``."""
    return math.exp(position * BIN_WIDTH)


@dataclass(frozen=True)
class Hump:
    """Mass around a bin, shaped like a bell and cut at three widths."""

    centre_bin: int
    mass_usd: float
    width_bins: float = 3.0
    side: str = "long"

    def shape(self) -> dict[int, float]:
        """Share of the mass in each bin."""
        reach = math.ceil(3 * self.width_bins)
        weights = {k: math.exp(-0.5 * (k / self.width_bins) ** 2) for k in range(-reach, reach + 1)}
        total = sum(weights.values())
        return {self.centre_bin + k: weight / total for k, weight in weights.items()}


@dataclass
class MapBuilder:
    """One scope's map: humps, a mark that sweeps, and what was swept so far."""

    mark_bin: float = 11_050.5
    first_bin: int = FIRST_BIN
    open_interest_usd: float = 1e9
    long_usd: list[int] = field(default_factory=lambda: [0] * BINS)
    short_usd: list[int] = field(default_factory=lambda: [0] * BINS)
    consumed_long_usd: float = 0.0
    consumed_short_usd: float = 0.0

    def add(self, hump: Hump) -> None:
        """Put the mass of a hump into the map; a negative mass takes it away again, down to nothing."""
        masses = self.long_usd if hump.side == "long" else self.short_usd
        for position, share in hump.shape().items():
            place = position - self.first_bin
            masses[place] = max(0, masses[place] + round(share * hump.mass_usd))

    def scale(self, side: str, factor: float, lower_bin: int = 0, upper_bin: int = 1 << 30) -> None:
        """Multiply the mass of a side between two bins."""
        masses = self.long_usd if side == "long" else self.short_usd
        for place in range(len(masses)):
            if lower_bin <= place + self.first_bin <= upper_bin:
                masses[place] = round(masses[place] * factor)

    def move_mark(self, mark_bin: float) -> None:
        """Move the mark and liquidate what it passes: longs it falls to, shorts it rises to."""
        self.mark_bin = mark_bin
        place = math.floor(mark_bin) - self.first_bin
        for at in range(max(place, 0), len(self.long_usd)):
            self.consumed_long_usd += self.long_usd[at]
            self.long_usd[at] = 0
        for at in range(min(place + 1, len(self.short_usd))):
            self.consumed_short_usd += self.short_usd[at]
            self.short_usd[at] = 0

    def scope(self) -> dict[str, Any]:
        """As the contract has it."""
        return {
            "first_bin": self.first_bin,
            "long_usd": list(self.long_usd),
            "short_usd": list(self.short_usd),
            "consumed_long_usd": self.consumed_long_usd,
            "consumed_short_usd": self.consumed_short_usd,
            "open_interest_usd": self.open_interest_usd,
            "mark_price": price_of_bin(self.mark_bin),
        }


@dataclass(frozen=True)
class GridSettings:
    """What a grid says besides its maps."""

    coin: str = "BTC"
    sigma_1h: float | None = 0.005
    average_true_range_1h: float | None = 300.0
    volume_usd: float = 100_000.0
    phase: str = "live"
    member_states: tuple[tuple[str, str], ...] = (("binance", "live"),)
    log_epoch: int = 1
    release_quarantine: tuple[str, ...] = ()

    def but(self, **changes: Any) -> GridSettings:
        """A copy with changes."""
        return replace(self, **changes)


def build_grid(
    time_ms: int, sequence: int, maps: dict[str, MapBuilder], settings: GridSettings | None = None
) -> dict[str, Any]:
    """A valid message of ``liquidation-grids-v1``."""
    settings = settings or GridSettings()
    mark_price = price_of_bin(next(iter(maps.values())).mark_bin)
    return {
        "event_id": f"{settings.log_epoch}-0-{sequence * 7}-grid-0",
        "log_epoch": settings.log_epoch,
        "source_partition": 0,
        "source_offset": sequence * 7,
        "sequence": sequence,
        "schema_version": 1,
        "coin": settings.coin,
        "phase": settings.phase,
        "event_time_ms": time_ms,
        "valid_until_ms": time_ms + 10_000,
        "kind": "grid",
        "cadence_ms": 1_000,
        "bin_width": BIN_WIDTH,
        "mark_price": mark_price,
        "index_price": None,
        "candle": {
            "open": mark_price,
            "high": mark_price,
            "low": mark_price,
            "close": mark_price,
            "volume_usd": settings.volume_usd,
            "taker_buy_usd": settings.volume_usd / 2,
        },
        "cumulative_volume_delta_usd": -1234.5,
        "sigma_1h": settings.sigma_1h,
        "average_true_range_1h": settings.average_true_range_1h,
        "liquidated_long_usd": 0.0,
        "liquidated_short_usd": 0.0,
        "scopes": {name: scope.scope() for name, scope in maps.items()},
        "leverage_classes": None,
        "provenance": {
            "members": [
                {
                    "venue": venue,
                    "symbol": "BTC/USDT:USDT",
                    "state": state,
                    "open_interest_usd": 1e9,
                    "stream_age_ms": {"trades": 120},
                    "mark_price_kind": "reported",
                    "coverage_share": 1.0,
                    "interrupted_streams": [],
                }
                for venue, state in settings.member_states
            ],
            "estimated_share": 1.0,
            "measured_share": 0.0,
            "reported_share": None,
            "coverage_share": 1.0,
            "model_version": "synthetic",
            "history_lost": False,
            "incomplete": False,
            "rejected_events": 0,
        },
        "release_quarantine": list(settings.release_quarantine),
    }


def encode_grid(grid: dict[str, Any]) -> bytes:
    """As it lies in Kafka."""
    return orjson.dumps(grid)
