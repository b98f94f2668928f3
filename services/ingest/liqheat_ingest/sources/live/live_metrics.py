"""What the live source exports: connections, gaps, budgets, clocks, backfill."""

from __future__ import annotations

from collections import Counter
from typing import Any

from liqheat_ingest.sources.live.live_source import LiveSource
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_shared.metrics import Metrics


class LiveMetrics:
    """Reads the source's counts once a second; nothing is counted twice."""

    def __init__(self, live: LiveSource, metrics: Metrics) -> None:
        self._live = live
        self._metrics = metrics
        self._counted: Counter[tuple[str, tuple[str, ...]]] = Counter()

    def update(self, now_ms: int) -> None:
        """Export everything."""
        outlet = self._live.outlet
        self._count("liqheat_ingest_problems_total", outlet.problems, ("venue", "stream", "reason"))
        withheld = outlet.dead_letter_rate.withheld
        self._count("liqheat_ingest_withheld_dead_letters_total", withheld, ("venue", "stream", "reason"))
        self._total("liqheat_ingest_backpressure_seconds_total", outlet.full_s)
        self._metrics.gauge("liqheat_ingest_waiting_messages").set(outlet.waiting)
        self._metrics.gauge("liqheat_ingest_backfilling_markets").set(len(self._live.cold_start.waiting))
        for run in self._live.runs.values():
            self._venue(run, now_ms)

    def _venue(self, run: VenueRun, now_ms: int) -> None:
        venue, intake = run.venue, run.intake
        connections = run.connections
        self._gauge("liqheat_ingest_connections", venue, sum(connection.is_up for connection in connections))
        self._gauge("liqheat_ingest_markets", venue, len(run.markets))
        self._gauge("liqheat_ingest_interrupted_streams", venue, len(intake.watch.interrupted()))
        self._gauge("liqheat_ingest_held_items", venue, intake.held_items)
        self._gauge("liqheat_ingest_banned_seconds", venue, max(0.0, (run.rest.banned_until_ms - now_ms) / 1000.0))
        if run.skew.milliseconds is not None:
            self._gauge("liqheat_ingest_clock_skew_seconds", venue, run.skew.milliseconds / 1000.0)
        if venue in self._live.accounts:
            table = self._live.accounts[venue].table
            self._gauge("liqheat_ingest_accounts", venue, len(table))
            self._gauge("liqheat_ingest_account_positions", venue, table.positions())
        reasons: Counter[str] = Counter()
        for connection in connections:
            reasons.update(connection.reasons)
        self._count(
            "liqheat_ingest_reconnects_total",
            {(venue, reason): n for reason, n in reasons.items()},
            ("venue", "reason"),
        )
        interruptions = {(venue, stream): n for stream, n in intake.watch.interruptions.items()}
        self._count("liqheat_ingest_interruptions_total", interruptions, ("venue", "stream"))
        calls = {(venue, outcome): n for outcome, n in run.rest.counts.outcomes.items()}
        self._count("liqheat_ingest_rest_calls_total", calls, ("venue", "outcome"))
        self._total("liqheat_ingest_rest_weight_total", run.rest.counts.weight, venue=venue)
        self._total("liqheat_ingest_rest_refusals_total", run.rest.counts.refusals, venue=venue)
        self._total("liqheat_ingest_raw_messages_total", intake.raw_messages, venue=venue)
        self._total("liqheat_ingest_duplicate_trades_total", intake.duplicates, venue=venue)
        self._total("liqheat_ingest_missed_trades_total", intake.missed_trades, venue=venue)
        self._total("liqheat_ingest_refilled_trades_total", self._live.refills[venue].refilled_trades, venue=venue)

    def _gauge(self, name: str, venue: str, value: float) -> None:
        self._metrics.gauge(name).labels(venue=venue).set(value)

    def _count(self, name: str, counts: Any, labels: tuple[str, ...]) -> None:
        for key, count in counts.items():
            self._total(name, count, **dict(zip(labels, key, strict=True)))

    def _total(self, name: str, total: float, **labels: str) -> None:
        """Raise a counter to a total that only grows."""
        key = name, tuple(labels.values())
        counter: Any = self._metrics.counter(name)
        if labels:
            counter = counter.labels(**labels)
        more = total - self._counted[key]
        if more > 0:
            counter.inc(more)
            self._counted[key] = total  # type: ignore[assignment]
