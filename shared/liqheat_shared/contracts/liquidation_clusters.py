"""``liquidation-clusters-v1``: the life of clusters, an event a change."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, Output, Price, Scope, Usd
from liqheat_shared.contracts.clusters import Cluster


class Reaction(Contract):
    """What price did after the sweep."""

    outcome: Literal["rejected", "broke-through", "undecided"]
    extreme_price: Price
    after_ms: int = Field(gt=0)


class LiquidationClusterEvent(Output):
    """A fact about one cluster. Missing earlier events can be replaced by ``cluster-sets-v1``."""

    kind: Literal[
        "formed",
        "grown",
        "shrunk",
        "merged",
        "split",
        "approached",
        "touched",
        "consumed",
        "swept",
        "expired",
        "reaction",
    ]
    scope: Scope
    mark_price: Price
    cluster: Cluster
    previous_mass_usd: Usd | None = None
    merged_into: str | None = None
    reaction: Reaction | None = None
    reason: str | None = Field(default=None, max_length=200)
