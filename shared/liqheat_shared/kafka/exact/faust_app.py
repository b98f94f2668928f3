"""The Faust app of a stage: every setting with the reason for its value."""

from __future__ import annotations

import ssl
from typing import Any

import faust
from yarl import URL

from liqheat_shared.kafka.connection import MAX_MESSAGE_BYTES
from liqheat_shared.kafka.exact.hand_over import StageApp
from liqheat_shared.kafka.exact.options import StageOptions
from liqheat_shared.settings import ServiceSettings

#: Of all partitions at once; a rebalance waits for what was handed over.
MAX_RECORDS_HANDED_OVER = 2_000


def make_app(settings: ServiceSettings, options: StageOptions) -> StageApp:
    """A Faust app that consumes, rebalances and nothing else: state and outputs are liqheat's own."""
    session = options.session_timeout_seconds
    brokers = [URL(f"kafka://{server}") for server in settings.kafka_bootstrap_servers.split(",")]
    return StageApp(
        f"{settings.topic_prefix}{settings.group_prefix}{options.stage}",
        broker=brokers,
        broker_credentials=_credentials(settings),
        store="memory://",  # the state lives in slots and in the changelog; nothing on this machine's disk
        topic_partitions=settings.partitions,
        topic_disable_leader=True,  # no leader topic of Faust's own
        topic_allow_declare=False,  # topics are made by `liqheat topics apply`; brokers may forbid it to us
        table_standby_replicas=0,
        web_enabled=False,  # it would bind 0.0.0.0:6066
        worker_redirect_stdouts=False,
        broker_session_timeout=session,
        broker_heartbeat_interval=min(3.0, session / 4),
        broker_rebalance_timeout=session * 3,
        broker_request_timeout=max(30.0, session * 3),
        consumer_group_instance_id=options.instance_id,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 << 20,
        broker_max_poll_records=MAX_RECORDS_HANDED_OVER,
        stream_wait_empty=False,
        producer_max_request_size=MAX_MESSAGE_BYTES,
    )


def _credentials(settings: ServiceSettings) -> Any:
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    password = settings.kafka_sasl_password
    return faust.SASLCredentials(
        mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_sasl_username,
        password=password.get_secret_value() if password else None,
        ssl_context=context,
    )
