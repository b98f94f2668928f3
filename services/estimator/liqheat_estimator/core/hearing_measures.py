"""What an operator sees of the liquidation feeds of all coins, by venue."""

from __future__ import annotations

from collections.abc import Iterable

from liqheat_estimator.core.coin_state import CoinState
from liqheat_estimator.core.parameters import DAY_MS
from liqheat_shared.folding import Measure

#: By the name of the contract's field, the span that the gauge's label names.
SPANS = {"heard_share_24h": "24h", "heard_share_since_connected": "connected"}


def hearing_measures(states: Iterable[CoinState]) -> list[Measure]:
    """Lowest shares and the number of unheard markets of each venue that has a feed.

    A market whose log ended a day before its coin's clock was delisted, and is left out.
    """
    lowest: dict[tuple[str, str], float] = {}
    unheard: dict[str, int] = {}
    for state in states:
        for market in state.markets.values():
            clock_ms = state.clock_ms or 0
            told = market.hearing.value(clock_ms)
            if told is None or told["kind"] == "none" or clock_ms - market.last_event_ms > DAY_MS:
                continue
            unheard[market.venue] = unheard.get(market.venue, 0) + (told["unbroken_since_ms"] is None)
            for name, span in SPANS.items():
                share = told[name]
                if share is not None:
                    lowest[market.venue, span] = min(share, lowest.get((market.venue, span), 1.0))
    shares = [Measure("liqheat_stage_liquidations_heard_share", key, share) for key, share in lowest.items()]
    return shares + [
        Measure("liqheat_stage_liquidations_unheard_markets", (venue,), count) for venue, count in unheard.items()
    ]
