"""The topics: who writes, who reads, how long they are kept, and which model their values have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from liqheat_shared.contracts.cluster_sets import ClusterSet
from liqheat_shared.contracts.dead_letters import DeadLetter
from liqheat_shared.contracts.heatmap_columns import TIMEFRAME_MS, HeatmapColumn
from liqheat_shared.contracts.liquidation_cascades import LiquidationCascade
from liqheat_shared.contracts.liquidation_clusters import LiquidationClusterEvent
from liqheat_shared.contracts.liquidation_grids import LiquidationGrid
from liqheat_shared.contracts.liquidation_magnets import LiquidationMagnets
from liqheat_shared.contracts.map_accuracy import MapAccuracy
from liqheat_shared.contracts.market_events import MARKET_EVENT
from liqheat_shared.contracts.realised_liquidations import RealisedLiquidation
from liqheat_shared.contracts.trade_setups import TradeSetup

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MEBIBYTE = 1 << 20

MARKET_EVENTS = "market-events-v1"
LIQUIDATION_GRIDS = "liquidation-grids-v1"
LIQUIDATION_CLUSTERS = "liquidation-clusters-v1"
CLUSTER_SETS = "cluster-sets-v1"
LIQUIDATION_MAGNETS = "liquidation-magnets-v1"
LIQUIDATION_CASCADES = "liquidation-cascades-v1"
TRADE_SETUPS = "trade-setups-v1"
REALISED_LIQUIDATIONS = "realised-liquidations-v1"
MAP_ACCURACY = "map-accuracy-v1"
DEAD_LETTERS = "dead-letters-v1"


def heatmap_columns_topic(timeframe: str) -> str:
    """Name of the topic with the closed columns of a timeframe.

    >>> heatmap_columns_topic("4h")
    'heatmap-columns-4h-v1'
    """
    return f"heatmap-columns-{timeframe}-v1"


@dataclass(frozen=True, slots=True)
class TopicContract:
    """Everything about a topic that both its users and ``liqheat topics apply`` need.

    Attributes
    ----------
    retention_ms : int or None
        None for compacted topics: the last value of each key is kept.
    laptop_bytes : int
        Bytes kept in the whole topic on one machine (``liqheat up``); divided by the partitions.
    """

    name: str
    description: str
    adapter: TypeAdapter[Any]
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    retention_ms: int | None
    laptop_bytes: int
    status: Literal["produced", "planned"] = "produced"
    log_append_time: bool = False

    @property
    def compacted(self) -> bool:
        """Whether only the last value of each key is kept."""
        return self.retention_ms is None


def _column_topics() -> list[TopicContract]:
    retention_days = {"1m": 26 / 24, "5m": 8, "15m": 15, "1h": 100, "4h": 400, "12h": 400, "1d": 800}
    return [
        TopicContract(
            name=heatmap_columns_topic(timeframe),
            description=f"Closed {timeframe} columns of the heatmap, one message a scope. They never change.",
            adapter=TypeAdapter(HeatmapColumn),
            key="coin",
            producers=("estimator",),
            consumers=("projector",),
            retention_ms=int(retention_days[timeframe] * DAY_MS),
            laptop_bytes=64 * MEBIBYTE,
        )
        for timeframe in TIMEFRAME_MS
    ]


TOPICS: dict[str, TopicContract] = {
    topic.name: topic
    for topic in [
        TopicContract(
            name=MARKET_EVENTS,
            description="The one ordered log per coin of everything that changes its maps.",
            adapter=MARKET_EVENT,
            key="coin",
            producers=("ingest",),
            consumers=("estimator",),
            retention_ms=7 * DAY_MS,
            laptop_bytes=1024 * MEBIBYTE,
            log_append_time=True,
        ),
        TopicContract(
            name=LIQUIDATION_GRIDS,
            description="The map of a coin in every scope, once a second while it moves. An estimate.",
            adapter=TypeAdapter(LiquidationGrid),
            key="coin",
            producers=("estimator",),
            consumers=("clusterer", "projector"),
            retention_ms=6 * HOUR_MS,
            laptop_bytes=1024 * MEBIBYTE,
        ),
        *_column_topics(),
        TopicContract(
            name=LIQUIDATION_CLUSTERS,
            description="Lifecycle of dense zones with a stable identity, an event a change.",
            adapter=TypeAdapter(LiquidationClusterEvent),
            key="coin",
            producers=("clusterer",),
            consumers=("projector",),
            retention_ms=30 * DAY_MS,
            laptop_bytes=256 * MEBIBYTE,
        ),
        TopicContract(
            name=CLUSTER_SETS,
            description="All living clusters of a scope now.",
            adapter=TypeAdapter(ClusterSet),
            key="coin|scope",
            producers=("clusterer",),
            consumers=("projector",),
            retention_ms=None,
            laptop_bytes=64 * MEBIBYTE,
        ),
        TopicContract(
            name=LIQUIDATION_MAGNETS,
            description="Clusters as targets: score, probability of touch and its base rate, bias.",
            adapter=TypeAdapter(LiquidationMagnets),
            key="coin",
            producers=("clusterer",),
            consumers=("projector",),
            retention_ms=30 * DAY_MS,
            laptop_bytes=128 * MEBIBYTE,
        ),
        TopicContract(
            name=LIQUIDATION_CASCADES,
            description="Where liquidations would set off more liquidations.",
            adapter=TypeAdapter(LiquidationCascade),
            key="coin",
            producers=("clusterer",),
            consumers=(),
            retention_ms=30 * DAY_MS,
            laptop_bytes=32 * MEBIBYTE,
            status="planned",
        ),
        TopicContract(
            name=TRADE_SETUPS,
            description="Named situations with evidence, invalidation, target and a paper record.",
            adapter=TypeAdapter(TradeSetup),
            key="coin",
            producers=("clusterer",),
            consumers=(),
            retention_ms=30 * DAY_MS,
            laptop_bytes=32 * MEBIBYTE,
            status="planned",
        ),
        TopicContract(
            name=REALISED_LIQUIDATIONS,
            description="Every liquidation that venues reported, normalised, with running totals. A lower bound.",
            adapter=TypeAdapter(RealisedLiquidation),
            key="coin",
            producers=("estimator",),
            consumers=("projector",),
            retention_ms=30 * DAY_MS,
            laptop_bytes=64 * MEBIBYTE,
        ),
        TopicContract(
            name=MAP_ACCURACY,
            description="Forecasts frozen before, and what came true, beside their baselines.",
            adapter=TypeAdapter(MapAccuracy),
            key="coin",
            producers=("estimator",),
            consumers=("projector",),
            retention_ms=400 * DAY_MS,
            laptop_bytes=32 * MEBIBYTE,
        ),
        TopicContract(
            name=DEAD_LETTERS,
            description="Messages that could not be used, as they came, and why.",
            adapter=TypeAdapter(DeadLetter),
            key="source key",
            producers=("ingest", "estimator", "clusterer"),
            consumers=(),
            retention_ms=14 * DAY_MS,
            laptop_bytes=64 * MEBIBYTE,
        ),
    ]
}

#: Fields of a value that say where it lies and not what it says: ``liqheat hash`` leaves them out.
COORDINATE_FIELDS = frozenset({"event_id", "log_epoch", "source_partition", "source_offset", "sequence"})
