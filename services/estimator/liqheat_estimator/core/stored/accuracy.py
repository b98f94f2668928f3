"""The record of the map as a header and arrays."""

from __future__ import annotations

import numpy as np

from liqheat_estimator.core.accuracy.baselines import FrozenForecasts
from liqheat_estimator.core.accuracy.book import AccuracyBook, OpenRecord
from liqheat_estimator.core.accuracy.scores import ScoreBook
from liqheat_estimator.core.stored.arrays import ArrayReader, ArrayWriter, Header, plain

_RECORD_FIELDS = ("hour", "mark_price", "reported_share", "observed_usd", "hidden_usd", "is_complete")


def dump_accuracy(book: AccuracyBook, arrays: ArrayWriter) -> Header:
    """Header of a book."""
    return {
        "reference": book.reference,
        "ranges": book.ranges,
        "open": [_dump_record(record, arrays) for record in book.open],
        "scores": [
            {
                "days": scores.days,
                "sums": arrays.put(scores.sums[: len(scores.days)]),
                "calibration": scores.calibration.tolist(),
            }
            for scores in book.scores
        ],
    }


def load_accuracy(header: Header, arrays: ArrayReader) -> AccuracyBook:
    """The book of a header."""
    reference = header["reference"]
    return AccuracyBook(
        reference=None if reference is None else (reference[0], reference[1]),
        ranges=[(low, high) for low, high in header["ranges"]],
        open=[_load_record(entry, arrays) for entry in header["open"]],
        scores=[_load_scores(entry, arrays) for entry in header["scores"]],
    )


def _dump_record(record: OpenRecord, arrays: ArrayWriter) -> Header:
    forecasts = record.forecasts
    return plain(record, _RECORD_FIELDS) | {
        # JSON has no infinity: a record that has seen no price yet has no range.
        "range": [record.low, record.high] if record.high > 0 else None,
        "open_interest_usd": forecasts.open_interest_usd,
        "extremes": forecasts.extremes,
        "map_usd": arrays.put(forecasts.map_usd),
        "vendor_usd": arrays.put(forecasts.vendor_usd),
    }


def _load_record(header: Header, arrays: ArrayReader) -> OpenRecord:
    longs, shorts = header["extremes"]
    forecasts = FrozenForecasts(
        open_interest_usd=header["open_interest_usd"],
        extremes=((longs[0], longs[1]), (shorts[0], shorts[1])),
        map_usd=arrays.take(header["map_usd"]),
        vendor_usd=arrays.take(header["vendor_usd"]),
    )
    record = OpenRecord(forecasts=forecasts, **{name: header[name] for name in _RECORD_FIELDS})
    if header["range"] is not None:
        record.low, record.high = header["range"]
    return record


def _load_scores(header: Header, arrays: ArrayReader) -> ScoreBook:
    scores = ScoreBook(days=header["days"], calibration=np.array(header["calibration"], dtype=np.float64))
    scores.sums[: len(scores.days)] = arrays.take(header["sums"])
    return scores
