"""A closed record as ``map-accuracy-v1``."""

from __future__ import annotations

import math
from typing import Any

from liqheat_estimator.core.accuracy.baselines import METHODS
from liqheat_estimator.core.accuracy.book import HORIZON_HOURS, AccuracyBook, OpenRecord
from liqheat_estimator.core.accuracy.scores import BUCKETS, ScoreBook
from liqheat_estimator.core.parameters import HOUR_MS
from liqheat_shared.contracts.base import AGGREGATED, Phase
from liqheat_shared.contracts.topics import MAP_ACCURACY
from liqheat_shared.folding import Emission

SIDES = ("long", "short")


def accuracy_message(
    coin: str, phase: Phase, book: AccuracyBook, closed: tuple[int, OpenRecord], about: dict[str, Any]
) -> Emission:
    """The message of a closed record, with the running scores that it has just changed.

    Parameters
    ----------
    closed : tuple
        Index of the horizon, and the record.
    about : dict
        ``model_version`` and ``reporting_venues``.
    """
    index, record = closed
    horizon_ms = HORIZON_HOURS[index] * HOUR_MS
    frozen_ms = (record.hour - 1) * HOUR_MS
    value = {
        "schema_version": 1,
        "coin": coin,
        "phase": phase,
        "event_time_ms": frozen_ms + horizon_ms,
        "valid_until_ms": frozen_ms + horizon_ms + HOUR_MS,
        "scope": AGGREGATED,
        "frozen_time_ms": frozen_ms,
        "horizon_ms": horizon_ms,
        "lowest_price": record.low if math.isfinite(record.low) else record.mark_price,
        "highest_price": record.high if record.high > 0 else record.mark_price,
        "sides": [_side(record, side) for side in (0, 1)],
        "complete": record.is_complete,
        "reported_share": record.reported_share,
        **about,
        **_running(book.scores[index]),
    }
    return Emission(MAP_ACCURACY, "accuracy", value)


def _side(record: OpenRecord, side: int) -> dict[str, Any]:
    forecasts = record.forecasts.forecast_usd(side, record.distances()[side])
    return {
        "side": SIDES[side],
        "observed_usd": record.observed_usd[side],
        "estimated_liquidated_usd": record.observed_usd[side] + record.hidden_usd[side],
        "forecasts": [{"method": method, "forecast_usd": usd} for method, usd in zip(METHODS, forecasts, strict=True)],
    }


def _running(scores: ScoreBook) -> dict[str, Any]:
    by_method, gain = scores.scores(), scores.gain()
    return {
        "scored_records": scores.records(),
        "running": [
            {
                "method": method,
                "r_squared": None if by_method is None else by_method[place].r_squared,
                "observed_over_forecast": None if by_method is None else by_method[place].observed_over_forecast,
            }
            for place, method in enumerate(METHODS)
        ],
        "gain_over_best_baseline": None if gain is None else gain.value,
        "gain_low": None if gain is None else gain.low,
        "gain_high": None if gain is None else gain.high,
        "alarm": gain is not None and gain.high < 0,
        "calibration": [
            {
                "from_usd": low,
                "to_usd": BUCKETS[place + 1] if place + 1 < len(BUCKETS) else None,
                "records": round(float(count)),
                "forecast_usd": float(forecast),
                "observed_usd": float(observed),
            }
            for place, (low, (count, forecast, observed)) in enumerate(zip(BUCKETS, scores.calibration, strict=True))
        ],
    }
