"""The metrics of one process, built from the catalogue."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from liqheat_shared.metrics.catalogue import CATALOGUE
from liqheat_shared.metrics.server import HealthServer
from liqheat_shared.metrics.tally import Tally


class Metrics:
    """Counters, gauges and histograms of a process, by the names of the catalogue.

    Parameters
    ----------
    process : str
        ingest, estimator, clusterer, projector or api.
    """

    def __init__(self, process: str) -> None:
        self.process = process
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._metrics: dict[str, Counter | Gauge | Histogram | Tally] = {}
        for spec in CATALOGUE:
            if process not in spec.processes:
                continue
            if spec.kind == "counter":
                self._metrics[spec.name] = Counter(spec.name, spec.help, spec.labels, registry=self.registry)
            elif spec.kind == "gauge":
                self._metrics[spec.name] = Gauge(spec.name, spec.help, spec.labels, registry=self.registry)
            elif not spec.labels:
                tally = self._metrics[spec.name] = Tally(spec.name, spec.help, spec.buckets)
                self.registry.register(tally)
            else:
                self._metrics[spec.name] = Histogram(
                    spec.name, spec.help, spec.labels, registry=self.registry, buckets=spec.buckets
                )

    def counter(self, name: str) -> Counter:
        """A counter of the catalogue; KeyError where this process has none of that name."""
        metric = self._metrics[name]
        assert isinstance(metric, Counter)
        return metric

    def gauge(self, name: str) -> Gauge:
        """A gauge of the catalogue."""
        metric = self._metrics[name]
        assert isinstance(metric, Gauge)
        return metric

    def histogram(self, name: str) -> Histogram:
        """A histogram with labels."""
        metric = self._metrics[name]
        assert isinstance(metric, Histogram)
        return metric

    def tally(self, name: str) -> Tally:
        """A histogram without labels."""
        metric = self._metrics[name]
        assert isinstance(metric, Tally)
        return metric

    def serve(self, host: str, port: int, *, alive: Callable[[], str | None], ready: Callable[[], str | None]) -> int:
        """Serve ``/metrics``, ``/healthz`` and ``/readyz`` in a thread; returns the port.

        ``alive`` and ``ready`` return None, or a sentence that says what is wrong (answered with 503).
        """
        return HealthServer(self.registry, alive, ready).start(host, port)
