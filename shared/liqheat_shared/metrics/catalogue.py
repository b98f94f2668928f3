"""Every metric of liqheat. ``docs/metrics.md`` is held against this table by a test.

Base units, ``_total`` for counters, never a price or an id in a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric.

    Attributes
    ----------
    processes : tuple of str
        Which processes have it: ingest, estimator, clusterer, projector, api.
    buckets : tuple of float
        Upper bounds of a histogram, in the metric's unit.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    processes: tuple[str, ...]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_MILLISECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_MICROSECONDS = (1e-05, 2e-05, 5e-05, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)
_ALL = ("ingest", "estimator", "clusterer", "projector", "api")
_STAGES = ("estimator", "clusterer")

CATALOGUE: tuple[MetricSpec, ...] = (
    MetricSpec("liqheat_build_info", "gauge", "Always 1; the version is a label.", _ALL, ("version",)),
    # ingest
    MetricSpec(
        "liqheat_ingest_events_total", "counter", "Events from the source, by type.", ("ingest",), ("venue", "type")
    ),
    MetricSpec("liqheat_ingest_messages_total", "counter", "Messages delivered to market-events-v1.", ("ingest",)),
    MetricSpec(
        "liqheat_ingest_undelivered_messages",
        "gauge",
        "Messages handed to Kafka and not acknowledged yet.",
        ("ingest",),
    ),
    MetricSpec("liqheat_ingest_broken_lines_total", "counter", "Lines of a file that could not be read.", ("ingest",)),
    MetricSpec(
        "liqheat_ingest_feed_age_seconds", "gauge", "Age of the last event of a venue.", ("ingest",), ("venue",)
    ),
    # ingest, live
    MetricSpec("liqheat_ingest_connections", "gauge", "WebSocket connections that stand.", ("ingest",), ("venue",)),
    MetricSpec("liqheat_ingest_markets", "gauge", "Markets that are watched.", ("ingest",), ("venue",)),
    MetricSpec(
        "liqheat_ingest_interrupted_streams",
        "gauge",
        "Streams announced as interrupted and not back.",
        ("ingest",),
        ("venue",),
    ),
    MetricSpec(
        "liqheat_ingest_interruptions_total", "counter", "Interruptions announced.", ("ingest",), ("venue", "stream")
    ),
    MetricSpec(
        "liqheat_ingest_reconnects_total",
        "counter",
        "Connections that ended and were dialled again.",
        ("ingest",),
        ("venue", "reason"),
    ),
    MetricSpec("liqheat_ingest_missed_trades_total", "counter", "Trades known to be missing.", ("ingest",), ("venue",)),
    MetricSpec(
        "liqheat_ingest_refilled_trades_total",
        "counter",
        "Trades fetched after an interruption.",
        ("ingest",),
        ("venue",),
    ),
    MetricSpec(
        "liqheat_ingest_duplicate_trades_total",
        "counter",
        "Trades dropped because their id was seen.",
        ("ingest",),
        ("venue",),
    ),
    MetricSpec("liqheat_ingest_raw_messages_total", "counter", "Messages of the venue.", ("ingest",), ("venue",)),
    MetricSpec(
        "liqheat_ingest_problems_total",
        "counter",
        "Messages, or parts of one, that could not be used.",
        ("ingest",),
        ("venue", "stream", "reason"),
    ),
    MetricSpec(
        "liqheat_ingest_withheld_dead_letters_total",
        "counter",
        "Dead letters not written: too many of a kind.",
        ("ingest",),
        ("venue", "stream", "reason"),
    ),
    MetricSpec(
        "liqheat_ingest_held_items", "gauge", "Events held back during a backfill or refill.", ("ingest",), ("venue",)
    ),
    MetricSpec("liqheat_ingest_backfilling_markets", "gauge", "Markets whose history is not in.", ("ingest",)),
    MetricSpec("liqheat_ingest_waiting_messages", "gauge", "Complete messages that wait for Kafka.", ("ingest",)),
    MetricSpec(
        "liqheat_ingest_backpressure_seconds_total", "counter", "Time during which sockets were not read.", ("ingest",)
    ),
    MetricSpec(
        "liqheat_ingest_rest_calls_total",
        "counter",
        "REST calls, by what became of them.",
        ("ingest",),
        ("venue", "outcome"),
    ),
    MetricSpec(
        "liqheat_ingest_rest_weight_total", "counter", "Weight spent of the venue's limits.", ("ingest",), ("venue",)
    ),
    MetricSpec("liqheat_ingest_rest_refusals_total", "counter", "Answers 429 and 418.", ("ingest",), ("venue",)),
    MetricSpec("liqheat_ingest_banned_seconds", "gauge", "Time to the end of a ban.", ("ingest",), ("venue",)),
    MetricSpec("liqheat_ingest_clock_skew_seconds", "gauge", "The venue's clock minus ours.", ("ingest",), ("venue",)),
    MetricSpec("liqheat_ingest_accounts", "gauge", "Accounts followed on a public chain.", ("ingest",), ("venue",)),
    MetricSpec(
        "liqheat_ingest_account_positions", "gauge", "Open positions published of them.", ("ingest",), ("venue",)
    ),
    # folds
    MetricSpec("liqheat_stage_events_total", "counter", "Messages folded.", _STAGES),
    MetricSpec("liqheat_stage_skipped_total", "counter", "Messages that the state already contained.", _STAGES),
    MetricSpec("liqheat_stage_outputs_total", "counter", "Messages emitted.", _STAGES, ("topic",)),
    MetricSpec("liqheat_stage_dead_letters_total", "counter", "Messages dead-lettered.", _STAGES, ("reason",)),
    MetricSpec("liqheat_stage_lag_messages", "gauge", "Messages behind the end of the input.", _STAGES, ("partition",)),
    MetricSpec("liqheat_stage_fold_seconds", "histogram", "Time of one fold.", _STAGES, (), _MICROSECONDS),
    MetricSpec("liqheat_stage_checkpoint_seconds", "histogram", "Time of one checkpoint.", _STAGES, (), _MILLISECONDS),
    MetricSpec(
        "liqheat_stage_checkpoint_blocking_seconds",
        "histogram",
        "Longest time a checkpoint held the event loop at a stretch.",
        _STAGES,
        (),
        _MILLISECONDS,
    ),
    MetricSpec("liqheat_stage_checkpoint_bytes_total", "counter", "Bytes of state written.", _STAGES),
    MetricSpec("liqheat_stage_quarantined_coins", "gauge", "Coins whose fold raised and that are not folded.", _STAGES),
    MetricSpec("liqheat_stage_history_lost_total", "counter", "Ranges deleted before they were folded.", _STAGES),
    MetricSpec("liqheat_stage_sequence_holes_total", "counter", "Inputs ahead of the expected sequence.", _STAGES),
    MetricSpec("liqheat_stage_assignments_total", "counter", "Partition assignments: a storm is a duel.", _STAGES),
    MetricSpec("liqheat_stage_coins", "gauge", "Coins in memory.", _STAGES),
    MetricSpec(
        "liqheat_stage_liquidations_heard_share",
        "gauge",
        "Part of the time in which the liquidation feed was heard, the lowest of a venue's markets.",
        ("estimator",),
        ("venue", "span"),
    ),
    MetricSpec(
        "liqheat_stage_liquidations_unheard_markets",
        "gauge",
        "Markets whose liquidation feed is not heard now.",
        ("estimator",),
        ("venue",),
    ),
    # projector
    MetricSpec("liqheat_projector_messages_total", "counter", "Messages read.", ("projector",), ("topic",)),
    MetricSpec("liqheat_projector_writes_total", "counter", "Writes to Redis.", ("projector",)),
    MetricSpec("liqheat_projector_lag_messages", "gauge", "Messages behind the end, all topics.", ("projector",)),
    MetricSpec(
        "liqheat_projector_stale_writes_total",
        "counter",
        "Writes refused because newer data was there.",
        ("projector",),
    ),
    MetricSpec("liqheat_projector_invalid_total", "counter", "Messages that could not be projected.", ("projector",)),
    # api
    MetricSpec("liqheat_api_requests_total", "counter", "Requests answered.", ("api",), ("route", "status")),
    MetricSpec("liqheat_api_request_seconds", "histogram", "Time to answer.", ("api",), ("route",), _MILLISECONDS),
    MetricSpec("liqheat_api_stream_clients", "gauge", "Open event streams.", ("api",)),
    MetricSpec("liqheat_api_stream_dropped_total", "counter", "Events dropped for slow clients.", ("api",)),
    MetricSpec("liqheat_api_grid_age_seconds", "gauge", "Age of the latest grid of a coin.", ("api",), ("coin",)),
    MetricSpec(
        "liqheat_api_accuracy_gain",
        "gauge",
        "Running R2 of the map less the best baseline's.",
        ("api",),
        ("coin", "scope", "horizon"),
    ),
    MetricSpec(
        "liqheat_api_accuracy_alarm",
        "gauge",
        "1: the map no longer beats its best baseline.",
        ("api",),
        ("coin", "scope", "horizon"),
    ),
)
