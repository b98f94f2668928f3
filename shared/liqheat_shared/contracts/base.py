"""The base of all contracts and the field types they share."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

#: Where the data behind a message comes from. ``live`` is the only phase that describes the market now.
Phase = Literal["live", "backfill", "replay", "simulated"]

Side = Literal["long", "short"]

#: USD scope of a map: every member venue together, or one venue by its name.
AGGREGATED = "aggregated"

#: Milliseconds since 1970-01-01 UTC. The upper bound (year 2286) catches microseconds and nanoseconds sent by mistake.
TimeMs = Annotated[int, Field(ge=0, lt=10_000_000_000_000)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
#: A price in quote currency (USD or a dollar stablecoin) for ONE unit of the coin, after the price multiplier.
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: An amount of the coin itself, never contracts.
QuantityBase = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
#: A share of a whole, 0 to 1.
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
#: The asset the price of which the map is about, e.g. BTC. 1000PEPE and kPEPE are PEPE.
Coin = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$", examples=["BTC"])]
#: Lower-case name of a venue, e.g. binance.
Venue = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$", examples=["hyperliquid"])]
#: Unified symbol of a market at a venue, e.g. BTC/USDT:USDT.
Symbol = Annotated[str, Field(min_length=1, max_length=60, examples=["BTC/USDT:USDT"])]
Scope = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$", examples=["aggregated", "binance"])]


class Contract(BaseModel):
    """A frozen message or a part of one."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read a decoded message as a consumer does: unknown fields are ignored.

        Raises
        ------
        pydantic.ValidationError
            A field is missing, of the wrong type or out of range.
        """
        return cls.model_validate(value)

    @classmethod
    def parse_strict(cls, value: Any) -> Self:
        """Read a decoded message as a producer must: an unknown field is an error, at any depth."""
        return cls.model_validate(value, extra="forbid")


class SourceCoordinates(Contract):
    """Identity of an output: where in ``market-events-v1`` it comes from, and its place among its siblings.

    ``event_id`` is ``{log_epoch}-{source_partition}-{source_offset}-{kind}-{ordinal}``. The same input gives the same
    ``event_id`` and the same bytes after any crash, so a consumer drops what it has seen. ``sequence`` is dense per
    (topic, key): a hole is a loss, a repeat is a duplicate.
    """

    event_id: str = Field(min_length=1, max_length=200, examples=["1-0-4711-grid-0"])
    log_epoch: int = Field(ge=1, description="Rises when market-events-v1 is recreated or repartitioned.")
    source_partition: int = Field(ge=0)
    source_offset: int = Field(ge=0)
    sequence: int = Field(ge=1)


class Output(SourceCoordinates):
    """The envelope of every message derived from the market log."""

    schema_version: Literal[1] = 1
    coin: Coin
    phase: Phase
    event_time_ms: TimeMs = Field(description="Time of the data, not of the computation.")
    valid_until_ms: TimeMs = Field(description="From this time on the message is stale.")
