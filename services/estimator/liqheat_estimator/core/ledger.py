"""The books of one market: what was opened is standing, was swept by the mark, or was closed by its owner."""

from __future__ import annotations

from dataclasses import dataclass, field


def _zeros() -> list[float]:
    return [0.0, 0.0]


@dataclass(slots=True)
class Ledger:
    """Cumulative amounts by side (long, short). The law: ``deposited = standing + consumed + closed``, per side.

    Attributes
    ----------
    deposited_base, consumed_base, closed_base : list of float
        In the coin. ``closed`` holds what owners closed, what gave way to measured positions, and what a restart of
        the market discarded.
    deleveraged_base : list of float
        The part of ``closed`` that is believed to have been auto-deleveraged.
    consumed_usd : list of float
        The consumed amounts at the prices of their bins.
    """

    deposited_base: list[float] = field(default_factory=_zeros)
    consumed_base: list[float] = field(default_factory=_zeros)
    closed_base: list[float] = field(default_factory=_zeros)
    deleveraged_base: list[float] = field(default_factory=_zeros)
    consumed_usd: list[float] = field(default_factory=_zeros)
