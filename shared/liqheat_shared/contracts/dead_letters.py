"""``dead-letters-v1``: what could not be used, as it came, and why."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from liqheat_shared.contracts.base import Contract, TimeMs

Reason = Literal[
    "not-json",
    "not-an-object",
    "unknown-schema-version",
    "unknown-type",
    "invalid-field",
    "wrong-key",
    "not-finite",
    "absurd-price",
    "out-of-order",
    "from-the-future",
    "zero-size",
    "crossed-book",
    "unknown-market",
    "broken-line",
    "fold-raised",
    "history-lost",
    "oversized",
]


class DeadLetter(Contract):
    """A rejected message. Inspect with ``liqheat dead-letters``."""

    schema_version: Literal[1] = 1
    event_id: str = Field(min_length=1, max_length=200)
    kind: Literal["dead-letter"] = "dead-letter"
    log_epoch: int | None = Field(default=None, description="With sequence: set by the folds, null from ingest.")
    sequence: int | None = None
    stage: Literal["ingest", "estimator", "clusterer", "projector"]
    reason: Reason
    detail: str = Field(max_length=2000)
    event_time_ms: TimeMs | None = None
    source_topic: str | None = Field(description="null: it never was in Kafka (a file, a socket).")
    source_partition: int | None = None
    source_offset: int | None = None
    source_file: str | None = None
    source_line: int | None = None
    venue: str | None = None
    stream: str | None = None
    coin: str | None = None
    raw_base64: str = Field(description="The first 64 kB of the message as it came.")
