"""What a market's liquidation feed showed and taught, and suspected deleveraging, as headers."""

from __future__ import annotations

from liqheat_estimator.core.deleveraging import DeleveragingWatch, Sample
from liqheat_estimator.core.learning.shown_share import ShownShares
from liqheat_estimator.core.liquidation_minutes import LiquidationMinutes, WindowReading
from liqheat_estimator.core.stored.arrays import Header, plain, restore

MINUTES_FIELDS = ("completeness", "minute", "all_usd", "late_usd", "reported_sum", "estimated_sum")
READING_FIELDS = ("window", "occupied", "largest_usd", "shown_usd")
WATCH_FIELDS = (
    "time_ms",
    "liquidated_base",
    "explained_base",
    "deleveraged_base",
    "from_ms",
    "to_ms",
    "side",
    "deleveraged_usd",
)
SHARES_FIELDS = ("minute", "shown_usd", "true_usd", "true_squared")


def dump_minutes(minutes: LiquidationMinutes) -> Header:
    """Header of a feed."""
    shares = minutes.shares
    return plain(minutes, MINUTES_FIELDS) | {
        "readings": [plain(reading, READING_FIELDS) for reading in minutes.readings],
        "shares": None if shares is None else plain(shares, SHARES_FIELDS),
    }


def load_minutes(header: Header) -> LiquidationMinutes:
    """The feed of a header."""
    minutes = LiquidationMinutes(readings=[WindowReading(**entry) for entry in header["readings"]])
    restore(minutes, header, MINUTES_FIELDS)
    minutes.shares = None if header["shares"] is None else ShownShares(**header["shares"])
    return minutes


def dump_watch(watch: DeleveragingWatch) -> Header:
    """Header of a watch."""
    return plain(watch, WATCH_FIELDS) | {"samples": [list(sample) for sample in watch.samples]}


def load_watch(header: Header) -> DeleveragingWatch:
    """The watch of a header."""
    watch = DeleveragingWatch([Sample(*each) for each in header["samples"]])
    restore(watch, header, WATCH_FIELDS)
    return watch
