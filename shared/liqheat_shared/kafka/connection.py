"""How every client of liqheat connects to Kafka, from the settings."""

from __future__ import annotations

import ssl
from typing import Any

from liqheat_shared.settings import ServiceSettings

#: Largest message, uncompressed. A grid of five scopes is about 60 kB, the packed state of a coin a few hundred.
MAX_MESSAGE_BYTES = 16_000_000


def client_options(settings: ServiceSettings) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options


def producer_options(settings: ServiceSettings) -> dict[str, Any]:
    """Options of a producer that loses nothing: idempotent, so a sent batch never expires and none passes it.

    zstd: aiokafka's lz4 runs at its highest level and takes 15 ms per 100 kB inside the event loop.
    """
    return client_options(settings) | {
        "enable_idempotence": True,
        "acks": "all",
        "compression_type": "zstd",
        "max_request_size": MAX_MESSAGE_BYTES,
        "linger_ms": 5,
        "request_timeout_ms": 30_000,
    }
