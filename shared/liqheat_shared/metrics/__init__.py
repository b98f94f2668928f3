"""Prometheus metrics: declared in one catalogue, served by every process."""

from liqheat_shared.metrics.registry import Metrics

__all__ = ["Metrics"]
