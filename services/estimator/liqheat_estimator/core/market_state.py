"""Everything that is known about one market (venue, symbol) of a coin."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from liqheat_estimator.core.accuracy.vendor_like import VendorLikeMap
from liqheat_estimator.core.bins import Floats, bin_of, centre_price
from liqheat_estimator.core.deleveraging import DeleveragingWatch
from liqheat_estimator.core.layers import layer_shifts
from liqheat_estimator.core.learning.hour import HourlyLearning, Situation
from liqheat_estimator.core.learning.prior_table import leverage_class
from liqheat_estimator.core.learning.shown_share import ShownShares
from liqheat_estimator.core.ledger import Ledger
from liqheat_estimator.core.liquidation_hearing import LiquidationHearing
from liqheat_estimator.core.liquidation_minutes import LiquidationMinutes
from liqheat_estimator.core.margin import venue_rule
from liqheat_estimator.core.measured_positions import MeasuredPositions
from liqheat_estimator.core.parameters import LONG, SHORT, EstimatorParameters
from liqheat_estimator.core.position_map import PositionMap
from liqheat_estimator.core.volume_profile import VolumeProfile
from liqheat_shared.contracts.liquidation_grids import MarketState as MarketPhase
from liqheat_shared.contracts.market_events import Instrument


@dataclass(slots=True)
class Suspicion:
    """Rejected prices in a row that agree with each other: after enough of them the market was relisted."""

    count: int = 0
    first_ms: int = 0
    low: float = 0.0
    high: float = 0.0


@dataclass(slots=True)
class MarketState:
    """One market. Amounts in the coin, prices in quote currency, times in milliseconds.

    Attributes
    ----------
    mark_at : float
        Log price of the mark in bins, with its fraction.
    swept_low, swept_high : float
        Extremes of ``mark_at`` since positions were last added: no long stands above ``swept_low``, no short below
        ``swept_high``.
    reported_mark_ms : int or None
        Time of the last mark that the venue reported.
    mark_to_last : float
        Ratio of mark and last price when both were known.
    flow_ms : int or None
        Time of the last open-interest update.
    volume_known : bool
        Whether all volume since that update is in ``traded``.
    liquidated_base : float
        Since the last open-interest update, in the coin: as reported, and what the feed is estimated to have left out;
        on a market without a feed what was swept.
    map_version : int
        Rises when the map changes; only compared within a process, never stored.
    """

    venue: str
    symbol: str
    map: PositionMap | None = None
    measured: MeasuredPositions = field(default_factory=MeasuredPositions)
    ledger: Ledger = field(default_factory=Ledger)
    instrument: Instrument | None = None
    traded: VolumeProfile = field(default_factory=VolumeProfile)
    volume_known: bool = False
    has_trades: bool = False
    mark_price: float | None = None
    mark_at: float = 0.0
    mark_is_reported: bool = True
    reported_mark_ms: int | None = None
    mark_to_last: float = 1.0
    last_price: float | None = None
    index_price: float | None = None
    swept_low: float = 0.0
    swept_high: float = 0.0
    open_interest_base: float | None = None
    flow_ms: int | None = None
    flows: int = 0
    is_seeded: bool = False
    last_event_ms: int = -1
    backfill_id: str | None = None
    stream_seen_ms: dict[str, int | None] = field(default_factory=dict)
    interrupted: dict[str, int] = field(default_factory=dict)
    incomplete_until_ms: int = -1
    hearing: LiquidationHearing = field(default_factory=LiquidationHearing)
    suspicion: Suspicion = field(default_factory=Suspicion)
    learning: HourlyLearning = field(default_factory=HourlyLearning)
    liquidation_minutes: LiquidationMinutes = field(default_factory=LiquidationMinutes)
    deleveraging: DeleveragingWatch = field(default_factory=DeleveragingWatch)
    liquidated_base: float = 0.0
    vendor_like: VendorLikeMap | None = None
    # Derived, never stored.
    map_version: int = 0
    shifts: Floats | None = None
    usd_map: tuple[int, Floats] | None = None
    sums: tuple[float, float] | None = None

    def layer_shifts(self, parameters: EstimatorParameters) -> Floats:
        """Distances of the layers on this market, from its instrument."""
        if self.shifts is None:
            self.shifts = self.stressed_shifts(parameters, 0.0)
        return self.shifts

    def stressed_shifts(self, parameters: EstimatorParameters, maintenance_stress: float) -> Floats:
        """The same distances if maintenance requirements rose by a fraction; see ``layer_shifts``."""
        instrument = self.instrument
        if instrument is None:
            return layer_shifts(parameters, maintenance_stress=maintenance_stress)
        return layer_shifts(
            parameters,
            instrument.margin_tiers,
            is_inverse=instrument.is_inverse,
            rule=venue_rule(self.venue, instrument.event_time_ms),
            taker_fee_rate=instrument.taker_fee_rate,
            maintenance_stress=maintenance_stress,
        )

    def phase(self) -> MarketPhase:
        """Cold until price and open interest are known, backfilling between the brackets, else live."""
        if self.backfill_id is not None:
            return "backfilling"
        return "cold" if self.map is None or self.open_interest_base is None else "live"

    @property
    def mark_bin(self) -> int:
        """Bin that the mark is in."""
        return math.floor(self.mark_at)

    def start_sweep(self) -> None:
        """Positions may stand anywhere beside the mark again: new ones were added, or places were reported."""
        self.swept_low = self.swept_high = self.mark_at

    def situation(self) -> Situation:
        """What the hourly learning needs to know."""
        assert self.mark_price is not None
        # An hour of history has no liquidations because nobody tells them, however calm it was.
        is_told = self.hearing.is_heard and self.backfill_id is None
        known = (is_told or "liquidations" in self.stream_seen_ms) and "liquidations" not in self.interrupted
        return Situation(
            self.venue,
            self.symbol,
            self.leverage_class(),
            self.mark_price,
            self.open_interest_usd(),
            self.map if self.is_seeded else None,
            known,
        )

    def leverage_class(self) -> str | None:
        """Class by the highest leverage that the venue allows; None until the instrument is known."""
        if self.instrument is None or not self.instrument.margin_tiers:
            return None
        return leverage_class(max(tier.max_leverage for tier in self.instrument.margin_tiers))

    def standing(self, side: int) -> float:
        """Open positions of a side, estimated and measured, in the coin."""
        estimated = 0.0 if self.map is None else self.map.standing(side)
        return estimated + self.measured.quantity_base[side]

    def open_interest_usd(self) -> float:
        """Open interest at the mark; 0 while unknown."""
        return (self.open_interest_base or 0.0) * (self.mark_price or 0.0)

    def standing_of_both(self) -> float:
        """Open positions of both sides, in the coin."""
        return self._summed()[0]

    def coverage_share(self) -> float:
        """Part of the standing positions that has a history behind it."""
        return self._summed()[1]

    def _summed(self) -> tuple[float, float]:
        if self.sums is None:
            standing = self.standing(LONG) + self.standing(SHORT)
            seeded = 0.0 if self.map is None else float((self.map.seed_share * self.map.total).sum())
            covered = 1.0 if standing <= 0 else min(max(1.0 - seeded / standing, 0.0), 1.0)
            self.sums = standing, covered
        return self.sums

    def layer_weights(self) -> Floats | None:
        """What each layer counts in the map, shape (2, layers); None: all the same.

        What venues reported has taught how much more, or less, of each layer's mass was really there than the prior
        expects. The map follows that, but keeps its total: how much of it is REPORTED is another number.
        """
        evidence = self.learning.evidence
        if self.map is None or evidence is None:
            return None
        learned = evidence.weights()
        totals = self.map.total
        have, weighted = totals.sum(axis=1), (totals * learned).sum(axis=1)
        factors = np.divide(have, weighted, out=np.ones(2), where=weighted > 0)
        weights: Floats = learned[None, :] * factors[:, None]
        return weights

    def round_map(self) -> None:
        """Round the map's cells to single precision, once an hour, so that a checkpoint holds them in half the bytes.

        What rounding adds or takes is booked as closed, so the books still balance.
        """
        if self.map is None:
            return
        before = self.map.total.sum(axis=1)
        self.map.round_cells()
        after = self.map.total.sum(axis=1)
        for side in (LONG, SHORT):
            self.ledger.closed_base[side] += float(before[side] - after[side])
        if self.vendor_like is not None:
            self.vendor_like.mass = self.vendor_like.mass.astype(np.float32).astype(np.float64)

    def map_usd(self) -> tuple[int, Floats]:
        """First bin, and USD at each bin's own price by side: shape (2, WINDOW_BINS). Not to be written to."""
        if self.usd_map is None:
            assert self.map is not None
            density = self.map.density(self.layer_weights())
            self.measured.add_to(density, self.map.first_bin)
            density *= self.map.prices()
            self.usd_map = self.map.first_bin, density
        return self.usd_map

    def usd_at(self, side: int, price: float) -> float:
        """USD of a side in the bin of a price."""
        if self.map is None:
            return 0.0
        place = bin_of(price)
        base = self.map.density_at(side, place, self.layer_weights()) + self.measured.at(side, place)
        return base * centre_price(place)

    def map_changed(self) -> None:
        """Forget what was derived from the map."""
        self.map_version += 1
        self.usd_map = self.sums = None

    def restart_cold(self) -> None:
        """Discard positions and prices; the books say ``closed``. What the market is stays known."""
        for side in (LONG, SHORT):
            self.ledger.closed_base[side] += self.standing(side)
        fresh: dict[str, Any] = {
            "map": None,
            "vendor_like": None,
            "measured": MeasuredPositions(),
            "traded": VolumeProfile(),
            "volume_known": False,
            "mark_price": None,
            "reported_mark_ms": None,
            "mark_to_last": 1.0,
            "last_price": None,
            "index_price": None,
            "open_interest_base": None,
            "flow_ms": None,
            "is_seeded": False,
            "liquidated_base": 0.0,
            "suspicion": Suspicion(),
        }
        for name, value in fresh.items():
            setattr(self, name, value)
        self.learning.restart_cold()
        self.deleveraging.restart()
        self.map_changed()


def peers_of(market: MarketState, siblings: Iterable[MarketState]) -> list[tuple[float, ShownShares]]:
    """Complete feeds among markets of a coin, each with this market's open interest over that of its own."""
    size = market.open_interest_usd()
    peers = []
    for other in siblings:
        shares, other_size = other.liquidation_minutes.shares, other.open_interest_usd()
        if shares is not None:
            peers.append((size / other_size if size > 0 and other_size > 0 else 1.0, shares))
    return peers


def side_of(name: str) -> int:
    """Index of a side.

    >>> side_of("long"), side_of("short")
    (0, 1)
    """
    return LONG if name == "long" else SHORT
