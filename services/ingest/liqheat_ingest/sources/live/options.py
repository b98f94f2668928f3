"""What the live source can be told, beyond which venues and coins."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from liqheat_ingest.sources.live.patience import Patience
from liqheat_ingest.sources.live.selection import CoinChoice


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """Options of a run.

    Attributes
    ----------
    venues : tuple of str
        Which venues.
    endpoints : dict
        By venue, ``http://host:port`` instead of the venue's own hosts. Whoever is asked there is not the venue, so
        everything is ``simulated``.
    major_coins : frozenset of str
        Polled every few seconds; the others once in 45 s.
    fine_hours, coarse_days : float
        Backfill: so many hours in candles of five minutes, before them so many days in candles of an hour.
    vision_folder : Path or None
        Binance Vision files that tell what lies before.
    """

    venues: tuple[str, ...]
    choice: CoinChoice
    endpoints: dict[str, str] = field(default_factory=dict)
    major_coins: frozenset[str] = frozenset({"BTC", "ETH", "SOL"})
    fine_hours: float = 24.0
    coarse_days: float = 30.0
    backfill_patience_s: float = 2.0
    vision_folder: Path | None = None
    books_per_venue: int = 10
    accounts: int = 500
    refill_within_s: float = 20.0
    refresh_instruments_s: float = 300.0
    most_held_items: int = 100_000
    most_waiting_messages: int = 20_000
    rest_timeout_s: float = 10.0
    longest_backoff_s: float = 30.0
    patience: Patience = field(default_factory=Patience)
