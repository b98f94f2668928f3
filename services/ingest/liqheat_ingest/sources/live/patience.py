"""How long a connection may be silent, and what follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How long what may last, in seconds."""

    #: From the first byte sent to an open connection.
    dial: float = 10.0
    #: From a subscription request to its acknowledgement.
    acknowledge: float = 10.0
    #: Silence after which the connection is asked for a sign of life, and after which it is taken for dead.
    ask: float = 5.0
    dead: float = 15.0
    look: float = 0.5
