"""The bytes that the api answers with, from the messages of the contracts. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from liqheat_api.projector.messages import InvalidMessageError, Message
from liqheat_shared.contracts.base import AGGREGATED, Contract
from liqheat_shared.contracts.cluster_sets import ClusterSet
from liqheat_shared.contracts.liquidation_grids import LiquidationGrid, ScopeGrid
from liqheat_shared.contracts.liquidation_magnets import LiquidationMagnets
from liqheat_shared.contracts.realised_liquidations import RealisedLiquidation

ContractT = TypeVar("ContractT", bound=Contract)

#: Liquidations kept a coin: a screen full, the totals tell the rest.
LIQUIDATIONS_KEPT = 100
_COORDINATES = {"event_id", "log_epoch", "source_partition", "source_offset", "sequence", "schema_version", "kind"}


def parse(model: type[ContractT], message: Message) -> ContractT:
    """Read a message by its contract.

    Raises
    ------
    InvalidMessageError
        It breaks the contract, or its key names another coin.
    """
    try:
        parsed = model.model_validate_json(message.value)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the message"
        raise InvalidMessageError(f"{where}: {fault['msg']} ({error.error_count()} faults)") from error
    coin = getattr(parsed, "coin", message.coin)
    if coin != message.coin:
        raise InvalidMessageError(f"coin: {coin} under the key of {message.coin}")
    return parsed


def grid_views(grid: LiquidationGrid) -> dict[str, bytes]:
    """Scope to the bytes of ``/v1/grids/{coin}?scope=``."""
    shared = {
        "phase": grid.phase,
        "event_time_ms": grid.event_time_ms,
        "valid_until_ms": grid.valid_until_ms,
        "cadence_ms": grid.cadence_ms,
        "bin_width": grid.bin_width,
        "index_price": grid.index_price,
        "candle": grid.candle.model_dump() if grid.candle else None,
        "cumulative_volume_delta_usd": grid.cumulative_volume_delta_usd,
        "sigma_1h": grid.sigma_1h,
        "average_true_range_1h": grid.average_true_range_1h,
        "liquidated_long_usd": grid.liquidated_long_usd,
        "liquidated_short_usd": grid.liquidated_short_usd,
        "provenance": grid.provenance.model_dump(),
    }
    return {
        scope: orjson.dumps({"coin": grid.coin, "scope": scope} | shared | _scope_fields(part))
        for scope, part in grid.scopes.items()
    }


def _scope_fields(part: ScopeGrid) -> dict[str, Any]:
    return {
        "mark_price": part.mark_price,
        "open_interest_usd": part.open_interest_usd,
        "consumed_long_usd": part.consumed_long_usd,
        "consumed_short_usd": part.consumed_short_usd,
        "first_bin": part.first_bin,
        "long_usd": part.long_usd,
        "short_usd": part.short_usd,
    }


def coin_view(grid: LiquidationGrid) -> bytes:
    """The coin's entry in ``/v1/coins``. ``aggregated`` is the first scope, then venues by name."""
    scopes = sorted(grid.scopes, key=lambda scope: (scope != AGGREGATED, scope))
    total = grid.scopes.get(AGGREGATED)
    return orjson.dumps(
        {
            "coin": grid.coin,
            "mark_price": grid.mark_price,
            "phase": grid.phase,
            "event_time_ms": grid.event_time_ms,
            "valid_until_ms": grid.valid_until_ms,
            "scopes": scopes,
            "open_interest_usd": total.open_interest_usd if total else None,
        }
    )


def provenance_view(grid: LiquidationGrid) -> bytes:
    """What the latest grid rests on, for ``/v1/status``."""
    return orjson.dumps(grid.provenance.model_dump())


def clusters_view(cluster_set: ClusterSet) -> bytes:
    """The bytes of ``/v1/clusters/{coin}?scope=``."""
    return orjson.dumps(cluster_set.model_dump(exclude=_COORDINATES))


def magnets_view(magnets: LiquidationMagnets) -> bytes:
    """The bytes of ``/v1/magnets/{coin}?scope=``."""
    return orjson.dumps(magnets.model_dump(exclude=_COORDINATES))


def liquidations_view(before: bytes | None, liquidations: list[RealisedLiquidation]) -> bytes:
    """The bytes of ``/v1/liquidations/{coin}`` after these liquidations, newest first.

    Parameters
    ----------
    before : bytes or None
        What this function returned last for the coin.
    liquidations : list
        New ones in their order, at least one.
    """
    earlier = orjson.loads(before)["liquidations"] if before else []
    newest = liquidations[-1]
    fields = _COORDINATES | {"totals", "coin"}
    items = [liquidation.model_dump(exclude=fields) for liquidation in reversed(liquidations)]
    return orjson.dumps(
        {
            "coin": newest.coin,
            "event_time_ms": newest.event_time_ms,
            "phase": newest.phase,
            "totals": [total.model_dump() for total in newest.totals],
            "liquidations": [*items, *earlier][:LIQUIDATIONS_KEPT],
        }
    )
