"""A histogram for what happens ten thousand times a second."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Tally(Collector):
    """Counts by bucket without locks or labels: a tenth of what an observation costs otherwise.

    Only one thread may observe.

    Parameters
    ----------
    bounds : sequence of float
        Upper bounds of the buckets, rising, without infinity.

    Examples
    --------
    >>> tally = Tally("example_seconds", "An example.", (0.1, 1.0))
    >>> for value in (0.1, 0.5, 7.0):
    ...     tally.observe(value)
    >>> [(sample.labels.get("le"), sample.value) for sample in next(iter(tally.collect())).samples]
    [('0.1', 1.0), ('1.0', 2.0), ('+Inf', 3.0), (None, 3.0), (None, 7.6)]
    """

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name, self._documentation = name, documentation
        self._bounds = list(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value, in the unit of the metric."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For the registry."""
        total, buckets = 0, []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], list(self._counts), strict=True):
            total += count
            buckets.append((bound, float(total)))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
