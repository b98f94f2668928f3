"""Settings from ``LIQHEAT_*`` environment variables: validated at start, refused by name.

Every service has one class that extends :class:`ServiceSettings`. A variable that no service knows, or a value that
its field refuses, ends the process before it does anything, with one line a fault.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "LIQHEAT_"
#: A service's own variables begin with LIQHEAT_<SERVICE>_; other services skip those.
SERVICES = ("api", "clusterer", "estimator", "ingest", "notifier", "projector", "up")

Port = Annotated[int, Field(ge=0, le=65535)]


class ServiceSettings(BaseSettings):
    """What every service can be told. Read from the environment as ``LIQHEAT_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)
    service: ClassVar[str] = ""

    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", pattern=r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: str | None = None
    topic_prefix: str = Field(default="", pattern=r"^[a-zA-Z0-9._-]{0,60}$")
    group_prefix: str = Field(default="liqheat.", pattern=r"^[a-zA-Z0-9._-]{0,60}$")
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    redis_key_prefix: str = Field(default="liqheat:", pattern=r"^[a-zA-Z0-9._:-]{1,60}$")
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = Field(default=0, description="0: any free port, written to the log.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_epoch: int = Field(default=1, ge=1, description="Raise it when market-events-v1 is recreated or repartitioned.")
    partitions: int = Field(
        default=24, ge=1, le=1000, description="Of market-events-v1 and all topics derived from it."
    )

    def topic(self, name: str) -> str:
        """Name of a topic on the broker."""
        return self.topic_prefix + name


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(cls: type[SettingsT], **overrides: Any) -> SettingsT:
    """Read the settings of a service, or end the process with exit code 2 and a sentence for each fault.

    ``overrides`` are command-line options and win over the environment; None means not given.
    """
    faults = _unknown_variables(cls)
    try:
        settings = cls(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            name = PREFIX + "_".join(str(part) for part in fault["loc"]).upper()
            faults.append(f"{name}: {fault['msg']}")
    if faults:
        refuse(faults)
    return settings


def refuse(faults: list[str]) -> NoReturn:
    """End the process because of bad settings."""
    for fault in faults:
        sys.stderr.write(f"liqheat: bad setting: {fault}\n")
    raise SystemExit(2)


def _unknown_variables(cls: type[ServiceSettings]) -> list[str]:
    known = {PREFIX + name.upper() for name in cls.model_fields}
    others = tuple(f"{PREFIX}{service.upper()}_" for service in SERVICES if service != cls.service)
    names = sorted(name for name in os.environ if name.startswith(PREFIX))
    return [f"{name}: no such setting" for name in names if name not in known and not name.startswith(others)]
