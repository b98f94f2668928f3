"""Real positions: asks Hyperliquid for the accounts that trade most, within the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from liqheat_ingest.readings import Fact
from liqheat_ingest.sources.live.accounts import AccountTable
from liqheat_ingest.sources.live.rest import RestFailed
from liqheat_ingest.sources.live.venue_run import VenueRun
from liqheat_ingest.sources.live.venues.hyperliquid import HyperliquidFeed

HALF_LIFE_MS = 6 * 3_600_000
#: An account is asked for again after this long; sooner than that little changes.
EVERY_MS = 60_000
AT_ONCE = 10


class AccountPolling:
    """Keeps the positions of the largest accounts up to date.

    Parameters
    ----------
    most : int
        Accounts in the table.
    """

    def __init__(self, run: VenueRun, now_ms: Callable[[], int], most: int) -> None:
        self._run = run
        self._now_ms = now_ms
        self.table = AccountTable(most, HALF_LIFE_MS)
        run.intake.listeners.append(self.table.note)
        self.asked = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        # A position has no place before its market has a price.
        while any(self._run.intake.is_held(listed.market) for listed in self._run.markets):  # noqa: ASYNC110
            await asyncio.sleep(1.0)
        while True:
            due = self.table.due(self._now_ms(), EVERY_MS, AT_ONCE)
            await asyncio.gather(*(self._ask(account) for account in due))
            self._run.intake.add(self._wanted(self.table.orphans(self._now_ms())))
            if not due:
                await asyncio.sleep(1.0)

    async def _ask(self, account: str) -> None:
        feed = self._run.feed
        assert isinstance(feed, HyperliquidFeed)
        self.table.asked(account, self._now_ms())
        try:
            positions = await self._run.mapped(feed.account(account), "on-chain-position", "spare")
        except RestFailed:
            await asyncio.sleep(1.0)  # counted with the calls
            return
        self.asked += 1
        self._run.intake.add(self._wanted(self.table.told(account, positions, self._now_ms())))

    def _wanted(self, facts: list[Fact]) -> list[Fact]:
        """Of markets that are chosen and not being filled: an account is asked again soon."""
        chosen = {listed.market for listed in self._run.markets}
        return [fact for fact in facts if fact.market in chosen]
