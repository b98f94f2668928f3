"""How the map stands against its baselines, as metrics."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

import orjson

from liqheat_api.view import View
from liqheat_shared.metrics import Metrics


class AccuracyGauges:
    """Gain and alarm of the latest record of every coin, scope and horizon.

    Parameters
    ----------
    view : View
    metrics : Metrics
    """

    def __init__(self, view: View, metrics: Metrics) -> None:
        self._view = view
        self._gain = metrics.gauge("liqheat_api_accuracy_gain")
        self._alarm = metrics.gauge("liqheat_api_accuracy_alarm")

    async def refresh(self) -> None:
        """Say what Redis holds now; where it is too early to say, there is no gain."""
        raw = await cast("Awaitable[dict[bytes, bytes]]", self._view.redis.hgetall(self._view.keys.accuracy_standings))
        # Without a wait between: a scrape never finds them empty.
        self._gain.clear()
        self._alarm.clear()
        for name, value in raw.items():
            labels, standing = name.decode().split("|"), orjson.loads(value)
            self._alarm.labels(*labels).set(standing["alarm"])
            if standing["gain"] is not None:
                self._gain.labels(*labels).set(standing["gain"])
