"""Long history from a folder of Binance Vision files: what lies before the candles that the venue still tells."""

from __future__ import annotations

from pathlib import Path

from liqheat_ingest.readings import Fact, Market, SourceError
from liqheat_ingest.sources.replay import open_replay


def candles_of_folder(folder: Path, market: Market, from_ms: int, to_ms: int) -> list[Fact]:
    """Candles of a market in a folder of Binance Vision ``klines`` and ``metrics`` files, in order of time.

    Parameters
    ----------
    from_ms, to_ms : int
        Begin and end: candles that begin and end within.

    Returns
    -------
    list of Fact
        Empty where the folder has nothing of the market.
    """
    try:
        source = open_replay([folder], [market.coin])
    except SourceError:
        return []
    found = []
    for item in source.items():
        if not isinstance(item, Fact) or item.type != "candle" or item.market != market:
            continue
        opened = item.fields["open_time_ms"]
        if opened >= from_ms and opened + item.fields["interval_ms"] <= to_ms:
            found.append(item._replace(event_time_ms=opened + item.fields["interval_ms"]))
    return sorted(found, key=lambda fact: fact.event_time_ms)
