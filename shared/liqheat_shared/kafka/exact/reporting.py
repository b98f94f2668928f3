"""What a stage tells Prometheus and its probes."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from liqheat_shared.metrics import Metrics

if TYPE_CHECKING:
    from liqheat_shared.kafka.exact.worker import StageWorker

#: A partition that lags and does not move for so long is stuck.
STUCK_SECONDS = 60.0


class StageReporter:
    """Feeds the metrics of a stage from its counters, at checkpoints, so that the hot path pays little."""

    def __init__(self, worker: StageWorker, metrics: Metrics) -> None:
        self._worker = worker
        self._metrics = metrics
        self._fold_seconds = metrics.tally("liqheat_stage_fold_seconds")
        self._reported: Counter[str] = Counter()
        self._ready = False
        self._positions: dict[int, tuple[int, float]] = {}
        self._stuck: str | None = None
        self._measured: set[str] = set()

    # ---- events

    def folded(self, seconds: float) -> None:
        """One message was applied."""
        self._fold_seconds.observe(seconds)

    def assigned(self) -> None:
        """Partitions were assigned and their state restored."""
        self._metrics.counter("liqheat_stage_assignments_total").inc()
        self._ready = True
        self._positions = {}

    def history_lost(self) -> None:
        """The broker deleted messages before they were folded."""
        self._metrics.counter("liqheat_stage_history_lost_total").inc()

    # ---- probes

    def ready(self) -> str | None:
        """None once this worker is a member of the group, with or without partitions."""
        return None if self._ready else "not a member of the consumer group yet"

    def alive(self) -> str | None:
        """None unless a partition lags and stands still."""
        return self._stuck

    # ---- metrics

    def update(self) -> None:
        """Bring the metrics up to the counters of the engine."""
        counts = self._worker.engine.counts
        for name, value in (
            ("liqheat_stage_events_total", counts.folded),
            ("liqheat_stage_skipped_total", counts.skipped + counts.repeated_inputs),
            ("liqheat_stage_sequence_holes_total", counts.sequence_holes),
        ):
            self._metrics.counter(name).inc(self._growth(name, value))
        for topic, value in counts.outputs.items():
            growth = self._growth(f"outputs/{topic}", value)
            self._metrics.counter("liqheat_stage_outputs_total").labels(topic).inc(growth)
        for reason, value in counts.dead_letters.items():
            growth = self._growth(f"dead/{reason}", value)
            self._metrics.counter("liqheat_stage_dead_letters_total").labels(reason).inc(growth)
        self._checkpoints()
        self._partitions()

    def _growth(self, name: str, value: int) -> int:
        growth = value - self._reported[name]
        self._reported[name] = value
        return growth

    def _checkpoints(self) -> None:
        reports, self._worker.checkpointer.reports = self._worker.checkpointer.reports, []
        for report in reports:
            self._metrics.tally("liqheat_stage_checkpoint_seconds").observe(report.seconds)
            self._metrics.tally("liqheat_stage_checkpoint_blocking_seconds").observe(report.longest_slice_seconds)
            self._metrics.counter("liqheat_stage_checkpoint_bytes_total").inc(report.size_bytes)

    def _measure(self, states: list[Any]) -> None:
        """Gauges of the fold itself; what a coin that went to another worker had is gone."""
        measures = self._worker.engine.fold.measures(states)
        for name in self._measured:
            self._metrics.gauge(name).clear()
        self._measured |= {measure.gauge for measure in measures}
        for measure in measures:
            self._metrics.gauge(measure.gauge).labels(*measure.labels).set(measure.value)

    def _partitions(self) -> None:
        partitions = self._worker.ownership.partitions
        slots = [slot for partition in partitions.values() for slot in partition.slots.values()]
        self._metrics.gauge("liqheat_stage_coins").set(len(slots))
        self._measure([slot.state for slot in slots if slot.state is not None])
        quarantined = sum(slot.quarantine is not None for slot in slots)
        self._metrics.gauge("liqheat_stage_quarantined_coins").set(quarantined)
        lag_gauge = self._metrics.gauge("liqheat_stage_lag_messages")
        lag_gauge.clear()
        now = time.monotonic()
        self._stuck = None
        for number, partition in partitions.items():
            end = self._worker.end_offset(number)
            if end is None:
                continue
            lag = max(0, end - partition.next_offset)
            lag_gauge.labels(str(number)).set(lag)
            position, since = self._positions.get(number, (-1, now))
            if position != partition.next_offset or not lag:
                self._positions[number] = (partition.next_offset, now)
            elif now - since > STUCK_SECONDS:
                self._stuck = f"partition {number} is {lag} messages behind and has not moved for {now - since:.0f} s"
