"""``cluster-sets-v1`` (compacted): the clusters of a scope now, and where events go on from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from liqheat_shared.contracts.base import Output, Price, Scope
from liqheat_shared.contracts.clusters import Cluster


class ClusterSet(Output):
    """All living clusters of a coin in one scope, nearest first. The message key is ``{coin}|{scope}``."""

    kind: Literal["set"] = "set"
    scope: Scope
    mark_price: Price
    clusters: list[Cluster] = Field(max_length=200)
    events_until_sequence: int = Field(
        ge=0, description="Sequence of the last liquidation-clusters-v1 event of the coin that this set includes."
    )
