"""What the projector counts, and what it logs of messages it cannot use."""

from __future__ import annotations

import logging

from liqheat_api.projector.store import Writes
from liqheat_shared.metrics import Metrics

log = logging.getLogger(__name__)

#: Refused messages that are logged one by one; afterwards one in a thousand: a broken producer must not fill the disk.
LOGGED_ONE_BY_ONE = 100
LOGGED_ONE_IN = 1000


class Counters:
    """Metrics of the projector by what happened."""

    def __init__(self, metrics: Metrics) -> None:
        self._messages = metrics.counter("liqheat_projector_messages_total")
        self._writes = metrics.counter("liqheat_projector_writes_total")
        self._stale = metrics.counter("liqheat_projector_stale_writes_total")
        self._invalid = metrics.counter("liqheat_projector_invalid_total")
        self.lag = metrics.gauge("liqheat_projector_lag_messages")
        self.invalid = 0

    def messages(self, topic: str, count: int) -> None:
        """Messages were read."""
        self._messages.labels(topic).inc(count)

    def written(self, writes: Writes) -> None:
        """A batch was applied."""
        self._writes.inc(len(writes.commands))
        self._stale.inc(writes.stale)

    def refuse(self, topic: str, partition: int, offset: int, why: str) -> None:
        """A message cannot be projected."""
        self._invalid.inc()
        self.invalid += 1
        if self.invalid <= LOGGED_ONE_BY_ONE or self.invalid % LOGGED_ONE_IN == 0:
            log.warning("not projected: %s/%d offset %d: %s", topic, partition, offset, why)
