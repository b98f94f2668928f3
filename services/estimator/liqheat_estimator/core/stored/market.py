"""One market as a header and arrays: map, books, learning."""

from __future__ import annotations

import math

import numpy as np

from liqheat_estimator.core.accuracy.vendor_like import VendorLikeMap
from liqheat_estimator.core.learning.activity import Activity
from liqheat_estimator.core.learning.calibration import KnotCalibration
from liqheat_estimator.core.learning.filter import ReportedFilter
from liqheat_estimator.core.learning.frozen import FrozenMap
from liqheat_estimator.core.learning.hour import HourlyLearning
from liqheat_estimator.core.learning.layer_evidence import LayerEvidence
from liqheat_estimator.core.ledger import Ledger
from liqheat_estimator.core.liquidation_hearing import Gap, LiquidationHearing
from liqheat_estimator.core.market_state import MarketState, Suspicion
from liqheat_estimator.core.measured_positions import MeasuredPosition, MeasuredPositions
from liqheat_estimator.core.position_map import PositionMap
from liqheat_estimator.core.stored.arrays import ArrayReader, ArrayWriter, Header, plain, restore
from liqheat_estimator.core.stored.liquidation_feed import dump_minutes, dump_watch, load_minutes, load_watch
from liqheat_estimator.core.volume_profile import VolumeProfile
from liqheat_shared.contracts.market_events import Instrument

MARKET_FIELDS = (
    "venue",
    "symbol",
    "volume_known",
    "has_trades",
    "mark_price",
    "mark_at",
    "mark_is_reported",
    "reported_mark_ms",
    "mark_to_last",
    "last_price",
    "index_price",
    "swept_low",
    "swept_high",
    "open_interest_base",
    "flow_ms",
    "flows",
    "is_seeded",
    "last_event_ms",
    "backfill_id",
    "incomplete_until_ms",
    "liquidated_base",
)
LEDGER_FIELDS = ("deposited_base", "consumed_base", "closed_base", "deleveraged_base", "consumed_usd")
SUSPICION_FIELDS = ("count", "first_ms", "low", "high")
MAP_ARRAYS = ("scale", "tail_mass", "tail_moment", "total", "seed_share", "swept_usd")
ACTIVITY_FIELDS = ("step", "price", "sums", "weights", "ranges")
EVIDENCE_ARRAYS = ("information", "explained", "values")
EVIDENCE_FIELDS = ("reported", "swept")
HEARING_FIELDS = ("kind", "since_ms", "until_ms", "interrupted_ms", "unbroken_ms", "lost_before_ms")
LEARNING_FIELDS = (
    "hour",
    "observed_usd",
    "hidden_usd",
    "last_observed_usd",
    "last_hidden_usd",
    "is_watched",
    "last_watched",
)


def dump_market(market: MarketState, arrays: ArrayWriter) -> Header:
    """Header of a market."""
    vendor = market.vendor_like
    return plain(market, MARKET_FIELDS) | {
        "map": None if market.map is None else _dump_map(market.map, arrays),
        "vendor_like": None if vendor is None else [vendor.first_bin, arrays.put(vendor.mass)],
        "measured": [[account, *position] for account, position in market.measured.accounts.items()],
        "measured_base": market.measured.quantity_base,
        "ledger": plain(market.ledger, LEDGER_FIELDS),
        "instrument": None if market.instrument is None else market.instrument.model_dump(mode="json"),
        "traded": [market.traded.first_bin, market.traded.quantity_base.tolist()],
        "stream_seen_ms": list(market.stream_seen_ms.items()),
        "interrupted": list(market.interrupted.items()),
        "suspicion": plain(market.suspicion, SUSPICION_FIELDS),
        "hearing": _dump_hearing(market.hearing),
        "deleveraging": dump_watch(market.deleveraging),
        "liquidation_minutes": dump_minutes(market.liquidation_minutes),
        "learning": _dump_learning(market.learning, arrays),
    }


def load_market(header: Header, arrays: ArrayReader) -> MarketState:
    """The market of a header."""
    market = MarketState(header["venue"], header["symbol"])
    restore(market, header, MARKET_FIELDS)
    market.map = None if header["map"] is None else _load_map(header["map"], arrays)
    if header["vendor_like"] is not None:
        first_bin, mass = header["vendor_like"]
        market.vendor_like = VendorLikeMap(first_bin)
        market.vendor_like.mass = arrays.take(mass)
    market.measured = _load_measured(header)
    market.ledger = Ledger(**header["ledger"])
    market.instrument = None if header["instrument"] is None else Instrument.model_validate(header["instrument"])
    first_bin, quantities = header["traded"]
    market.traded = VolumeProfile(first_bin, np.array(quantities, dtype=np.float64))
    market.stream_seen_ms = dict(header["stream_seen_ms"])
    market.interrupted = dict(header["interrupted"])
    market.suspicion = Suspicion(**header["suspicion"])
    market.hearing = _load_hearing(header["hearing"])
    market.deleveraging = load_watch(header["deleveraging"])
    market.liquidation_minutes = load_minutes(header["liquidation_minutes"])
    market.learning = _load_learning(header["learning"], arrays)
    return market


def _dump_hearing(hearing: LiquidationHearing) -> Header:
    gaps = [[gap.from_ms, gap.to_ms, gap.lost_ms] for gap in hearing.gaps]
    return plain(hearing, HEARING_FIELDS) | {"gaps": gaps}


def _load_hearing(header: Header) -> LiquidationHearing:
    hearing = LiquidationHearing(gaps=[Gap(*gap) for gap in header["gaps"]])
    restore(hearing, header, HEARING_FIELDS)
    return hearing


def _load_measured(header: Header) -> MeasuredPositions:
    measured = MeasuredPositions()
    for account, *position in header["measured"]:
        measured.accounts[account] = MeasuredPosition(*position)
        measured.counts[measured.accounts[account].side] += 1
    measured.quantity_base = header["measured_base"]
    return measured


def _dump_map(positions: PositionMap, arrays: ArrayWriter) -> Header:
    header = {name: getattr(positions, name).tolist() for name in MAP_ARRAYS}
    return header | {"first_bin": positions.first_bin, "mass": arrays.put(positions.mass)}


def _load_map(header: Header, arrays: ArrayReader) -> PositionMap:
    positions = PositionMap(len(header["scale"][0]), 0)
    positions.first_bin = header["first_bin"]
    positions.mass = arrays.take(header["mass"])
    for name in MAP_ARRAYS:
        if name == "swept_usd" and name not in header:  # a state from before sweeps were held against reports
            continue
        setattr(positions, name, np.array(header[name], dtype=np.float64))
    return positions


# ---- learning


def _dump_learning(learning: HourlyLearning, arrays: ArrayWriter) -> Header:
    frozen, reported, evidence = learning.frozen, learning.filter, learning.evidence
    return plain(learning, LEARNING_FIELDS) | {
        "range": _finite_range(learning.low, learning.high),
        "last_range": _finite_range(*learning.last_range),
        "activity": plain(learning.activity, ACTIVITY_FIELDS),
        "frozen": None if frozen is None else _dump_frozen(frozen, arrays),
        "filter": None if reported is None else _dump_filter(reported, arrays),
        "evidence": None if evidence is None else _dump_evidence(evidence),
    }


def _finite_range(low: float, high: float) -> list[float] | None:
    """JSON has no infinity: an hour that has seen no price yet has no range."""
    return [low, high] if math.isfinite(low) else None


def _range_of(header: list[float] | None) -> tuple[float, float]:
    return (math.inf, 0.0) if header is None else (header[0], header[1])


def _load_learning(header: Header, arrays: ArrayReader) -> HourlyLearning:
    learning = HourlyLearning(activity=Activity(**header["activity"]))
    restore(learning, header, LEARNING_FIELDS)
    learning.last_observed_usd = (header["last_observed_usd"][0], header["last_observed_usd"][1])
    learning.last_hidden_usd = (header["last_hidden_usd"][0], header["last_hidden_usd"][1])
    learning.low, learning.high = _range_of(header["range"])
    learning.last_range = _range_of(header["last_range"])
    learning.frozen = None if header["frozen"] is None else _load_frozen(header["frozen"], arrays)
    learning.filter = None if header["filter"] is None else _load_filter(header["filter"], arrays)
    learning.evidence = None if header.get("evidence") is None else _load_evidence(header["evidence"])
    return learning


def _dump_evidence(evidence: LayerEvidence) -> Header:
    return {name: getattr(evidence, name).tolist() for name in EVIDENCE_ARRAYS} | plain(evidence, EVIDENCE_FIELDS)


def _load_evidence(header: Header) -> LayerEvidence:
    information, explained, values = (np.array(header[name], dtype=np.float64) for name in EVIDENCE_ARRAYS)
    evidence = LayerEvidence(information, explained, values)
    restore(evidence, header, EVIDENCE_FIELDS)
    return evidence


def _dump_frozen(frozen: FrozenMap, arrays: ArrayWriter) -> Header:
    return {
        "mark_price": frozen.mark_price,
        "open_interest_usd": frozen.open_interest_usd,
        "near_usd": arrays.put(frozen.near_usd),
        "features": frozen.features.tolist(),
    }


def _load_frozen(header: Header, arrays: ArrayReader) -> FrozenMap:
    near_usd = arrays.take(header["near_usd"])
    features = np.array(header["features"], dtype=np.float64)
    return FrozenMap(header["mark_price"], header["open_interest_usd"], near_usd, features)


def _dump_filter(reported: ReportedFilter, arrays: ArrayWriter) -> Header:
    upper = reported.covariance[np.triu_indices(len(reported.values))].astype(np.float32)
    return {
        "values": reported.values.tolist(),
        "covariance": arrays.put(upper),
        "hours": reported.hours,
        "prior_level": reported.prior_level,
        "ratio_sum": reported.calibration.ratio_sum,
        "weight": reported.calibration.weight,
    }


def _load_filter(header: Header, arrays: ArrayReader) -> ReportedFilter:
    values = np.array(header["values"], dtype=np.float64)
    covariance = np.zeros((len(values), len(values)))
    rows, columns = np.triu_indices(len(values))
    covariance[rows, columns] = arrays.take(header["covariance"])
    covariance[columns, rows] = covariance[rows, columns]
    return ReportedFilter(
        values,
        covariance,
        header["hours"],
        KnotCalibration(header["ratio_sum"], header["weight"]),
        header.get("prior_level", ""),  # not in a state from before there were levels
    )
