"""What is done for a venue again and again beside its polls: clock, books, margin tiers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venues.feed import Listed

SKEW_EVERY_S, FIRST_SKEW_EVERY_S = 60.0, 5.0
BOOKS_EVERY_S = 2.0
#: Some venues tell tiers in contracts or coins, and it takes a price to read them.
TIERS_AFTER_S = 5.0
TIERS_EVERY_S = 6 * 3_600.0


async def measure_clock(run: VenueRun) -> None:
    """Measure the venue's clock against ours until cancelled."""
    while True:
        with contextlib.suppress(RestFailed):  # counted with the calls
            await run.measure_skew()
        await asyncio.sleep(FIRST_SKEW_EVERY_S if run.skew.milliseconds is None else SKEW_EVERY_S)


async def keep_books(run: VenueRun) -> None:
    """Begin books anew that lost a change, until cancelled."""
    while True:
        await asyncio.sleep(BOOKS_EVERY_S)
        for request in run.renew_books():
            try:
                await run.ask(request, "spare")
            except RestFailed:
                break  # they are still stale at the next look


async def keep_tiers(run: VenueRun, markets: Callable[[], Sequence[Listed]], say: Callable[[str], None]) -> None:
    """Ask for the margin tiers, where the venue is public, and again every few hours, until cancelled."""
    await asyncio.sleep(TIERS_AFTER_S)
    while True:
        for request in run.feed.margin_tiers(markets()):
            try:
                await run.all_pages(request, "spare")
            except RestFailed as error:
                say(f"margin tiers are those of before: {error}")
                break
        await asyncio.sleep(TIERS_EVERY_S)
