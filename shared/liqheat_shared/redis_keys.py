"""Names of all Redis keys. ``docs/redis.md`` says what each holds.

The projector is the only writer. Everything can be thrown away: Kafka is the truth.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """The keys under one prefix.

    Parameters
    ----------
    prefix : str
        ``settings.redis_key_prefix``: what keeps several deployments in one Redis apart.

    Examples
    --------
    >>> RedisKeys("liqheat:").columns("BTC", "aggregated", "4h")
    'liqheat:columns:BTC:aggregated:4h'
    """

    prefix: str

    # ---- bookkeeping of the projector

    @property
    def positions(self) -> str:
        """Hash: ``topic/partition`` to the next offset. What lies below it is in this Redis."""
        return f"{self.prefix}positions"

    @property
    def fences(self) -> str:
        """Hash: what is written, to the source coordinates of the newest message in it."""
        return f"{self.prefix}fences"

    # ---- what the api answers with

    @property
    def coins(self) -> str:
        """Hash: coin to its entry in ``/v1/coins``."""
        return f"{self.prefix}coins"

    @property
    def provenance(self) -> str:
        """Hash: coin to the provenance of its latest grid."""
        return f"{self.prefix}provenance"

    def grids(self, coin: str) -> str:
        """Hash: scope to the bytes of ``/v1/grids``."""
        return f"{self.prefix}grids:{coin}"

    def clusters(self, coin: str) -> str:
        """Hash: scope to the bytes of ``/v1/clusters``."""
        return f"{self.prefix}clusters:{coin}"

    def magnets(self, coin: str) -> str:
        """Hash: scope to the bytes of ``/v1/magnets``."""
        return f"{self.prefix}magnets:{coin}"

    def liquidations(self, coin: str) -> str:
        """String: the bytes of ``/v1/liquidations``."""
        return f"{self.prefix}liquidations:{coin}"

    def columns(self, coin: str, scope: str, timeframe: str) -> str:
        """Hash: chunk index to a compressed chunk of closed columns."""
        return f"{self.prefix}columns:{coin}:{scope}:{timeframe}"

    def accuracy(self, coin: str, scope: str) -> str:
        """Hash: horizon to the bytes of ``/v1/accuracy``."""
        return f"{self.prefix}accuracy:{coin}:{scope}"

    @property
    def accuracy_standings(self) -> str:
        """Hash: ``coin|scope|horizon`` to gain and alarm of the latest record, for metrics."""
        return f"{self.prefix}accuracy-standings"

    # ---- what tells the api that something changed; depends on when it happened, so a rebuild does not restore it

    @property
    def events(self) -> str:
        """Stream: facts that a client may ask for again by ``Last-Event-ID``."""
        return f"{self.prefix}events"

    @property
    def notices(self) -> str:
        """Stream: names of values that were replaced. Only the latest matters."""
        return f"{self.prefix}notices"

    @property
    def projector_status(self) -> str:
        """String that expires: how far behind the projector is."""
        return f"{self.prefix}projector-status"

    @property
    def transient(self) -> frozenset[str]:
        """Keys whose content depends on when it was written, and not on the topics alone."""
        return frozenset({self.events, self.notices, self.projector_status})
