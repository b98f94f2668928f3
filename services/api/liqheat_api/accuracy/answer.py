"""The bytes of ``/v1/accuracy``, from the messages of ``map-accuracy-v1``. Pure."""

from __future__ import annotations

from typing import Any, Literal, get_args

import orjson

from liqheat_shared.contracts.base import Side
from liqheat_shared.contracts.map_accuracy import MapAccuracy, Method, SideRecord
from liqheat_shared.contracts.topics import DAY_MS, HOUR_MS

Horizon = Literal["1h", "4h", "24h"]
HORIZON_MS: dict[Horizon, int] = {"1h": HOUR_MS, "4h": 4 * HOUR_MS, "24h": DAY_MS}
HORIZON_OF_MS: dict[int, Horizon] = {span_ms: horizon for horizon, span_ms in HORIZON_MS.items()}

#: Records come once an hour, so this is at most 168 of a horizon: about 19 kB.
HISTORY_MS = 7 * DAY_MS
#: A producer that froze forecasts more often must not make the answer grow.
HISTORY_RECORDS = 168

SIDES: tuple[Side, ...] = get_args(Side)
_IN_SIDES = ("observed_usd", "map_usd", "baseline_usd")
_IN_HISTORY = ("frozen_time_ms", "lowest_price", "highest_price", "complete", "best_baseline")
_NOT_IN_LATEST = {
    *("event_id", "log_epoch", "source_partition", "source_offset", "sequence", "schema_version", "kind"),
    *("coin", "scope", "horizon_ms", "phase", "event_time_ms", "valid_until_ms"),
}

History = dict[str, Any]


def best_baseline(record: MapAccuracy) -> Method | None:
    """The method with the highest running R² beside the map itself; None: too early to say.

    Examples
    --------
    >>> from liqheat_shared.contracts.map_accuracy import RunningScore
    >>> running = [RunningScore(method=m, r_squared=r, observed_over_forecast=None)
    ...            for m, r in [("map", 0.7), ("uniform", 0.2), ("unswept", 0.5), ("mirrored-map", None)]]
    >>> best_baseline(MapAccuracy.model_construct(running=running))
    'unswept'
    """
    scores = [(score.r_squared, score.method) for score in record.running if score.method != "map"]
    known = [(r_squared, method) for r_squared, method in scores if r_squared is not None]
    return max(known, key=lambda score: score[0])[1] if known else None


def empty_history() -> History:
    """History without a record."""
    return {name: [] for name in _IN_HISTORY} | {side: {name: [] for name in _IN_SIDES} for side in SIDES}


def no_record(coin: str, scope: str, horizon: Horizon) -> bytes:
    """The answer while no forecast of this horizon has run its course."""
    detail = (
        f"No record yet. At each full hour a forecast is frozen, and {horizon} later it is judged by the liquidations "
        "that venues report; a coin that no venue reports any of gets no record."
    )
    return _answer(coin, scope, horizon, None, empty_history(), detail)


def with_record(before: bytes | None, record: MapAccuracy) -> bytes:
    """The answer after one more record.

    Parameters
    ----------
    before : bytes or None
        What this function returned last for the coin, scope and horizon.
    record : MapAccuracy
        Its horizon is one of ``HORIZON_MS``.

    Notes
    -----
    The history ends with ``record`` and goes back seven days at most. What it held from that time or later gives way:
    a clock that went back begins anew from there. So does everything from another phase, since a simulated hour is
    no evidence about a live one.
    """
    earlier = orjson.loads(before) if before else None
    history = empty_history()
    if earlier is not None and earlier["phase"] == record.phase:
        times = earlier["history"]["frozen_time_ms"]
        oldest_ms = record.frozen_time_ms - HISTORY_MS
        kept = [place for place, time_ms in enumerate(times) if oldest_ms < time_ms < record.frozen_time_ms]
        history = _chosen(earlier["history"], kept[-(HISTORY_RECORDS - 1) :])
    _append(history, record)
    return _answer(record.coin, record.scope, HORIZON_OF_MS[record.horizon_ms], record, history, None)


def standing(record: MapAccuracy) -> bytes:
    """How the map stands against its baselines, for metrics."""
    return orjson.dumps({"gain": record.gain_over_best_baseline, "alarm": record.alarm})


def _answer(
    coin: str, scope: str, horizon: Horizon, record: MapAccuracy | None, history: History, detail: str | None
) -> bytes:
    latest = None
    if record is not None:
        latest = record.model_dump(exclude=_NOT_IN_LATEST) | {"best_baseline": best_baseline(record)}
    return orjson.dumps(
        {
            "coin": coin,
            "scope": scope,
            "horizon": horizon,
            "horizon_ms": HORIZON_MS[horizon],
            "phase": record.phase if record else None,
            "event_time_ms": record.event_time_ms if record else None,
            "valid_until_ms": record.valid_until_ms if record else None,
            "latest": latest,
            "history": history,
            "detail": detail,
        }
    )


def _chosen(history: History, places: list[int]) -> History:
    kept: History = {name: [history[name][place] for place in places] for name in _IN_HISTORY}
    for side in SIDES:
        kept[side] = {name: [history[side][name][place] for place in places] for name in _IN_SIDES}
    return kept


def _append(history: History, record: MapAccuracy) -> None:
    baseline = best_baseline(record)
    for name in _IN_HISTORY:
        history[name].append(baseline if name == "best_baseline" else getattr(record, name))
    found: dict[Side, SideRecord] = {part.side: part for part in record.sides}
    for side in SIDES:
        part = found.get(side)
        forecasts = {forecast.method: forecast.forecast_usd for forecast in part.forecasts} if part else {}
        observed = part.observed_usd if part else None
        values = (observed, forecasts.get("map"), forecasts.get(baseline) if baseline else None)
        for name, usd in zip(_IN_SIDES, values, strict=True):
            history[side][name].append(None if usd is None else round(usd))
